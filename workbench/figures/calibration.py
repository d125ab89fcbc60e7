"""Calibration: accuracy against confidence."""

from __future__ import annotations

import pandas as pd

from workbench.figures.axes import dress, note
from workbench.figures.columns import require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.numbers import number


def reliability(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """The fraction of right predictions by how sure they are, beside the diagonal of the honest.

    Below it the fraction of queries that are so sure.

    frame  columns low, high, examples, confidence, accuracy and error, as
           `workbench.inspection.reliability_frame` makes them

    >>> from workbench.figures import examples
    >>> reliability(examples.reliability()).alt_text
    'Accuracy by confidence in 5 bins. The expected calibration error is 0.05: on the whole the
    predictions are surer than they are right.'
    """
    columns = ["low", "high", "examples", "confidence", "accuracy", "error"]
    require(frame, "reliability", columns, "reliability_frame", ["accuracy", "confidence"])
    there = frame[frame["examples"] > 0]
    share = frame["examples"] / frame["examples"].sum()
    with drawing(style, style.height(0.95)) as plot:
        above, below = plot.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=style.before, linewidth=0.8 * style.scale)
        above.plot(
            there["confidence"],
            there["accuracy"],
            color=style.after,
            marker="o",
            markersize=3 * style.scale,
        )
        above.set_ylabel("accuracy")
        above.set_ylim(0, 1.02)
        width = frame["high"] - frame["low"]
        below.bar(frame["low"], share, width=width, align="edge", color=style.before)
        below.set_xlabel("confidence")
        below.set_ylabel("share")
        below.set_xlim(0, 1)
        for axis in (above.xaxis, above.yaxis, below.yaxis):
            dress(axis)
        error = float(frame["error"].iloc[0])
        note(above, f"expected calibration error {number(error)}", style.before)
        gap = float((share * (frame["confidence"] - frame["accuracy"])).sum())
        what = "surer than they are right" if gap > 0 else "less sure than they are right"
        plot.alt_text = (
            f"Accuracy by confidence in {len(there)} bins. The expected calibration error is "
            f"{number(error)}: on the whole the predictions are {what}."
        )
    return plot
