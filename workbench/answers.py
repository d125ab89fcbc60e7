"""Answers in words to what is asked of a frame, the same in notebooks, figures and documents."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.numbers import with_interval

if TYPE_CHECKING:
    from pandas import DataFrame

# The one definition of the number that says whether a meta-gradient is really second order.
SECOND_ORDER = (
    "the norm of all steps' Hessian corrections together, over the norm of the whole "
    "meta-gradient: what first-order MAML leaves out"
)


def second_order_part(frame: DataFrame, layer: str = "all") -> tuple[float, float]:
    """The second-order part of a layer's meta-gradient, and half its 95% interval over tasks.

    frame  as `workbench.inspection.anatomy_frame` makes it; the half is NaN of a single task

    >>> from workbench.figures import examples
    >>> round(second_order_part(examples.anatomy())[0], 3)
    0.471
    """
    rows = frame[frame["layer"] == layer].drop_duplicates("term").set_index("term")
    part, whole = (float(rows.loc[term, "norm"]) for term in ("second order", "full"))
    size = part / whole if whole else math.nan
    high = float(rows.loc["second order", "high"]) if "high" in rows else math.nan
    return size, high - size


def second_order(frame: DataFrame, layer: str = "all") -> str:
    """The same in words.

    >>> from workbench.figures import examples
    >>> second_order(examples.anatomy())
    'second-order part 47.1%'
    """
    size, half = second_order_part(frame, layer)
    if math.isnan(size):
        return "the meta-gradient is zero"
    over = "" if math.isnan(half) else " (95% interval over tasks)"
    return f"second-order part {with_interval(100 * size, 100 * half)}%{over}"
