"""What an environment is: a control task's dynamics, and the actions that they take.

What stays with a task (`task`: an arm's chances, a goal) is apart from what a trajectory changes
(`state`: a place, the time). Both map names to tensors. Everything is pure and batched over any
leading axes, `[task]` or `[task, trajectory]`, that tasks, states, actions and seeds have alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from workbench.randomness import normal, uniform

Task = Mapping[str, Tensor]
State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Discrete:
    """Actions 0 to size - 1, `[...]`, chosen by logits `[..., size]`.

    >>> Discrete(3).choose(torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[0.5]]))
    tensor([1])
    """

    size: int

    @property
    def outputs(self) -> int:
        """How many numbers a policy gives for a choice."""
        return self.size

    @property
    def width(self) -> int:
        """How many numbers an action is as an input of a net."""
        return self.size

    def noise(self, seed: Tensor, dtype: torch.dtype) -> Tensor:
        """What a choice is drawn with: uniform, `[..., 1]`."""
        return uniform(seed, (1,), dtype)

    def choose(self, out: Tensor, noise: Tensor) -> Tensor:
        """The action that the policy's numbers and the noise give."""
        chances = out.detach().log_softmax(dim=-1).exp()
        action = (chances.cumsum(dim=-1) <= noise).sum(dim=-1)
        return action.clamp(max=self.size - 1)  # rounding may leave the sum below 1

    def encode(self, action: Tensor, dtype: torch.dtype) -> Tensor:
        """The action as an input of a net: one-hot, by an operation that can be traced."""
        return (action.unsqueeze(-1) == torch.arange(self.size, device=action.device)).to(dtype)

    def log_probability(self, out: Tensor, action: Tensor) -> Tensor:
        """The logarithm of an action's chance, `[...]`."""
        return out.log_softmax(dim=-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)

    def entropy(self, out: Tensor) -> Tensor:
        """How undecided a choice is, in nats, `[...]`."""
        logarithms = out.log_softmax(dim=-1)
        return -(logarithms.exp() * logarithms).sum(dim=-1)

    def divergence(self, out: Tensor, other: Tensor) -> Tensor:
        """How far another policy's choice is from this one, KL(this || other) in nats, `[...]`.

        >>> Discrete(2).divergence(torch.zeros(1, 2), torch.tensor([[1.0, -1.0]]))
        tensor([0.4338])
        """
        ours, theirs = out.log_softmax(dim=-1), other.log_softmax(dim=-1)
        return (ours.exp() * (ours - theirs)).sum(dim=-1)


@dataclass(frozen=True)
class Box:
    """Actions that are numbers, `[..., size]`: normal ones, of independent parts.

    A policy gives their means and the logarithms of their deviations, side by side. An
    environment that has bounds clips what it is given.

    >>> Box(1).choose(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.5]]))
    tensor([[2.5000]])
    """

    size: int

    @property
    def outputs(self) -> int:
        """How many numbers a policy gives for a choice."""
        return 2 * self.size

    @property
    def width(self) -> int:
        """How many numbers an action is as an input of a net."""
        return self.size

    def noise(self, seed: Tensor, dtype: torch.dtype) -> Tensor:
        """What a choice is drawn with: standard normal, `[..., size]`."""
        return normal(seed, (self.size,), dtype)

    def choose(self, out: Tensor, noise: Tensor) -> Tensor:
        """The action that the policy's numbers and the noise give."""
        mean, logarithm = out.detach().chunk(2, dim=-1)
        return mean + logarithm.exp() * noise

    def encode(self, action: Tensor, dtype: torch.dtype) -> Tensor:
        """The action as an input of a net."""
        return action.to(dtype)

    def log_probability(self, out: Tensor, action: Tensor) -> Tensor:
        """The logarithm of an action's density, `[...]`."""
        mean, logarithm = out.chunk(2, dim=-1)
        away = (action - mean) * (-logarithm).exp()
        return -(0.5 * away.square() + logarithm + 0.5 * math.log(2 * math.pi)).sum(dim=-1)

    def entropy(self, out: Tensor) -> Tensor:
        """How undecided a choice is, in nats, `[...]`."""
        _, logarithm = out.chunk(2, dim=-1)
        return (logarithm + 0.5 * math.log(2 * math.pi * math.e)).sum(dim=-1)

    def divergence(self, out: Tensor, other: Tensor) -> Tensor:
        """How far another policy's choice is from this one, KL(this || other) in nats, `[...]`.

        >>> Box(1).divergence(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
        tensor([0.5000])
        """
        (mean, logarithm), (aim, width) = out.chunk(2, dim=-1), other.chunk(2, dim=-1)
        ratio, away = (2 * (logarithm - width)).exp(), (mean - aim) * (-width).exp()
        return (0.5 * (ratio + away.square() - 1) + width - logarithm).sum(dim=-1)


class Environment(Protocol):
    """A control task's dynamics; the randomness of a step follows from its seed."""

    @property
    def actions(self) -> Discrete | Box:
        """What can be done."""

    @property
    def observation_size(self) -> int:
        """How many numbers an observation has."""

    @property
    def horizon(self) -> int:
        """How many moves there are at most."""

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """The state that an episode begins in, and the observation `[..., size]` of it."""

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """The next state, its observation, and the reward and whether it is done, both `[...]`."""
