"""What a third level learned: an inspection of the rates that the learner inside is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from workbench.algorithms.gradient.rates import COLUMNS
from workbench.algorithms.inspections import Inspection
from workbench.algorithms.values import Adapted
from workbench.tasks.episode import Episode

if TYPE_CHECKING:
    from pandas import DataFrame


@torch.no_grad()
def inside_frame(learner: Any, episode: Episode, path: Sequence[Adapted], task: int) -> DataFrame:
    """The rates of the learner inside, mask included: a row an inner step and tensor.

    >>> from workbench.algorithms import MetaOptimisedSettings
    >>> from workbench.models import MLPSettings
    >>> from workbench.tasks import open_tasks
    >>> families = open_tasks("families:sines")
    >>> spec = families.spec(families.default_shape)
    >>> learner = MetaOptimisedSettings().build(MLPSettings(hidden=(8,)), spec)
    >>> frame = inside_frame(learner, families.sample(1, seed=0), [], 0)
    >>> len(frame), round(float(frame["rate"].mean()), 4)
    (12, 0.01)
    """
    import pandas as pd

    rates = learner.inner_rates(len(episode))[task]
    rows = []
    for step in range(rates.shape[1]):
        for name, of_tensor in zip(learner.rate_names, rates, strict=True):
            rate = float(of_tensor[step])
            tensor = name.removeprefix("rates.").replace("/", ".")
            among = {"rate": rate, "smallest": rate, "largest": rate, "decay": 0.0}
            rows.append({"step": step + 1, "tensor": tensor, **among})
    return pd.DataFrame(rows, columns=list(COLUMNS))


INSIDE = Inspection(
    "inside",
    inside_frame,
    COLUMNS,
    "The rates that the learner inside moves each tensor by, by inner step",
    figure="rates",
)
