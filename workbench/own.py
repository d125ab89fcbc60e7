"""Files of your own: `methods/NAME.py` and `tasks/NAME.py`, beside the notebook or where you work.

A file in `methods` holds a method, an update rule or an estimator with its settings, and may hold
`PRESETS = {"name": ("one line", Experiment(...))}`. A file in `tasks` holds the family of tasks of
its name: `TASKS = {"scheme": ("one line", factory)}`, where `factory()` gives the `Tasks`.
CONTRIBUTING.md shows one of each. Child processes import them by name, which is why a method from a
notebook is written to a file (`%%method`) before it can train.

A folder with an `__init__.py` is a package of something else, and nothing is looked for in it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from workbench.errors import UserError

METHODS, TASKS = "methods", "tasks"
# What a file in each of the folders may declare.
_DECLARED = {
    METHODS: ("PRESETS", "{name: (one line, Experiment(...))}"),
    TASKS: ("TASKS", "{scheme: (one line, factory)}"),
}


def files_in(folder: str) -> list[Path]:
    """The files of your own in one of the folders; those that begin with `_` are helpers.

    >>> files_in("methods")
    []
    """
    if (Path(folder) / "__init__.py").exists():
        return []
    return sorted(p for p in Path(folder).glob("*.py") if not p.stem.startswith("_"))


def left_alone(folder: str) -> str:
    """What is to be said where something is not found beside a folder that is a package's.

    >>> left_alone("tasks")
    ''
    """
    if not (Path(folder) / "__init__.py").exists():
        return ""
    return f" (the folder {folder} has an __init__.py, so it is a package of something else)"


def file_named(folder: str, name: str) -> Path | None:
    """The file of that name in one of the folders, if there is one."""
    return next((path for path in files_in(folder) if path.stem == name), None)


def is_own(name: str) -> bool:
    """Whether a module's name is that of a file in one of the folders.

    >>> is_own("methods.ridge"), is_own("tasks.ranked"), is_own("ridge")
    (True, True, False)
    """
    return re.fullmatch(rf"({METHODS}|{TASKS})\.\w+", name) is not None


def import_own(path: Path) -> ModuleType:
    """The module of a file in one of the folders, under the name FOLDER.NAME.

    It is found by its place: another package that has the folder's name stays what it is.
    """
    path = path.resolve()
    folder, here = path.parent.name, str(path.parents[1])
    if here not in sys.path:
        sys.path.append(here)  # by which such files import one another
    name = f"{folder}.{path.stem}"
    module = sys.modules.get(name)
    if module is not None and Path(module.__file__ or "").resolve() == path:
        return module
    importlib.invalidate_caches()
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    package = importlib.util.find_spec(folder)
    if package is not None and package.origin is None:  # none but such folders have this name
        setattr(importlib.import_module(folder), path.stem, module)
    return module


def imported(path: Path) -> ModuleType:
    """The module of a file in one of the folders; one that does not run is named, with the line.

    >>> imported(Path("methods/none.py"))
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: methods/none.py cannot be imported (FileNotFoundError: \
No such file or directory): mend or remove it
    """
    try:
        return import_own(path)
    except (Exception, SystemExit) as error:
        line = line_in(error, path)
        place = f" in line {line}" if line else ""
        raise UserError(
            f"{_shown(path)} cannot be imported ({_said(error)}{place}): mend or remove it"
        ) from error


def declared(path: Path) -> dict[str, Any]:
    """What a file in one of the folders declares: its PRESETS or TASKS, nothing where it has none.

    >>> declared(Path("methods/none.py"))
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: methods/none.py cannot be imported (FileNotFoundError: \
No such file or directory): mend or remove it
    """
    word, form = _DECLARED[path.parent.name]
    found: Any = getattr(imported(path), word, {})
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise UserError(f"{word} in {path} is no dict of names: make it {form}")
    return found


def loaded(name: str, sha256: str | None, where: str) -> ModuleType:
    """The module that a record names: one that you imported, or a file in one of the folders.

    A file runs only if it is your own, where you work, and has this checksum: what a record from
    elsewhere names is data.
    """
    if name.partition(".")[0] == "workbench":
        raise UserError(f"{where}: name a class of the package without its module")
    if name in sys.modules:
        return sys.modules[name]
    folder, _, stem = name.partition(".")
    path = file_named(folder, stem) if is_own(name) else None
    if path is None:
        place = folder if is_own(name) else METHODS
        raise UserError(
            f"{where}, not found: what a record names is loaded only from the folder '{place}' "
            "where you work, or once you imported it"
        )
    if sha256 is None or sha256 != record_of(path)["sha256"]:
        raise UserError(
            f"{where}, and {path} has changed since, or is another: restore it from "
            "methods.json beside the record, or import it first to use it as it is"
        )
    return imported(path)


def record_of(path: Path) -> dict[str, str]:
    """A file's hash and text, as a run keeps them."""
    text = path.read_text()
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text}


def line_in(error: BaseException, path: Path) -> int | None:
    """The line of a file that an error came from; None where it came from elsewhere."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename) == path.resolve():
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if Path(f.filename) == path.resolve()]
    return lines[-1] if lines else None


def place_of(error: BaseException) -> tuple[str, int] | None:
    """The file in one of the folders, and its line, that an error came out of, if one did."""
    for path in (path for folder in _DECLARED for path in sorted(Path(folder).glob("*.py"))):
        line = line_in(error, path)
        if line is not None:
            return str(path), line
    return None


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _said(error: BaseException) -> str:
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    if isinstance(error, OSError) and error.strerror:
        what = error.strerror
    return f"{type(error).__name__}: {what}" if what else type(error).__name__
