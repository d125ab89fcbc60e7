"""Methods of your own: files `methods/NAME.py` beside the notebook, or where you work.

Such a file holds a learner and its settings, as CONTRIBUTING.md shows, and may hold
`PRESETS = {"name": ("one line", Experiment(...))}`. Child processes import it by its name, which
is why a method from a notebook is written to a file (`%%method`) before it can train.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from workbench.errors import UserError

PACKAGE = "methods"


def import_own(name: str) -> ModuleType:
    """A module by name, found also in the folder that one works in.

    >>> import_own("json").__name__
    'json'
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    importlib.invalidate_caches()
    return importlib.import_module(name)


def is_method(name: str) -> bool:
    """Whether a module's name is that of a file in the folder `methods`.

    >>> is_method("methods.ridge"), is_method("ridge")
    (True, False)
    """
    return re.fullmatch(rf"{PACKAGE}\.\w+", name) is not None


def loaded_method(name: str, sha256: str | None, where: str) -> ModuleType:
    """The module of a method that a record names: one that you imported, or `methods/NAME.py`.

    A file runs only if it is your own, in the folder `methods`, and has this checksum: what a
    record from elsewhere names is data.
    """
    if name.partition(".")[0] == "workbench":
        raise UserError(f"{where}: name a class of the package without its module")
    if name in sys.modules:
        return sys.modules[name]
    path = Path.cwd() / PACKAGE / f"{name.rpartition('.')[2]}.py"
    if not is_method(name) or not path.is_file():
        raise UserError(
            f"{where}, not found: what a record names is loaded only from the folder '{PACKAGE}' "
            "where you work, or once you imported it"
        )
    if sha256 is None or sha256 != _digest(path):
        raise UserError(
            f"{where}, and {PACKAGE}/{path.name} has changed since, or is another: restore it from "
            "methods.json beside the record, or import it first to use it as it is"
        )
    return imported_method(path)


def imported_method(path: Path) -> ModuleType:
    """The module of a file in the folder `methods`; one that does not run is named, with the line.

    >>> imported_method(Path("methods/none.py"))
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: methods/none.py cannot be imported (ModuleNotFoundError: \
No module named 'methods'): mend or remove it
    """
    try:
        return import_own(f"{PACKAGE}.{path.stem}")
    except (Exception, SystemExit) as error:
        line = line_in(error, path)
        place = f" in line {line}" if line else ""
        raise UserError(
            f"{PACKAGE}/{path.name} cannot be imported ({_said(error)}{place}): mend or remove it"
        ) from error


def line_in(error: BaseException, path: Path) -> int | None:
    """The line of a file that an error came from; None where it came from elsewhere."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename) == path.resolve():
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if Path(f.filename) == path.resolve()]
    return lines[-1] if lines else None


def method_of(error: BaseException) -> tuple[str, int] | None:
    """The file in the folder `methods`, and its line, that an error came out of, if one did."""
    for path in sorted(Path(PACKAGE).glob("*.py")):
        line = line_in(error, path)
        if line is not None:
            return str(path), line
    return None


def _said(error: BaseException) -> str:
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {what}" if what else type(error).__name__


def own_presets() -> dict[str, Any]:
    """The presets of the methods beside you, as they name them; a broken file is named.

    >>> own_presets()
    {}
    """
    found: dict[str, Any] = {}
    for path in sorted(Path(PACKAGE).glob("*.py")):
        if path.stem.startswith("_"):
            continue
        module = imported_method(path)
        presets = getattr(module, "PRESETS", {})
        if not isinstance(presets, dict):
            raise UserError(f"PRESETS in {path} is no dict: make it {{name: (line, experiment)}}")
        found |= presets
    return found


def own_files(experiment: Any) -> dict[str, dict[str, Any]]:
    """The files outside the package that an experiment needs, with their hash and their text.

    >>> from workbench.training import preset
    >>> own_files(preset("sinusoid-maml"))
    {}
    """
    found = {}
    for settings in _parts(experiment):
        module = sys.modules.get(type(settings).__module__)
        path = getattr(module, "__file__", None)
        if module is None or path is None or module.__name__.partition(".")[0] == "workbench":
            continue
        text = Path(path).read_text()
        found[module.__name__] = {"sha256": _digest(Path(path)), "text": text}
    return found


def _parts(value: Any) -> Iterator[Any]:
    """A dataclass and all dataclasses in its fields."""
    if dataclasses.is_dataclass(value):
        yield value
        for known in dataclasses.fields(value):
            yield from _parts(getattr(value, known.name))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_text().encode()).hexdigest()
