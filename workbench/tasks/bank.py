"""A bank of examples sorted by class, and the classes of it that one split may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from workbench.errors import UserError


@dataclass(frozen=True, eq=False)
class ClassBank:
    """The examples of many classes, class after class.

    x        [example, *shape], in whole numbers where that is how they come: they become floats,
             multiplied by `scale`, only when they are drawn; with a scale of None they stay whole
             numbers (tokens, items)
    counts   how many examples each class has
    names    of the classes; groups: what each belongs to (its alphabet), if anything
    targets  [example, size], numbers to predict; a class is then a task of its own, of regression
    """

    x: Tensor
    counts: Tensor
    names: tuple[str, ...]
    groups: tuple[str, ...] = ()
    scale: float | None = 1.0
    targets: Tensor | None = None

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.names) or int(self.counts.sum()) != len(self.x):
            raise ValueError("a bank needs one count and one name a class, and all their examples")
        if self.groups and len(self.groups) != len(self.names):
            raise ValueError("a bank needs one group a class, or none at all")
        if self.targets is not None and len(self.targets) != len(self.x):
            raise ValueError("a bank needs one target an example, or none at all")
        for numbers in (self.x, self.targets):
            if numbers is None or not numbers.is_floating_point() or bool(numbers.isfinite().all()):
                continue
            where = int((~numbers.flatten(1).isfinite()).any(dim=1).nonzero()[0, 0])
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
