"""Trials: what methods that act in an environment share, whatever net chooses their actions.

    a_t ~ pi_t                                 the net's chances, from all that it has seen so far
    delta_t = r_t + gamma V_t+1 - V_t          V(end of the trial) = 0
    A_t     = delta_t + gamma lambda A_t+1     advantage; A_t + V_t is the value's target
    meta-loss = mean over t of  -log pi_t(a_t) A_t + c (A_t + V_t - V_t')^2 - e H(pi_t)

A and the target are held constant, V' is the value that is trained. The return counts all that
follows in the trial, beyond the end of an episode: that is what makes exploring worth while.

By PPO a trial is learned from several times: what was done is kept (`collected`) with A and the
chances then, the net reads it again, and -log pi_t(a_t) A_t becomes the clipped ratio (see
`estimators.ppo`). A net may also be asked to foretell what each move brings: what it has to know
of the task for that is what it has to know to act well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Protocol

import torch
from torch import Tensor, nn

from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Range
from workbench.tasks.base import TaskSpec
from workbench.tasks.control.environment import Box, Discrete, Environment
from workbench.tasks.control.rollout import Moment, Place, Policy, opening, rollout
from workbench.tasks.episode import Episode

Fraction = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, span=(0, 1))]
Usual = Annotated[float, Range(-1_000, 1_000, span=(-1, 1))]
Scale = Annotated[float, Range(above=0, span=(0.01, 10), log=True)]

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

    @property
    def prediction_weight(self) -> float: ...

    @property
    def usual_reward(self) -> float: ...

    @property
    def reward_scale(self) -> float: ...


def environment(episode: Episode, method: str) -> Environment:
    """The episode's environment, or a refusal."""
    if episode.env is None:
        raise UserError(
            f"{method} needs an environment to act in: use control tasks such as 'bandit'"
        )
    return episode.env


def actions_of(spec: TaskSpec) -> Discrete | Box:
    """What can be done in control tasks; where they don't say, a choice among so many actions."""
    return Discrete(spec.outputs) if spec.actions is None else spec.actions


def begun(episode: Episode, method: str, own: Discrete | Box, like: Tensor) -> dict[str, Tensor]:
    """The values of a trial in which nothing was done yet, for a net of these actions."""
    world = environment(episode, method)
    found = world.actions
    if isinstance(found, Discrete) != isinstance(own, Discrete):
        kinds = ("chooses among actions", "gives an action as numbers")
        theirs = ("are numbers", "are to choose among")
        number = isinstance(own, Box)
        raise UserError(
            f"this policy of {method} {kinds[number]} and those of these tasks {theirs[number]}: "
            "build it for these tasks"
        )
    if found.size != own.size:
        what = "actions" if isinstance(own, Discrete) else "numbers an action"
        raise UserError(
            f"the policy has {own.size} {what} and the tasks have {found.size}: "
            f"ask for {own.size} ways"
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
    start, memory_then = _place(adapted), values[memory]
    made = rollout(
        world, episode.task, policy, episode.seed, memory_then, ends=False, length=1, start=start
    )
    seen = {name: getattr(made, name).squeeze(1) for name in _SEEN}
    if isinstance(world.actions, Discrete):
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
    reward = _worth(reward, settings)
    advantage = advantages(reward, value.detach(), settings.discount, settings.trace)
    error = value - (advantage + value.detach())
    return (
        -actions.log_probability(out, action) * advantage
        + settings.value_weight * error.square()
        - settings.entropy_weight * actions.entropy(out)
    ).mean(dim=1)


@torch.no_grad()
def collected(
    policy: Policy, start: Adapted, episode: Episode, memory: str, settings: ActorCritic
) -> Adapted:
    """A whole trial as it is learned from: what the net read at every move, and what came of it.

    read       observation, last action, reward and done, `[task, move, number]`
    action     what was done
    chance     the logarithm of its chance
    brought    its reward beyond the usual, and what was observed then, `[task, move, number]`
    advantage  A
    target     what the value is to be
    """
    world, values = environment(episode, "this method"), start.values
    made = rollout(
        world,
        episode.task,
        policy,
        episode.seed,
        values[memory],
        ends=False,
        start=_place(start),
    )
    last = {
        "action": world.actions.encode(made.action, made.out.dtype),
        "reward": made.reward.unsqueeze(-1),
        "done": made.done.to(made.out.dtype).unsqueeze(-1),
    }
    first = {name: values[name].unsqueeze(1) for name in last}
    before = [torch.cat([first[n], moved[:, :-1]], dim=1) for n, moved in last.items()]
    following = torch.cat(
        [made.observation[:, 1:], made.end.moment["observation"].unsqueeze(1)], dim=1
    )
    worth = _worth(made.reward, settings)
    advantage = advantages(worth, made.value, settings.discount, settings.trace)
    return Adapted(
        {
            "read": torch.cat([made.observation, *before], dim=-1),
            "action": made.action,
            "chance": world.actions.log_probability(made.out, made.action),
            "brought": brought(made.reward, following, settings),
            "advantage": advantage,
            "target": advantage + made.value,
        }
    )


def brought(reward: Tensor, following: Tensor, settings: ActorCritic) -> Tensor:
    """What a move brought, `[..., number]`: its reward beyond the usual, what is observed then."""
    return torch.cat([(reward - settings.usual_reward).unsqueeze(-1), following], dim=-1)


def clipped_loss(
    out: Tensor,
    value: Tensor,
    collected: Adapted,
    episode: Episode,
    clip: float,
    settings: ActorCritic,
) -> Tensor:
    """Each trial's loss by PPO, `[task]`, of what the net now gives for each move of it."""
    actions, kept = environment(episode, "this method").actions, collected.values
    ratio = (actions.log_probability(out, kept["action"]) - kept["chance"]).exp()
    limited = ratio.clamp(1 - clip, 1 + clip)
    gain = torch.minimum(ratio * kept["advantage"], limited * kept["advantage"])
    return (
        -gain
        + settings.value_weight * (value - kept["target"]).square()
        - settings.entropy_weight * actions.entropy(out)
    ).mean(dim=1)


class Foresight(nn.Module):
    """Foretells from a net's features and an action what that brings: reward and observation."""

    def __init__(self, features: int, actions: Discrete | Box, observation: int) -> None:
        super().__init__()
        self.actions = actions
        self.mix = nn.Linear(features + actions.width, features)
        self.out = nn.Linear(features, 1 + observation)

    def error(self, features: Tensor, action: Tensor, brought: Tensor) -> Tensor:
        """Each trial's mean squared error, summed over what is foretold: `[task]`."""
        done = self.actions.encode(action, features.dtype)
        found = self.out(self.mix(torch.cat([features, done], dim=-1)).relu())
        return (found - brought).square().sum(dim=-1).mean(dim=1)

    def error_along(
        self, path: Sequence[Adapted], features: Tensor, settings: ActorCritic
    ) -> Tensor:
        """The same of the moves of an adaptation."""
        moves = [adapted for adapted in path if adapted.step > 0]
        action, reward = (torch.stack([m.seen[n] for m in moves], dim=1) for n in _SEEN[1:3])
        following = torch.stack([m.values["observation"] for m in moves], dim=1)
        return self.error(features, action, brought(reward, following, settings))


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


def _worth(reward: Tensor, settings: ActorCritic) -> Tensor:
    """A reward as it is learned from."""
    return (reward - settings.usual_reward) * settings.reward_scale


def _place(adapted: Adapted) -> Place:
    """Where a trial stands, of the values of an adaptation."""
    values = adapted.values
    state = {k.removeprefix(_STATE): v for k, v in values.items() if k.startswith(_STATE)}
    return Place(state, {name: values[name] for name in _OBSERVED}, adapted.step)


def _values(place: Place) -> dict[str, Tensor]:
    """Where a trial stands, as values of an adaptation."""
    return {f"{_STATE}{name}": tensor for name, tensor in place.state.items()} | dict(place.moment)
