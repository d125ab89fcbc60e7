"""A made-up frame of the mixed layers of a net."""

from __future__ import annotations

import numpy as np
import pandas as pd

_PULLS = {"mixture1": {"relu": 0.1, "tanh": 0.6, "gauss": 0.0}}
_PULLS["mixture2"] = {"relu": 0.4, "tanh": 0.0, "gauss": 0.05}


def mixture() -> pd.DataFrame:
    """Two layers of three operations, each of which prefers one more by every step."""
    rows = []
    for step in range(4):
        for layer, pulls in _PULLS.items():
            shares = np.exp(step * np.array(list(pulls.values())))
            for operation, share in zip(pulls, shares / shares.sum(), strict=True):
                rows.append((step, layer, operation, float(share)))
    return pd.DataFrame(rows, columns=["step", "layer", "operation", "weight"])
