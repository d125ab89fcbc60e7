"""Small environments that the tests of control act in, and policies that act."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.randomness import normal
from workbench.tasks.control.environment import Box, Discrete, State, Task
from workbench.tasks.control.mdp import TabularMDP

# two states, two actions: what each pays on average, and how likely it leads to state 1
PAYS = torch.tensor([[1.0, 0.0], [-1.0, 3.0]])
TO_ONE = torch.tensor([[0.1, 0.6], [0.5, 0.2]])
SMALL = TabularMDP(states=2, choices=2, horizon=3)


def small(lead: tuple[int, ...]) -> Task:
    """The task of `SMALL`, for trajectories of any leading axes."""
    leads = torch.stack([1 - TO_ONE, TO_ONE], dim=-1)
    return {"pays": PAYS.expand(*lead, 2, 2), "leads": leads.expand(*lead, 2, 2, 2)}


@dataclass(frozen=True)
class Line:
    """A point on a line that an action moves, paid by how near it is to the task's goal."""

    horizon: int = 4
    observation_size: int = 1

    @property
    def actions(self) -> Discrete | Box:
        return Box(1)

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        place = normal(seed, (1,), task["goal"].dtype)
        return {"place": place}, place

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        place = state["place"] + action.clamp(-1, 1)
        away = (place - task["goal"]).abs().squeeze(-1)
        return {"place": place}, place, -away, away < 0.5


def constant(logits: Tensor):
    """A policy that always chooses by the same numbers, and counts what it was asked."""

    def policy(moment, asked):
        lead = moment["reward"].shape[:-1]
        return logits.expand(*lead, -1), torch.zeros(lead, dtype=logits.dtype), (asked or 0) + 1

    return policy
