"""iMAML's estimator: the meta-gradient from where the inner loop ended, however it got there.

Rajeswaran, Finn, Kakade and Levine (2019), Meta-Learning with Implicit Gradients,
arXiv:1909.04630.

Where the inner loop minimises the support loss plus strength/2 |w - theta|^2, its end moves with
theta by A^-1, A = I + H / strength, H the Hessian of the support loss there. The system is solved
for all tasks at once, and what is kept does not grow with the inner steps:

    conjugate  by conjugate gradients, the paper's
    neumann    A^-1 = r sum_j (I - r A)^j, r = strength * inner rate: what unrolling so many inner
               steps would give, were all of them made at the end (Lorraine, Vicol and Duvenaud,
               2020, arXiv:1911.02590)
    exact      with the whole Hessian, a product for each weight: for small nets
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

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

_LARGEST = 3_000  # weights for which the whole Hessian is made
Product = Callable[[Sequence[Tensor]], list[Tensor]]


@dataclass(frozen=True)
class Implicit(Estimator):
    """Differentiate the end of a proximal inner loop by the implicit function theorem."""

    # steps of the solution: of conjugate gradients, or terms of Neumann's series
    iterations: Annotated[int, Range(1, span=(1, 50))] = 10
    solver: Literal["conjugate", "neumann", "exact"] = "conjugate"  # how the system is solved

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
        if learner.learned_rates != "none":
            raise UserError(
                "the estimator Implicit knows where the inner loop ended and not how it got there, "
                f"so that the inner rates which {type(learner).__name__} learns would never train: "
                "use fixed ones, or another estimator"
            )
        with torch.no_grad():
            end = last(adapt(learner, episode))
        found, start = weights_of(end.values), weights_of(learner.begin(episode).values)

        def hessian_at() -> Product:
            """Products with the Hessian at the end: of the gradient's graph, which is made once."""
            at = {n: w.detach().requires_grad_() for n, w in found.items()}
            with torch.enable_grad():
                loss = learner.support_loss(at, end, episode).sum()
                slopes = torch.autograd.grad(loss, list(at.values()), create_graph=True)
            kept = [i for i, slope in enumerate(slopes) if slope.requires_grad]

            def product(vectors: Sequence[Tensor]) -> list[Tensor]:
                products = torch.autograd.grad(
                    [slopes[i] for i in kept],
                    list(at.values()),
                    [vectors[i] for i in kept],
                    retain_graph=True,
                    materialize_grads=True,
                )
                return [p.detach() for p in products]

            return product

        def solve(vectors: Sequence[Tensor]) -> list[Tensor]:
            hessian = hessian_at()

            def system(v: Sequence[Tensor]) -> list[Tensor]:
                return [a + b / strength for a, b in zip(v, hessian(v), strict=True)]

            with torch.no_grad():
                if self.solver == "exact":
                    return solved(system, vectors)
                if self.solver == "neumann":
                    rate = strength * learner.settings.inner_rate
                    return neumann(system, vectors, self.iterations, rate)
                return conjugate_gradients(system, vectors, self.iterations)

        tied = implicit(start, {n: w.detach() for n, w in found.items()}, solve)
        values = {**end.values, **{f"weights.{n}": w for n, w in tied.items()}}
        losses = learner.meta_loss([Adapted(values, end.seen, end.step)], episode)
        return differentiated(learner, losses), None


def neumann(product: Product, right: Sequence[Tensor], terms: int, rate: float) -> list[Tensor]:
    """Solve A x = b by rate * sum_j (I - rate A)^j b, which converges where |I - rate A| < 1.

    >>> twice = lambda v: [2 * t for t in v]
    >>> neumann(twice, [torch.tensor([[4.0, 2.0]])], 3, 0.5)[0]
    tensor([[2., 1.]])
    """
    term, found = list(right), list(right)
    for _ in range(terms - 1):
        term = [t - rate * p for t, p in zip(term, product(term), strict=True)]
        found = [f + t for f, t in zip(found, term, strict=True)]
    return [rate * f for f in found]


def solved(product: Product, right: Sequence[Tensor]) -> list[Tensor]:
    """Solve A x = b by the whole matrix of every task, column by column.

    >>> solved(lambda v: [2 * t for t in v], [torch.tensor([[4.0, 2.0]])])[0]
    tensor([[2., 1.]])
    """
    flat = torch.cat([b.flatten(1) for b in right], dim=1)
    sizes, size = [b[0].numel() for b in right], flat.shape[1]
    if size > _LARGEST:
        raise UserError(
            f"the estimator Implicit with the solver 'exact' needs a matrix of {size} x {size} for "
            f"every task and makes none beyond {_LARGEST}: choose the solver 'conjugate'"
        )

    def shaped(rows: Tensor) -> list[Tensor]:
        parts = rows.split(sizes, dim=1)
        return [part.reshape(b.shape) for part, b in zip(parts, right, strict=True)]

    unit = torch.eye(size, dtype=flat.dtype, device=flat.device)
    columns = [product(shaped(row.expand(len(flat), -1))) for row in unit]
    matrix = torch.stack([torch.cat([c.flatten(1) for c in of], dim=1) for of in columns], dim=2)
    return shaped(torch.linalg.solve(matrix, flat))


def conjugate_gradients(product: Product, right: Sequence[Tensor], steps: int) -> list[Tensor]:
    """Solve A x = b for every task by itself; tensors have a leading task axis.

    Where A is found not to be positive, a task keeps what it has by then (b, in the first step).

    >>> twice = lambda v: [2 * t for t in v]
    >>> conjugate_gradients(twice, [torch.tensor([[4.0, 2.0]])], 2)[0]
    tensor([[2., 1.]])
    """
    x = [torch.zeros_like(b) for b in right]
    residual, direction = list(right), list(right)
    size = _dot(residual, residual)
    going = torch.ones_like(size, dtype=torch.bool)
    for step in range(steps):
        moved = product(direction)
        bend = _dot(direction, moved)
        positive = bend > 0
        if step == 0:
            x = _plus(x, (~positive).to(size), right)
        going = going & positive
        rate = torch.where(going, size / torch.where(positive, bend, 1), 0)
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
