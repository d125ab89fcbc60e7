"""Influence: what each support example does for the query, by leaving it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.values import Adapted, last
from workbench.errors import UserError
from workbench.inspection.layers import check_task
from workbench.tasks.episode import Episode, Examples

_AT_ONCE = 32  # adaptations that are computed together


@torch.no_grad()
def influence_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int | None = None
) -> pd.DataFrame:
    """The query loss after adapting without each support example: a row a task and example.

    task       its place in the episode (all tasks, or the one that is asked for)
    example    its place in the support
    target     its class, or its value where targets are single numbers
    loss       the query loss after adapting to all examples
    without    the same, adapted to all but this one
    influence  without - loss: above 0 the example helped, below 0 the task goes better without it

    Without the only example of a class a method that knows classes by their examples cannot
    predict it, and the loss is very large.

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("sinusoid").sample(2, seed=0, shape=Shape(1, 4, 5))
    >>> learner = MAML(MLP(1, 1))
    >>> len(influence_frame(learner, episode, list(adapt(learner, episode))))
    8
    """
    if episode.kind == "control":
        raise UserError(
            "influence_frame leaves out support examples, and control tasks have none: "
            "use step_frame"
        )
    tasks = range(len(episode)) if task is None else [task]
    steps = path[-1].step
    rows = []
    for place in tasks:
        check_task(episode, place)
        one = episode[place : place + 1]
        kept = one.support.counts()
        counted = [int(k) for k in kept[0].nonzero()]
        masks = kept.repeat(len(counted) + 1, 1)
        for row, example in enumerate(counted):
            masks[row + 1, example] = 0.0
        losses = torch.cat([_loss(learner, one, piece, steps) for piece in masks.split(_AT_ONCE)])
        loss = float(losses[0])
        for row, example in enumerate(counted):
            target = one.support.y[0, example]
            without = float(losses[row + 1])
            rows.append(
                {
                    "task": place,
                    "example": example,
                    "target": float(target) if target.numel() == 1 else float("nan"),
                    "loss": loss,
                    "without": without,
                    "influence": without - loss,
                }
            )
    return pd.DataFrame(rows)


def _loss(learner: Learner, one: Episode, masks: Tensor, steps: int) -> Tensor:
    """The query loss of one task for every weighting of its support, `[weighting]`."""
    many = one[torch.zeros(len(masks), dtype=torch.long, device=one.seed.device)]
    support = Examples(many.support.x, many.support.y, masks)
    many = replace(many, support=support)
    final = last(adapt(learner, many, steps=steps))
    return many.loss(learner.predict(final, many.query.x, many.query.weight), many.query)
