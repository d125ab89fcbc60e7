"""The panels' front end: built from these sources, checked, tested, and in need of no host."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXTENSIONS = ROOT / "extensions"
STATIC = ROOT / "workbench" / "widgets" / "static"


def fingerprint() -> str:
    """What extensions/build.mjs writes beside the bundle."""
    folders = [EXTENSIONS / "src", EXTENSIONS / "schema"]
    sources = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    others = ("build.mjs", "package-lock.json", "package.json", "tsconfig.json")
    sources += [EXTENSIONS / name for name in others]
    together = hashlib.sha256()
    for path in sorted(sources, key=str):
        together.update(path.read_bytes())
    return together.hexdigest()


def test_the_bundle_is_built_from_these_sources():
    made_from = (STATIC / "made-from").read_text().strip()
    assert made_from == fingerprint(), "the panels are older than their sources: run `make setup`"


def test_no_module_imports_itself_in_a_circle():
    """Types count too: what a circle cannot be read without is the circle's other end."""
    source = EXTENSIONS / "src"
    modules = {path for path in source.rglob("*") if path.suffix in (".ts", ".tsx")}

    def named(path: Path, text: str) -> set[Path]:
        target = (path.parent / text).resolve()
        ends = (".ts", ".tsx", "/index.ts", "/index.tsx")
        return {Path(f"{target}{end}") for end in ends} & modules

    arrows = {
        path: {
            found
            for text in re.findall(r"""from ["'](\.[^"']*)["']""", path.read_text())
            for found in named(path, text)
        }
        for path in modules
    }
    assert sum(map(len, arrows.values())) > 100
    done: set[Path] = set()

    def visit(module: Path, trail: tuple[Path, ...]) -> None:
        shown = " → ".join(str(m.relative_to(source)) for m in (*trail, module))
        assert module not in trail, shown
        if module not in done:
            for target in sorted(arrows[module]):
                visit(target, (*trail, module))
            done.add(module)

    for module in sorted(modules):
        visit(module, ())


@pytest.mark.parametrize("name", ["panel.js", "panel.css"])
def test_the_bundle_asks_no_host_for_anything(name: str):
    text = (STATIC / name).read_text()
    assert len(text) > 1_000
    hosts = set(re.findall(r"(?:https?:|wss?:)?//([a-z0-9.-]+\.[a-z]{2,})", text, re.IGNORECASE))
    assert hosts <= {"www.w3.org"}, "namespaces are names; any other host would be asked"
    assert not re.search(r"url\((?!#)", text)  # within the picture is well
    assert "@import" not in text
    assert not re.search(r"\bimport\s*\(|\bfetch\s*\(|XMLHttpRequest|WebSocket", text)
    assert "sourceMappingURL" not in text


def test_the_extension_asks_no_host_but_its_server():
    """It may fetch, from where it came; the rest of the page is JupyterLab's."""
    built = EXTENSIONS / "labextensions" / "metalearning-workbench"
    scripts = sorted((built / "static").glob("*.js"))
    assert scripts
    for path in scripts:
        text = path.read_text()
        hosts = set(re.findall(r"(?:https?|wss?)://([a-z0-9.-]+\.[a-z]{2,})", text, re.IGNORECASE))
        assert hosts <= {"www.w3.org"}, f"{path.name} names {hosts}"


PLUGINS = [
    EXTENSIONS / "src" / "lab" / name for name in ("plugins.ts", "documents/plugins.ts", "mime.ts")
]


def test_plugin_files_are_wiring_only():
    """What draws and what computes is apart, and loads when it is first seen."""
    for path in PLUGINS:
        assert not re.search(r"innerHTML|createElement|fetch\(|</", path.read_text()), path.name
    built = json.loads((EXTENSIONS / "package.json").read_text())
    assert (built["main"], built["jupyterlab"]["mimeExtension"]) == ("lib/lab.js", "lib/mime.js")
    for name in ("lab.js", "mime.js"):
        entry = (EXTENSIONS / "lib" / name).read_bytes()
        assert len(entry) < 40_000  # what JupyterLab waits for when it starts


def test_plugins_need_nothing_that_notebook_7_has_not():
    """Its pages have no launcher and no JupyterLab shell: who required one would be left out."""
    for path in PLUGINS:
        text = path.read_text()
        assert not re.search(r"\brequires\b", text), path.name
        made = re.findall(r": JupyterFrontEndPlugin<void> = \{", text)
        assert len(re.findall(r"^  optional: \[", text, re.MULTILINE)) == len(made), path.name


def test_the_lock_names_no_host():
    assert "://" not in (EXTENSIONS / "package-lock.json").read_text()


@pytest.mark.parametrize("script", [["run", "check"], ["test"]], ids=["check", "test"])
def test_npm(script: list[str]):
    bin_folder = Path(sys.executable).parent
    done = subprocess.run(
        [str(bin_folder / "npm"), *script],
        cwd=EXTENSIONS,
        env={**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
