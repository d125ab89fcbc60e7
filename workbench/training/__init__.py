"""Training, evaluation and comparison of meta-learners.

Experiment   all that determines a training: tasks, model, learner, settings, seed
preset       a ready-made experiment by name
train        runs one, in a run directory or in memory
Run          a run directory: its status, metrics, checkpoints; follow and stop it
run_of       the run in a directory, or the trained one of that name that comes with the workbench
baselines    what there is nothing to train of, by name: `run_of` finds them in a run's place
evaluate     accuracy, error or reward on new tasks, after every inner step, with an interval
evaluate_run that of a run's learner, over the processes of a crew where there are many tasks
crew_of      a crew: so many processes of this machine, or the workers of a dask cluster
tune         settings sought that validate best, by Optuna; `Study` is what it made
sweep        many trainings in one folder, a `Sweep`, side by side here or on a dask cluster
gathered     what its units reach on test tasks; `by_group` with intervals over tasks and seeds
compare      methods on identical tasks, paired
gap_frame    learners on tasks of which more and more values are missing

What trains or measures in many processes is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.late import late
from workbench.training.background import resume_in_background, start_in_background
from workbench.training.comparison import Comparison, compare
from workbench.training.evaluation import Evaluation, evaluate
from workbench.training.experiment import Experiment, TrainingSettings
from workbench.training.gaps import gap_frame
from workbench.training.loop import Outcome, train
from workbench.training.presets import baselines, preset, presets
from workbench.training.runs import Run, Status
from workbench.training.shipped import name_of, run_of, shipped_runs
from workbench.training.trainer import Trainer

if TYPE_CHECKING:
    from workbench.training.crews import crew_of as crew_of
    from workbench.training.spreading import evaluate_run as evaluate_run
    from workbench.training.sweeps import Sweep as Sweep
    from workbench.training.sweeps import by_group as by_group
    from workbench.training.sweeps import gathered as gathered
    from workbench.training.sweeps import sweep as sweep
    from workbench.training.tuning import Study as Study
    from workbench.training.tuning import tune as tune

_HOMES = {
    "crew_of": "workbench.training.crews",
    "evaluate_run": "workbench.training.spreading",
    "Sweep": "workbench.training.sweeps",
    "by_group": "workbench.training.sweeps",
    "gathered": "workbench.training.sweeps",
    "sweep": "workbench.training.sweeps",
    "Study": "workbench.training.tuning",
    "tune": "workbench.training.tuning",
}

__all__ = [
    "Comparison",
    "Evaluation",
    "Experiment",
    "Outcome",
    "Run",
    "Status",
    "Study",
    "Sweep",
    "Trainer",
    "TrainingSettings",
    "baselines",
    "by_group",
    "compare",
    "crew_of",
    "evaluate",
    "evaluate_run",
    "gap_frame",
    "gathered",
    "name_of",
    "preset",
    "presets",
    "resume_in_background",
    "run_of",
    "shipped_runs",
    "start_in_background",
    "sweep",
    "train",
    "tune",
]

__getattr__ = late(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
