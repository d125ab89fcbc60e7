"""ANIL and BOIL: adapt only the head, or only the body.

Raghu, Raghu, Bengio and Vinyals (2020), Rapid Learning or Feature Reuse? (almost no inner loop)
Oh, Yoo, Kim and Yun (2021), BOIL: Towards Representation Change for Few-shot Learning.

    ANIL  head' = head - alpha * grad_head L(body, head; support)
    BOIL  body' = body - alpha * grad_body L(body, head; support)

Both learn all of theta in the outer loop, through the inner steps as MAML does.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from workbench.algorithms.gradient.learner import GradientLearner, GradientSettings
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec


@dataclass(frozen=True)
class ANILSettings(GradientSettings):
    """MAML that adapts only the head."""

    def build(self, model: ModelSettings, spec: TaskSpec) -> ANIL:
        """The learner for tasks of this kind."""
        return ANIL(model.build(spec.input_shape, spec.outputs), self)


@dataclass(frozen=True)
class BOILSettings(GradientSettings):
    """MAML that adapts only the body."""

    def build(self, model: ModelSettings, spec: TaskSpec) -> BOIL:
        """The learner for tasks of this kind."""
        return BOIL(model.build(spec.input_shape, spec.outputs), self)


class ANIL(GradientLearner):
    """Almost no inner loop: only the last layer that has parameters adapts.

    >>> from workbench.models import MLP
    >>> ANIL(MLP(1, 1)).adapted_names
    ('head.weight', 'head.bias')
    """

    def __init__(self, model: nn.Module, settings: ANILSettings = ANILSettings()) -> None:
        super().__init__(model, settings, adapts="head")


class BOIL(GradientLearner):
    """Body only in the inner loop: the head stays as it is.

    >>> from workbench.models import MLP
    >>> "head.weight" in BOIL(MLP(1, 1)).adapted_names
    False
    """

    def __init__(self, model: nn.Module, settings: BOILSettings = BOILSettings()) -> None:
        super().__init__(model, settings, adapts="body")
