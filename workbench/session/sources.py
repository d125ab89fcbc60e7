"""Where a session's learners come from: a trained run, a preset, a saved tape, your own object."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.algorithms.base import Learner
from workbench.errors import UserError, nearest
from workbench.inspection import Tape
from workbench.tasks import Shape, Tasks
from workbench.training import (
    Experiment,
    Run,
    baselines,
    name_of,
    preset,
    presets,
    run_of,
    shipped_runs,
)


@dataclass(frozen=True, eq=False)
class Source:
    """A learner with the tasks that it was made for, and what is to be said of it.

    name      what it is called in the list of learners, and how code finds it again
    note      a sentence: trained for how long, or not at all
    learner   in evaluation mode; None where only a tape is left
    """

    name: str
    note: str
    learner: Learner | None
    tasks: Tasks | None = None
    shape: Shape | None = None
    tasks_name: str = ""
    about: dict[str, Any] = dataclasses.field(default_factory=dict)
    tape: Tape | None = None
    found_by_name: bool = True  # False for an object that was given: code can only speak of it


def source_of(given: Any) -> Source:
    """The source of a run's directory, a shipped run or preset by name, a tape, or a learner.

    >>> source_of("sinusoid-maml").note[:7]
    'trained'
    >>> source_of("sinusoid-mamml")
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: 'sinusoid-mamml' is no run directory, .metatrace file or preset: \
did you mean 'sinusoid-maml'?
    """
    if isinstance(given, Source):
        return given
    if isinstance(given, Learner):
        return Source(type(given).__name__, "your own learner", given.eval(), found_by_name=False)
    if isinstance(given, Run):
        return _of_run(given)
    if isinstance(given, Tape):
        return dataclasses.replace(_of_tape(given, given.learner_name), found_by_name=False)
    if not isinstance(given, str | Path):
        raise UserError(
            f"a session cannot show a {type(given).__name__}: give a learner, a run, a tape, "
            "or the name of a preset"
        )
    name, path = str(given), Path(given)
    if path.suffix == ".metatrace":
        return _of_tape(Tape.load(path), name)
    if (path / "config.json").is_file() or name in shipped_runs():
        return _of_run(run_of(name))
    if name in baselines() or name in presets():
        experiment = preset(name)
        learner, tasks = experiment.build()
        note = f"not trained: train it by `workbench train {name}` and give the run's directory"
        if name in baselines():
            note = baselines()[name]
        return _of_experiment(name, note, experiment, learner.eval(), tasks)
    known = sorted({*presets(), *baselines(), *shipped_runs()})
    raise UserError(
        f"'{name}' is no run directory, .metatrace file or preset: {nearest(name, known)}"
    )


def _of_run(run: Run) -> Source:
    learner, tasks = run.load()
    note = f"trained for {run.checkpoint()[0].header['iteration']:,} outer steps"
    return _of_experiment(name_of(run), note, run.experiment, learner, tasks)


def _of_experiment(
    name: str, note: str, experiment: Experiment, learner: Learner, tasks: Tasks
) -> Source:
    about = {"run": name, "experiment": experiment.to_record()}
    return Source(name, note, learner, tasks, experiment.test, experiment.tasks, about)


def _of_tape(tape: Tape, name: str) -> Source:
    return Source(name, "a saved tape", tape.learner, about=tape.about, tape=tape)
