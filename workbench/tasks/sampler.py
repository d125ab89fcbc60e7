"""N-way K-shot tasks from a bank of examples sorted by class, a whole meta-batch at once.

A `ClassBank` holds the examples, a `ClassSplit` the classes that one split may use, and
`FewShot` samples from them. A task is a function of its own seed alone: its number of ways and
shots, its classes, their rotation, and which of their examples are support and which are query.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.randomness import fold, uniform
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, bounds, task_seeds
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.transforms import warped

# Which use a task's seed is put to.
_WAYS, _SHOTS, _GROUP, _CLASSES, _EXAMPLES, _TURNS, _WARPS = range(7)


@dataclass(frozen=True, eq=False)
class ClassBank:
    """The examples of many classes, class after class.

    x        [example, *shape], in whole numbers where that is how they come: they become floats,
             multiplied by `scale`, only when they are drawn; with a scale of None they stay whole
             numbers (tokens, items)
    counts   how many examples each class has
    names    of the classes; groups: what each belongs to (its alphabet), if anything
    """

    x: Tensor
    counts: Tensor
    names: tuple[str, ...]
    groups: tuple[str, ...] = ()
    scale: float | None = 1.0

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.names) or int(self.counts.sum()) != len(self.x):
            raise ValueError("a bank needs one count and one name a class, and all their examples")
        if self.groups and len(self.groups) != len(self.names):
            raise ValueError("a bank needs one group a class, or none at all")
        if self.x.is_floating_point() and not bool(self.x.isfinite().all()):
            where = int((~self.x.flatten(1).isfinite()).any(dim=1).nonzero()[0, 0])
            name = self.names[int((where >= self.counts.cumsum(0)).sum())]
            raise UserError(
                f"the data hold NaN or infinity (first in an example of class '{name}'): "
                "remove those examples or fill their gaps"
            )

    def scaled(self, x: Tensor) -> Tensor:
        """Examples as they are drawn."""
        return x if self.scale is None else x * self.scale

    @property
    def starts(self) -> Tensor:
        """Where each class's examples begin."""
        return self.counts.cumsum(0) - self.counts


@dataclass(frozen=True, eq=False)
class ClassSplit:
    """The classes one split draws from.

    classes         [class] rows of the bank
    turns           [class] quarter turns that make a new class of an old one
    random_turns    turn each class at random, anew in every task (rotation as augmentation)
    """

    classes: Tensor
    turns: Tensor
    random_turns: bool = False

    @staticmethod
    def of(
        classes: list[int], turned: Literal["no", "as classes", "at random"] = "no"
    ) -> ClassSplit:
        """A split of some classes, in order, turned or not.

        >>> ClassSplit.of([4, 7], "as classes").turns.tolist()
        [0, 0, 1, 1, 2, 2, 3, 3]
        """
        rows, times = torch.tensor(classes), 4 if turned == "as classes" else 1
        turns = torch.arange(times).repeat_interleave(len(classes))
        return ClassSplit(rows.repeat(times), turns, turned == "at random")

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, eq=False)
class _Pool:
    """A split made ready for sampling: its classes sorted by group, and each group's extent."""

    classes: Tensor
    turns: Tensor
    random_turns: bool
    names: tuple[str, ...]
    starts: Tensor = field(repr=False)
    sizes: Tensor = field(repr=False)


class FewShot(Tasks):
    """Tasks that tell `ways` classes apart from `shots` examples of each.

    `info` has `classes` [task, way] (which of `class_names`, the split's own classes),
    `rotation` [task, way] in degrees, `support_index` and `query_index` [task, example] (rows of
    the bank), and -1 in place of what only pads; `split_sha256` is a fingerprint of the division
    of the classes into splits. With `within_groups` a task's classes are all of one group;
    groups with fewer classes than the task has ways are passed over. With `warped_training` each
    image of a training task is turned, scaled, slanted and moved a little.
    """

    kind: Kind = "classification"
    default_shape = Shape(ways=5, shots=1, queries=15)

    def __init__(
        self,
        bank: ClassBank,
        splits: Mapping[Split, ClassSplit],
        *,
        name: str,
        scheme: str,
        within_groups: bool = False,
        warped_training: bool = False,
        default_shape: Shape | None = None,
    ) -> None:
        self.bank, self.splits, self.name, self.scheme = bank, dict(splits), name, scheme
        self.within_groups, self.warped_training = within_groups, warped_training
        self.default_shape = default_shape or self.default_shape
        self._starts = bank.starts
        turned = any(one.random_turns or bool(one.turns.any()) for one in splits.values())
        turns = range(4 if turned else 1)  # turned once and for all: it is slow, and bytes are few
        self._stored = torch.cat([torch.rot90(bank.x, k, (-2, -1)) if k else bank.x for k in turns])
        self._pools = {split: self._pool(classes) for split, classes in splits.items()}
        self.split_sha256 = self._fingerprint(splits)

    def class_names(self, split: Split) -> tuple[str, ...]:
        """The classes of a split, as `info["classes"]` numbers them."""
        return self._pools[split].names

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        seeds = task_seeds(n, seed, split)
        self.check(shape, split)
        pool = self._pools[split]
        (least_ways, ways), (least_shots, shots) = bounds(shape.ways), bounds(shape.shots)

        chosen = self._choose_classes(pool, seeds, ways)
        rows = pool.classes[chosen]
        turns = pool.turns[chosen]
        if pool.random_turns:
            turns = whole(uniform(fold(seeds, _TURNS), (ways,)), 0, 3)
        examples = distinct(
            fold(seeds.unsqueeze(-1), _EXAMPLES, torch.arange(ways)),
            self.bank.counts[rows].unsqueeze(-1),
            shots + shape.queries,
        )
        examples = examples + self._starts[rows].unsqueeze(-1)  # [task, way, example]

        own_ways = whole(uniform(fold(seeds, _WAYS), (1,)), least_ways, ways)
        own_shots = whole(uniform(fold(seeds, _SHOTS), (1, 1)), least_shots, shots)
        here = torch.arange(ways) < own_ways  # [task, way]
        shown = here.unsqueeze(-1) & (torch.arange(shots) < own_shots)
        asked = here.unsqueeze(-1).expand(n, ways, shape.queries)
        padded = least_ways < ways, least_shots < shots
        support, support_index = self._gather(examples[..., :shots], turns, shown, any(padded))
        query, query_index = self._gather(examples[..., shots:], turns, asked, padded[0])
        if self.warped_training and split == "train":
            support = replace(support, x=warped(support.x, fold(seeds, _WARPS, 0)))
            query = replace(query, x=warped(query.x, fold(seeds, _WARPS, 1)))
        info: dict[str, Any] = {
            "classes": chosen.masked_fill(~here, -1),
            "rotation": (turns * 90).masked_fill(~here, -1),
            "support_index": support_index,
            "query_index": query_index,
            "class_names": pool.names,
            "dataset": self.name,
            "scheme": self.scheme,
            "split": split,
            "split_sha256": self.split_sha256,
        }
        return Episode(support, query, seeds, ways, info)

    def another(
        self, episode: Episode, task: int, part: str, example: int, way: int, seed: int
    ) -> tuple[int, Tensor]:
        """A further example of a task's class: its row in the bank, and its input.

        It is of the class that the named example was drawn from, or of `way` where that was drawn
        by hand, turned as the task has it, and neither in the support nor in the query.
        """
        info = episode.info
        if info.get("split_sha256") != self.split_sha256 or info.get("dataset") != self.name:
            raise UserError(
                f"the episode was not sampled from these tasks ({self.name}:{self.scheme}): "
                "open those that it is from"
            )
        pool = self._pools[info["split"]]
        chosen = [int(place) for place in info["classes"][task]]
        row = int(info[f"{part}_index"][task, example])
        if row >= 0:
            group = int((row >= self.bank.counts.cumsum(0)).sum())
            ways = [k for k, c in enumerate(chosen) if c >= 0 and int(pool.classes[c]) == group]
            way = way if way in ways else ways[0]
        group = int(pool.classes[chosen[way]])
        first, count = int(self._starts[group]), int(self.bank.counts[group])
        held = {int(r) for name in ("support", "query") for r in info[f"{name}_index"][task]}
        free = [r for r in range(first, first + count) if r not in held]
        if not free:
            raise UserError(
                f"class '{pool.names[chosen[way]]}' of {self.name} has {count} examples and task "
                f"{task} holds them all: ask for fewer queries"
            )
        draw = uniform(fold(torch.tensor([seed]), task, row + 1), ())
        new = free[int(whole(draw, 0, len(free) - 1))]
        turns = int(info["rotation"][task, way]) // 90
        return new, self.bank.scaled(self._stored[new + turns * len(self.bank.x)])

    def check(self, shape: Shape, split: Split = "train") -> None:
        pool = self._pools[split]
        ways, shots = bounds(shape.ways)[1], bounds(shape.shots)[1]
        most = int(pool.sizes.max())
        if ways > most:
            part = "the largest group of the split" if self.within_groups else "the split"
            raise UserError(
                f"ways is {ways} but {part} '{split}' of {self.name} has {most} classes: "
                f"ask for at most {most}"
            )
        fewest = int(self.bank.counts[pool.classes].min())
        if shots + shape.queries > fewest:
            raise UserError(
                f"shots {shots} and queries {shape.queries} need {shots + shape.queries} examples "
                f"a class but {self.name} has only {fewest}: together ask for at most {fewest}"
            )

    def spec(self, shape: Shape) -> TaskSpec:
        example = tuple(self.bank.x.shape[1:])
        classes = len(self._pools["train"].names)
        whole_numbers = self.bank.scale is None and not self.bank.x.is_floating_point()
        return TaskSpec(
            "classification", example, bounds(shape.ways)[1], classes, whole_numbers=whole_numbers
        )

    def _choose_classes(self, pool: _Pool, seeds: Tensor, ways: int) -> Tensor:
        """`[task, way]` places in the pool, all of one group."""
        enough = (pool.sizes >= ways).nonzero().squeeze(-1)
        group = enough[whole(uniform(fold(seeds, _GROUP), (1,)), 0, len(enough) - 1)]
        return pool.starts[group] + distinct(fold(seeds, _CLASSES), pool.sizes[group], ways)

    def _gather(
        self, rows: Tensor, turns: Tensor, real: Tensor, padded: bool
    ) -> tuple[Examples, Tensor]:
        """Examples for rows `[task, way, example]` of the bank, and those rows, -1 for padding."""
        n, ways, count = rows.shape
        stored = rows + turns.unsqueeze(-1) * len(self.bank.x)
        x = self.bank.scaled(self._stored.index_select(0, stored.flatten()))
        x = x.view(n, ways * count, *x.shape[1:])
        y = torch.arange(ways).repeat_interleave(count).expand(n, -1).contiguous()
        index = rows.reshape(n, ways * count)
        if not padded:
            return Examples(x, y), index
        kept = real.reshape(n, ways * count)
        x[~kept] = 0.0  # padding holds nothing that could be learned from
        return Examples(x, y, kept.to(torch.float32)), index.masked_fill(~kept, -1)

    def _pool(self, split: ClassSplit) -> _Pool:
        turned = [f" turned {90 * turn}°" if turn else "" for turn in split.turns.tolist()]
        rows = split.classes.tolist()
        names = [self.bank.names[row] + turn for row, turn in zip(rows, turned, strict=True)]
        if not self.within_groups:
            starts, sizes = torch.tensor([0]), torch.tensor([len(split)])
            return _Pool(
                split.classes, split.turns, split.random_turns, tuple(names), starts, sizes
            )
        keys = [self.bank.groups[row] + turn for row, turn in zip(rows, turned, strict=True)]
        order = torch.tensor(sorted(range(len(keys)), key=lambda place: keys[place]))
        sizes = torch.tensor([keys.count(key) for key in sorted(set(keys))])
        return _Pool(
            split.classes[order],
            split.turns[order],
            split.random_turns,
            tuple(names[place] for place in order.tolist()),
            sizes.cumsum(0) - sizes,
            sizes,
        )

    def _fingerprint(self, splits: Mapping[Split, ClassSplit]) -> str:
        named = {
            split: sorted({self.bank.names[row] for row in splits[split].classes.tolist()})
            for split in splits
        }
        return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def whole(draw: Tensor, least: int, most: int) -> Tensor:
    """Whole numbers from least to most out of uniform draws in [0, 1)."""
    return least + (draw * (most - least + 1)).long()


def distinct(seed: Tensor, size: Tensor, count: int) -> Tensor:
    """`count` different whole numbers below `size` for every seed, in random order.

    Floyd's algorithm, so the cost does not grow with `size` (`[..., 1]`, each seed's own).

    >>> sorted(distinct(torch.tensor([3]), torch.tensor([[4]]), 4)[0].tolist())
    [0, 1, 2, 3]
    """
    last = size - count + torch.arange(count)
    picks = (uniform(fold(seed, 0), (count,), torch.float64) * (last + 1)).long()
    for i in range(1, count):
        taken = (picks[..., :i] == picks[..., i : i + 1]).any(dim=-1)
        picks[..., i] = torch.where(taken, last[..., i], picks[..., i])
    order = uniform(fold(seed, 1), (count,), torch.float64).argsort(dim=-1)
    return picks.gather(-1, order)
