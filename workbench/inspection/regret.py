"""The frame of regret: what was lost, move by move, against who knows the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.control.planning import backward_induction
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.inspection.moves import Moves, column
from workbench.tasks.control.bandits import BernoulliBandit
from workbench.tasks.control.mdp import TabularMDP
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.episode import Episode


@torch.no_grad()
def regret_frame(learner: Learner, episode: Episode, path: Sequence[Adapted]) -> pd.DataFrame:
    """What a trial lost against the best policy of who knows the task: a row a task and move.

    task    its place in the episode
    step    the inner step that made the move
    move    which move, counted from 1
    gap     what the best action was worth there more than the one that was taken, by the task's
            true chances: of a bandit the best arm's less that of the arm pulled; of an MDP until
            the end of the episode, if the best is done afterwards
    regret  the sum of the gaps so far

    Gaps are of expected rewards: luck is no part of them. Summed over an episode of an MDP they are
    on average what its policy brought less than the best.

    >>> from workbench.algorithms import BanditBaseline, BanditBaselineSettings, adapt
    >>> from workbench.tasks import open_tasks
    >>> trial, learner = open_tasks("bandit").sample(2, seed=0), BanditBaselineSettings("optimal")
    >>> learner = BanditBaseline(learner)
    >>> float(regret_frame(learner, trial, list(adapt(learner, trial)))["regret"].max())
    0.0
    """
    moves = Moves.of(episode, path, "regret_frame")
    made = [adapted for adapted in path if adapted.step > 0]
    before = {adapted.step + 1: adapted for adapted in path}
    if moves.reward.shape[1] != len(made) or any(a.step not in before for a in made):
        raise UserError(
            "regret_frame looks at every move from the first, and these steps make several or "
            "some are missing: record a method whose step is a move, such as RL², from its start"
        )
    worth = _worth(episode, [before[adapted.step].values for adapted in made])
    taken = torch.stack([adapted.seen["action"] for adapted in made], dim=1)
    gap = worth.amax(dim=-1) - worth.gather(-1, taken.unsqueeze(-1)).squeeze(-1)
    tasks, count = gap.shape
    return pd.DataFrame(
        {
            "task": np.repeat(np.arange(tasks), count),
            "step": np.tile(moves.steps, tasks),
            "move": np.tile(np.arange(1, count + 1), tasks),
            "gap": column(gap),
            "regret": column(gap.cumsum(dim=1)),
        }
    )


def _worth(episode: Episode, before: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """What every action truly was worth at every move, `[task, move, action]`."""
    env, task = episode.env, episode.task
    if isinstance(env, BernoulliBandit):
        return task["means"].double().unsqueeze(1).expand(-1, len(before), -1)
    if isinstance(env, Repeated) and isinstance(env.env, TabularMDP):
        plan = backward_induction(task["pays"].double(), task["leads"].double(), env.env.horizon)
        seen = torch.stack([values["observation"] for values in before], dim=1).to(plan)
        time = torch.arange(len(before), device=seen.device) % env.env.horizon
        return torch.einsum("tms,tmsa->tma", seen, plan[:, time])
    raise UserError(
        "regret_frame needs the best policy of who knows the task, and of these tasks it is not "
        "known: use the tasks 'bandit' or 'mdp', or return_frame"
    )
