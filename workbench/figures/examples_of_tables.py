"""Small made-up frames of table rows and of missing values."""

from __future__ import annotations

import pandas as pd


def patients() -> pd.DataFrame:
    """A task of four patients and three columns, in which two values are missing."""
    cells = ("63\tmale\t145", "41\tfemale\t—", "57\tmale\t130", "—\tfemale\t120")
    return pd.DataFrame(
        {
            "part": ["support", "support", "query", "query"],
            "label": [1, 0, 1, 0],
            "name": ["present", "absent", "present", "absent"],
            "header": "age (years)\tsex\tblood pressure (mm Hg)",
            "cells": cells,
        }
    )


def gaps() -> pd.DataFrame:
    """Two ways to bear missing values, one of which loses more the more are missing."""
    asked = [(share, 5) for share in (0.0, 0.25, 0.5, 1.0)] + [(0.5, 1), (0.5, 10)]
    rows = [
        (method, share, shots, task, 0.95 - share * loss + 0.02 * (shots - 5) + 0.01 * (task - 1))
        for method, loss in (("flags", 0.25), ("mean", 0.35))
        for share, shots in asked
        for task in range(3)
    ]
    frame = pd.DataFrame(rows, columns=["method", "share", "shots", "task", "value"])
    return frame.assign(metric="accuracy")
