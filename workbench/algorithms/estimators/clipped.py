"""The exact meta-gradient, but for a limit on what flows back through each inner step.

Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks,
arXiv:1211.5063, where the gradient that is clipped is the one on its way back through time.

    v_k = clip(J_(k+1)' v_(k+1)),    v_K = the gradient of the meta-loss at the adapted values

J_k is the derivative of inner step k. A limit on the finished meta-gradient (`training.clip`) keeps
the direction that exploded; this one lets no step's part drown the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.estimators.exact import differentiated
from workbench.algorithms.values import Adapted, MetaGradient
from workbench.fields import Range, check_fields
from workbench.innerloop import clip_each_task
from workbench.tasks.episode import Episode

Function = Any  # torch.autograd.Function's methods carry no types


@dataclass(frozen=True)
class Clipped(Estimator):
    """Differentiate through the whole adaptation, with a limit on what each step hands back."""

    # greatest norm of a task's gradient on its way back through an inner step
    limit: Annotated[float, Range(above=0, span=(0.1, 100), log=True)] = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "estimator")

    def __call__(
        self, learner: Learner, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, None]:
        """The derivative, limited between the steps."""

        def path() -> Iterator[Adapted]:
            (adapted,) = adapt(learner, episode, steps=0)
            yield adapted
            while adapted.step < learner.steps(episode):
                start = self.limited(adapted, len(episode))
                _, adapted = adapt(learner, episode, start=start, steps=adapted.step + 1)
                yield adapted

        return differentiated(learner, learner.meta_loss(path(), episode)), None

    def limited(self, adapted: Adapted, tasks: int) -> Adapted:
        """The same values, through which no task's gradient flows back longer than the limit.

        What flows is the gradient of a mean over `tasks`, and the limit is on that of each.
        """
        names = [n for n, t in adapted.values.items() if t.requires_grad]
        if not names:
            return adapted
        found = _Limited.apply(self.limit / tasks, *(adapted.values[n] for n in names))
        values = {**adapted.values, **dict(zip(names, found, strict=True))}
        return Adapted(values, adapted.seen, adapted.step)


class _Limited(torch.autograd.Function):
    """Identity; on the way back each task's gradient, of all tensors together, is shortened."""

    @staticmethod
    def forward(ctx: Function, limit: float, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.limit = limit
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx: Function, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *clip_each_task(gradients, ctx.limit))
