"""PPO: several epochs of small steps over one batch of what a policy did.

Schulman, Wolski, Dhariwal, Radford and Klimov (2017), Proximal Policy Optimization Algorithms,
arXiv:1707.06347.

    ratio = pi(a | s) / pi_old(a | s)         loss = -min(ratio A, clip(ratio, 1 - c, 1 + c) A)

The first outer step of a batch of tasks acts in them; each is one minibatch of one epoch over what
was done. What was collected is carried from outer step to outer step as a window's end is, so that
a training may be cut between any two. Which tasks a minibatch has follows from their seeds and the
epoch alone, whatever chunks they are computed in: its size varies a little, its mean does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch

from workbench.algorithms.capabilities import Acts
from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.estimators.exact import differentiated
from workbench.algorithms.values import Adapted, MetaGradient
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.randomness import fold, uniform
from workbench.tasks.episode import Episode

_MINIBATCH = 11  # the use made of an episode's seed


@dataclass(frozen=True)
class PPO(Estimator):
    """Act once, then descend the clipped surrogate of what was done, minibatch by minibatch."""

    epochs: Annotated[int, Range(1, span=(1, 10))] = (
        4  # times that a batch of tasks is gone through
    )
    minibatches: Annotated[int, Range(1, span=(1, 16))] = 4  # outer steps of an epoch
    # how far an action's chance may move, as a share of what it was, before nothing more is gained
    clip: Annotated[float, Range(above=0, span=(0.05, 0.5))] = 0.2

    window = 1  # what is carried counts the outer steps

    def __post_init__(self) -> None:
        check_fields(self, "estimator")

    def outer_steps(self, steps: int) -> int:
        """The minibatches of all epochs."""
        return self.epochs * self.minibatches

    @property
    def whole(self) -> PPO:
        """One minibatch of all tasks."""
        return replace(self, minibatches=1)

    def __call__(
        self, learner: Any, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, Adapted]:
        """The derivative of the surrogate of one minibatch, and what was collected."""
        if not isinstance(learner, Acts):
            raise UserError(Acts.lacking.format(what="PPO", method=type(learner).__name__))
        if carried is None:
            carried = Adapted(learner.collect(episode).detach().values)
        epoch, part = divmod(carried.step, self.minibatches)
        place = uniform(fold(episode.seed, _MINIBATCH, epoch), (), torch.float64)
        weight = ((place * self.minibatches).long() == part) * float(self.minibatches)
        # computed where it counts; of a minibatch without a task, on one that counts nothing
        rows = weight.nonzero().squeeze(1) if bool(weight.any()) else weight.new_zeros(1).long()
        some = Adapted({name: t[rows] for name, t in carried.values.items()})
        found = learner.surrogate(some, episode[rows], self.clip)
        losses = found.new_zeros(len(episode)).index_put((rows,), found * weight[rows].to(found))
        return differentiated(learner, losses), Adapted(carried.values, step=carried.step + 1)
