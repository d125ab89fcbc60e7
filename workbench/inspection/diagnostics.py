"""Diagnostics of a training: what its meta-gradient is like now; `courses` has how that went."""

from __future__ import annotations

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.capabilities import Unrolls
from workbench.inspection.agreement import signal_of, task_gradients
from workbench.inspection.gradients import anatomy, reaches_back
from workbench.inspection.layers import dots, ratio
from workbench.tasks.episode import Episode


def diagnosed(learner: Learner, episode: Episode) -> dict[str, float]:
    """What the meta-gradient is like on some tasks; the second order only of methods that have one.

    gradient_norm    of the mean over the tasks
    signal_to_noise  its norm over the spread of the tasks' own, `ratio` of `signal_frame`
    agreement        the mean cosine between two tasks' meta-gradients
    second_order     the norm of what the Hessians give (`Anatomy.correction`) over that of the
                     exact meta-gradient, as in `anatomy_frame`

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> sorted(diagnosed(MAML(MLP(1, 1)), open_tasks("sinusoid").sample(3, seed=0)))
    ['agreement', 'gradient_norm', 'second_order', 'signal_to_noise']
    """
    gradients = task_gradients(learner, episode)
    common = signal_of(gradients, list(gradients[0]))
    found = {
        "gradient_norm": common["signal"],
        "signal_to_noise": common["ratio"],
        "agreement": common["cosine"],
    }
    if isinstance(learner, Unrolls):
        path = list(adapt(learner, episode))
        if len(path) > 1 and reaches_back(learner, episode, path):
            parts = anatomy(learner, episode, path)
            above, below = (dots(g, g, list(g)) ** 0.5 for g in (parts.correction, parts.full))
            found["second_order"] = ratio(above, below)
    return found
