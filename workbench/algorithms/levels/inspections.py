"""What a third level gives the learner inside: inspections of its rates, and of its strategy."""

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
    """The rates of the learner inside after the last step of a path: a row an inner step, tensor.

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

    rates = learner.inner_rates(_last(learner, episode, path), len(episode))[task]
    rows = []
    for step in range(rates.shape[1]):
        for name, of_tensor in zip(learner.rate_names, rates, strict=True):
            rate = float(of_tensor[step])
            tensor = name.removeprefix("rates.").replace("/", ".")
            among = {"rate": rate, "smallest": rate, "largest": rate, "decay": 0.0}
            rows.append({"step": step + 1, "tensor": tensor, **among})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _last(learner: Any, episode: Episode, path: Sequence[Adapted]) -> Adapted:
    return path[-1] if path else learner.begin(episode)


STRATEGY_COLUMNS = {
    "step": "which outer step, counted from 1",
    "setting": "inner_rate (the mean over tensors and inner steps), outer_rate (over tensors), "
    "proximal, and what else the method sets",
    "value": "what it was in that step",
    "label": "its name, where it has one",
}


@torch.no_grad()
def strategy_frame(learner: Any, episode: Episode, path: Sequence[Adapted], task: int) -> DataFrame:
    """How a family's outer steps were made: a row an outer step and setting.

    >>> from workbench.algorithms import MetaOptimisedSettings, adapt
    >>> from workbench.models import MLPSettings
    >>> from workbench.tasks import Shape, open_tasks
    >>> families, shape = open_tasks("families:sines"), Shape(1, 8, 4)
    >>> learner = MetaOptimisedSettings().build(MLPSettings(hidden=(8,)), families.spec(shape))
    >>> episode = families.sample(1, seed=0, shape=shape)
    >>> frame = strategy_frame(learner, episode, list(adapt(learner, episode, steps=2)), 0)
    >>> frame["setting"].tolist()[:3], round(float(frame["value"][1]), 4)
    (['inner_rate', 'outer_rate', 'proximal'], 0.001)
    """
    import pandas as pd

    rows = []
    for after in path[1:]:
        for name, value, label in learner.strategy(after, task):
            rows.append({"step": after.step, "setting": name, "value": value, "label": label})
    return pd.DataFrame(rows, columns=list(STRATEGY_COLUMNS))


INSIDE = Inspection(
    "inside",
    inside_frame,
    COLUMNS,
    "The rates that the learner inside moves each tensor by, by inner step",
    figure="rates",
)
STRATEGY = Inspection(
    "strategy",
    strategy_frame,
    STRATEGY_COLUMNS,
    "The rates and regularisation that each outer step was made with",
)
