"""Frames of trajectories: where a policy goes in a control task, and what that brings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Plays
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.inspection.layers import check_task
from workbench.tasks.control.environment import Environment, State, Task
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.episode import Episode

_STATE = "state."  # before the values of a trial that are the environment's state
_COLUMNS = ("step", "part", "trajectory", "move", "point", "x", "y", "reward", "value")


@torch.no_grad()
def trajectory_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """Where a control task's trajectories go: a row a point of the plane.

    step        after how many inner steps: the policy is as it then is. A step of a trial is a
                move, and adds to what is there; other steps begin all trajectories anew, at move 0
    part        path (where the agent is), arm (the joints of a chain), goal, or walls
    trajectory  which one, counted from 0; of a trial which episode; missing for goal and walls
    move        after how many of its moves; missing for goal and walls
    point       which point of the arm, the goal or the walls it is, counted from 0
    x, y        the point; missing where an environment has no picture of itself
    reward      what the move brought; of a path
    value       what the policy expected of the rest before the move, where it says; of a path

    Trajectories of a policy that `Plays` are those that its next inner step learns from; those after
    the last step would be. Where it goes move by move, the trial is shown.

    >>> from workbench.algorithms import RL2, adapt
    >>> from workbench.models import Policy
    >>> from workbench.tasks import open_tasks
    >>> trial, learner = open_tasks("bandit").sample(2, seed=0), RL2(Policy(1, 5, hidden=4))
    >>> trajectory_frame(learner, trial, list(adapt(learner, trial)))
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: trajectory_frame shows where one goes, and these tasks have no \
places: use pull_frame
    """
    check_task(episode, task)
    if episode.env is None or not path:
        raise UserError(
            "trajectory_frame shows the trajectories of control tasks, and there are none: "
            "record a method that acts, such as RL², on tasks such as 'mdp'"
        )
    if isinstance(learner, Plays):
        pieces = _played(learner, episode, path, task)
    elif draws(episode.env):
        pieces = _trial(learner, episode, path, task)
    else:
        raise UserError(
            "trajectory_frame shows where one goes, and these tasks have no places: use pull_frame"
        )
    return _tidy(pieces)


def draws(env: Environment) -> bool:
    """Whether an environment has a picture of itself: points of the plane, by a task and a state.

    Such a one has `drawn(task, state)`, which gives some of `path`, `arm`, `goal` and `walls`,
    each `[..., point, 2]`.
    """
    return callable(getattr(_world(env), "drawn", None))


def _world(env: Environment) -> Environment:
    return env.env if isinstance(env, Repeated) else env


def _played(
    learner: Plays, episode: Episode, path: Sequence[Adapted], task: int
) -> list[dict[str, Any]]:
    """Trajectories under the weights of every value of the path, all from their beginning."""
    pieces: list[dict[str, Any]] = []
    for adapted in path:
        watched = _Watched.of(episode)
        played, states = learner.play(adapted, watched.episode), watched.states
        reward, mask = (played[f"trajectory.{name}"][task] for name in ("reward", "mask"))
        value = played.get("trajectory.value")
        trajectories, moves = reward.shape
        shape = (trajectories, moves + 1)
        state = {
            name: torch.stack([one[name] for one in states[: moves + 1]], dim=2)[task]
            for name in states[0]
        }
        points = _points(episode, task, state, shape)
        made = torch.cat([torch.ones_like(mask[:, :1]), mask], dim=1) > 0
        numbers = {"reward": reward, "value": None if value is None else value[task]}
        for name, drawn in points.items():
            if name in ("goal", "walls"):
                pieces += [_fixed(adapted.step, name, drawn[0, 0])] if adapted is path[0] else []
                continue
            kept = made.nonzero().cpu().numpy()
            brought = {
                n: np.full(shape, np.nan) if t is None else _later(t)
                for n, t in numbers.items()
                if name == "path"
            }
            found = {n: array[made.cpu().numpy()] for n, array in brought.items()}
            pieces.append(
                _going(adapted.step, name, kept[:, 0], kept[:, 1], drawn[made], **found)
            )
    return pieces


def _trial(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int
) -> list[dict[str, Any]]:
    """A trial so far: each step is a move, and the next episode begins where one ends."""
    pieces: list[dict[str, Any]] = []
    trajectory = move = 0
    rows: list[tuple[int, int, int, State, float, float]] = []
    for before, adapted in zip([None, *path[:-1]], path, strict=True):
        state, nothing = _state(adapted), float("nan")
        if before is None:
            rows.append((adapted.step, trajectory, move, _of(state, task), nothing, nothing))
            continue
        seen, move = adapted.seen, move + 1
        reward = float(seen["reward"][task])
        value = float(seen["value"][task]) if "value" in seen else nothing
        ended = bool(adapted.values["done"][task])
        after = _after(learner, episode, before) if ended else state
        rows.append((adapted.step, trajectory, move, _of(after, task), reward, value))
        if ended and adapted.step < episode.env.horizon:  # type: ignore[union-attr]
            trajectory, move = trajectory + 1, 0
            rows.append((adapted.step, trajectory, move, _of(state, task), nothing, nothing))
    steps, trajectories, moves, states, rewards, values = zip(*rows, strict=True)
    state = {name: torch.stack([one[name] for one in states]) for name in states[0]}
    for name, drawn in _points(episode, task, state, (len(rows),)).items():
        if name in ("goal", "walls"):
            pieces.append(_fixed(path[0].step, name, drawn[0]))
            continue
        brought = {"reward": rewards, "value": values} if name == "path" else {}
        found = {n: np.array(numbers) for n, numbers in brought.items()}
        places = np.array(steps), name, np.array(trajectories), np.array(moves)
        pieces.append(_going(*places, drawn, **found))
    return pieces


# ---- what was done, done again --------------------------------------------------------------------


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
        assert episode.env is not None
        watched: Any = _Watched(_world(episode.env))
        env: Any = episode.env
        env = dataclasses.replace(env, env=watched) if isinstance(env, Repeated) else watched
        watched.episode = dataclasses.replace(episode, env=env)
        return watched

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

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


def _points(
    episode: Episode, task: int, state: State, shape: tuple[int, ...]
) -> dict[str, Tensor]:
    """What the environment draws of states `[*shape, ...]` of one task."""
    assert episode.env is not None
    if not draws(episode.env):
        return {"path": torch.full((*shape, 1, 2), float("nan"))}
    world: Any = _world(episode.env)
    own = {
        name: tensor[task].expand(*shape, *tensor.shape[1:]) for name, tensor in episode.task.items()
    }
    return dict(world.drawn(own, state))


# ---- rows ----------------------------------------------------------------------------------------


def _going(
    step: Any, part: str, trajectory: np.ndarray, move: np.ndarray, drawn: Tensor, **numbers: Any
) -> dict[str, Any]:
    """Rows of a path or of an arm: places `[row, point, 2]` after moves."""
    rows, points = drawn.shape[:2]
    columns = {"step": step, "trajectory": trajectory, "move": move, **numbers}
    repeated = {n: np.repeat(np.broadcast_to(c, (rows,)), points) for n, c in columns.items()}
    return repeated | {"part": part} | _plane(drawn.flatten(0, 1), np.tile(range(points), rows))


def _fixed(step: int, part: str, drawn: Tensor) -> dict[str, Any]:
    """Rows of what stays where it is: places `[point, 2]`, of which NaN are none."""
    drawn = drawn[drawn.isfinite().all(dim=-1)]
    return {"step": np.full(len(drawn), step), "part": part, **_plane(drawn, np.arange(len(drawn)))}


def _plane(places: Tensor, point: np.ndarray) -> dict[str, Any]:
    x, y = places.detach().double().cpu().numpy().T
    return {"point": point, "x": x, "y": y}


def _later(numbers: Tensor) -> np.ndarray:
    """Numbers of moves `[trajectory, move]`, and none of the beginning."""
    found = numbers.detach().double().cpu().numpy()
    return np.concatenate([np.full_like(found[:, :1], np.nan), found], axis=1)


def _state(adapted: Adapted) -> State:
    values = adapted.values
    return {n.removeprefix(_STATE): t for n, t in values.items() if n.startswith(_STATE)}


def _of(state: State, task: int) -> State:
    return {name: tensor[task] for name, tensor in state.items()}


def _tidy(pieces: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    frames = [pd.DataFrame(piece).reindex(columns=_COLUMNS) for piece in pieces]
    whole = dict.fromkeys(("trajectory", "move"), "Int64")
    numbers = dict.fromkeys(("reward", "value"), "float64")
    return pd.concat([frame.astype(whole | numbers) for frame in frames], ignore_index=True)
