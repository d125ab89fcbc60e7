"""Frames of trajectories: where a policy goes in a control task, and what that brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Plays
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.inspection.going import Going, went, world_of
from workbench.inspection.layers import check_task
from workbench.tasks.episode import Episode

_STAYS = ("goal", "walls")  # where it is, whatever the state
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

    Trajectories of a policy that `Plays` are those that its next inner step learns from; those
    after the last step would be. Where a step is a move, the trial is shown.

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
    if not isinstance(learner, Plays) and not draws(episode):
        raise UserError(
            "trajectory_frame shows where one goes, and these tasks have no places: use pull_frame"
        )
    rows: list[dict[str, Any]] = []
    for place, going in enumerate(went(learner, episode, path, task)):
        for part, points in _drawn(episode, task, going).items():
            if part not in _STAYS:
                rows.append(_moving(part, points, going))
            elif place == 0:
                rows.append(_staying(part, points[0], going))
    frames = [pd.DataFrame(row).reindex(columns=_COLUMNS) for row in rows]
    whole = dict.fromkeys(("trajectory", "move"), "Int64")
    numbers = dict.fromkeys(("reward", "value"), "float64")
    return pd.concat([frame.astype(whole | numbers) for frame in frames], ignore_index=True)


def draws(episode: Episode) -> bool:
    """Whether its environment has a picture of itself: points of the plane, by a task and a state.

    Such a one has `drawn(task, state)`, which gives some of `path`, `arm`, `goal` and `walls`,
    each `[..., point, 2]`; points that are NaN are none.
    """
    return callable(getattr(world_of(episode), "drawn", None))


def _drawn(episode: Episode, task: int, going: Going) -> dict[str, Tensor]:
    """What the environment draws of states of one task, `[row, point, 2]`."""
    count = len(going.move)
    if not draws(episode):
        return {"path": torch.full((count, 1, 2), float("nan"))}
    own = {name: t[task].expand(count, *t.shape[1:]) for name, t in episode.task.items()}
    return dict(world_of(episode).drawn(own, going.state))


def _moving(part: str, drawn: Tensor, going: Going) -> dict[str, Any]:
    """Rows of a path or of an arm."""
    rows, points = drawn.shape[:2]
    columns = {"step": going.step, "trajectory": going.trajectory, "move": going.move}
    if part == "path":
        columns |= {"reward": going.reward, "value": going.value}
    repeated = {name: np.repeat(column, points) for name, column in columns.items()}
    return repeated | {"part": part} | _plane(drawn.flatten(0, 1), np.tile(range(points), rows))


def _staying(part: str, drawn: Tensor, going: Going) -> dict[str, Any]:
    """Rows of what is where it is from the first step on."""
    drawn = drawn[drawn.isfinite().all(dim=-1)]
    step = np.full(len(drawn), going.step[0])
    return {"step": step, "part": part, **_plane(drawn, np.arange(len(drawn)))}


def _plane(places: Tensor, point: np.ndarray) -> dict[str, Any]:
    x, y = places.detach().double().cpu().numpy().T
    return {"point": point, "x": x, "y": y}
