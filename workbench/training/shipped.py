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


def name_of(run: Run) -> str:
    """What a run is called, and its learner, wherever it is shown: as `run_of` finds it.

    >>> name_of(run_of("sinusoid-maml")), name_of(Run(Path("runs", "mine")))
    ('sinusoid-maml', 'runs/mine')
    """
    place, here = run.directory.absolute(), Path.cwd()
    if place.parent.resolve() == (resources("data") / "runs").resolve():
        return place.name
    return str(place.relative_to(here) if place.is_relative_to(here) else run.directory)


def run_of(name: Run | Path | str) -> Run:
    """The run in a directory, or the shipped one of that name; a run is itself.

    >>> run_of("sinusoid-maml").experiment.tasks
    'sinusoid:maml'
    """
    if isinstance(name, Run):
        return name
    if not (Path(name) / "config.json").is_file() and str(name) in shipped_runs():
        return Run.open(resources("data") / "runs" / str(name))
    if not Path(name).is_dir():
        guess = nearest(str(name), shipped_runs())
        cure = f"{guess} " if guess.startswith("did") else ""
        raise UserError(f"there is no run directory '{name}': {cure}`workbench train` makes one")
    return Run.open(name)
