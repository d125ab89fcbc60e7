"""MAML: model-agnostic meta-learning, with its first-order form.

Finn, Abbeel and Levine (2017), Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks.

    theta_i' = theta - alpha * grad L_i(theta; support)      K times
    theta   <- theta - beta * grad_theta mean_i L_i(theta_i'; query)

The gradient passes through the inner steps, Hessians included. First-order MAML (FOMAML, the
same paper, section 5.2) leaves the Hessians out: it is MAML with `order="first"`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from workbench.algorithms.gradient.learner import (
    GradientLearner,
    GradientSettings,
    LearnedRates,
)
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec


@dataclass(frozen=True)
class MAMLSettings(GradientSettings):
    """Model-agnostic meta-learning (first-order with order='first')."""

    rates: LearnedRates = "none"  # inner rates to learn: none, per layer, parameter, or step

    def build(self, model: ModelSettings, spec: TaskSpec) -> MAML:
        """The learner for tasks of this kind."""
        return MAML(model.build(spec.input_shape, spec.outputs), self)


class MAML(GradientLearner):
    """Learns the weights that a few gradient steps adapt best.

    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> maml = MAML(MLP(1, 1), MAMLSettings(inner_rate=0.01))
    >>> episode = open_tasks("sinusoid").sample(4, seed=0)
    >>> sorted(maml.meta_gradient(episode).gradients)[0]
    'model.head.bias'
    """

    def __init__(self, model: nn.Module, settings: MAMLSettings = MAMLSettings()) -> None:
        super().__init__(model, settings, rates=settings.rates)
