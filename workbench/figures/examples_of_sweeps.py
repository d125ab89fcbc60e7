"""A made-up frame of a sweep."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from workbench.measures import ACCURACY, half_width, noted


def sweep() -> pd.DataFrame:
    """Three combinations of settings, each under three seeds."""
    groups = {
        "order=first": ([0.945, 0.950, 0.955], 0.012),
        "order=second": ([0.968, 0.970, 0.972], 0.009),
        "rate=0.1": ([0.89, 0.90, 0.91], 0.015),
    }
    rows = [
        (group, "accuracy", 3, float(np.mean(seeds)), tasks, math.nan, np.array(seeds))
        for group, (seeds, tasks) in groups.items()
    ]
    columns = ["group", "metric", "seeds", "mean", "ci95_tasks", "ci95_seeds", "per_seed"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["ci95_seeds"] = [half_width(float(s.std(ddof=1)), len(s)) for s in frame["per_seed"]]
    return noted(frame, [ACCURACY])
