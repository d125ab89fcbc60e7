"""Made-up frames of a search for settings."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from workbench.measures import ACCURACY, Measure, noted


def study() -> pd.DataFrame:
    """Twelve trials of two rates, a third of which were pruned."""
    rng = np.random.default_rng(0)
    rows, best = [], math.nan
    for trial in range(1, 13):
        inner, outer = 10 ** rng.uniform(-3, 0), 10 ** rng.uniform(-4, -1)
        far = abs(math.log10(inner) + 0.7) + abs(math.log10(outer) + 2.5) / 2
        value, state = round(0.65 - 0.12 * far, 3), "pruned" if trial % 3 == 0 else "finished"
        if state == "finished" and not value < best:
            best = value
        rows.append((trial, state, value, best, 300, 20.0, "sampler", inner, outer))
    columns = ["trial", "state", "value", "best", "outer_steps", "seconds", "origin"]
    frame = pd.DataFrame(rows, columns=[*columns, "learner.inner_rate", "training.rate"])
    label, unit, better = ACCURACY.name, ACCURACY.unit, ACCURACY.better
    measures = [Measure(name, better, unit, label=label) for name in ("value", "best")]
    return noted(frame, measures)


def importance() -> pd.DataFrame:
    """Of two rates, that of the inner step matters more."""
    shares = {"learner.inner_rate": 0.71, "training.rate": 0.29}
    return pd.DataFrame(list(shares.items()), columns=["setting", "importance"])
