"""A net whose layers mix several operations: what an architecture search searches.

Liu, Simonyan and Yang (2019), DARTS: Differentiable Architecture Search.

    y = sum_o softmax(alpha)_o  act_o(norm(W_o x))          for each layer, over operations o

The linear maps of all operations of a layer are one, of as many times the width, and so is their
normalisation; `Mixture` applies each activation to its own part and adds them up by weight. So a
mixture costs what its operations cost, in few calls, also for stacked tasks.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.errors import UserError, nearest
from workbench.fields import Range, check_fields

OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gauss": lambda x: torch.exp(-x * x),
    "identity": lambda x: x,
}


class Mixture(nn.Module):
    """Operations on parts of the channels, added up by the softmax of `alpha`.

    >>> mixture = Mixture(["relu", "identity"])
    >>> mixture(torch.tensor([[-1.0, 2.0, 3.0, 4.0]]))
    tensor([[1.5000, 3.0000]], grad_fn=<AddBackward0>)
    """

    def __init__(self, operations: Sequence[str]) -> None:
        super().__init__()
        self.operations = tuple(operations)
        self.alpha = nn.Parameter(torch.zeros(len(operations)))

    def forward(self, x: Tensor) -> Tensor:
        """`[example, operation * channel, ...]` to `[example, channel, ...]`."""
        return self._mixed(self.alpha.softmax(-1).unbind(), x.chunk(len(self.operations), dim=1))

    def over_tasks(self, parameters: Mapping[str, Tensor], x: Tensor, _: object) -> Tensor:
        """The same of `[task, example, ...]`, where `alpha` may be a task's own."""
        shares = parameters["alpha"].softmax(-1).unbind(-1)
        if shares[0].dim():
            shares = tuple(s.reshape(-1, *[1] * (x.dim() - 1)) for s in shares)
        return self._mixed(shares, x.chunk(len(self.operations), dim=2))

    def _mixed(self, shares: Sequence[Tensor], parts: Sequence[Tensor]) -> Tensor:
        found = [
            share * OPERATIONS[name](part)
            for name, share, part in zip(self.operations, shares, parts, strict=True)
        ]
        return sum(found[1:], start=found[0])


class Operation(nn.Module):
    """One of the operations by itself, without weights.

    >>> Operation("gauss")(torch.zeros(1, 2))
    tensor([[1., 1.]])
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """What the operation makes of it."""
        return OPERATIONS[self.name](x)

    def over_tasks(self, _: Mapping[str, Tensor], x: Tensor, __: object) -> Tensor:
        """The same: it looks at each number by itself."""
        return self(x)


@dataclass(frozen=True)
class MixedSettings:
    """A net of mixed operations, or of the operations chosen."""

    layers: Annotated[int, Range(1, span=(1, 8))] = 3  # mixed layers, after one of ReLU
    width: Annotated[int, Range(1, span=(8, 256))] = 48  # of every layer
    # edge of the squares of an image whose mean it reads; 1 is every pixel
    pool: Annotated[int, Range(1, span=(1, 4))] = 2
    operations: str = "relu tanh sigmoid gauss identity"  # those that each layer mixes
    architecture: str = ""  # the operation of each layer, where they are not mixed

    def __post_init__(self) -> None:
        check_fields(self, "model")
        for where in ("operations", "architecture"):
            for name in getattr(self, where).split():
                if name not in OPERATIONS:
                    cure = nearest(name, list(OPERATIONS))
                    raise UserError(f"model.{where} has '{name}': {cure}")
        if len(self.operations.split()) < 2:
            raise UserError(
                f"model.operations is '{self.operations}': give two or more to choose from"
            )
        if self.architecture and len(self.architecture.split()) != self.layers:
            raise UserError(
                f"model.architecture is '{self.architecture}': give one operation for each of the "
                f"{self.layers} layers"
            )

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> nn.Sequential:
        """The module for inputs of this shape; an embedding where `outputs` is None."""
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        inputs, image = math.prod(input_shape), len(input_shape) == 3
        if image and self.pool > 1:
            channels, height, width = input_shape
            parts["pool"] = nn.AvgPool2d(self.pool)
            inputs = channels * (height // self.pool) * (width // self.pool)
        if inputs == 0:
            raise UserError(
                f"model.pool is {self.pool} and images are of {input_shape[1:]}: lower it"
            )
        parts["flatten"] = nn.Flatten()
        chosen = self.architecture.split()
        known = self.operations.split()
        for i in range(self.layers + 1):
            width = self.width * (1 if i == 0 or chosen else len(known))
            parts[f"linear{i}"] = nn.Linear(inputs if i == 0 else self.width, width)
            parts[f"norm{i}"] = nn.BatchNorm1d(width, track_running_stats=False)
            if i == 0:
                parts["relu0"] = nn.ReLU()
            else:
                own = Operation(chosen[i - 1]) if chosen else Mixture(known)
                parts[f"mixture{i}"] = own
        if outputs is not None:
            parts["head"] = nn.Linear(self.width, outputs)
        return nn.Sequential(parts)
