"""Optimization problems as tasks: from its start, how far down does an optimizer get?

Andrychowicz et al. (2016), section 3: quadratics of ten dimensions, and a small net on digits.
A model's weights are what moves: `MLPSettings(hidden=(), bias=False)` is the point of a quadratic.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from workbench.randomness import fold, normal
from workbench.tasks.base import Shape, Split, Tasks, TaskSpec, task_seeds
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.objectives import CrossEntropy, Metric, SquaredError
from workbench.tasks.sampler import ClassSplit, FewShot

DIMENSIONS = 10
_MATRIX, _VECTOR = range(2)  # which use a task's seed is put to


def _norm(prediction: Tensor, examples: Examples) -> Tensor:
    return SquaredNorm().losses(prediction, examples).mean(dim=1)


@dataclass(frozen=True)
class SquaredNorm(SquaredError):
    """The sum of squared errors over a task's equations (its mean loss is |Wx - y|²)."""

    metrics = (Metric("squared_norm", "lower", "", None, _norm, "squared norm", loss=True),)

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """Squared errors times their number, `[task, example]`."""
        return super().losses(prediction, examples) * examples.y.shape[1]


class Quadratics(Tasks):
    """f(w) = |Ww - y|², W and y normal: ten equations, each an example, of a linear model.

    >>> Quadratics().sample(3, seed=0).support.x.shape
    torch.Size([3, 10, 10])
    """

    name, scheme, kind = "quadratics", "normal", "regression"
    default_shape = Shape(ways=1, shots=DIMENSIONS, queries=DIMENSIONS)
    objective = SquaredNorm()

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        seeds = task_seeds(n, seed, split)
        equations = Examples(
            normal(fold(seeds, _MATRIX), (DIMENSIONS, DIMENSIONS)),
            normal(fold(seeds, _VECTOR), (DIMENSIONS, 1)),
        )
        info = {"dataset": self.name, "scheme": self.scheme, "split": split}
        return Episode(equations, equations, seeds, info=info)

    def check(self, shape: Shape, split: Split = "train") -> None:
        """There is one shape, whatever is asked for."""

    def spec(self, shape: Shape) -> TaskSpec:
        return TaskSpec("regression", (DIMENSIONS,), 1)


def _mean_loss(prediction: Tensor, examples: Examples) -> Tensor:
    return examples.mean(CrossEntropy().losses(prediction, examples))


@dataclass(frozen=True)
class Descent(CrossEntropy):
    """Cross-entropy, which is also what is followed first; accuracy stands beside it."""

    metrics: tuple[Metric, ...] = (  # type: ignore[assignment]
        Metric("cross_entropy", "lower", "nats", None, _mean_loss, "cross-entropy", loss=True),
        *CrossEntropy.metrics,
    )


class WholeDigits(FewShot):
    """A net's whole training on scikit-learn's digits: all ten classes, a hundred images of each.

    All splits have the same images: a new problem has another start, other images of them in its
    support, and its classes in another order. The query has images that the support has not.

    >>> from workbench.tasks import open_tasks
    >>> open_tasks("digits:whole").sample(2, seed=0).support.x.shape
    torch.Size([2, 1000, 1, 8, 8])
    """

    objective = Descent()


def open_whole_digits() -> WholeDigits:
    """The digits as problems of optimization."""
    from workbench.tasks.families.digits import open_digits

    split = ClassSplit.of(list(range(10)))
    return WholeDigits(
        open_digits().bank,
        {"train": split, "validation": split, "test": split},
        name="digits",
        scheme="whole",
        default_shape=Shape(ways=10, shots=100, queries=30),
    )
