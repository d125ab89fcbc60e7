"""Where a policy of control goes: the states that an adaptation led through, row by row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Plays
from workbench.algorithms.values import Adapted
from workbench.inspection.moves import playing
from workbench.tasks.control.environment import Environment, State, Task
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.episode import Episode

_STATE = "state."  # before the values of a trial that are the environment's state
_STATES = "trajectory.state."  # before all states that a policy which plays went through
_NOTHING = float("nan")


@dataclass(frozen=True, eq=False)
class Going:
    """Trajectories of one task: columns of a row a move, and the state that it led to.

    step        the inner steps that were made: all the same, or one more for every move
    trajectory  which one, counted from 0; of a trial which episode
    move        after how many of its moves, 0 where it begins
    reward      what the move brought; NaN at 0
    value       what the policy expected of the rest before the move; NaN where nobody says
    """

    step: np.ndarray
    trajectory: np.ndarray
    move: np.ndarray
    reward: np.ndarray
    value: np.ndarray
    state: State


def world_of(episode: Episode) -> Any:
    """The environment of a single trajectory."""
    env = episode.env
    return env.env if isinstance(env, Repeated) else env


def went(learner: Learner, episode: Episode, path: Sequence[Adapted], task: int) -> Iterator[Going]:
    """The trajectories after every step where a policy plays; otherwise the one trial so far."""
    if isinstance(learner, Plays):
        for adapted, played in playing(learner, episode, path):
            yield _played(learner, episode, adapted, played, task)
    else:
        yield _trial(learner, episode, path, task)


def _played(
    learner: Plays, episode: Episode, adapted: Adapted, played: Mapping[str, Tensor], task: int
) -> Going:
    """Those that a step from this value learns from, all from their beginning."""
    states: State = {
        n.removeprefix(_STATES): t[task] for n, t in played.items() if n.startswith(_STATES)
    }
    if not states:  # the method keeps none
        watched = _Watched.of(episode)
        played = learner.play(adapted, watched.episode)
        states = watched.states_of(task)
    reward, mask = (played[f"trajectory.{name}"][task] for name in ("reward", "mask"))
    value = played["trajectory.value"][task] if "trajectory.value" in played else None
    made = torch.cat([torch.ones_like(mask[:, :1]), mask], dim=1) > 0  # [trajectory, move]
    state = {name: tensor[:, : made.shape[1]][made] for name, tensor in states.items()}
    trajectory, move = made.nonzero().cpu().numpy().T
    kept = made.cpu().numpy()
    nothing = np.full(kept.shape, _NOTHING)
    return Going(
        np.full(len(move), adapted.step),
        trajectory,
        move,
        _later(reward)[kept],
        (nothing if value is None else _later(value))[kept],
        state,
    )


def _trial(learner: Learner, episode: Episode, path: Sequence[Adapted], task: int) -> Going:
    """Each step is a move, and the next episode begins where one ends."""
    trajectory = move = 0
    rows: list[tuple[int, int, int, float, float, State]] = []
    for before, adapted in zip([None, *path[:-1]], path, strict=True):
        here = _of(_state(adapted), task)
        if before is None:
            rows.append((adapted.step, trajectory, move, _NOTHING, _NOTHING, here))
            continue
        seen, move = adapted.seen, move + 1
        reward = float(seen["reward"][task])
        value = float(seen["value"][task]) if "value" in seen else _NOTHING
        ended = bool(adapted.values["done"][task])
        after = _of(_after(learner, episode, before), task) if ended else here
        rows.append((adapted.step, trajectory, move, reward, value, after))
        if ended and adapted.step < episode.env.horizon:  # type: ignore[union-attr]
            trajectory, move = trajectory + 1, 0
            rows.append((adapted.step, trajectory, move, _NOTHING, _NOTHING, here))
    steps, trajectories, moves, rewards, values, states = zip(*rows, strict=True)
    state = {name: torch.stack([one[name] for one in states]) for name in states[0]}
    return Going(
        np.array(steps),
        np.array(trajectories),
        np.array(moves),
        np.array(rewards),
        np.array(values),
        state,
    )


def _later(numbers: Tensor) -> np.ndarray:
    """Numbers of moves `[trajectory, move]`, and none of the beginning."""
    found = numbers.detach().double().cpu().numpy()
    return np.concatenate([np.full_like(found[:, :1], _NOTHING), found], axis=1)


def _state(adapted: Adapted) -> State:
    values = adapted.values
    return {n.removeprefix(_STATE): t for n, t in values.items() if n.startswith(_STATE)}


def _of(state: State, task: int) -> State:
    return {name: tensor[task] for name, tensor in state.items()}


# ---- what was done, done again -------------------------------------------------------------------


class _Watched:
    """An environment that keeps the states that one rollout goes through.

    What is done again from the same value is the very same, if it is done with all tasks: a part of
    them may differ in the last bit.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.states: list[State] = []
        self.episode: Episode

    @staticmethod
    def of(episode: Episode) -> _Watched:
        """The world of an episode, and in `episode` the same tasks in it."""
        watched: Any = _Watched(world_of(episode))
        env: Any = episode.env
        env = dataclasses.replace(env, env=watched) if isinstance(env, Repeated) else watched
        watched.episode = dataclasses.replace(episode, env=env)
        return watched

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

    def states_of(self, task: int) -> State:
        """Those of one task's trajectories, `[trajectory, move, ...]`."""
        return {n: torch.stack([one[n][task] for one in self.states], 1) for n in self.states[0]}

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        state, observation = self._env.reset(task, seed)
        self.states = self.states or [state]  # a trial of episodes makes a beginning every move
        return state, observation

    def step(self, task: Task, state: State, action: Tensor, seed: Tensor) -> Any:
        made = self._env.step(task, state, action, seed)
        self.states.append(made[0])
        return made


def _after(learner: Learner, episode: Episode, adapted: Adapted) -> State:
    """Where the next move leads to, also where the next episode then begins elsewhere."""
    watched = _Watched.of(episode)
    learner.step(adapted, watched.episode)
    return watched.states[-1]
