"""Ranks of several methods over the same tasks, and which differ by more than chance.

Demšar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7: the test of
Friedman, whether any method differs, and that of Nemenyi, which ones do.

    critical difference = q sqrt(k (k + 1) / (6 N))     k methods, N tasks, q the studentized
                                                        range's quantile over sqrt(2)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.errors import UserError

LEVEL = 0.05  # chance of joining too few by the critical difference, where no methods differ


@dataclass(frozen=True)
class Ranks:
    """What `ranked` finds.

    mean                 each method's mean rank, 1 the best
    tasks                over how many tasks
    friedman_chi2        of the hypothesis that all methods are alike, corrected for ties
    friedman_p           its p-value
    critical_difference  mean ranks that are as far apart differ, by Nemenyi's test at `LEVEL`
    """

    mean: tuple[float, ...]
    tasks: int
    friedman_chi2: float
    friedman_p: float
    critical_difference: float

    def alike(self) -> list[tuple[int, ...]]:
        """The largest groups of methods, best first, that the critical difference sets not apart.

        >>> Ranks((3.143, 2.0, 2.893, 1.964), 14, 9.28, 0.03, 1.12).alike()
        [(3, 1, 2), (2, 0)]
        """
        order = sorted(range(len(self.mean)), key=lambda i: self.mean[i])
        found: list[tuple[int, ...]] = []
        for place, first in enumerate(order):
            near = [
                i
                for i in order[place:]
                if self.mean[i] - self.mean[first] < self.critical_difference
            ]
            if len(near) > 1 and not (found and near[-1] == found[-1][-1]):
                found.append(tuple(near))
        return found


def ranked(worth: Any) -> Ranks:
    """Rank three or more methods on every task, ties by their mean; what is not finite is last.

    worth  `[task, method]`, higher is better

    >>> ranked([[0.9, 0.5, 0.5], [0.8, 0.7, float("nan")]]).mean
    (1.0, 2.25, 2.75)
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    worth = np.asarray(worth, dtype=float)
    tasks, methods = worth.shape
    if methods < 3:
        raise UserError(f"ranks are of 3 or more methods, and there are {methods}: compare pairs")
    if tasks < 2:
        raise UserError("ranks are over tasks, and there is only 1: take some hundreds")
    with np.errstate(over="ignore"):
        worth = worth.astype(np.float32)  # what only the order of a sum tells apart ties
    worth = np.where(np.isfinite(worth), worth, -np.inf)
    ranks = rankdata(-worth, axis=1)
    chi2, p = 0.0, 1.0  # where all methods tie on every task
    if (ranks != ranks[0, 0]).any():
        chi2, p = (float(found) for found in friedmanchisquare(*ranks.T))
    quantile = float(studentized_range.ppf(1 - LEVEL, methods, np.inf)) / math.sqrt(2)
    return Ranks(
        mean=tuple(ranks.mean(axis=0).tolist()),
        tasks=tasks,
        friedman_chi2=chi2,
        friedman_p=p,
        critical_difference=quantile * math.sqrt(methods * (methods + 1) / (6 * tasks)),
    )
