"""Means and their intervals: frame in, numbers out, the same every time (no bootstrap)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.errors import UserError
from workbench.measures import half_width


def interval(values: pd.Series | np.ndarray) -> tuple[float, float]:
    """The 95% interval of a mean by Student's t; without width when there is one value.

    >>> low, high = interval(np.array([1.0, 2.0, 3.0]))
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    mean = float(finite.mean()) if len(finite) else float("nan")
    if len(finite) < 2:
        return mean, mean
    half = half_width(float(finite.std(ddof=1)), len(finite))
    return mean - half, mean + half


def smoothed(values: pd.Series | np.ndarray, weight: float) -> np.ndarray:
    """The exponential mean of what came so far, begun without bias; missing values are passed over.

    weight  of what came before, from 0 (the values themselves) to below 1

    >>> smoothed(np.array([1.0, 3.0]), 0.5).round(3).tolist()
    [1.0, 2.333]
    """
    if not 0 <= weight < 1:
        raise UserError(f"smoothing is {weight}: choose from 0 to below 1")
    found = np.array(values, dtype=float)
    total = weights = 0.0
    for place, value in enumerate(found):
        if np.isfinite(value):
            total = weight * total + (1 - weight) * value
            weights = weight * weights + (1 - weight)
            found[place] = total / weights
    return found


def paired(frame: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Each task's difference from a reference method: columns method, task, difference.

    Several seeds of a method are averaged task by task first. All methods must have been
    measured on the same tasks.

    >>> paired(pd.DataFrame({"method": ["a", "b"], "task": [0, 0], "value": [1.0, 3.0]}), "a")
      method  task  difference
    0      b     0         2.0
    """
    methods = [str(method) for method in frame["method"].unique()]
    if reference not in methods:
        raise UserError(
            f"the reference method {reference!r} is not in the frame: "
            f"choose one of {', '.join(methods)}"
        )
    for method, values in frame.groupby("method")["value"]:
        if not np.isfinite(values).all():
            raise UserError(
                f"method {str(method)!r} gave no number on {int((~np.isfinite(values)).sum())} "
                "tasks, so no difference can be taken: lower its inner rate, or leave it out"
            )
    table = frame.pivot_table(index="task", columns="method", values="value", aggfunc="mean")
    for method in methods:
        lacking = int(table[method].isna().sum())
        if lacking:
            raise UserError(
                f"method {method!r} lacks {lacking} of the {len(table)} tasks: "
                "evaluate all methods on the same episodes, with one seed and one count"
            )
    pieces = [
        pd.DataFrame(
            {
                "method": method,
                "task": table.index,
                "difference": (table[method] - table[reference]).to_numpy(),
            }
        )
        for method in methods
        if method != reference
    ]
    if not pieces:
        return pd.DataFrame({"method": [], "task": [], "difference": []})
    return pd.concat(pieces, ignore_index=True)
