"""What is to be trained, and where: a new run, one to go on with, or none."""

from __future__ import annotations

from pathlib import Path

from workbench.algorithms.base import Learner
from workbench.errors import UserError
from workbench.tasks import Tasks
from workbench.training.experiment import Experiment, check_present
from workbench.training.following import shared_out
from workbench.training.runs import Run
from workbench.training.trainer import tried


def opened(
    experiment: Experiment | None, run: Run | Path | str | None, resume: bool, ranks: int
) -> tuple[Experiment, Run | None, tuple[Learner, Tasks] | None]:
    """What is to be trained, where, and, if that had to be tried out, built."""
    if run is None:
        if experiment is None:
            raise UserError("there is nothing to train: give an experiment, or a run to resume")
        if ranks > 1:
            raise UserError("ranks find what they train in a run: give a run directory")
        return experiment, None, None
    if isinstance(run, Run) or resume:
        run = run if isinstance(run, Run) else Run.open(run)
        check_goes_on(run)
        own = run.experiment
        try:
            check_present(own.device)
        except UserError as error:
            raise UserError(
                f"{run.directory} trains on '{own.device}' ({error}): resume it where there is "
                "one; here it can be evaluated"
            ) from None
        if experiment is not None and experiment.to_record() != own.to_record():
            raise UserError(
                f"{run.directory} holds another experiment than the one given: leave it out to go "
                "on with the run's own, or choose another directory"
            )
        return own, run, None
    if experiment is None:
        raise UserError(f"there is nothing to train in {run}: give an experiment, or resume=True")
    built = tried(experiment)  # what cannot be trained is refused before a file is written
    experiment = shared_out(experiment, built[0], ranks)
    return experiment, Run.create(experiment, run), built


def check_goes_on(run: Run) -> None:
    """Refuses to resume what would only diverge again."""
    status = run.status()
    if status.state == "diverged":
        raise UserError(
            f"{run.directory} diverged by iteration {status.iteration} ({status.reason}), and a "
            "resumed run goes on with its own settings to the same end: start a new one with "
            "others; what it kept can be evaluated"
        )
