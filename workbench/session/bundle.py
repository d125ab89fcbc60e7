"""The front end as it was built from `extensions/`: what panels and pages run in the browser."""

from __future__ import annotations

import functools
from pathlib import Path

from workbench.errors import UserError

FOLDER = Path(__file__).parent.parent / "widgets" / "static"


@functools.cache
def bundle(name: str) -> str:
    """A file of the front end, as text."""
    path = FOLDER / name
    if not path.is_file():
        raise UserError(f"the panels' {name} was not built: run `make setup` in the checkout")
    return path.read_text()
