"""Meta-SGD: MAML that learns the direction and the size of its step as well.

Li, Zhou, Chen and Li (2017), Meta-SGD: Learning to Learn Quickly for Few-Shot Learning.

    theta_i' = theta - alpha o grad L_i(theta; support)      alpha of theta's shape, o elementwise
    (theta, alpha) <- (theta, alpha) - beta * grad mean_i L_i(theta_i'; query)
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from workbench.algorithms.gradient.learner import (
    GradientLearner,
    GradientSettings,
    TestSteps,
)
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec


@dataclass(frozen=True)
class MetaSGDSettings(GradientSettings):
    """MAML with a learned rate for every parameter."""

    test_steps: TestSteps = 1  # inner steps in evaluation

    def build(self, model: ModelSettings, spec: TaskSpec) -> MetaSGD:
        """The learner for tasks of this kind."""
        return MetaSGD(model.build(spec.input_shape, spec.outputs), self)


class MetaSGD(GradientLearner):
    """Learns theta and a rate for each of its elements.

    >>> from workbench.models import MLP
    >>> learner = MetaSGD(MLP(1, 1))
    >>> learner.rates["head/weight"].shape == learner.model.head.weight.shape
    True
    """

    def __init__(self, model: nn.Module, settings: MetaSGDSettings = MetaSGDSettings()) -> None:
        super().__init__(model, settings, rates="parameter")
