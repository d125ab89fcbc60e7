"""`%%method NAME`: a method written in a notebook cell that every panel and child process can use.

`%load_ext workbench` brings it. The cell is written to `methods/NAME.py` beside the notebook and
imported from there; its public names come into the notebook.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from workbench.errors import UserError
from workbench.files import write_safely, writing
from workbench.own import METHODS, import_own


def write_method(name: str, text: str, folder: Path | None = None) -> ModuleType:
    """Write a method to `methods/NAME.py` and import it; a text that does not run is not kept.

    >>> write_method("my-method", "")
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: 'my-method' is no name for a method: use letters, digits and _, \
as in %%method my_method
    """
    if not name.isidentifier() or name.startswith("_"):
        cure = "".join(c if c.isalnum() else "_" for c in name).strip("_") or "mine"
        raise UserError(
            f"{name!r} is no name for a method: use letters, digits and _, as in %%method {cure}"
        )
    path = (folder or Path.cwd()) / METHODS / f"{name}.py"
    try:
        ast.parse(text, str(path))
    except SyntaxError as error:
        raise UserError(
            f"line {error.lineno} of the cell is no Python ({error.msg}): {path.name} is as before"
        ) from None
    before = path.read_bytes() if path.exists() else None
    with writing(path):
        path.parent.mkdir(exist_ok=True)
    write_safely(path, text.encode())
    module_name = f"{METHODS}.{name}"
    # A second run within the same second and of the same length would be read from its bytecode.
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
    sys.modules.pop(module_name, None)
    try:
        return import_own(path)
    except (Exception, SystemExit):
        if before is None:
            path.unlink()
        else:
            write_safely(path, before)
        raise


def method_magic(line: str, cell: str) -> None:
    """What `%%method NAME` does."""
    from IPython import get_ipython

    name = line.strip()
    if not name:
        raise UserError("%%method needs a name: write %%method my_method")
    module = write_method(name, cell)
    public = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    get_ipython().push(public, interactive=False)
    own = [k for k, v in public.items() if getattr(v, "__module__", "") == module.__name__]
    presets: dict[str, Any] = getattr(module, "PRESETS", {})
    more = f"; presets: {', '.join(presets)}" if presets else ""
    sys.stdout.write(f"{METHODS}/{name}.py: {', '.join(own)}{more}\n")
