"""Where the files that come with the package lie: notebooks and data cards.

A checkout keeps them at its top level, a wheel inside the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from workbench.errors import UserError


def resources(kind: Literal["notebooks", "data"]) -> Path:
    """The folder that holds the notebooks or the data cards.

    >>> (resources("notebooks") / "00-start.ipynb").name
    '00-start.ipynb'
    """
    package = Path(__file__).parent
    for folder in (package / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise UserError(f"the folder '{kind}' is missing beside the package: install workbench again")
