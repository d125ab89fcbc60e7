"""The frame of returns: what whole episodes brought, as a trial or an adaptation goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Plays
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.inspection.moves import Moves, column, playing
from workbench.inspection.tidy import table
from workbench.tasks.episode import Episode


@torch.no_grad()
def return_frame(learner: Learner, episode: Episode, path: Sequence[Adapted]) -> pd.DataFrame:
    """What whole episodes brought: a row an episode of a trial, or a trajectory after a step.

    task        its place in the episode
    step        the inner step that made the last move; of a policy that plays whole episodes, after
                how many inner steps it played
    episode     of a trial which of its episodes, counted from 1; those that were not ended are left
                out
    trajectory  of a policy that plays, which of its trajectories, counted from 0
    return      the sum of the rewards
    moves       how many moves it took

    >>> from workbench.algorithms import MDPBaseline, adapt
    >>> from workbench.tasks import Shape, open_tasks
    >>> trial, learner = open_tasks("mdp").sample(2, seed=0, shape=Shape(5, 3)), MDPBaseline()
    >>> frame = return_frame(learner, trial, list(adapt(learner, trial)))
    >>> frame[["task", "step", "episode", "moves"]].values.tolist()[:3]
    [[0, 10, 1, 10], [0, 20, 2, 10], [0, 30, 3, 10]]
    """
    if not path:
        raise UserError("the path is empty: pass list(adapt(learner, episode))")
    if isinstance(learner, Plays):
        return table(list(_played(learner, episode, path)))
    moves = Moves.of(episode, path, "return_frame")
    done, reward = moves.done.cpu().numpy(), moves.reward.double().cpu().numpy()
    rows: list[dict[str, Any]] = []
    for task in range(len(episode)):
        begun = 0
        for number, last in enumerate(np.flatnonzero(done[task]), 1):
            brought = reward[task, begun : last + 1]
            rows.append(
                {
                    "task": task,
                    "step": int(moves.steps[last]),
                    "episode": number,
                    "return": float(brought.sum()),
                    "moves": len(brought),
                }
            )
            begun = int(last) + 1
    if not rows:
        raise UserError(
            f"no episode was over after {done.shape[1]} moves: record more steps, an episode "
            "takes as many moves as it has"
        )
    return pd.DataFrame(rows)


def _played(learner: Plays, episode: Episode, path: Sequence[Adapted]) -> Iterator[dict[str, Any]]:
    """Columns of what the policy does after every step."""
    for adapted, played in playing(learner, episode, path):
        reward, mask = played["trajectory.reward"], played["trajectory.mask"]
        tasks, count = reward.shape[:2]
        yield {
            "task": np.repeat(np.arange(tasks), count),
            "step": adapted.step,
            "trajectory": np.tile(np.arange(count), tasks),
            "return": column((reward * mask).sum(dim=-1)),
            "moves": column(mask.sum(dim=-1)).astype(int),
        }
