"""2D navigation (Finn, Abbeel and Levine, 2017, section 5.3): find a goal that is not seen.

Each task draws a goal from the unit square around the start; what is observed is where one stands.
A move is paid by minus the distance that it leaves to the goal, and an episode ends near the goal.
The numbers are those of the paper's code: moves of at most 0.1 along each axis, an action of size 1
being the largest, an end within 0.01 along both axes, and 100 moves at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from workbench.fields import Range, check_fields
from workbench.randomness import fold, uniform
from workbench.tasks.control.environment import Box, State, Task
from workbench.tasks.control.family import Family, check_tensors

_GOAL = 0  # the use of a task's seed


@dataclass(frozen=True)
class Navigation:
    """A point in the plane that starts at the origin; a task is a `goal` `[..., 2]`.

    >>> world, task = Navigation(), {"goal": torch.tensor([[0.1, 0.0]])}
    >>> state, observation = world.reset(task, torch.tensor([5]))
    >>> state, observation, reward, done = world.step(
    ...     task, state, torch.tensor([[3.0, 0.0]]), torch.tensor([6]))
    >>> observation, -reward, done
    (tensor([[0.1000, 0.0000]]), tensor([0.]), tensor([True]))
    """

    speed: Annotated[float, Range(above=0)] = 0.1  # the longest move along each axis
    near: Annotated[float, Range(0)] = 0.01  # how far from the goal along each axis is there
    horizon: Annotated[int, Range(1, 1_000_000)] = 100  # moves of an episode at most

    observation_size = 2
    actions = Box(2)

    def __post_init__(self) -> None:
        check_fields(self, "environment")

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """At the origin, at time 0."""
        place = torch.zeros_like(task["goal"]).expand(*seed.shape, 2)
        return {"place": place, "time": torch.zeros_like(seed)}, place

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """Go somewhere."""
        place = state["place"] + self.speed * action.clamp(-1, 1)
        away, time = place - task["goal"], state["time"] + 1
        done = (away.abs() < self.near).all(dim=-1) | (time >= self.horizon)
        return {"place": place, "time": time}, place, -away.norm(dim=-1), done

    def drawn(self, task: Task, state: State) -> Mapping[str, Tensor]:
        """What there is to draw: where one stands, and the goal, `[..., point, 2]`."""
        return {"path": state["place"].unsqueeze(-2), "goal": task["goal"].unsqueeze(-2)}

    def check_task(self, task: Task, tasks: int) -> None:
        """Refuse what is no task of it, such as a file may hold."""
        check_tensors(task, {"goal": (tasks, 2)})


class Navigations(Family):
    """Tasks that are goals in the plane: `Shape.shots` is the number of episodes.

    >>> episode = Navigations().sample(3, seed=0)
    >>> episode.task["goal"].shape, episode.env.episodes
    (torch.Size([3, 2]), 20)
    """

    def __init__(self) -> None:
        super().__init__("navigation", "plane", Navigation(), _goals, shots=20)


def _goals(seeds: Tensor) -> Task:
    return {"goal": uniform(fold(seeds, _GOAL), (2,)) - 0.5}
