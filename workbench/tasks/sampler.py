"""N-way K-shot tasks from a bank of examples sorted by class, a whole meta-batch at once.

A `ClassBank` holds the examples, a `ClassSplit` the classes that one split may use, and
`FewShot` samples from them. A task is a function of its own seed alone: its number of ways and
shots, its classes, their rotation, and which of their examples are support and which are query.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.randomness import fold, uniform
from workbench.tasks.bank import ClassBank as ClassBank
from workbench.tasks.bank import ClassSplit as ClassSplit
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, bounds, task_seeds
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.transforms import warped

_LARGEST = 4e9  # bytes of examples that are put on a device
# Which use a task's seed is put to.
_WAYS, _SHOTS, _GROUP, _CLASSES, _EXAMPLES, _TURNS, _WARPS = range(7)


@dataclass(frozen=True, eq=False)
class _Pool:
    """A split made ready for sampling: its classes sorted by group, and each group's extent."""

    classes: Tensor
    turns: Tensor
    random_turns: bool
    names: tuple[str, ...]
    starts: Tensor = field(repr=False)
    sizes: Tensor = field(repr=False)

    def to(self, device: torch.device | str) -> _Pool:
        names = ("classes", "turns", "starts", "sizes")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


class FewShot(Tasks):
    """Tasks that tell `ways` classes apart from `shots` examples of each.

    `info` has `classes` [task, way] (which of `class_names`, the split's own classes),
    `rotation` [task, way] in degrees, `support_index` and `query_index` [task, example] (rows of
    the bank), and -1 in place of what only pads; `split_sha256` is a fingerprint of the division
    of the classes into splits. With `within_groups` a task's classes are all of one group;
    groups with fewer classes than the task has ways are passed over; with `ordered` too, a class
    has the same number in every task. With `warped_training` each image of a training task is
    turned, scaled, slanted and moved a little. Where the bank has targets, a task is of regression:
    the numbers of one class (`group` [task] of `group_names`), whatever the shape's ways.
    `stored` are the examples and, where classes are turned, their turns, [turn x example, *shape].
    Splits that have a class in common are refused, unless they are `shared` on purpose.
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
        ordered: bool = False,
        warped_training: bool = False,
        default_shape: Shape | None = None,
        stored: Tensor | None = None,
        shared: bool = False,
    ) -> None:
        self.bank, self.splits, self.name, self.scheme = bank, dict(splits), name, scheme
        self.within_groups, self.ordered = within_groups, ordered
        self.warped_training = warped_training
        if bank.targets is not None:
            self.kind = "regression"
        self.shared = shared
        if not shared:
            self._check_disjoint()
        self.default_shape = default_shape or self.default_shape
        self._starts = bank.starts
        turned = any(one.random_turns or bool(one.turns.any()) for one in splits.values())
        turns = range(4 if turned else 1)  # turned once and for all: it is slow, and bytes are few
        if stored is None:
            stored = torch.cat([torch.rot90(bank.x, k, (-2, -1)) if k else bank.x for k in turns])
        self.stored = stored
        self._pools = {split: self._pool(classes) for split, classes in splits.items()}
        self.split_sha256 = self._fingerprint(splits)

    def class_names(self, split: Split) -> tuple[str, ...]:
        """The classes of a split, as `info["classes"]` numbers them."""
        return self._pool_of(split).names

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        seeds = task_seeds(n, seed, split).to(self.stored.device)
        number = partial(torch.arange, device=seeds.device)
        self.check(shape, split)
        pool = self._pool_of(split)
        (least_ways, ways), (least_shots, shots) = self._ways(shape), bounds(shape.shots)

        chosen = self._choose_classes(pool, seeds, ways)
        rows = pool.classes[chosen]
        turns = pool.turns[chosen]
        if pool.random_turns:
            turns = whole(uniform(fold(seeds, _TURNS), (ways,)), 0, 3)
        examples = distinct(
            fold(seeds.unsqueeze(-1), _EXAMPLES, number(ways)),
            self.bank.counts[rows].unsqueeze(-1),
            shots + shape.queries,
        )
        examples = examples + self._starts[rows].unsqueeze(-1)  # [task, way, example]

        own_ways = whole(uniform(fold(seeds, _WAYS), (1,)), least_ways, ways)
        own_shots = whole(uniform(fold(seeds, _SHOTS), (1, 1)), least_shots, shots)
        here = number(ways) < own_ways  # [task, way]
        shown = here.unsqueeze(-1) & (number(shots) < own_shots)
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
        if self.kind == "regression":
            del info["classes"], info["rotation"], info["class_names"]
            info |= {"group": chosen[:, 0], "group_names": pool.names}
            return Episode(support, query, seeds, info=info)
        return Episode(support, query, seeds, ways, info)

    def on(self, device: torch.device | str) -> Tasks:
        size = self.stored.numel() * self.stored.element_size()
        # What a subclass adds, it makes of tensors on the CPU.
        if type(self).sample is not FewShot.sample or size > _LARGEST:
            return self
        moved = copy.copy(self)
        targets = None if self.bank.targets is None else self.bank.targets.to(device)
        moved.bank = replace(self.bank, counts=self.bank.counts.to(device), targets=targets)
        moved.stored, moved._starts = self.stored.to(device), self._starts.to(device)
        moved._pools = {split: pool.to(device) for split, pool in self._pools.items()}
        return moved

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
        if self.kind == "regression":
            raise UserError(
                "an example is swapped for another of its class, and these tasks have none: "
                "move its target, or sample with another seed"
            )
        pool = self._pool_of(info["split"])
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
        return new, self.bank.scaled(self.stored[new + turns * len(self.bank.x)])

    def check(self, shape: Shape, split: Split = "train") -> None:
        pool = self._pool_of(split)
        ways, shots = self._ways(shape)[1], bounds(shape.shots)[1]
        most = int(pool.sizes.max())
        if ways > most:
            part = "the largest group of the split" if self.within_groups else "the split"
            raise UserError(
                f"ways is {ways} but {part} '{split}' of {self.name} has {most} classes: "
                f"ask for at most {most}"
            )
        if self.ordered and self._ways(shape) != (most, most):
            raise UserError(
                f"ways is {shape.ways} but every task of {self.name} tells the same {most} classes "
                f"apart: ask for ways={most}"
            )
        fewest = int(self.bank.counts[pool.classes].min())
        if shots + shape.queries > fewest:
            each = "task" if self.kind == "regression" else "class"
            raise UserError(
                f"shots {shots} and queries {shape.queries} need {shots + shape.queries} examples "
                f"a {each} but {self.name} has only {fewest}: together ask for at most {fewest}"
                f"{self._or_fewer(fewest)}"
            )

    def _or_fewer(self, fewest: int) -> str:
        """What else can be done about classes of so few examples, as the end of a sentence."""
        return ""

    def spec(self, shape: Shape) -> TaskSpec:
        example, targets = tuple(self.bank.x.shape[1:]), self.bank.targets
        whole_numbers = self.bank.scale is None and not self.bank.x.is_floating_point()
        if targets is not None:
            outputs, classes = targets[0].numel(), 0
        else:
            outputs = self._ways(shape)[1]
            classes = len(self._pools["train"].names) if "train" in self._pools else 0
        return TaskSpec(self.kind, example, outputs, classes, whole_numbers=whole_numbers)

    def _ways(self, shape: Shape) -> tuple[int, int]:
        """(least, most) classes of a task; one class is a whole task of regression."""
        return (1, 1) if self.kind == "regression" else bounds(shape.ways)

    def _pool_of(self, split: Split) -> _Pool:
        if split not in self._pools:
            known = " and ".join(f"'{name}'" for name in self._pools)
            raise UserError(
                f"{self.name}:{self.scheme} has no split '{split}', only {known}: use one of "
                "these, or divide its classes otherwise (training.validate_every=0 trains without "
                "validation)"
            )
        return self._pools[split]

    def _check_disjoint(self) -> None:
        """Refuses splits that share classes: what is tested would have been trained on."""
        owner: dict[int, Split] = {}
        for split, part in self.splits.items():
            for row in part.classes.unique().tolist():
                if row in owner:
                    raise UserError(
                        f"the class '{self.bank.names[row]}' of {self.name} is in the splits "
                        f"'{owner[row]}' and '{split}': let every class be in one of them"
                    )
                owner[row] = split

    def _choose_classes(self, pool: _Pool, seeds: Tensor, ways: int) -> Tensor:
        """`[task, way]` places in the pool, all of one group."""
        enough = (pool.sizes >= ways).nonzero().squeeze(-1)
        group = enough[whole(uniform(fold(seeds, _GROUP), (1,)), 0, len(enough) - 1)]
        if self.ordered:
            return pool.starts[group] + torch.arange(ways, device=group.device)
        return pool.starts[group] + distinct(fold(seeds, _CLASSES), pool.sizes[group], ways)

    def _gather(
        self, rows: Tensor, turns: Tensor, real: Tensor, padded: bool
    ) -> tuple[Examples, Tensor]:
        """Examples for rows `[task, way, example]` of the bank, and those rows, -1 for padding."""
        n, ways, count = rows.shape
        stored = rows + turns.unsqueeze(-1) * len(self.bank.x)
        x = self.bank.scaled(self.stored.index_select(0, stored.flatten()))
        x = x.view(n, ways * count, *x.shape[1:])
        index = rows.reshape(n, ways * count)
        if self.bank.targets is not None:
            y = self.bank.targets[index]
        else:
            y = (
                torch.arange(ways, device=rows.device)
                .repeat_interleave(count)
                .expand(n, -1)
                .contiguous()
            )
        if not padded:
            return Examples(x, y), index
        kept = real.reshape(n, ways * count)
        x[~kept] = 0.0  # padding holds nothing that could be learned from
        if self.bank.targets is not None:
            y[~kept] = 0.0
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
    last = size - count + torch.arange(count, device=seed.device)
    picks = (uniform(fold(seed, 0), (count,), torch.float64) * (last + 1)).long()
    for i in range(1, count):
        taken = (picks[..., :i] == picks[..., i : i + 1]).any(dim=-1)
        picks[..., i] = torch.where(taken, last[..., i], picks[..., i])
    order = uniform(fold(seed, 1), (count,), torch.float64).argsort(dim=-1)
    return picks.gather(-1, order)
