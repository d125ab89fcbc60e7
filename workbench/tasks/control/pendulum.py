"""A pendulum to be swung up and held, of a mass and length that are not known.

The dynamics, rewards and beginnings are those of gymnasium's Pendulum-v1, for any mass m and
length l of the rod (g = 10, moves of 0.05 s, an angle of 0 is upright):

    speed' = speed + (3 g / (2 l) sin(angle) + 3 / (m l^2) torque) 0.05      cut to -8 and 8
    angle' = angle + 0.05 speed'
    reward = -(angle^2 + 0.1 speed^2 + 0.001 torque^2)                       before the move
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.randomness import fold, uniform
from workbench.tasks.control.environment import Box, State, Task
from workbench.tasks.control.family import Family, check_tensors

_GRAVITY, _SECONDS = 10.0, 0.05
_TORQUE, _SPEED = 2.0, 8.0  # the largest


@dataclass(frozen=True)
class Pendulum:
    """A move is a torque, cut to -1 and 1 and then doubled.

    >>> swing, task = Pendulum(), {"mass": torch.ones(1), "length": torch.ones(1)}
    >>> state = {"angle": torch.zeros(1), "speed": torch.zeros(1), "time": torch.tensor([0])}
    >>> state, seen, reward, done = swing.step(task, state, torch.ones(1, 1), torch.tensor([5]))
    >>> state["speed"], reward
    (tensor([0.3000]), tensor([-0.0040]))
    """

    horizon: Annotated[int, Range(1, 1_000_000)] = 200  # moves of an episode

    actions = Box(1)
    observation_size = 3  # the angle's cosine and sine, and its speed

    def __post_init__(self) -> None:
        check_fields(self, "environment")

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """Any angle, and a speed between -1 and 1."""
        angle, speed = (2 * uniform(seed, (2,), task["mass"].dtype) - 1).unbind(dim=-1)
        angle = math.pi * angle
        state = {"angle": angle, "speed": speed, "time": torch.zeros_like(seed)}
        return state, _seen(angle, speed)

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """A torque for a twentieth of a second."""
        angle, speed, mass, length = state["angle"], state["speed"], task["mass"], task["length"]
        torque = _TORQUE * action.squeeze(-1).to(angle.dtype).clamp(-1, 1)
        turned = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
        reward = -(turned.square() + 0.1 * speed.square() + 0.001 * torque.square())
        pull = 3 * _GRAVITY / (2 * length) * angle.sin() + 3 / (mass * length.square()) * torque
        speed = (speed + _SECONDS * pull).clamp(-_SPEED, _SPEED)
        angle, time = angle + _SECONDS * speed, state["time"] + 1
        after = {"angle": angle, "speed": speed, "time": time}
        return after, _seen(angle, speed), reward, time >= self.horizon

    def drawn(self, task: Task, state: State) -> Mapping[str, Tensor]:
        """The rod from its pivot to its end, and where the end is and should be."""
        angle, length = state["angle"], task["length"].unsqueeze(-1)
        end = length * torch.stack([angle.sin(), angle.cos()], dim=-1)
        goal = torch.cat([torch.zeros_like(length), length], dim=-1)
        arm = torch.stack([torch.zeros_like(end), end], dim=-2)
        return {"arm": arm, "path": end.unsqueeze(-2), "goal": goal.unsqueeze(-2)}

    def check_task(self, task: Task, tasks: int) -> None:
        """Refuse what is no task of it, such as a file may hold."""
        check_tensors(task, dict.fromkeys(("mass", "length"), (tasks,)))
        if not bool(((task["mass"] > 0) & (task["length"] > 0)).all()):
            raise UserError("a pendulum has no mass or no length")


def _seen(angle: Tensor, speed: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin(), speed], dim=-1)


def _bodies(seeds: Tensor) -> Task:
    """Mass and length between 0.75 and 1.25."""
    mass, length = (0.75 + 0.5 * uniform(fold(seeds, 0), (2,))).unbind(dim=-1)
    return {"mass": mass.contiguous(), "length": length.contiguous()}


def opened(family: str, scheme: str) -> Family:
    """Pendulums that differ by mass and length."""
    return Family(family, scheme, Pendulum(), _bodies)
