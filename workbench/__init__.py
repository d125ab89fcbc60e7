"""A workbench for meta-learning research.

The vocabulary, from the data outwards:

- `open_tasks("sinusoid")` opens a family of *tasks*; `sample` draws an `Episode`, a batch of
  tasks with *support* examples to learn from and *query* examples to be judged by.
  `tasks_from(x, classes)` makes tasks of your own data.
- A `Learner` (`workbench.algorithms.MAML`, ...) says how to adapt. `adapt(learner, episode)`
  yields an `Adapted` value for each *inner step*; nothing it yields ever changes.
- An `Experiment` is a full description of a training: tasks, model, learner, settings, seed.
  `preset("sinusoid-maml")` is a ready-made one; `train` runs it, `evaluate` measures its learner
  on new tasks, `compare` puts methods side by side on the same ones.

Names are imported when first used, so that `import workbench` is cheap.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from workbench.late import late

if TYPE_CHECKING:
    from workbench.algorithms.base import Adapted as Adapted
    from workbench.algorithms.base import Learner as Learner
    from workbench.algorithms.base import adapt as adapt
    from workbench.errors import UserError as UserError
    from workbench.tasks import Episode as Episode
    from workbench.tasks import Examples as Examples
    from workbench.tasks import Shape as Shape
    from workbench.tasks import features_of as features_of
    from workbench.tasks import open_tasks as open_tasks
    from workbench.tasks import tasks_from as tasks_from
    from workbench.training import Experiment as Experiment
    from workbench.training import compare as compare
    from workbench.training import evaluate as evaluate
    from workbench.training import preset as preset
    from workbench.training import train as train

__version__ = "0.1.0"

# Read when torch loads, and passed on to child processes: an OpenMP thread that waits may not
# spin, or two trainings on one machine slow each other down twentyfold.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOMES = {
    "Adapted": "workbench.algorithms.base",
    "Learner": "workbench.algorithms.base",
    "adapt": "workbench.algorithms.base",
    "UserError": "workbench.errors",
    "Episode": "workbench.tasks",
    "Examples": "workbench.tasks",
    "Shape": "workbench.tasks",
    "features_of": "workbench.tasks",
    "open_tasks": "workbench.tasks",
    "tasks_from": "workbench.tasks",
    "Experiment": "workbench.training",
    "compare": "workbench.training",
    "evaluate": "workbench.training",
    "preset": "workbench.training",
    "train": "workbench.training",
}

__all__ = [*_HOMES, "__version__"]

__getattr__ = late(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext workbench`: brings the cell magic `%%method`."""
    from workbench.widgets.magic import method_magic

    ipython.register_magic_function(method_magic, "cell", "method")
