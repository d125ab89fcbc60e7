"""A policy whose actions are normal: a net gives their means, one number each their deviations."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.models.mlp import MLP, Activation


class Deviation(nn.Module):
    """Puts the logarithms of deviations, the same for all inputs, beside what it is given.

    >>> Deviation(2, start=1.0, least=0.1)(torch.tensor([[5.0, 6.0]]))
    tensor([[5., 6., 0., 0.]], grad_fn=<CatBackward0>)
    """

    def __init__(self, size: int, start: float, least: float) -> None:
        super().__init__()
        self.least = math.log(least)
        self.logarithm = nn.Parameter(torch.full((size,), math.log(start)))

    def forward(self, mean: Tensor) -> Tensor:
        """Means and logarithms `[..., 2 * size]`, none below that of the least deviation."""
        return self._beside(mean, self.logarithm)

    def over_tasks(self, parameters: Mapping[str, Tensor], mean: Tensor, _: object) -> Tensor:
        """The same of `[task, example, size]`, under a task's own parameters where it has some."""
        own = parameters["logarithm"]
        return self._beside(mean, own if own.dim() == 1 else own.unsqueeze(1))

    def _beside(self, mean: Tensor, logarithm: Tensor) -> Tensor:
        return torch.cat([mean, logarithm.clamp(min=self.least).expand_as(mean)], dim=-1)


class Gaussian(nn.Sequential):
    """A multilayer perceptron, its last layer the means, and the deviations beside them.

    >>> Gaussian(2, 3)(torch.zeros(5, 2)).shape
    torch.Size([5, 6])
    """

    def __init__(
        self,
        inputs: int,
        size: int,
        hidden: tuple[int, ...] = (100, 100),
        activation: Activation = "relu",
        deviation: float = 1.0,
        least: float = 0.3,
    ) -> None:
        GaussianSettings(hidden, activation, deviation, least)  # refuses what there is not
        layers = OrderedDict(MLP(inputs, size, hidden, activation).named_children())
        layers["deviation"] = Deviation(size, deviation, least)
        super().__init__(layers)
        for layer in self:  # as the published code of MAML-RL starts it: it adapted further
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)


@dataclass(frozen=True)
class GaussianSettings:
    """A policy of normal actions."""

    hidden: Annotated[tuple[int, ...], Range(1)] = (100, 100)  # width of each hidden layer
    activation: Activation = "relu"  # the non-linearity after each hidden layer
    # deviation of each number of an action where training starts
    deviation: Annotated[float, Range(above=0, span=(0.1, 10), log=True)] = 1.0
    # deviation below which none falls: without one a long training ends its own exploring
    least: Annotated[float, Range(above=0, span=(1e-3, 1), log=True)] = 0.3

    def __post_init__(self) -> None:
        check_fields(self, "model")

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> Gaussian:
        """The policy for observations of this shape; of its outputs half are deviations."""
        if outputs is None or outputs % 2:
            raise UserError(
                f"a policy of normal actions gives a mean and a deviation a number, and was asked "
                f"for {outputs or 'no'} outputs: use it for control tasks whose actions are numbers"
            )
        return Gaussian(
            math.prod(input_shape),
            outputs // 2,
            self.hidden,
            self.activation,
            self.deviation,
            self.least,
        )
