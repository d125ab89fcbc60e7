"""Inner steps to weights of few digits, as a chip without floating point makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from workbench.fields import Range, check_fields
from workbench.innerloop.rules import Named, Rate, UpdateRule


@dataclass(frozen=True)
class QuantisedOptimizer:
    """Steps of gradient descent that end on a grid."""

    # between neighbouring values of a weight
    grid: Annotated[float, Range(above=0, span=(1e-3, 1), log=True)] = 0.0625

    def __post_init__(self) -> None:
        check_fields(self, "learner.optimizer")

    def build(self) -> Quantised:
        """The rule of these settings."""
        return Quantised(self)


class Quantised(UpdateRule):
    """w <- grid * round((w - rate * gradient) / grid), whose derivative is 0 wherever it has one.

    >>> import torch
    >>> rule, w = Quantised(QuantisedOptimizer(grid=0.25)), {"w": torch.ones(1, 1)}
    >>> rule.step({"w": torch.tensor([[3.0]])}, w, {}, {"w": 0.1}, torch.tensor(0.0))[0]["w"]
    tensor([[0.7500]])
    """

    def __init__(self, settings: QuantisedOptimizer = QuantisedOptimizer()) -> None:
        super().__init__()
        self.settings = settings

    def step(
        self,
        gradients: Mapping[str, Tensor],
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        rates: Mapping[str, Rate],
        step: Tensor,
    ) -> tuple[Named, Named]:
        """A step of gradient descent, rounded."""
        grid = self.settings.grid
        moved = {n: w - rates[n] * gradients[n] for n, w in weights.items()}
        return {n: grid * (w / grid).round() for n, w in moved.items()}, dict(state)
