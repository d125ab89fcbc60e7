"""Trials: what methods that act in an environment share, whatever net chooses their actions.

    a_t ~ pi_t                                 the net's chances, from all that it has seen so far
    delta_t = r_t + gamma V_t+1 - V_t          V(end of the trial) = 0
    A_t     = delta_t + gamma lambda A_t+1     advantage; A_t + V_t is the value's target
    meta-loss = mean over t of  -log pi_t(a_t) A_t + c (A_t + V_t - V_t')^2 - e H(pi_t)

A and the target are held constant, V' is the value that is trained. The return counts all that
follows in the trial, beyond the end of an episode: that is what makes exploring worth while.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Protocol

import torch
from torch import Tensor

from workbench.algorithms.classes import indicator
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Range
from workbench.randomness import fold, uniform
from workbench.tasks.episode import Environment, Episode

Fraction = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, span=(0, 1))]

_ACTION, _ENVIRONMENT = 0, 1  # the two uses a step makes of its seed
_OBSERVED = ("observation", "action", "reward", "done")


class ActorCritic(Protocol):
    """The settings that the meta-loss of a trial has."""

    @property
    def discount(self) -> float: ...

    @property
    def trace(self) -> float: ...

    @property
    def value_weight(self) -> float: ...

    @property
    def entropy_weight(self) -> float: ...


def environment(episode: Episode, method: str) -> Environment:
    """The episode's environment, or a refusal."""
    if episode.env is None:
        raise UserError(
            f"{method} needs an environment to act in: use control tasks such as 'bandit'"
        )
    return episode.env


def opening(episode: Episode, method: str, actions: int, like: Tensor) -> dict[str, Tensor]:
    """The values of a trial in which nothing was done yet, for a net of so many actions."""
    world = environment(episode, method)
    if world.actions != actions:
        raise UserError(
            f"the policy has {actions} actions and the tasks have {world.actions}: "
            f"ask for {actions} ways"
        )
    sizes = {"observation": world.observation_size, "action": actions, "reward": 1, "done": 1}
    values = {f"state.{name}": tensor for name, tensor in episode.state.items()}
    return values | {name: like.new_zeros(len(episode), size) for name, size in sizes.items()}


def observed(values: Mapping[str, Tensor]) -> Tensor:
    """What a net reads of the last moment: observation, action, reward and done, side by side."""
    return torch.cat([values[name] for name in _OBSERVED], dim=-1)


def supposed(values: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The same, were the next observation each of `x [task, example, ...]`."""
    rest = torch.cat([values[name] for name in _OBSERVED[1:]], dim=-1)
    return torch.cat([x.flatten(2), rest.unsqueeze(1).expand(-1, x.shape[1], -1)], dim=-1)


def move(
    values: Mapping[str, Tensor], episode: Episode, step: int, logits: Tensor, value: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Draw an action and take it: the trial's next values, and what was seen."""
    world = environment(episode, "this method")
    if step >= world.horizon:
        raise UserError(
            f"a trial is over after {world.horizon} steps: ask for fewer, or for more shots (pulls)"
        )
    log_probabilities = logits.log_softmax(dim=-1)
    probabilities = log_probabilities.exp()
    seed = fold(episode.seed, step)
    draw = uniform(fold(seed, _ACTION), (1,), logits.dtype)
    action = (probabilities.detach().cumsum(dim=-1) <= draw).sum(dim=-1)
    action = action.clamp(max=world.actions - 1)  # rounding may leave the sum below 1
    state = {k.removeprefix("state."): v for k, v in values.items() if k.startswith("state.")}
    after, observation, reward, done = world(state, action, fold(seed, _ENVIRONMENT))
    reward, done = reward.to(logits.dtype), done.to(logits.dtype)
    following = {f"state.{name}": tensor for name, tensor in after.items()}
    following |= {
        "observation": observation.to(logits.dtype),
        "action": indicator(action, world.actions, logits),
        "reward": reward.unsqueeze(-1),
        "done": done.unsqueeze(-1),
    }
    seen = {
        "action": action,
        "reward": reward,
        "probabilities": probabilities,
        "log_probability": log_probabilities.gather(-1, action.unsqueeze(-1)).squeeze(-1),
        "entropy": -(probabilities * log_probabilities).sum(dim=-1),
        "value": value,
    }
    return following, seen


def actor_critic_loss(path: Iterable[Adapted], settings: ActorCritic) -> Tensor:
    """Each trial's meta-loss: `[task]`."""
    seen = [adapted.seen for adapted in path if adapted.step > 0]
    reward, value, log_probability, entropy = (
        torch.stack([s[name] for s in seen], dim=1)
        for name in ("reward", "value", "log_probability", "entropy")
    )
    advantage = advantages(reward, value.detach(), settings.discount, settings.trace)
    error = value - (advantage + value.detach())
    return (
        -log_probability * advantage
        + settings.value_weight * error.square()
        - settings.entropy_weight * entropy
    ).mean(dim=1)


def advantages(reward: Tensor, value: Tensor, discount: float, trace: float) -> Tensor:
    """Generalised advantage estimates `[task, step]` of trials that end after the last step.

    >>> advantages(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.5]]), 1.0, 1.0)
    tensor([[2.5000, 1.5000]])
    """
    following = torch.cat([value[:, 1:], torch.zeros_like(value[:, :1])], dim=1)
    surprise = reward + discount * following - value
    estimates, estimate = [], torch.zeros_like(surprise[:, 0])
    for step in reversed(range(surprise.shape[1])):
        estimate = surprise[:, step] + discount * trace * estimate
        estimates.append(estimate)
    return torch.stack(estimates[::-1], dim=1)
