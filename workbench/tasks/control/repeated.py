"""A trial: several episodes on one task, the next beginning where one ends."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.randomness import fold
from workbench.tasks.control.environment import Box, Discrete, Environment, State, Task
from workbench.tasks.control.rollout import RESET


@dataclass(frozen=True)
class Repeated:
    """An environment in which an episode is followed by another of the same task.

    What is observed after an episode's last move is where the next one begins.
    """

    env: Environment
    episodes: int

    @property
    def actions(self) -> Discrete | Box:
        """What can be done in an episode."""
        return self.env.actions

    @property
    def observation_size(self) -> int:
        """How many numbers an observation has."""
        return self.env.observation_size

    @property
    def horizon(self) -> int:
        """How many moves all episodes have together at most."""
        return self.env.horizon * self.episodes

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """Where the first episode begins."""
        return self.env.reset(task, seed)

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """A move; where it ends an episode, the state is the beginning of the next one."""
        after, observation, reward, done = self.env.step(task, state, action, seed)
        fresh, opened = self.env.reset(task, fold(seed, RESET))
        after = {name: _where(done, fresh[name], tensor) for name, tensor in after.items()}
        return after, _where(done, opened, observation), reward, done


def _where(done: Tensor, fresh: Tensor, following: Tensor) -> Tensor:
    more = following.dim() - done.dim()
    return torch.where(done.reshape(*done.shape, *[1] * more), fresh, following)
