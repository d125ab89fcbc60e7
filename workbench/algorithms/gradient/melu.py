"""MeLU: what is known of an item stays, and the layers that decide adapt to a person.

Lee, Im, Jang, Cho and Chung (2019), MeLU: Meta-Learned User Preference Estimator for Cold-Start
Recommendation, KDD, arXiv:1908.00413.

    theta1 (embeddings), theta2 (decision layers)
    theta2_i' = theta2 - alpha * grad_theta2 L_i(theta1, theta2; support)       K times
    theta1, theta2 <- minus beta * gradient of mean_i L_i(theta1, theta2_i'; query)

Embeddings are learned in the outer loop alone, as the paper has it for stability. The paper leaves
the second order out of its code; here it is exact unless `order` says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from workbench.algorithms.gradient.learner import GradientLearner, GradientSettings, LearnedRates
from workbench.errors import UserError, nearest
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec


@dataclass(frozen=True)
class MeLUSettings(GradientSettings):
    """MAML that adapts only the layers that decide."""

    deciding: tuple[str, ...] = ("decide", "head")  # the layers that adapt, by name
    rates: LearnedRates = "none"  # inner rates to learn: none, per layer, parameter, or step

    def build(self, model: ModelSettings, spec: TaskSpec) -> MeLU:
        """The learner for tasks of this kind."""
        return MeLU(model.build(spec.input_shape, spec.outputs), self)


class MeLU(GradientLearner):
    """Meta-learns embeddings and where decisions start; a person's few ratings move the latter.

    >>> from workbench.models import FilmNet
    >>> MeLU(FilmNet(genres=2, films=10)).adapted_names
    ('decide.weight', 'decide.bias', 'head.weight', 'head.bias')
    """

    def __init__(self, model: nn.Module, settings: MeLUSettings = MeLUSettings()) -> None:
        names = [name for name, _ in model.named_parameters()]
        layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
        for layer in settings.deciding:
            if layer not in layers:
                raise UserError(
                    f"learner.deciding names '{layer}', and {type(model).__name__} has no such "
                    f"layer with parameters: {nearest(layer, layers)}"
                )
        fixed = [name for name in names if name.rpartition(".")[0] not in settings.deciding]
        super().__init__(model, settings, rates=settings.rates, fixed=fixed)
