"""The trained runs that come with the workbench, found by name."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import UserError, nearest
from workbench.resources import resources
from workbench.training.runs import Run


def shipped_runs() -> list[str]:
    """The trained runs that come with the workbench, by the name of their preset.

    >>> "sinusoid-maml" in shipped_runs()
    True
    """
    folder = resources("data") / "runs"
    return sorted(path.parent.name for path in folder.glob("*/config.json"))


def run_of(name: Path | str) -> Run:
    """The run in a directory, or the shipped one of that name.

    >>> run_of("sinusoid-maml").experiment.tasks
    'sinusoid:maml'
    """
    if not (Path(name) / "config.json").is_file() and str(name) in shipped_runs():
        return Run.open(resources("data") / "runs" / str(name))
    if not Path(name).is_dir():
        guess = nearest(str(name), shipped_runs())
        cure = f"{guess} " if guess.startswith("did") else ""
        raise UserError(f"there is no run directory '{name}': {cure}`workbench train` makes one")
    return Run.open(name)
