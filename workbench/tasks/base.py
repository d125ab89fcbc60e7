"""What a family of tasks is: something that samples episodes as a pure function of a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from workbench.errors import UserError, nearest
from workbench.randomness import fold, spawn
from workbench.tasks.episode import Episode

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Kind = Literal["classification", "regression", "control"]


@dataclass(frozen=True)
class Shape:
    """How big a task is. Training and test have a shape each.

    ways, shots   a number, or (least, most) to draw each task's own
    For bandits ways is the number of arms and shots the number of pulls.
    """

    ways: int | tuple[int, int] = 5  # classes a task chooses among
    shots: int | tuple[int, int] = 1  # support examples a class
    queries: int = 15  # query examples a class

    def __post_init__(self) -> None:
        for name in ("ways", "shots"):
            value = getattr(self, name)
            numbers = (value,) if isinstance(value, int) else value
            whole = isinstance(numbers, tuple | list) and all(isinstance(n, int) for n in numbers)
            if not whole or len(numbers) > 2 or not 1 <= numbers[0] <= numbers[-1]:
                raise UserError(
                    f"{name} is {getattr(self, name)}: it needs a whole number of at least 1, "
                    "or two of them with the smaller first"
                )
        if not isinstance(self.queries, int) or self.queries < 0:
            raise UserError(f"queries is {self.queries}: it needs a whole number, 0 or more")


def bounds(number: int | tuple[int, int]) -> tuple[int, int]:
    """(least, most) of a setting that is one number or two."""
    return (number, number) if isinstance(number, int) else (number[0], number[1])


@dataclass(frozen=True)
class TaskSpec:
    """What a model needs to know of the tasks to be built for them."""

    kind: Kind
    input_shape: tuple[int, ...]  # of one example; observations for control
    outputs: int  # classes of a task, target size, or actions
    train_classes: int = 0  # classes of the training split (0 where there are none)


def task_seeds(n: int, seed: int, split: Split) -> Tensor:
    """Every task's own seed, `[task]`: task i has the same whatever n is.

    >>> bool((task_seeds(3, 0, "test") == task_seeds(5, 0, "test")[:3]).all())
    True
    """
    if n < 1:
        raise UserError(f"{n} tasks were asked for: ask for at least 1")
    if split not in SPLITS:
        raise UserError(f"there is no split '{split}': {nearest(split, list(SPLITS))}")
    root = spawn(seed, SPLITS.index(split))
    return fold(torch.full((n,), root), torch.arange(n))


class Tasks(ABC):
    """A family of tasks. Sampling is a pure function of its arguments."""

    name: str
    scheme: str
    kind: Kind
    metric: Literal["accuracy", "mse", "reward"]
    default_shape: Shape  # what `sample` takes where no shape is given

    @abstractmethod
    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        """n tasks of a split, the same for the same arguments on every machine."""

    @abstractmethod
    def check(self, shape: Shape, split: Split = "train") -> None:
        """Refuses a shape that this split cannot fill, with the numbers and the cure."""

    @abstractmethod
    def spec(self, shape: Shape) -> TaskSpec:
        """What a model for tasks of this shape must take and give."""
