"""How weights move along a gradient: the part of an inner step that can be exchanged.

A rule is a module. What parameters it has are meta-parameters of the learner that holds it, so that
a learned optimizer is one more rule.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

Rate = float | Tensor
Named = dict[str, Tensor]


class UpdateRule(nn.Module):
    """How weights move along a gradient. Pure; every tensor has a leading task axis.

    A rule written by hand, which any learner that takes steps can be given:

    >>> import torch
    >>> class Signs(UpdateRule):
    ...     def step(self, gradients, weights, state, rates, step):
    ...         return {n: w - rates[n] * gradients[n].sign() for n, w in weights.items()}, state
    >>> new, _ = Signs().step({"w": torch.tensor([[3.0]])}, {"w": torch.ones(1, 1)}, {},
    ...                       {"w": 0.5}, torch.tensor(0.0))
    >>> new["w"]
    tensor([[0.5000]])
    """

    def init(self, weights: Mapping[str, Tensor]) -> Named:
        """All of the rule's state before a first step, by names of its own; none by default."""
        return {}

    @abstractmethod
    def step(
        self,
        gradients: Mapping[str, Tensor],
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        rates: Mapping[str, Rate],
        step: Tensor,
    ) -> tuple[Named, Named]:
        """Weights and state after a step.

        gradients  of each weight; constants where the step is first-order
        rates      of each weight, a number or a tensor
        step       how many steps were taken before: a number as a tensor, so that a compiled graph
                   serves every step
        """


@runtime_checkable  # so that the command line makes flags of what stands in its place
class RuleSettings(Protocol):
    """What a rule is to be: any frozen dataclass that builds one."""

    def build(self) -> UpdateRule: ...
