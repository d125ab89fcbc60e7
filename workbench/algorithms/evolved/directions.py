"""The space of initialisations that codes span: a start, and directions to go from it.

    theta = theta_0 + sum_j z_j direction_j

Principal directions are those in which the networks of some tasks differ once they are fine-tuned,
each as long as their spread along it, and theta_0 is the networks' mean. Random ones are as long
as theta_0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.values import last
from workbench.errors import UserError
from workbench.innerloop import weights_of
from workbench.tasks.episode import Episode


@dataclass(frozen=True, eq=False)
class Directions:
    """A start and directions: a row each, of all weights that adapt.

    start  [weight]
    along  [direction, weight]

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("sinusoid").sample(9, seed=0)
    >>> Directions.principal(MAML(MLP(1, 1)), episode, 4, steps=2).along.shape
    torch.Size([4, 1761])
    """

    start: Tensor
    along: Tensor

    @staticmethod
    def random(weights: Iterable[Tensor], count: int) -> Directions:
        """From a network's own weights, by torch's generator."""
        start = torch.cat([w.detach().flatten() for w in weights])
        along = torch.randn(count, len(start), dtype=start.dtype, device=start.device)
        return Directions(start, along * start.square().mean().sqrt())

    @staticmethod
    @torch.no_grad()
    def principal(learner: Learner, episode: Episode, count: int, *, steps: int) -> Directions:
        """From the mean of the networks that so many inner steps on each task lead to."""
        if not 0 < count < len(episode):
            raise UserError(
                f"{count} principal directions were asked of {len(episode)} tasks: ask for 1 to "
                f"{len(episode) - 1}"
            )
        found = weights_of(last(adapt(learner, episode, steps=steps)).values)
        if not found:
            raise UserError(
                f"{type(learner).__name__} has no weights that inner gradient steps change: use "
                "MAML or another gradient method"
            )
        networks = torch.cat([w.flatten(1) for w in found.values()], dim=1)
        start = networks.mean(dim=0)
        _, spread, along = torch.linalg.svd(networks - start, full_matrices=False)
        lengths = spread[:count] / (len(episode) - 1) ** 0.5
        return Directions(start, along[:count] * lengths.unsqueeze(1))
