"""GAIL-Meta's own inspection: how different the parameters are that one task is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from workbench.algorithms.inspections import Inspection
from workbench.algorithms.values import Adapted
from workbench.innerloop import weights_of
from workbench.randomness import fold, normal
from workbench.tasks.episode import Episode

if TYPE_CHECKING:
    from pandas import DataFrame

_SAMPLES, _DRAW = 20, 1


@torch.no_grad()
def sample_frame(learner: Any, episode: Episode, path: Sequence[Adapted], task: int) -> DataFrame:
    """Draws of one task's parameters, as they are generated: how each does, how far apart."""
    import pandas as pd

    one = episode[task : task + 1]
    draws = torch.arange(_SAMPLES, device=one.seed.device)
    like = next(learner.generator.parameters())
    noise = normal(fold(one.seed, _DRAW, draws), (learner.settings.noise,), like.dtype)
    many = one.map(lambda t: t.expand(_SAMPLES, *t.shape[1:]), checked=True)
    made = learner.begun(many, noise)
    query = many.query
    prediction = learner.predict(made, query.x, query.weight)
    weights = torch.cat([w.flatten(1) for w in weights_of(made.values).values()], dim=1)
    away = (prediction - prediction.mean(dim=0)).flatten(2).square().mean(dim=2)
    return pd.DataFrame(
        {
            "sample": draws.cpu().numpy(),
            "loss": many.loss(prediction, query).double().cpu().numpy(),
            "weights": (weights - weights.mean(dim=0)).norm(dim=1).double().cpu().numpy(),
            "predictions": query.mean(away).sqrt().double().cpu().numpy(),
        }
    )


SAMPLES = Inspection(
    "samples",
    sample_frame,
    {
        "sample": "which draw of the noise",
        "loss": "on the query, before any step",
        "weights": "how far the generated parameters are from the mean of the samples",
        "predictions": "how far their predictions for the query are from it, root mean square",
    },
    "How different the parameters are that GAIL-Meta generates for one task",
    shows="tasks",
)
