"""Multilayer perceptrons: MAML's 1-40-40-1 for sinusoids, its 256-128-64-64 for Omniglot."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Literal

from torch import nn

from workbench.fields import Range, check_fields

Activation = Literal["relu", "tanh", "sigmoid"]
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class MLP(nn.Sequential):
    """Linear layers with an activation between them, the last one called `head`.

    With `norm`, batch normalisation (batch statistics only) stands before each activation. Without
    `outputs` there is no head: the module gives its last hidden layer, an embedding.

    >>> [name for name, _ in MLP(1, 1).named_parameters()][-2:]
    ['head.weight', 'head.bias']
    """

    def __init__(
        self,
        inputs: int,
        outputs: int | None,
        hidden: tuple[int, ...] = (40, 40),
        activation: Activation = "relu",
        norm: bool = False,
        bias: bool = True,
    ) -> None:
        MLPSettings(hidden, activation, norm, bias)  # refuses what there is not
        layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        for i, (a, b) in enumerate(zip((inputs, *hidden), hidden, strict=False), start=1):
            layers[f"linear{i}"] = nn.Linear(a, b, bias)
            if norm:
                layers[f"norm{i}"] = nn.BatchNorm1d(b, track_running_stats=False)
            layers[f"{activation}{i}"] = ACTIVATIONS[activation]()
        if outputs is not None:
            layers["head"] = nn.Linear((inputs, *hidden)[-1], outputs, bias)
        super().__init__(layers)


@dataclass(frozen=True)
class MLPSettings:
    """A multilayer perceptron."""

    hidden: Annotated[tuple[int, ...], Range(1)] = (40, 40)  # width of each hidden layer
    activation: Activation = "relu"  # the non-linearity after each hidden layer
    norm: bool = False  # batch normalisation before each activation
    bias: bool = True  # whether layers add a vector of their own

    def __post_init__(self) -> None:
        check_fields(self, "model")

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> MLP:
        """The module for inputs of this shape; an embedding where `outputs` is None."""
        return MLP(
            math.prod(input_shape), outputs, self.hidden, self.activation, self.norm, self.bias
        )
