"""What is shipped: the lock, the conda environment and the wheel agree with pyproject.toml."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import workbench

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]


READERS = sorted(ROOT.glob("tests/readers/*.lock"))


def lock(path: Path = ROOT / "requirements.lock") -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_environment_yml_lists_what_pyproject_lists():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, rest = environment["dependencies"]
    assert (python, pip) == ("python=3.11", "pip")
    assert rest["pip"] == [*REQUIREMENTS, "-e ."]


def test_what_extras_need_is_there_for_tests():
    extras = PROJECT["optional-dependencies"]
    for extra in ("mujoco", "tune", "cluster", "trackers"):
        assert set(extras[extra]) <= set(extras["dev"])


@pytest.mark.parametrize("path", [ROOT / "requirements.lock", *READERS], ids=lambda p: p.stem)
def test_lock_holds_names_and_versions_and_nothing_else(path: Path):
    for line in path.read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), line
        assert "://" not in line


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_lock_satisfies_pyproject(text: str):
    wanted = Requirement(text)
    locked = lock()[canonicalize_name(wanted.name)]
    assert wanted.specifier.contains(locked), f"{text} is locked at {locked}: run `make lock`"


def test_lock_is_closed():
    """Nothing that the locked packages require is left to chance."""
    done = subprocess.run(
        [sys.executable, "tools/lock.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = {line.split("==")[0] for line in done.stdout.splitlines() if "==" in line}
    assert names == set(lock()), "run `make lock`"


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.stem)
def test_readers_are_not_needed(path: Path):
    """What only a second reader consists of is not in the environment that all else runs in."""
    assert lock(path)
    assert not set(lock(path)) & set(lock())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def tracked(pattern: str) -> list[Path]:
    return sorted(p.relative_to(ROOT) for p in ROOT.glob(pattern) if "cache" not in p.parts)


def test_wheel_carries_code_notebooks_and_data_cards(wheel: zipfile.ZipFile):
    names = set(wheel.namelist())
    assert "workbench/py.typed" in names
    for module in tracked("workbench/**/*.py"):
        assert str(module) in names
    notebooks = tracked("notebooks/*.ipynb")
    assert notebooks
    cards = [path for path in tracked("data/**/*") if (ROOT / path).is_file()]
    assert cards
    for shipped in [*notebooks, *cards]:
        assert f"workbench/{shipped}" in names


def test_wheel_carries_nothing_else(wheel: zipfile.ZipFile):
    heads = {name.split("/")[0] for name in wheel.namelist()}
    stem = f"metalearning_workbench-{workbench.__version__}"
    assert heads == {"workbench", f"{stem}.dist-info", f"{stem}.data"}
    junk = ("__pycache__", ".ipynb_checkpoints", "data/cache")
    assert not [name for name in wheel.namelist() if any(word in name for word in junk)]


def test_wheel_carries_the_panels(wheel: zipfile.ZipFile):
    for name in ("panel.js", "panel.css"):
        built = (ROOT / "workbench" / "widgets" / "static" / name).read_bytes()
        assert wheel.read(f"workbench/widgets/static/{name}") == built


def test_wheel_carries_the_extension_where_jupyterlab_looks(wheel: zipfile.ZipFile):
    """With what it loads, its settings, and its part of the server switched on."""
    built = ROOT / "extensions" / "labextensions" / "metalearning-workbench"
    files = [path for path in built.rglob("*") if path.is_file()]
    assert any(path.name.startswith("remoteEntry.") for path in files)
    assert (built / "schemas" / "metalearning-workbench" / "experiments.json") in files
    head = f"metalearning_workbench-{workbench.__version__}.data/data"
    for path in files:
        name = (
            f"{head}/share/jupyter/labextensions/metalearning-workbench/{path.relative_to(built)}"
        )
        assert wheel.read(name) == path.read_bytes()
    (name,) = [n for n in wheel.namelist() if "jupyter_server_config.d" in n]
    assert name.startswith(f"{head}/etc/jupyter/")
    assert b'"workbench.server": true' in wheel.read(name)


def test_wheel_brings_its_languages_to_jupyterlab(wheel: zipfile.ZipFile):
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "[jupyterlab.locale]\nmetalearning_workbench = workbench\n" in wheel.read(name).decode()
    assert "workbench/locale/zh_CN/LC_MESSAGES/metalearning_workbench.json" in wheel.namelist()


def test_wheel_settles_jupyterlab(wheel: zipfile.ZipFile):
    (name,) = [name for name in wheel.namelist() if "overrides.d" in name]
    assert name.endswith("data/share/jupyter/lab/settings/overrides.d/metalearning-workbench.json")


def test_wheel_has_the_console_script(wheel: zipfile.ZipFile):
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "workbench = workbench.cli:main" in wheel.read(name).decode()


def test_an_installed_wheel_finds_its_notebooks_and_cards(wheel: zipfile.ZipFile, tmp_path: Path):
    wheel.extractall(tmp_path / "site")
    code = (
        "from pathlib import Path; from workbench.lab import copy_notebooks; "
        "from workbench.resources import resources; from workbench.tasks.data import cards; "
        "print(len(copy_notebooks(Path('notebooks'))), 'omniglot' in cards(), resources('data'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    folder = str(tmp_path / "site" / "workbench" / "data")
    assert done.stdout.split() == [str(len(tracked("notebooks/*.ipynb"))), "True", folder]
