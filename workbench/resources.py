"""Where files lie: those that come with the package (notebooks, data cards), and the cache.

A checkout keeps them at its top level; a wheel keeps the former inside the package and the cache
where the system keeps a user's.
"""

from __future__ import annotations

import os
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


def cache_folder() -> Path:
    """The folder for files that can always be made or fetched again; it need not exist yet.

    >>> cache_folder().name in ("cache", "metalearning-workbench")
    True
    """
    checkout = Path(__file__).parent.parent
    if (checkout / "pyproject.toml").is_file():
        return checkout / "data" / "cache"
    user = os.environ.get("XDG_CACHE_HOME")
    return (Path(user) if user else Path.home() / ".cache") / "metalearning-workbench"
