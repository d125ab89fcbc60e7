"""What stands in a run's place by name: the trained runs that come along, and the baselines."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.algorithms.base import Learner
from workbench.errors import UserError, nearest
from workbench.resources import resources
from workbench.tasks import Tasks
from workbench.training.experiment import Experiment
from workbench.training.presets import baselines, preset
from workbench.training.runs import Run, Status, Which


@dataclass(frozen=True)
class Untrained(Run):
    """A baseline by name, where others have a directory: it is judged and there is no training.

    beside  the experiment on whose test tasks it is judged, in place of its own
    """

    beside: Experiment | None = None

    @property
    def experiment(self) -> Experiment:
        """The rule, on the tasks that it is judged by."""
        own = preset(str(self.directory))
        if self.beside is None:
            return own
        return dataclasses.replace(
            own, tasks=self.beside.tasks, train=self.beside.test, test=self.beside.test
        )

    def load(self, which: Which = "best") -> tuple[Learner, Tasks]:
        """The learner and its tasks."""
        learner, tasks = self.experiment.build()
        return learner.eval(), tasks

    def status(self) -> Status:
        """As a training is that is over."""
        return Status("finished", "there is nothing to train")


def beside(runs: Sequence[Run]) -> list[Run]:
    """The runs, baselines among them judged on the tasks of the first one that was trained."""
    trained = next((run.experiment for run in runs if not isinstance(run, Untrained)), None)
    return [
        dataclasses.replace(run, beside=trained) if isinstance(run, Untrained) else run
        for run in runs
    ]


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
    """The run in a directory, or the shipped one or the baseline of that name; a run is itself.

    >>> run_of("sinusoid-maml").experiment.tasks
    'sinusoid:maml'
    """
    if isinstance(name, Run):
        return name
    if not (Path(name) / "config.json").is_file() and str(name) in shipped_runs():
        return Run.open(resources("data") / "runs" / str(name))
    if not Path(name).is_dir() and str(name) in baselines():
        return Untrained(Path(name))
    if not Path(name).is_dir():
        guess = nearest(str(name), [*shipped_runs(), *baselines()])
        cure = f"{guess} " if guess.startswith("did") else ""
        raise UserError(f"there is no run directory '{name}': {cure}`workbench train` makes one")
    return Run.open(name)
