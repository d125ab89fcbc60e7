"""Reptile's estimator: the way from theta to the adapted weights takes the gradient's place.

Nichol, Achiam and Schulman (2018), On First-Order Meta-Learning Algorithms, arXiv:1803.02999.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from workbench.algorithms.base import adapt
from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.values import Adapted, MetaGradient, last, trainable
from workbench.errors import UserError
from workbench.innerloop import weights_of
from workbench.tasks.episode import Episode


@dataclass(frozen=True)
class Displacement(Estimator):
    """Move theta towards the mean of the tasks' adapted weights; nothing is differentiated."""

    @torch.no_grad()
    def __call__(
        self, learner: Any, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, None]:
        """theta - mean_i theta_i', and each task's last support loss."""
        final = last(adapt(learner, episode))
        fast = {f"model.{name}": w for name, w in weights_of(final.values).items()}
        names = dict(trainable(learner))
        left = [name for name in names if name not in fast]
        if "loss" not in final.seen:
            raise UserError(
                f"{type(learner).__name__} learns from where inner steps lead and takes none: ask "
                "for at least 1 step"
            )
        if left:
            raise UserError(
                f"{type(learner).__name__} has '{left[0]}', which no inner step moves, and the "
                "estimator Displacement follows what inner steps move: let all of them adapt, or "
                "choose the estimator Exact"
            )
        gradients = {name: p - fast[name].mean(dim=0) for name, p in names.items()}
        return MetaGradient(gradients, final.seen["loss"]), None
