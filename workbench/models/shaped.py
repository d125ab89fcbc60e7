"""A net whose structure is a value: which of its hidden units there are, and what each does.

    h_u = sum_a mix_ua activation_a((W x + b)_u)        activations: tanh, relu, sine

A row of `mix` that is 0 is a unit that is not there; one with a single 1 has one activation. What
lies between is a mixture.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.fields import Range, check_fields

ACTIVATIONS = ("tanh", "relu", "sine")


class Units(nn.Module):
    """Hidden units, each with its own share of every activation; all are tanh to begin with.

    >>> units = Units(2)
    >>> units.mix.data = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])  # relu, and none
    >>> units(torch.tensor([[3.0, 5.0]]))
    tensor([[3., 0.]])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        start = torch.zeros(width, len(ACTIVATIONS))
        start[:, 0] = 1
        self.mix = nn.Parameter(start, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., unit]`."""
        return self._mixed(x, self.mix)

    def over_tasks(self, parameters: Mapping[str, Tensor], x: Tensor, _: object) -> Tensor:
        """The same of `[task, example, unit]`, under a task's own mixture where it has one."""
        own = parameters["mix"]
        return self._mixed(x, own if own.dim() == 2 else own.unsqueeze(1))

    def _mixed(self, x: Tensor, mix: Tensor) -> Tensor:
        return (torch.stack([x.tanh(), x.relu(), x.sin()], dim=-1) * mix).sum(dim=-1)


class Shaped(nn.Sequential):
    """A multilayer perceptron of `Units`.

    >>> Shaped(1, 1, hidden=(4,))(torch.zeros(5, 1)).shape
    torch.Size([5, 1])
    """

    def __init__(self, inputs: int, outputs: int, hidden: tuple[int, ...] = (24, 24)) -> None:
        ShapedSettings(hidden)  # refuses what there is not
        layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        for i, (a, b) in enumerate(zip((inputs, *hidden), hidden, strict=False), start=1):
            layers[f"linear{i}"], layers[f"units{i}"] = nn.Linear(a, b), Units(b)
        layers["head"] = nn.Linear((inputs, *hidden)[-1], outputs)
        super().__init__(layers)


@dataclass(frozen=True)
class ShapedSettings:
    """A multilayer perceptron whose units can be switched off, and have an activation each."""

    hidden: Annotated[tuple[int, ...], Range(1)] = (24, 24)  # most units of each hidden layer

    def __post_init__(self) -> None:
        check_fields(self, "model")

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> Shaped:
        """The module for inputs of this shape."""
        return Shaped(math.prod(input_shape), outputs or self.hidden[-1], self.hidden)
