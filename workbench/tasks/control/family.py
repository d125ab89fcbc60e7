"""A family of tasks in one environment: they differ by what is drawn of each, not by their size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, task_seeds
from workbench.tasks.control.bandits import one_size
from workbench.tasks.control.environment import Box, Environment, Task
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.episode import Episode


class Family(Tasks):
    """Tasks of one environment: `Shape.shots` is the number of episodes, and ways is fixed.

    draw   what each task is, from its seed `[task]`
    shots  episodes where no shape is asked for

    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("reacher").sample(3, seed=0)
    >>> episode.env.episodes, episode.env.horizon, episode.task["goal"].shape
    (2, 100, torch.Size([3, 2]))
    """

    kind: Kind = "control"

    def __init__(
        self,
        name: str,
        scheme: str,
        env: Environment,
        draw: Callable[[Tensor], Task],
        *,
        shots: int = 2,
    ) -> None:
        self.name, self.scheme, self.env, self.draw = name, scheme, env, draw
        self.default_shape = Shape(ways=env.actions.size, shots=shots, queries=0)

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        env = self._trial(shape or self.default_shape)
        seeds = task_seeds(n, seed, split)
        info = {"dataset": self.name, "scheme": self.scheme, "split": split}
        none: Any = None  # a control task has no examples
        return Episode(none, none, seeds, info=info, env=env, task=self.draw(seeds))

    def check(self, shape: Shape, split: Split = "train") -> None:
        self._trial(shape)

    def spec(self, shape: Shape) -> TaskSpec:
        self._trial(shape)
        actions = self.env.actions
        size = (self.env.observation_size,)
        return TaskSpec("control", size, actions.outputs, actions=actions)

    def _trial(self, shape: Shape) -> Repeated:
        size = self.env.actions.size
        what = "numbers an action" if isinstance(self.env.actions, Box) else "actions"
        ways, episodes = one_size(shape, self.name, what, "episodes")
        if ways != size:
            raise UserError(f"ways is {ways} and {self.name} has {size} {what}: ask for {size}")
        return Repeated(self.env, episodes)


def check_tensors(task: Task, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuse a task of a file that lacks a tensor, or has one of another shape or no numbers.

    >>> check_tensors({"goal": torch.zeros(3, 2)}, {"goal": (3, 2)})
    """
    for name, shape in shapes.items():
        tensor = task[name]
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            raise UserError(f"{name} is no {list(shape)} of numbers")
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{name} is not finite")
