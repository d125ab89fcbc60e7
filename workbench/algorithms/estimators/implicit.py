"""iMAML's estimator: the meta-gradient from where the inner loop ended, however it got there.

Rajeswaran, Finn, Kakade and Levine (2019), Meta-Learning with Implicit Gradients,
arXiv:1909.04630.

Where the inner loop minimises the support loss plus strength/2 |w - theta|^2, its end moves with
theta by (I + H / strength)^-1, H the Hessian of the support loss there. The system is solved by
conjugate gradients, all tasks at once, so that what is kept does not grow with the inner steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from workbench.algorithms.base import adapt
from workbench.algorithms.capabilities import Unrolls
from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.estimators.exact import differentiated
from workbench.algorithms.values import Adapted, MetaGradient, last
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.innerloop import implicit, weights_of
from workbench.tasks.episode import Episode

Product = Callable[[Sequence[Tensor]], list[Tensor]]


@dataclass(frozen=True)
class Implicit(Estimator):
    """Differentiate the end of a proximal inner loop by the implicit function theorem."""

    # conjugate-gradient steps of the solution
    iterations: Annotated[int, Range(1, span=(1, 50))] = 10

    def __post_init__(self) -> None:
        check_fields(self, "estimator")

    def __call__(
        self, learner: Any, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, None]:
        """The gradient of the query loss at the end, brought to theta."""
        strength = getattr(learner.settings, "proximal", 0.0)
        if not isinstance(learner, Unrolls) or not strength:
            raise UserError(
                f"the estimator Implicit needs an inner loop that is held near theta, and "
                f"{type(learner).__name__} is not: choose a gradient method and set "
                "learner.proximal above 0"
            )
        with torch.no_grad():
            end = last(adapt(learner, episode))
        found, start = weights_of(end.values), weights_of(learner.begin(episode).values)
        names = list(found)

        def hessian(vectors: Sequence[Tensor]) -> list[Tensor]:
            with torch.enable_grad():
                at = {n: w.detach().requires_grad_() for n, w in found.items()}
                loss = learner.support_loss(at, end, episode).sum()
                slopes = torch.autograd.grad(loss, list(at.values()), create_graph=True)
                products = torch.autograd.grad(slopes, list(at.values()), list(vectors))
            return [p.detach() for p in products]

        def solve(vectors: Sequence[Tensor]) -> list[Tensor]:
            def system(v: Sequence[Tensor]) -> list[Tensor]:
                return [a + b / strength for a, b in zip(v, hessian(v), strict=True)]

            with torch.no_grad():
                return conjugate_gradients(system, vectors, self.iterations)

        tied = implicit(start, {n: found[n].detach() for n in names}, solve)
        values = {**end.values, **{f"weights.{n}": w for n, w in tied.items()}}
        losses = learner.meta_loss([Adapted(values, end.seen, end.step)], episode)
        return differentiated(learner, losses), None


def conjugate_gradients(product: Product, right: Sequence[Tensor], steps: int) -> list[Tensor]:
    """Solve A x = b for every task by itself; tensors have a leading task axis.

    >>> twice = lambda v: [2 * t for t in v]
    >>> conjugate_gradients(twice, [torch.tensor([[4.0, 2.0]])], 2)[0]
    tensor([[2., 1.]])
    """
    x = [torch.zeros_like(b) for b in right]
    residual = list(right)
    direction = list(right)
    size = _dot(residual, residual)
    for _ in range(steps):
        moved = product(direction)
        rate = size / _dot(direction, moved).clamp(min=1e-30)
        x = _plus(x, rate, direction)
        residual = _plus(residual, -rate, moved)
        before, size = size, _dot(residual, residual)
        direction = _plus(residual, size / before.clamp(min=1e-30), direction)
    return x


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """`[task]`"""
    return sum(
        ((s * t).flatten(1).sum(dim=1) for s, t in zip(a, b, strict=True)),
        start=torch.zeros(len(a[0]), dtype=a[0].dtype, device=a[0].device),
    )


def _plus(a: Sequence[Tensor], factor: Tensor, b: Sequence[Tensor]) -> list[Tensor]:
    return [s + factor.reshape(-1, *[1] * (s.dim() - 1)) * t for s, t in zip(a, b, strict=True)]
