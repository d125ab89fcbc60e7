"""Families of curves: what is drawn once a family, and what each of its tasks draws for itself.

    sines      y = scale * height * sin(frequency * x - base - shift)
    harmonics  y = scale * (first * sin(frequency * x - p)
                            + octave * second * sin(2 * frequency * x - q))

A family draws scale, frequency, base, octave and noise; all other numbers are a task's own. Noise
is added to the targets of a task's support; its query is the curve itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.randomness import fold, normal, uniform
from workbench.tasks.base import Shape, Split, TaskSpec
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.families.sinusoid import CurveFamily
from workbench.tasks.levels import Families, Nested

# Which use a seed is put to: a family's, and a task's.
_COEFFICIENTS, _SUPPORT, _QUERY, _NOISE = range(4)
_TASK = Shape(ways=1, shots=5, queries=10)
Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class CurvesOfFamily:
    """What a family draws, its `noise` among it, and the curves that its tasks then draw."""

    family: Ranges
    curves: CurveFamily


class CurveFamilies(Families):
    """Families of curves; `info` holds every family's own numbers by name, each `[family]`.

    >>> from workbench.tasks import open_tasks
    >>> sorted(open_tasks("families:sines").sample(2, seed=0).info)[:3]
    ['base', 'dataset', 'frequency']
    """

    name = "families"

    def __init__(self, scheme: str, shape: Shape = _TASK) -> None:
        self.scheme, self.drawn = scheme, FAMILIES[scheme]
        self.nested = Nested(TaskSpec("regression", (1,), 1), shape)

    def about(self, seeds: Tensor, split: Split) -> dict[str, Tensor]:
        return _drawn(self.drawn.family, fold(seeds, _COEFFICIENTS))

    def tasks_of(self, family: Mapping[str, Tensor], seeds: Tensor, split: Split) -> Episode:
        shots, queries = self.nested.points
        own = _drawn(self.drawn.curves.ranges, fold(seeds, _COEFFICIENTS))
        every = {**{name: c.unsqueeze(1).expand_as(seeds) for name, c in family.items()}, **own}
        # In float64, so that after rounding every machine's sine gives the same numbers.
        columns = {name: c.double().reshape(-1, 1, 1) for name, c in every.items()}
        low, high = self.drawn.curves.interval
        tasks = seeds.flatten()
        noise = normal(fold(tasks, _NOISE), (shots, 1), torch.float64) * columns["noise"]

        def points(use: int, count: int, noise: Tensor | float) -> Examples:
            x = low + (high - low) * uniform(fold(tasks, use), (count, 1))
            y = self.drawn.curves.formula(columns, x.double()) + noise
            return Examples(x, y.to(x.dtype))

        return Episode(points(_SUPPORT, shots, noise), points(_QUERY, queries, 0.0), tasks)


def _drawn(ranges: Ranges, seeds: Tensor) -> dict[str, Tensor]:
    """Each number of a range, uniformly: `[...]` for seeds `[...]`."""
    draws = uniform(seeds, (len(ranges),)).unbind(-1)
    return {
        name: low + (high - low) * draw
        for draw, (name, (low, high)) in zip(draws, ranges.items(), strict=True)
    }


def _sine(c: Mapping[str, Tensor], x: Tensor) -> Tensor:
    return c["scale"] * c["height"] * torch.sin(c["frequency"] * x - c["base"] - c["shift"])


def _harmonics(c: Mapping[str, Tensor], x: Tensor) -> Tensor:
    base = c["frequency"] * x
    second = c["octave"] * c["second"] * torch.sin(2 * base - c["second_phase"])
    return c["scale"] * (c["first"] * torch.sin(base - c["first_phase"]) + second)


_HALF_CIRCLE, _CIRCLE = (0.0, math.pi), (0.0, 2 * math.pi)
_NEAR_ONE = (0.5, 1.5)

FAMILIES: dict[str, CurvesOfFamily] = {
    "sines": CurvesOfFamily(
        {"scale": (0.5, 4.0), "frequency": _NEAR_ONE, "base": _HALF_CIRCLE, "noise": (0.0, 0.5)},
        CurveFamily(_sine, {"height": _NEAR_ONE, "shift": _HALF_CIRCLE}),
    ),
    "harmonics": CurvesOfFamily(
        {"scale": (0.5, 2.5), "frequency": _NEAR_ONE, "octave": (0.0, 1.0), "noise": (0.0, 0.5)},
        CurveFamily(
            _harmonics,
            {
                "first": _NEAR_ONE,
                "first_phase": _CIRCLE,
                "second": _NEAR_ONE,
                "second_phase": _CIRCLE,
            },
        ),
    ),
}
