"""Rows of your own data sorted into a bank by class or task, and divided into splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError, nearest
from workbench.randomness import permutation
from workbench.tasks.bank import ClassBank, ClassSplit
from workbench.tasks.base import SPLITS, Shape, Split
from workbench.tasks.reading import numbers, words

Division = Mapping[Split, float | Sequence[Any]]  # a fraction, or names, for each split
_MOST_CLASSES = 50  # of a target within a task; more are numbers to predict, most likely


@dataclass(frozen=True, eq=False)
class Sorted:
    """A bank and its division.

    within_groups  a task's classes are of one group
    ordered        they are the same ones, in the same order, in every task
    """

    bank: ClassBank
    splits: Mapping[Split, ClassSplit]
    within_groups: bool
    ordered: bool

    def shape(self) -> Shape:
        """A shape that every split can fill, if one can be."""
        bank, fewest = self.bank, int(self.bank.counts.min())
        numbers = bank.targets is not None
        if numbers:
            sizes = [1]
        elif self.within_groups:
            sizes = [bank.groups.count(group) for group in set(bank.groups)]
        else:
            sizes = [len(part) for part in self.splits.values()]
        ways = min(sizes) if self.ordered else min(5, *sizes, 5)
        shots = max(1, min(5, fewest // 2)) if self.ordered or numbers else 1
        return Shape(ways, shots, max(1, min(15, fewest - shots)))


def by_class(
    x: Tensor,
    said: Mapping[str, Any],
    kind: str | None,
    splits: Division,
    seed: int,
    least: int,
) -> Sorted:
    """The examples sorted by class, by task where targets are numbers, or by class within tasks.

    said  a value an example of 'classes', 'task' and 'target', as far as they were given
    """
    count = len(x)
    if kind == "regression" and "target" not in said:
        raise UserError("kind is regression and classes were given: give task and target instead")
    owners = words(said["task"], "task", count) if "task" in said else [""] * count
    predicts = "target" in said and kind != "classification"
    targets = None
    if predicts and (kind == "regression" or _are_numbers(said["target"])):
        targets, labels = _targets(said["target"], count), [""] * count
    elif "target" in said:
        labels = words(said["target"], "target", count)
    else:
        labels = words(said["classes"], "class", count)
    ordered = "target" in said and targets is None
    grouped = "task" in said and targets is None
    if ordered and len(set(labels)) > _MOST_CLASSES:
        raise UserError(
            f"target has {len(set(labels))} different whole numbers or words, which are classes: "
            "say kind='regression' if they are numbers to predict"
        )
    members: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(owners, labels, strict=True)):
        members.setdefault(key, []).append(row)
    small = {key for key, rows in members.items() if len(rows) < least}
    if ordered:  # a task without one of its classes is none
        small |= _incomplete(members, sorted(set(labels)), least)
        lacking = {owner for owner, _ in small}
        small = {key for key in members if key[0] in lacking}
    kept = sorted(members.keys() - small, key=lambda key: (_order(key[0]), _order(key[1])))
    unit = 0 if "task" in said else 1  # what is divided into splits: tasks or classes
    names = list(dict.fromkeys(key[unit] for key in kept))
    division = divided(names, splits, seed, *((1, "task") if unit == 0 else (2, "class")))
    rows = torch.tensor([row for key in kept for row in members[key]])
    bank = ClassBank(
        x[rows],
        torch.tensor([len(members[key]) for key in kept]),
        tuple("/".join(filter(None, key)) for key in kept),
        tuple(key[0] for key in kept) if grouped else (),
        {torch.uint8: 1 / 255, torch.int64: None}.get(x.dtype, 1.0),
        None if targets is None else targets[rows],
    )
    places = {
        split: ClassSplit.of([place for place, key in enumerate(kept) if key[unit] in set(part)])
        for split, part in division.items()
    }
    return Sorted(bank, places, grouped, ordered)


def _order(name: str) -> tuple[bool, float, str]:
    """Numbers by their size, before words."""
    try:
        return (False, float(name), name)
    except ValueError:
        return (True, 0.0, name)


def _are_numbers(target: Any) -> bool:
    """Whether there are floats among the targets."""
    if isinstance(target, Tensor):
        return target.is_floating_point()
    kind = getattr(getattr(target, "dtype", None), "kind", "O")
    if kind != "O" or isinstance(target, float):
        return isinstance(target, float) or bool(kind == "f")
    return isinstance(target, list | tuple) and any(_are_numbers(one) for one in target)


def _targets(target: Any, count: int) -> Tensor:
    """Numbers to predict, `[example, size]`."""
    found = numbers(target, "the targets")
    if len(found) != count or found.dim() != 2:
        raise UserError(
            f"the targets are {list(found.shape)} and there are {count} examples: give one number, "
            "or one row of numbers, an example"
        )
    return found


def _incomplete(
    members: Mapping[tuple[str, str], Any], labels: Sequence[str], least: int
) -> set[tuple[str, str]]:
    """What tasks lack, (task, class); refused where none was to be left out."""
    owners = list(dict.fromkeys(owner for owner, _ in members))
    lacking = [(o, label) for o in owners for label in labels if (o, label) not in members]
    if lacking and least < 1:
        owner, label = lacking[0]
        raise UserError(
            f"task '{owner}' has no example of the target {label}, and of {len(owners)} tasks "
            f"{len({o for o, _ in lacking})} lack one: leave those out by least=1"
        )
    return set(lacking)


def divided(
    names: Sequence[str], splits: Division, seed: int, fewest: int, what: str
) -> dict[Split, list[str]]:
    """Which of the names each split has: those said, or as many as its fraction, in seeded order.

    >>> divided(list("abcdef"), {"train": 0.5, "test": 0.5}, 0, 1, "class")["train"]
    ['c', 'e', 'f']
    """
    for split in splits:
        if split not in SPLITS:
            raise UserError(f"there is no split '{split}': {nearest(split, list(SPLITS))}")
    shares = {split: part for split, part in splits.items() if isinstance(part, int | float)}
    if shares and len(shares) < len(splits):
        raise UserError("splits has fractions and names: give fractions for all, or names for all")
    if shares:
        return _by_fraction(names, shares, seed, fewest, what)
    found: dict[Split, list[str]] = {}
    for split, part in splits.items():
        chosen = [str(one) for one in ([part] if isinstance(part, str) else part)]  # type: ignore[union-attr]
        if not chosen:
            raise UserError(f"the split '{split}' has no {what}: name some, or leave it out")
        for one in chosen:
            if one not in names:
                raise UserError(
                    f"the split '{split}' has the {what} '{one}', which the data lack: "
                    f"{nearest(one, list(names)[:50])}"
                )
            other = next((s for s, own in found.items() if one in own), None)
            if other is not None:
                raise UserError(
                    f"the {what} '{one}' is in the splits '{other}' and '{split}': let every "
                    f"{what} be in one of them"
                )
        found[split] = chosen
    return found


def _by_fraction(
    names: Sequence[str], shares: Mapping[Split, float], seed: int, fewest: int, what: str
) -> dict[Split, list[str]]:
    if min(shares.values()) <= 0 or sum(shares.values()) > 1 + 1e-9:
        raise UserError(f"splits is {dict(shares)}: give fractions above 0 that make at most 1")
    if len(names) < fewest * len(shares):
        plural = {"class": "classes", "task": "tasks"}[what]
        raise UserError(
            f"the {plural} are {len(names)}, too few for {len(shares)} splits of at least {fewest} "
            f"each: bring more data, or name fewer splits, as splits={{'train': 1.0}}"
        )
    total = max(round(len(names) * sum(shares.values())), fewest * len(shares))
    counts = {split: max(fewest, int(len(names) * share)) for split, share in shares.items()}

    def above(split: Split) -> float:
        return counts[split] - len(names) * shares[split]

    while sum(counts.values()) < total:
        counts[min(counts, key=above)] += 1
    while sum(counts.values()) > total:
        counts[max((s for s in counts if counts[s] > fewest), key=above)] -= 1
    order = permutation(torch.tensor([seed]), len(names))[0].tolist()
    found: dict[Split, list[str]] = {}
    for split, count in counts.items():
        found[split] = [names[place] for place in sorted(order[:count])]
        order = order[count:]
    return found
