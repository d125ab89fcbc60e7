"""A two-link arm whose tip is to reach a goal, with dynamics of its own.

Two rods in a horizontal plane, turned by torques at shoulder and elbow (the manipulator equation,
as in Spong, Hutchinson and Vidyasagar, 2006, section 7.3, with friction and without gravity):

    M(q) a + C(q, v) v + b v = torque          q, v, a   angles, their speeds and accelerations

by semi-implicit Euler. A task is a `goal` in the plane and the links' `mass` and `length`; a scheme
says which of them differs. The goal is not observed: only its distance, by what a move pays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.randomness import fold, uniform
from workbench.tasks.control.environment import Box, State, Task
from workbench.tasks.control.family import Family, check_tensors

_SUBSTEPS, _SECONDS = 4, 0.0125  # of a move, and of a substep
_TORQUE, _FRICTION = 1.0, 0.3  # newton metres, and those a radian a second
_EFFORT = 0.01  # what a full torque costs
_GOAL, _BODY = 0, 1  # uses of a task's seed


@dataclass(frozen=True)
class Reacher:
    """A move is two torques, cut to -1 and 1, and pays minus the tip's distance from the goal.

    >>> arm, task = Reacher(), SCHEMES["goal"](torch.tensor([5]))
    >>> state, observation = arm.reset(task, torch.tensor([6]))
    >>> arm.drawn(task, state)["arm"].shape, observation.shape
    (torch.Size([1, 3, 2]), torch.Size([1, 6]))
    """

    horizon: Annotated[int, Range(1, 1_000_000)] = 50  # moves of an episode

    actions = Box(2)
    observation_size = 6  # cosines and sines of the angles, and their speeds

    def __post_init__(self) -> None:
        check_fields(self, "environment")

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """At rest, the elbow bent at about a right angle."""
        near = 0.1 * (2 * uniform(seed, (2,), task["goal"].dtype) - 1)
        angles = torch.stack([near[..., 0], near[..., 1] + math.pi / 2], dim=-1)
        state = {"angles": angles, "speeds": torch.zeros_like(angles)}
        return {**state, "time": torch.zeros_like(seed)}, _seen(**state)

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """Torques for a twentieth of a second."""
        angles, speeds = state["angles"], state["speeds"]
        action = action.to(angles.dtype).clamp(-1, 1)
        for _ in range(_SUBSTEPS):
            speeds = speeds + _SECONDS * acceleration(task, angles, speeds, _TORQUE * action)
            angles = angles + _SECONDS * speeds
        time, after = state["time"] + 1, {"angles": angles, "speeds": speeds}
        away = (joints(task, angles)[..., -1, :] - task["goal"]).square().sum(dim=-1).sqrt()
        reward = -away - _EFFORT * action.square().sum(dim=-1)
        return {**after, "time": time}, _seen(**after), reward, time >= self.horizon

    def drawn(self, task: Task, state: State) -> Mapping[str, Tensor]:
        """The arm from shoulder to tip, the tip's place and the goal."""
        ends = joints(task, state["angles"])
        arm = torch.cat([torch.zeros_like(ends[..., :1, :]), ends], dim=-2)
        return {"arm": arm, "path": ends[..., -1:, :], "goal": task["goal"].unsqueeze(-2)}

    def check_task(self, task: Task, tasks: int) -> None:
        """Refuse what is no task of it, such as a file may hold."""
        check_tensors(task, dict.fromkeys(("goal", "mass", "length"), (tasks, 2)))
        if not bool(((task["mass"] > 0) & (task["length"] > 0)).all()):
            raise UserError("a link has no mass or no length")


def _seen(angles: Tensor, speeds: Tensor) -> Tensor:
    return torch.cat([angles.cos(), angles.sin(), speeds], dim=-1)


def joints(task: Task, angles: Tensor) -> Tensor:
    """Where elbow and tip are, `[..., 2, 2]`; the elbow's angle counts from the upper link.

    >>> task = {"length": torch.tensor([0.5, 0.5])}
    >>> joints(task, torch.tensor([0.0, 0.0])).tolist()
    [[0.5, 0.0], [1.0, 0.0]]
    """
    directions = angles.cumsum(dim=-1)
    links = torch.stack([directions.cos(), directions.sin()], dim=-1)
    return (task["length"].unsqueeze(-1) * links).cumsum(dim=-2)


def acceleration(task: Task, angles: Tensor, speeds: Tensor, torque: Tensor) -> Tensor:
    """How torques speed the angles up: a of the manipulator equation, `[..., 2]`."""
    (_, cos), (_, sin) = angles.cos().unbind(dim=-1), angles.sin().unbind(dim=-1)
    (upper, lower), (long, length) = task["mass"].unbind(dim=-1), task["length"].unbind(dim=-1)
    first, second = speeds.unbind(dim=-1)
    alone = lower * length.square() / 3  # a rod turned about its end
    bent = lower * long * length / 2
    # the inertia is [[whole, mixed], [mixed, alone]]
    mixed = alone + bent * cos
    whole = upper * long.square() / 3 + lower * long.square() + mixed + bent * cos
    force = torque - _FRICTION * speeds
    shoulder = force[..., 0] + bent * sin * (2 * first * second + second.square())
    elbow = force[..., 1] - bent * sin * first.square()
    found = [alone * shoulder - mixed * elbow, whole * elbow - mixed * shoulder]
    return torch.stack(found, dim=-1) / (whole * alone - mixed.square()).unsqueeze(-1)


def _usual(seeds: Tensor) -> dict[str, Tensor]:
    """Links of a kilogram and half a metre, and a goal that a short arm reaches too."""
    ones = torch.ones(*seeds.shape, 2)
    return {"goal": torch.tensor([0.0, 0.6]) * ones, "mass": ones, "length": 0.5 * ones}


def _goal(seeds: Tensor) -> Task:
    """Goals in a ring about the shoulder, by area."""
    part = uniform(fold(seeds, _GOAL), (2,))
    radius = (0.3**2 + (0.9**2 - 0.3**2) * part[..., 0]).sqrt()
    angle = 2 * math.pi * part[..., 1]
    goal = radius.unsqueeze(-1) * torch.stack([angle.cos(), angle.sin()], dim=-1)
    return _usual(seeds) | {"goal": goal}


def _mass(seeds: Tensor) -> Task:
    """Links from a quarter to four times as heavy."""
    return _usual(seeds) | {"mass": 4 ** (2 * uniform(fold(seeds, _BODY), (2,)) - 1)}


def _length(seeds: Tensor) -> Task:
    """Links from 0.35 to 0.65 metres long."""
    return _usual(seeds) | {"length": 0.35 + 0.3 * uniform(fold(seeds, _BODY), (2,))}


SCHEMES: Mapping[str, Callable[[Tensor], Task]] = {"goal": _goal, "mass": _mass, "length": _length}


def opened(family: str, scheme: str) -> Family:
    """The tasks that differ by their goal, mass or length."""
    return Family(family, scheme, Reacher(), SCHEMES[scheme])
