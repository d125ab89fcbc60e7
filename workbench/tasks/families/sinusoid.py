"""Regression on curves that a few numbers describe: sinusoids, harmonics, a line plus a sine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.randomness import fold, uniform
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, bounds, task_seeds
from workbench.tasks.episode import Episode, Examples

# Which use a task's seed is put to.
_COEFFICIENTS, _SUPPORT, _QUERY, _SHOTS = range(4)


@dataclass(frozen=True)
class CurveFamily:
    """Curves on an interval: the range of each coefficient, drawn uniformly, and the formula."""

    formula: Callable[[Mapping[str, Tensor], Tensor], Tensor]
    ranges: Mapping[str, tuple[float, float]]
    interval: tuple[float, float] = (-5.0, 5.0)


class Curves(Tasks):
    """Tasks that each draw a curve; examples are points on it, x `[task, example, 1]`.

    `shots` counts the support points and `queries` the query points; `ways` means nothing here.
    `info` holds every task's coefficients by name, each `[task]`.

    >>> from workbench.tasks import open_tasks
    >>> tasks = open_tasks("sinusoid")
    >>> episode = tasks.sample(4, seed=0)
    >>> bool(torch.equal(tasks.curve(episode, episode.query.x), episode.query.y))
    True
    """

    kind: Kind = "regression"
    default_shape = Shape(ways=1, shots=10, queries=10)

    def __init__(self, name: str, scheme: str, family: CurveFamily) -> None:
        self.name, self.scheme, self.family = name, scheme, family

    def curve(self, episode: Episode, x: Tensor) -> Tensor:
        """The true curve of each task at `x`: `[point]` for all, or `[task, point, 1]`."""
        if x.dim() == 1:
            x = x.expand(len(episode), -1).unsqueeze(-1)
        return self._evaluate({name: episode.info[name] for name in self.family.ranges}, x)

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        least, most = bounds(shape.shots)
        seeds = task_seeds(n, seed, split)
        names = list(self.family.ranges)
        draws = uniform(fold(seeds, _COEFFICIENTS), (len(names),)).unbind(-1)
        coefficients = {
            name: low + (high - low) * draw
            for draw, (name, (low, high)) in zip(draws, self.family.ranges.items(), strict=True)
        }
        weight = None
        if least < most:
            extra = uniform(fold(seeds, _SHOTS), ()) * (most - least + 1)
            shots = least + extra.long().unsqueeze(-1)
            weight = (torch.arange(most) < shots).float()
        support = self._points(coefficients, fold(seeds, _SUPPORT), most, weight)
        query = self._points(coefficients, fold(seeds, _QUERY), shape.queries, None)
        info = {**coefficients, "dataset": self.name, "scheme": self.scheme, "split": split}
        return Episode(support, query, seeds, info=info)

    def check(self, shape: Shape, split: Split = "train") -> None:
        """Every shape can be drawn."""

    def spec(self, shape: Shape) -> TaskSpec:
        return TaskSpec("regression", (1,), 1)

    def _points(
        self, coefficients: Mapping[str, Tensor], seeds: Tensor, count: int, weight: Tensor | None
    ) -> Examples:
        low, high = self.family.interval
        x = low + (high - low) * uniform(seeds, (count, 1))
        y = self._evaluate(coefficients, x)
        if weight is not None:  # padding holds nothing that could be learned from
            x, y = x * weight.unsqueeze(-1), y * weight.unsqueeze(-1)
        return Examples(x, y, weight)

    def _evaluate(self, coefficients: Mapping[str, Tensor], x: Tensor) -> Tensor:
        # In float64, so that after rounding every machine's sine gives the same numbers.
        columns = {name: c.double().view(-1, 1, 1) for name, c in coefficients.items()}
        return self.family.formula(columns, x.double()).to(x.dtype)


def _sine(c: Mapping[str, Tensor], x: Tensor) -> Tensor:
    return c["amplitude"] * torch.sin(x - c["phase"])


def _harmonics(c: Mapping[str, Tensor], x: Tensor) -> Tensor:
    base = c["frequency"] * x
    return c["first"] * torch.sin(base - c["first_phase"]) + c["second"] * torch.sin(
        2 * base - c["second_phase"]
    )


def _line_plus_sine(c: Mapping[str, Tensor], x: Tensor) -> Tensor:
    return c["slope"] * x + c["intercept"] + _sine(c, x)


_AMPLITUDE = (0.1, 5.0)
_HALF_CIRCLE, _CIRCLE = (0.0, math.pi), (0.0, 2 * math.pi)

FAMILIES: dict[tuple[str, str], CurveFamily] = {
    # Finn, Abbeel and Levine, 2017, section 5.1
    ("sinusoid", "maml"): CurveFamily(_sine, {"amplitude": _AMPLITUDE, "phase": _HALF_CIRCLE}),
    # Nichol, Achiam and Schulman, 2018, section 6: phases of the full circle, where a shift to
    # the left or to the right is the same family
    ("sinusoid", "reptile"): CurveFamily(_sine, {"amplitude": _AMPLITUDE, "phase": _CIRCLE}),
    # a sine and its octave (after Lacoste et al., 2018, on MAML's interval)
    ("harmonics", "octave"): CurveFamily(
        _harmonics,
        {
            "frequency": (0.5, 1.5),
            "first": (0.1, 2.5),
            "first_phase": _CIRCLE,
            "second": (0.1, 2.5),
            "second_phase": _CIRCLE,
        },
    ),
    ("linear-sine", "sum"): CurveFamily(
        _line_plus_sine,
        {
            "slope": (-1.0, 1.0),
            "intercept": (-1.0, 1.0),
            "amplitude": _AMPLITUDE,
            "phase": _HALF_CIRCLE,
        },
    ),
}
