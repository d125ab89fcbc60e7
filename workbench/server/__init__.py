"""The workbench in JupyterLab's server: the runs below its folder, listed, started and stopped.

messages    what crosses to the page
places      files below the folder, opened so that nothing outside can be meant
looking     a run directory as its files tell it, and all of them
documents   a run with its curves, and the receipt of a figure's file
acting      what is done to runs: start, resume, stop, delete, restore
experiment  a new notebook from a template
handlers    the addresses, for those whom the server knows

Nothing here loads torch: the server starts as fast as without it.
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "workbench.server"}]


def _load_jupyter_server_extension(server: Any) -> None:
    from workbench.server.handlers import add_handlers

    add_handlers(server.web_app, server.root_dir)
