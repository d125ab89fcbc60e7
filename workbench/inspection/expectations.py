"""The frame of expectations: what a critic says before a move, and the return that then came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Expects, Plays
from workbench.algorithms.control.baseline import returns
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.inspection.layers import lacking
from workbench.inspection.moves import Moves, column, playing
from workbench.inspection.tidy import table
from workbench.tasks.episode import Episode


@torch.no_grad()
def expectation_frame(learner: Learner, episode: Episode, path: Sequence[Adapted]) -> pd.DataFrame:
    """What was expected to come, and what came: a row a move.

    task        its place in the episode
    step        the inner step that made the move; of a policy that plays whole episodes, after how
                many inner steps it played
    trajectory  of a policy that plays, which of its trajectories, counted from 0
    move        which move, counted from 1
    value       what was expected before the move of all that follows
    return      what followed: the rewards from this move on, each discounted by the learner's own
                discount for every move that it is later; of a trial to its end, beyond the ends of
                episodes

    >>> from workbench.algorithms import RL2, adapt
    >>> from workbench.models import Policy
    >>> from workbench.tasks import open_tasks
    >>> trial, learner = open_tasks("bandit").sample(2, seed=0), RL2(Policy(1, 5, hidden=4))
    >>> frame = expectation_frame(learner, trial, list(adapt(learner, trial)))
    >>> len(frame), list(frame)
    (20, ['task', 'step', 'move', 'value', 'return'])
    """
    if not isinstance(learner, Expects):
        raise lacking(learner, Expects, "expectation_frame")
    if not path:
        raise UserError("the path is empty: pass list(adapt(learner, episode))")
    if isinstance(learner, Plays):
        return table([*_played(learner, learner.discount, episode, path)])
    moves = Moves.of(episode, path, "expectation_frame")
    assert episode.env is not None
    count = moves.reward.shape[1]
    if count < episode.env.horizon:
        raise UserError(
            f"expectation_frame needs a trial to its end to know what came, and {count} of "
            f"{episode.env.horizon} moves were made: record all steps, from the first"
        )
    seen = [adapted.seen["value"] for adapted in path if adapted.step > 0]
    value = torch.cat([one.reshape(len(one), -1) for one in seen], dim=1)
    tasks = len(value)
    return pd.DataFrame(
        {
            "task": np.repeat(np.arange(tasks), count),
            "step": np.tile(moves.steps, tasks),
            "move": np.tile(np.arange(1, count + 1), tasks),
            "value": column(value),
            "return": column(returns(moves.reward, learner.discount)),
        }
    )


def _played(
    learner: Plays, discount: float, episode: Episode, path: Sequence[Adapted]
) -> Iterator[dict[str, Any]]:
    """Columns of what the policy does after every step."""
    for adapted, played in playing(learner, episode, path):
        made = played["trajectory.mask"] > 0
        task, trajectory, move = (where.cpu().numpy() for where in made.nonzero(as_tuple=True))
        yield {
            "task": task,
            "step": adapted.step,
            "trajectory": trajectory,
            "move": move + 1,
            "value": column(played["trajectory.value"][made]),
            "return": column(returns(played["trajectory.reward"], discount)[made]),
        }
