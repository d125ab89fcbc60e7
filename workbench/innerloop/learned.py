"""Learned update rules that treat all coordinates alike; and the first of them, an LSTM.

Andrychowicz et al. (2016), Learning to learn by gradient descent by gradient descent,
arXiv:1606.04474.

    g_t, h_t+1 = LSTM(pre(gradient), h_t)        for each coordinate by itself, with shared weights
    w_t+1      = w_t + rate * g_t
    pre(g)     = (log|g| / p, sign g)            where |g| >= exp(-p)
                 (-1, exp(p) g)                  elsewhere

Gradients of any size come in, and a net of any width can be moved.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.fields import Range, check_fields
from workbench.innerloop.rules import Named, Rate, UpdateRule

P = 10.0  # the paper's: gradients below exp(-10) are small


class Coordinatewise(UpdateRule):
    """A rule for one coordinate, for all coordinates of all weights at once.

    `move` sees them flat, `[task, coordinate]`, one tensor after the other, and so is its state,
    `[task, coordinate, ...]`.
    """

    @abstractmethod
    def move(
        self, gradient: Tensor, weight: Tensor, state: Named, step: Tensor, sizes: list[int]
    ) -> tuple[Tensor, Named]:
        """Where each coordinate goes, before its rate; and the state after that.

        sizes  how many coordinates each tensor has
        """

    def step(
        self,
        gradients: Mapping[str, Tensor],
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        rates: Mapping[str, Rate],
        step: Tensor,
    ) -> tuple[Named, Named]:
        """w + rate * move."""
        flat = flattened({name: gradients[name] for name in weights})
        sizes = [w[0].numel() for w in weights.values()]
        moves, state = self.move(flat, flattened(weights), dict(state), step, sizes)
        parts = zip(weights.items(), moves.split(sizes, dim=1), strict=True)
        return {n: w + rates[n] * part.reshape(w.shape) for (n, w), part in parts}, state


def flattened(weights: Mapping[str, Tensor]) -> Tensor:
    """All the coordinates of every task, `[task, coordinate]`."""
    return torch.cat([w.flatten(1) for w in weights.values()], dim=1)


def log_and_sign(g: Tensor, p: float = P) -> Tensor:
    """Two numbers of about size 1 for each gradient, however small or large it is.

    >>> log_and_sign(torch.tensor([1.0, -1e-3, 0.0]))
    tensor([[ 0.0000,  1.0000],
            [-0.6908, -1.0000],
            [-1.0000,  0.0000]])
    """
    size = g.abs()
    large = size >= math.exp(-p)
    log = torch.where(large, size, torch.ones_like(size)).log() / p
    small = torch.where(large, torch.zeros_like(g), math.exp(p) * g)
    return torch.stack(
        [torch.where(large, log, -torch.ones_like(g)), torch.where(large, g.sign(), small)], dim=-1
    )


@dataclass(frozen=True)
class LSTMRuleSettings:
    """Steps that an LSTM makes of each coordinate's gradients."""

    hidden: Annotated[int, Range(1, span=(5, 50))] = 20  # units of each layer
    layers: Annotated[int, Range(1, span=(1, 3))] = 2  # one above the other

    def __post_init__(self) -> None:
        check_fields(self, "learner.optimizer")

    def build(self) -> LSTMRule:
        """The rule, untrained."""
        return LSTMRule(self)


class LSTMRule(Coordinatewise):
    """An LSTM that turns each coordinate's gradients into its steps.

    >>> rule, weights = LSTMRule(), {"w": torch.zeros(3, 2, 4)}
    >>> {name: list(t.shape) for name, t in rule.init(weights).items()}["h0"]
    [3, 8, 20]
    """

    def __init__(self, settings: LSTMRuleSettings = LSTMRuleSettings()) -> None:
        super().__init__()
        own = self.settings = settings
        inputs = [2, *[own.hidden] * (own.layers - 1)]
        self.cells = nn.ModuleList(nn.LSTMCell(size, own.hidden) for size in inputs)
        self.out = nn.Linear(own.hidden, 1)

    def init(self, weights: Mapping[str, Tensor]) -> Named:
        """Nothing read yet: zeros."""
        flat = flattened(weights)
        empty = flat.new_zeros(*flat.shape, self.settings.hidden)
        return {f"{kind}{i}": empty for i in range(self.settings.layers) for kind in "hc"}

    def move(
        self, gradient: Tensor, weight: Tensor, state: Named, step: Tensor, sizes: list[int]
    ) -> tuple[Tensor, Named]:
        """What the LSTM makes of the gradients so far."""
        x, shape, new = log_and_sign(gradient).flatten(0, 1), gradient.shape, {}
        for i, cell in enumerate(self.cells):
            h, c = cell(x, (state[f"h{i}"].flatten(0, 1), state[f"c{i}"].flatten(0, 1)))
            new[f"h{i}"], new[f"c{i}"] = h.unflatten(0, shape), c.unflatten(0, shape)
            x = h
        return self.out(x).view(shape), new
