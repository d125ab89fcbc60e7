"""A trust region: the furthest step along the natural gradient that keeps a policy near itself.

Schulman, Levine, Abbeel, Jordan and Moritz (2015), Trust Region Policy Optimization,
arXiv:1502.05477, appendix C; the outer step of MAML-RL (Finn et al., 2017).

    g = grad L(theta),   F = Hessian of KL(policy at theta || policy)      both after adapting
    x = F^-1 g by conjugate gradients,   s = sqrt(2 limit / x'Fx) x
    theta - f s   for the first f of 1, shrink, shrink^2 ... at which L is less and KL <= limit
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from workbench.algorithms.capabilities import Strays
from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.estimators.exact import filled
from workbench.algorithms.estimators.implicit import conjugate_gradients
from workbench.algorithms.values import Adapted, MetaGradient, trainable
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.innerloop import named_derivatives
from workbench.tasks.episode import Episode

_SHRINKS = 15  # how often a step is shortened before none is made


@dataclass(frozen=True)
class TrustRegion(Estimator):
    """A step of the policy's own length, found by a line search.

    What takes the gradient's place is minus the step that was accepted, or 0 where none was: an
    outer SGD of rate 1 makes exactly that step.
    """

    # how far the policy may move in a step, in nats a move
    limit: Annotated[float, Range(above=0, span=(1e-3, 0.1), log=True)] = 0.01
    conjugate: Annotated[int, Range(1, span=(1, 50))] = 10  # conjugate gradient steps
    # what is added to the Hessian's diagonal
    damping: Annotated[float, Range(0, span=(1e-6, 0.1), log=True)] = 1e-5
    # by what a step that goes too far is shortened
    shrink: Annotated[float, Range(above=0, below=1, span=(0.3, 0.9))] = 0.6

    def __post_init__(self) -> None:
        check_fields(self, "estimator")

    def __call__(
        self, learner: Any, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, None]:
        """Minus the accepted step, and each task's loss before it."""
        if not isinstance(learner, Strays):
            lacking = Strays.lacking.format(what="TrustRegion", method=type(learner).__name__)
            raise UserError(lacking)
        names, parameters = zip(*trainable(learner), strict=True)
        collected, judged = learner.collect(episode), _Judged(learner)
        with named_derivatives():
            losses, apart = judged(collected, episode)
            slopes = torch.autograd.grad(
                losses.mean(), parameters, retain_graph=True, allow_unused=True
            )
            gradient = filled(learner, zip(names, parameters, slopes, strict=True))
            bend = _flat(_slopes(apart.mean(), parameters, create_graph=True))

            def product(vectors: Sequence[Tensor]) -> list[Tensor]:
                (vector,) = vectors
                found = _flat(_slopes((bend * vector).sum(), parameters, retain_graph=True))
                return [found + self.damping * vector]

            right = [_flat(list(gradient.values()))]
            (direction,) = conjugate_gradients(product, right, self.conjugate)
            length = (direction * product([direction])[0]).sum().clamp(min=1e-30)
        full = (2 * self.limit / length).sqrt() * direction
        factor, theta = 1.0, _flat(parameters).detach()
        for _ in range(_SHRINKS):
            moved = {f"learner.{n}": p for n, p in _shaped(theta - factor * full, gradient).items()}
            with torch.no_grad():
                found, far = functional_call(judged, moved, (collected, episode))
            if bool((found.mean() < losses.mean()) & (far.mean() <= self.limit)):
                break
            factor *= self.shrink
        else:
            factor = 0.0
        return MetaGradient(_shaped(factor * full, gradient), losses.detach()), None


class _Judged(nn.Module):
    """A learner's loss and how far it has come, as a forward: what `functional_call` calls."""

    def __init__(self, learner: Strays) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, collected: Adapted, episode: Episode) -> tuple[Tensor, Tensor]:
        losses = self.learner.surrogate(collected, episode, math.inf)
        return losses, self.learner.divergence(collected, episode)


def _slopes(total: Tensor, parameters: Sequence[Tensor], **how: bool) -> Sequence[Tensor]:
    return torch.autograd.grad(total, parameters, materialize_grads=True, **how)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    """All of them as one row, `[1, number]`."""
    return torch.cat([t.reshape(1, -1) for t in tensors], dim=1)


def _shaped(row: Tensor, like: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `_flat` made of tensors, by their names and shapes."""
    parts = row.split([t.numel() for t in like.values()], dim=1)
    return {name: p.reshape(t.shape) for p, (name, t) in zip(parts, like.items(), strict=True)}
