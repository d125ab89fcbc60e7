"""What a family of tasks is: something that samples episodes as a pure function of a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from workbench.errors import UserError, nearest
from workbench.fields import Range, check_fields
from workbench.measures import Measure
from workbench.randomness import fold, spawn
from workbench.tasks.control.environment import Box, Discrete
from workbench.tasks.episode import Episode
from workbench.tasks.episode import Kind as Kind
from workbench.tasks.objectives import Objective, standard

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Shape:
    """How big a task is. Training and test have a shape each.

    ways, shots   a number, or (least, most) to draw each task's own
    For control tasks ways is the number of actions (a bandit's arms), and shots that of pulls or,
    in an MDP, of episodes.
    """

    # classes a task chooses among
    ways: Annotated[int | tuple[int, int], Range(1, span=(1, 20))] = 5
    # support examples a class
    shots: Annotated[int | tuple[int, int], Range(1, span=(1, 20))] = 1
    # query examples a class
    queries: Annotated[int, Range(0, span=(0, 20))] = 15

    def __post_init__(self) -> None:
        check_fields(self, "")
        for name in ("ways", "shots"):
            least, most = bounds(getattr(self, name))
            if least > most:
                raise UserError(f"{name} is {(least, most)}: put the smaller number first")


def bounds(number: int | tuple[int, int]) -> tuple[int, int]:
    """(least, most) of a setting that is one number or two."""
    return (number, number) if isinstance(number, int) else (number[0], number[1])


@dataclass(frozen=True)
class TaskSpec:
    """What a model needs to know of the tasks to be built for them."""

    kind: Kind
    input_shape: tuple[int, ...]  # of one example; observations for control
    outputs: int  # classes of a task, target size, or what a choice of an action takes
    train_classes: int = 0  # classes of the training split (0 where there are none)
    whole_numbers: bool = False  # whether inputs are whole numbers, such as tokens
    actions: Discrete | Box | None = None  # what can be done, for control
    # where a task is a family: what a model for a task in it must take and give, and its shape
    nested: tuple[TaskSpec, Shape] | None = None

    def blank(self, count: int = 2) -> Tensor:
        """Inputs of nothing but zeros, by which a model's sizes are found out."""
        dtype = torch.int64 if self.whole_numbers else torch.get_default_dtype()
        return torch.zeros(count, *self.input_shape, dtype=dtype)


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


def _judged(sample: Callable[..., Episode]) -> Callable[..., Episode]:
    """`sample`, whose episodes know what the tasks are judged by."""

    @wraps(sample)
    def judged(self: Tasks, *args: Any, **kwargs: Any) -> Episode:
        episode = sample(self, *args, **kwargs)
        found, own = episode.objective, self.objective
        if found is own:
            return episode
        if found is not standard(episode.kind):
            raise UserError(
                f"{type(self).__name__} samples tasks judged by {type(found).__name__}, and its "
                f"own objective is {type(own).__name__}: say objective = ... in the class, and "
                "leave it out of the episode"
            )
        return replace(episode, objective=own)

    return judged


class Tasks(ABC):
    """A family of tasks. Sampling is a pure function of its arguments."""

    name: str
    scheme: str
    kind: Kind
    default_shape: Shape  # what `sample` takes where no shape is given
    notice: str = ""  # a sentence that every picture and result of them says

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "sample" in vars(cls):
            cls.sample = _judged(cls.sample)  # type: ignore[method-assign]

    @cached_property
    def objective(self) -> Objective:
        """What its tasks are judged by; the standard one of their kind unless a class says another.

        Every episode that `sample` gives knows it.
        """
        return standard(self.kind)

    def measure(self, shape: Shape) -> Measure:
        """What validation follows and results report, for tasks of this shape."""
        classes = self.kind == "classification" and isinstance(shape.ways, int)
        return self.objective.metrics[0].about(bounds(shape.ways)[1] if classes else None)

    @abstractmethod
    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        """n tasks of a split, the same for the same arguments on every machine."""

    def on(self, device: torch.device | str) -> Tasks:
        """These tasks, sampled on a device where that is worth it: the same ones, made there."""
        return self

    @abstractmethod
    def check(self, shape: Shape, split: Split = "train") -> None:
        """Refuses a shape that this split cannot fill, with the numbers and the cure."""

    @abstractmethod
    def spec(self, shape: Shape) -> TaskSpec:
        """What a model for tasks of this shape must take and give."""
