"""The package's shape, read from its imports: arrows run one way and importing stays cheap."""

from __future__ import annotations

import ast
import importlib
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "workbench"
FILES = sorted(PACKAGE.rglob("*.py"))

GROUND = {
    "answers",
    "comments",
    "courses",
    "errors",
    "fields",
    "files",
    "hints",
    "late",
    "measures",
    "numbers",
    "own",
    "randomness",
    "ranks",
    "receipts",
    "resources",
    "standing",
    "wire",
}
# What each part may import beside itself and the ground; what is not named here may import all.
BELOW = {
    "answers": set(),
    "comments": set(),
    "courses": set(),
    "errors": set(),
    "fields": set(),
    "files": set(),
    "hints": set(),
    "measures": set(),
    "numbers": set(),
    "own": set(),
    "randomness": set(),
    "ranks": set(),
    "receipts": set(),
    "resources": set(),
    "standing": set(),
    "wire": set(),
    "innerloop": set(),
    "models": set(),
    "tasks": set(),
    "algorithms": {"innerloop", "models", "tasks"},
    "inspection": {"algorithms", "innerloop", "models", "tasks"},
    "training": {"algorithms", "innerloop", "inspection", "models", "tasks"},
    "figures": set(),
    "session": {"algorithms", "figures", "inspection", "innerloop", "models", "tasks", "training"},
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, inside functions too; names of modules are resolved."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                child = f"{node.module}.{alias.name}"
                found.add(child if child in MODULES or alias.name[0] == "_" else node.module)
    return found


def part(module: str) -> str:
    """'algorithms' of 'workbench.algorithms.gradient.maml'."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("module", [m for m in MODULES if m != "workbench"])
def test_imports_run_one_way(module: str):
    here = part(module)
    used = {m for m in imports(MODULES[module]) if m.split(".")[0] == "workbench"}
    assert "workbench" not in used, "the façade is for those outside"
    if here in BELOW:
        above = {part(m) for m in used} - BELOW[here] - GROUND - {here, "__version__"}
        assert not above, f"{module} imports {sorted(above)}, which stand above it"


def test_only_innerloop_imports_higher():
    users = {
        m for m, path in MODULES.items() if "higher" in {i.split(".")[0] for i in imports(path)}
    }
    assert {part(m) for m in users} == {"innerloop"}


def test_figures_know_no_torch():
    for module, path in MODULES.items():
        if part(module) == "figures":
            assert "torch" not in {i.split(".")[0] for i in imports(path)}, module


def test_no_module_imports_itself_in_a_circle():
    arrows = {
        module: {i for i in imports(path) if i in MODULES and i != "workbench"}
        for module, path in MODULES.items()
        if module != "workbench"
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for target in sorted(arrows[module]):
                visit(target, (*trail, module))
            done.add(module)

    for module in arrows:
        visit(module, ())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_thing(path: Path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a module says what it is"


def fresh(code: str) -> str:
    """What a new interpreter prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("module", ["workbench", "workbench.algorithms"])
def test_what_is_not_used_is_not_imported(module: str):
    heavy = ["ipywidgets", "matplotlib", "pandas", "seaborn", "sklearn", "IPython", "tyro"]
    print_loaded = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    assert fresh(print_loaded).strip() == "[]"


FACADE = "import workbench; [getattr(workbench, name) for name in workbench.__all__]"


def test_figures_load_no_torch():
    assert fresh("import sys, workbench.figures; print('torch' in sys.modules)").strip() == "False"


@pytest.mark.parametrize("module", ["workbench", "workbench.algorithms", "workbench.training"])
def test_names_loaded_late_are_those_that_type_checkers_see(module: str):
    tree = ast.parse((ROOT / module.replace(".", "/") / "__init__.py").read_text())
    (block,) = [n for n in tree.body if isinstance(n, ast.If)]
    seen = {
        name.name: line.module
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for name in line.names
    }
    assert seen == importlib.import_module(module)._HOMES


def test_facade_names_lead_somewhere():
    code = f"{FACADE}; print(len(workbench.__all__) == len(set(dir(workbench))))"
    assert fresh(code).strip() == "True"


@pytest.mark.parametrize("code", ["import workbench.algorithms", FACADE])
def test_import_takes_less_than_a_third_of_a_second_beyond_torch(code: str):
    timed = (
        "import time; a = time.process_time(); import torch; b = time.process_time(); "
        f"{code}; c = time.process_time(); print(b - a, c - b)"
    )
    fresh(timed)  # bytecode is written, files are in the page cache
    runs = [[float(word) for word in fresh(timed).split()] for _ in range(3)]
    torch_seconds = statistics.median(run[0] for run in runs)
    own_seconds = statistics.median(run[1] for run in runs)
    # On a slow or busy machine torch's own import, some 1.2 s on an idle core, is the yardstick.
    assert own_seconds < 0.3 * max(1.0, torch_seconds / 1.2), (own_seconds, torch_seconds)
