"""What inner rates a step used: an inspection of every method that learns or generates them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch

from workbench.algorithms.inspections import Inspection
from workbench.algorithms.values import Adapted
from workbench.tasks.episode import Episode

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = {
    "step": "which inner step, counted from 1",
    "tensor": "which of the model's tensors it moved",
    "rate": "its inner rate, the mean over elements where each has its own",
    "smallest": "the smallest rate of an element",
    "largest": "the largest rate of an element",
    "decay": "what share of itself the tensor lost beside the gradient step, its weight decay",
}


@torch.no_grad()
def rate_frame(learner: Any, episode: Episode, path: Sequence[Adapted], task: int) -> DataFrame:
    """The rates and decays by which the steps of a task moved each tensor: a row a step and tensor.

    >>> from workbench.algorithms import MetaSGD, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("sinusoid").sample(2, seed=0), MetaSGD(MLP(1, 1))
    >>> frame = rate_frame(learner, episode, list(adapt(learner, episode, steps=2)), 0)
    >>> len(frame), round(float(frame["rate"].iloc[0]), 4)
    (12, 0.01)
    """
    import pandas as pd

    rows = []
    for before, after in pairwise(path):
        for name, (rate, decay) in learner.moved_by(before, after, episode, task).items():
            own = torch.as_tensor(rate)
            among = {"smallest": float(own.min()), "largest": float(own.max())}
            row = {"step": after.step, "tensor": name, "rate": float(own.mean()), **among}
            rows.append({**row, "decay": float(decay)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


RATES = Inspection(
    "rates",
    rate_frame,
    COLUMNS,
    "The inner rates by which each step moved each tensor",
    figure="rates",
)
