"""Tasks that come back: a few families, each met again and again with new examples.

A family is a task of another kind, fixed once: a curve, or some characters of one alphabet with
their labels. A task is a visit to one of them: other points of the curve, other drawings of the
characters. What was learned at one visit is of use at the next, if it is remembered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.randomness import fold, uniform
from workbench.tasks.base import Shape, Split, Tasks, TaskSpec, bounds, task_seeds
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.families.sinusoid import Curves
from workbench.tasks.sampler import FewShot, whole

_FAMILY, _DRAWINGS = 11, 12  # the uses made of a task's seed, beside those of the tasks below
_SEED = 77  # of the families themselves


class Recurring(Tasks):
    """Visits to `count` families of a split.

    `info` has `family` [task] and `below` (the name of the tasks below) beside what those have; a
    batch is a stream, in its order.

    >>> from workbench.tasks import open_tasks
    >>> tasks = Recurring(open_tasks("sinusoid"), count=3)
    >>> episode = tasks.sample(50, seed=0)
    >>> sorted(set(episode.info["family"].tolist())), len(set(episode.info["phase"].tolist()))
    ([0, 1, 2], 3)
    """

    def __init__(self, below: Curves | FewShot, count: int = 10) -> None:
        if count < 1:
            raise UserError(f"count is {count}: there must be at least 1 family")
        self.below, self.count = below, count
        self.name, self.scheme = "recurring", below.name
        self.kind, self.default_shape = below.kind, below.default_shape
        self.objective = below.objective

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        self.check(shape, split)
        seeds = task_seeds(n, seed, split)
        family = whole(uniform(fold(seeds, _FAMILY), ()), 0, self.count - 1)
        visit = self._curves if isinstance(self.below, Curves) else self._classes
        episode = visit(n, seed, split, shape, family, seeds)
        about = {
            "family": family,
            "dataset": self.name,
            "scheme": self.scheme,
            "below": f"{self.below.name}:{self.below.scheme}",
        }
        return replace(episode, info={**episode.info, **about})

    def check(self, shape: Shape, split: Split = "train") -> None:
        self.below.check(shape, split)
        if isinstance(self.below, FewShot) and not (
            isinstance(shape.ways, int) and isinstance(shape.shots, int)
        ):
            raise UserError(
                f"a family has ways = {shape.ways} and shots = {shape.shots}: "
                "give one number for each, since all visits are alike"
            )

    def spec(self, shape: Shape) -> TaskSpec:
        return self.below.spec(shape)

    def curve(self, episode: Episode, x: Tensor) -> Tensor:
        """The true curve of each task, as the tasks below have it."""
        assert isinstance(self.below, Curves)
        return self.below.curve(episode, x)

    def _curves(
        self, n: int, seed: int, split: Split, shape: Shape, family: Tensor, seeds: Tensor
    ) -> Episode:
        """New points on the families' curves."""
        below = self.below
        assert isinstance(below, Curves)
        families = below.sample(self.count, seed=_SEED, split=split, shape=shape)
        visit = below.sample(n, seed=seed, split=split, shape=shape)
        info = {k: v[family] if isinstance(v, Tensor) else v for k, v in families.info.items()}
        moved = replace(visit, info=info)

        def on_curve(examples: Examples) -> Examples:
            y = below.curve(moved, examples.x)
            weight = examples.weight
            return replace(examples, y=y if weight is None else y * weight.unsqueeze(-1))

        return replace(moved, support=on_curve(visit.support), query=on_curve(visit.query))

    def _classes(
        self, n: int, seed: int, split: Split, shape: Shape, family: Tensor, seeds: Tensor
    ) -> Episode:
        """New drawings of the families' characters."""
        below = self.below
        assert isinstance(below, FewShot)
        ways, shots = bounds(shape.ways)[1], bounds(shape.shots)[1]
        each = int(below.bank.counts.min())  # all there are
        families = below.sample(self.count, seed=_SEED, split=split, shape=Shape(ways, each, 0))
        drawings = families.support.x.unflatten(1, (ways, each))
        order = uniform(fold(seeds, _DRAWINGS), (ways, each), torch.float64).argsort(dim=-1)
        row, way = family[:, None, None], torch.arange(ways)[:, None]

        def some(places: Tensor) -> Examples:
            x = drawings[row, way, places].flatten(1, 2)
            y = torch.arange(ways).repeat_interleave(places.shape[2]).expand(n, -1).contiguous()
            return Examples(x, y)

        info: dict[str, Any] = {
            "classes": families.info["classes"][family],
            "class_names": families.info["class_names"],
            "split": split,
        }
        return Episode(
            some(order[..., :shots]),
            some(order[..., shots : shots + shape.queries]),
            seeds,
            ways,
            info,
        )
