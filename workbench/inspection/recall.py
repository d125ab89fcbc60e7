"""Recall: how well a learner that reads item by item answers, by how often it saw the class."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import torch

from workbench.algorithms.base import Learner, adapt
from workbench.errors import UserError
from workbench.tasks.episode import Episode


@torch.no_grad()
def recall_frame(learner: Learner, episodes: Iterable[Episode]) -> pd.DataFrame:
    """Answers to the items of sequences, by how often their class has come: a row a task and time.

    task      which task
    time      1 where a class came for the first time, and can only be guessed, 2 for the second ...
    accuracy  the fraction of such items that was answered rightly

    >>> from workbench.algorithms import MANN, MANNSettings
    >>> from workbench.models import MLP
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("digits").sample(3, seed=0, shape=Shape(2, 4, 1))
    >>> learner = MANN(MLP(64, None), 40, 2, MANNSettings(slots=8, heads=1))
    >>> recall_frame(learner, [episode]).groupby("time").size().tolist()
    [3, 3, 3, 3]
    """
    rows, tasks = [], 0
    for episode in episodes:
        seen = [adapted.seen for adapted in adapt(learner, episode) if adapted.step]
        if not seen or not {"time", "correct"} <= set(seen[0]):
            raise UserError(
                f"{type(learner).__name__} does not answer item by item: use MANN, or the accuracy "
                "by steps of `evaluate`"
            )
        time = torch.stack([s["time"] for s in seen], dim=1)
        correct = torch.stack([s["correct"] for s in seen], dim=1)
        for k in range(1, int(time.max()) + 1):
            own = time == k
            mean = (correct * own).sum(dim=1) / own.sum(dim=1)
            there = own.any(dim=1).nonzero().squeeze(1)
            rows += [(tasks + int(i), k, float(mean[i])) for i in there]
        tasks += len(episode)
    if not rows:
        raise UserError("no episodes were given to be answered: sample some")
    frame = pd.DataFrame(rows, columns=["task", "time", "accuracy"])
    return frame.sort_values(["task", "time"], ignore_index=True)
