"""Reptile: move theta towards the weights that ordinary training on each task arrives at.

Nichol, Achiam and Schulman (2018), On First-Order Meta-Learning Algorithms.

    theta_i' = K steps of an optimizer on minibatches of task i
    theta   <- theta + beta * mean_i (theta_i' - theta)

theta - mean_i theta_i' stands in for the meta-gradient (the estimator `Displacement`), so an outer
SGD of rate beta is exactly this update. The serial form is a meta-batch of one task; the batched
form has more. No query set and no second derivative is used in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.algorithms.estimators.displacement import Displacement
from workbench.algorithms.gradient.learner import (
    GradientLearner,
    GradientSettings,
    InnerRate,
    TestSteps,
    TrainSteps,
)
from workbench.algorithms.values import Adapted
from workbench.fields import Live, Range
from workbench.innerloop import InnerOptimizer, Order, RuleSettings
from workbench.models import ModelSettings
from workbench.randomness import fold, permutation, uniform
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples


@dataclass(frozen=True)
class ReptileSettings(GradientSettings):
    """Move theta towards the adapted weights."""

    inner_rate: InnerRate = 0.001  # size of an inner step
    train_steps: TrainSteps = 5  # inner steps in training
    test_steps: TestSteps = 50  # inner steps in evaluation
    order: Order = "first"  # never differentiated through
    # the inner update rule
    optimizer: Annotated[RuleSettings, Live()] = InnerOptimizer("adam", beta1=0.0)
    batch: Annotated[int, Range(1, span=(1, 50)), Live()] = 10  # examples of an inner minibatch

    def build(self, model: ModelSettings, spec: TaskSpec) -> Reptile:
        """The learner for tasks of this kind."""
        self.check_undifferentiated("Reptile")
        return Reptile(model.build(spec.input_shape, spec.outputs), self)


class Reptile(GradientLearner):
    """Learns the weights from which ordinary training gets far in a few steps.

    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> reptile = Reptile(MLP(1, 1))
    >>> reptile.meta_gradient(open_tasks("sinusoid").sample(2, seed=0)).losses.shape
    torch.Size([2])
    """

    settings: ReptileSettings
    estimator = Displacement()
    differentiates = False

    def __init__(self, model: nn.Module, settings: ReptileSettings = ReptileSettings()) -> None:
        super().__init__(model, settings)

    def batch(self, adapted: Adapted, episode: Episode) -> Examples:
        """This step's minibatch of the support."""
        return minibatch(episode.support, episode.seed, adapted.step, self.settings.batch)


def minibatch(examples: Examples, seed: Tensor, step: int, size: int) -> Examples:
    """A step's share of the support, which is shuffled anew each time it was gone through."""
    total = examples.y.shape[1]
    if size >= total:
        return examples
    task = torch.arange(len(seed), device=seed.device).unsqueeze(1)
    if examples.weight is None:
        epoch, part = divmod(step, -(-total // size))
        rows = permutation(fold(seed, epoch), total)[:, part * size : (part + 1) * size]
        return Examples(examples.x[task, rows], examples.y[task, rows])
    # Each task goes through its own examples, as it would without the padding around them.
    real = examples.weight > 0
    count = real.sum(dim=1)
    parts = (-(-count // size)).clamp(min=1)
    word = step // parts + 1  # the epoch: a tensor folds in like the whole number below it
    draws = uniform(fold(seed, word), (total,), torch.float64)
    own = (real.cumsum(dim=1) - 1).clamp(min=0)
    draws = torch.where((count <= size).unsqueeze(1), own / total, draws.gather(1, own))
    place = (step % parts * size).unsqueeze(1) + torch.arange(size, device=seed.device)
    rows = (draws + 2 * ~real).argsort(dim=1).gather(1, place.clamp(max=total - 1))
    weight = examples.weight[task, rows] * (place < count.unsqueeze(1))
    return Examples(examples.x[task, rows], examples.y[task, rows], weight)
