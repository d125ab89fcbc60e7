"""Calibration: whether a learner is right as often as it is sure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.values import last
from workbench.errors import UserError
from workbench.tasks.episode import Episode


@torch.no_grad()
def reliability_frame(
    learner: Learner, episodes: Iterable[Episode], bins: int = 10
) -> pd.DataFrame:
    """How often queries are classified rightly, by how sure the learner is of them: a row a bin.

    low, high   the bin's bounds of confidence, the chance that the predicted class is given
    examples    how many queries are in it
    confidence  their mean confidence; missing where there are none
    accuracy    the fraction that is right; missing where there are none
    error       the expected calibration error over all bins, the same in every row: the mean
                distance of confidence and accuracy, weighted by examples

    >>> from workbench.algorithms import Prototypical
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("digits").sample(9, seed=0)
    >>> frame = reliability_frame(Prototypical(MLP(64, None)), [episode])
    >>> frame["examples"].sum(), len(frame)
    (np.int64(270), 10)
    """
    if bins < 1:
        raise UserError(f"bins is {bins}: ask for at least 1")
    sure, right = [], []
    for episode in episodes:
        if episode.ways is None:
            raise UserError("calibration is of classes and these tasks have none: use other tasks")
        query = episode.query
        logits = learner.predict(last(adapt(learner, episode)), query.x, query.weight)
        confidence, predicted = logits.softmax(dim=-1).max(dim=-1)
        counts = torch.ones_like(confidence) if query.weight is None else query.weight
        sure.append(confidence[counts > 0].double().cpu().numpy())
        right.append((predicted == query.y)[counts > 0].cpu().numpy())
    if not sure:
        raise UserError("no episodes were given to be judged by: sample some")
    certainty, correct = np.concatenate(sure), np.concatenate(right).astype(float)
    own = np.clip((certainty * bins).astype(int), 0, bins - 1)
    count = np.bincount(own, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(own, certainty, minlength=bins) / count
        accuracy = np.bincount(own, correct, minlength=bins) / count
    error = np.nansum(count * np.abs(mean - accuracy)) / count.sum()
    edges = np.arange(bins + 1) / bins
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "examples": count,
            "confidence": mean,
            "accuracy": accuracy,
            "error": error,
        }
    )
