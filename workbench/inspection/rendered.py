"""Pictures of robots, as their simulator renders them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from workbench.algorithms.base import Learner
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.inspection.going import went, world_of
from workbench.inspection.layers import check_task
from workbench.tasks.episode import Episode

_PICTURES = 8  # of a trajectory
_SIZE = (120, 90)  # pixels


@torch.no_grad()
def rendered_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """A robot on its way, as MuJoCo renders it: a row a picture.

    step        after how many inner steps
    trajectory  which one: the first; of a trial all episodes, counted from 0
    move        after how many of its moves, evenly spaced
    image       array, height x width x 3 of colour

    >>> from workbench.algorithms import MAMLRL
    >>> from workbench.models import Gaussian
    >>> from workbench.tasks import open_tasks
    >>> learner, episode = MAMLRL(Gaussian(2, 2)), open_tasks("navigation").sample(1, seed=0)
    >>> rendered_frame(learner, episode, [learner.begin(episode)])
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: only MuJoCo's robots are rendered: use trajectory_frame
    """
    check_task(episode, task)
    if episode.env is None or not renders(episode):
        raise UserError("only MuJoCo's robots are rendered: use trajectory_frame")
    rows = []
    for going in went(learner, episode, path, task):
        trial = going.step[0] != going.step[-1]
        own = np.arange(len(going.move)) if trial else np.flatnonzero(going.trajectory == 0)
        picked = own[np.unique(np.linspace(0, len(own) - 1, _PICTURES).round().astype(int))]
        state = {name: tensor[torch.from_numpy(picked)] for name, tensor in going.state.items()}
        images = world_of(episode).frames(state, *_SIZE).float().cpu().numpy() / 255
        for row, image in zip(picked, images, strict=True):
            place = {"step": going.step[row], "trajectory": going.trajectory[row]}
            rows.append({**place, "move": going.move[row], "image": image})
    return pd.DataFrame(rows)


def renders(episode: Episode) -> bool:
    """Whether its environment makes pictures: `frames(state, width, height)`, from 0 to 255."""
    return callable(getattr(world_of(episode), "frames", None))
