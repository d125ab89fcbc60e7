"""Trials: what methods that act in an environment share, whatever net chooses their actions.

    a_t ~ pi_t                                 the net's chances, from all that it has seen so far
    delta_t = r_t + gamma V_t+1 - V_t          V(end of the trial) = 0
    A_t     = delta_t + gamma lambda A_t+1     advantage; A_t + V_t is the value's target
    meta-loss = mean over t of  -log pi_t(a_t) A_t + c (A_t + V_t - V_t')^2 - e H(pi_t)

A and the target are held constant, V' is the value that is trained. The return counts all that
follows in the trial, beyond the end of an episode: that is what makes exploring worth while.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Protocol

import torch
from torch import Tensor

from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Range
from workbench.tasks.control.environment import Discrete, Environment
from workbench.tasks.control.rollout import Moment, Place, Policy, opening, rollout
from workbench.tasks.episode import Episode

Fraction = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, span=(0, 1))]

_STATE = "state."  # before the names of values that are the environment's state
_SEEN = ("out", "action", "reward", "value")
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


def begun(episode: Episode, method: str, actions: int, like: Tensor) -> dict[str, Tensor]:
    """The values of a trial in which nothing was done yet, for a net of so many actions."""
    world = environment(episode, method)
    if not isinstance(world.actions, Discrete):
        raise UserError(
            f"{method} chooses among actions and those of these tasks are numbers: "
            "use control tasks such as 'bandit' or 'mdp'"
        )
    if world.actions.size != actions:
        raise UserError(
            f"the policy has {actions} actions and the tasks have {world.actions.size}: "
            f"ask for {actions} ways"
        )
    place = opening(world, episode.task, episode.seed)
    moment = {name: tensor.to(like) for name, tensor in place.moment.items()}
    return _values(Place(place.state, moment))


def observed(moment: Moment) -> Tensor:
    """What a net reads of the last moment: observation, action, reward and done, side by side."""
    return torch.cat([moment[name] for name in _OBSERVED], dim=-1)


def supposed(moment: Moment, x: Tensor) -> Tensor:
    """The same, were the next observation each of `x [task, example, ...]`."""
    rest = torch.cat([moment[name] for name in _OBSERVED[1:]], dim=-1)
    return torch.cat([x.flatten(2), rest.unsqueeze(1).expand(-1, x.shape[1], -1)], dim=-1)


def moved(policy: Policy, adapted: Adapted, episode: Episode, memory: str) -> Adapted:
    """The adaptation after one more move: here an adaptation step is a move of the trial.

    memory  the name of the value that the policy remembers by
    """
    world, values = environment(episode, "this method"), adapted.values
    if adapted.step >= world.horizon:
        raise UserError(
            f"a trial is over after {world.horizon} moves: ask for fewer steps, or for more shots"
        )
    state = {k.removeprefix(_STATE): v for k, v in values.items() if k.startswith(_STATE)}
    start = Place(state, {name: values[name] for name in _OBSERVED}, adapted.step)
    made = rollout(
        world, episode.task, policy, episode.seed, values[memory], ends=False, length=1, start=start
    )
    seen = {name: getattr(made, name).squeeze(1) for name in _SEEN}
    seen["probabilities"] = seen["out"].detach().softmax(dim=-1)
    return Adapted({memory: made.memory} | _values(made.end), seen, made.end.moves)


def rewards(adapted: Adapted) -> Tensor:
    """What the moves of an adaptation's last step brought, `[task, move]`."""
    if "reward" not in adapted.seen:
        raise UserError(
            f"step {adapted.step} of a method that acts saw no reward: let what it has seen name "
            "'reward', [task] or [task, move]"
        )
    reward = adapted.seen["reward"]
    return reward.reshape(len(reward), -1)


def actor_critic_loss(path: Iterable[Adapted], episode: Episode, settings: ActorCritic) -> Tensor:
    """Each trial's meta-loss: `[task]`."""
    actions = environment(episode, "this method").actions
    seen = [adapted.seen for adapted in path if adapted.step > 0]
    out, action, reward, value = (torch.stack([s[name] for s in seen], dim=1) for name in _SEEN)
    advantage = advantages(reward, value.detach(), settings.discount, settings.trace)
    error = value - (advantage + value.detach())
    return (
        -actions.log_probability(out, action) * advantage
        + settings.value_weight * error.square()
        - settings.entropy_weight * actions.entropy(out)
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


def _values(place: Place) -> dict[str, Tensor]:
    """Where a trial stands, as values of an adaptation."""
    return {f"{_STATE}{name}": tensor for name, tensor in place.state.items()} | dict(place.moment)
