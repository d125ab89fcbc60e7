"""Methods of your own: files `methods/NAME.py` beside the notebook, or where you work.

Such a file holds a learner and its settings, as CONTRIBUTING.md shows, and may hold
`PRESETS = {"name": ("one line", Experiment(...))}`. Child processes import it by its name, which
is why a method from a notebook is written to a file (`%%method`) before it can train.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
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


def own_presets() -> dict[str, tuple[str, Any]]:
    """The presets of the methods beside you, with line and experiment; a broken file is named.

    >>> own_presets()
    {}
    """
    found: dict[str, tuple[str, Any]] = {}
    for path in sorted(Path(PACKAGE).glob("*.py")):
        if path.stem.startswith("_"):
            continue
        try:
            module = import_own(f"{PACKAGE}.{path.stem}")
        except Exception as error:
            raise UserError(
                f"{path} cannot be imported ({type(error).__name__}: {error}): mend or remove it"
            ) from error
        found |= getattr(module, "PRESETS", {})
    return found


def own_files(experiment: Any) -> dict[str, dict[str, Any]]:
    """The files outside the package that an experiment needs, with their hash and their text.

    >>> from workbench.training import preset
    >>> own_files(preset("sinusoid-maml"))
    {}
    """
    found = {}
    for settings in (experiment.learner, experiment.model):
        module = sys.modules.get(type(settings).__module__)
        path = getattr(module, "__file__", None)
        if module is None or path is None or module.__name__.partition(".")[0] == "workbench":
            continue
        text = Path(path).read_text()
        digest = hashlib.sha256(text.encode()).hexdigest()
        found[module.__name__] = {"sha256": digest, "text": text}
    return found
