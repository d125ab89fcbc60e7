"""A stream: accuracy on every class after every class, and what was forgotten of each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.figures.axes import dress, number
from workbench.figures.columns import require
from workbench.figures.heat import heat
from workbench.figures.style import PAPER, Plot, Style, drawing


def stream_accuracy(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """Accuracy on each stage (across) after each stage (downwards); before it came left blank.

    frame  columns step, asked and accuracy, as the inspection `stream` makes them

    >>> from workbench.figures import examples
    >>> stream_accuracy(examples.stream()).alt_text
    'Accuracy on 5 stages after each of them: after the last one 69% on average, 45% on the \
first.'
    """
    columns = ["step", "asked", "accuracy"]
    require(frame, "stream_accuracy", columns, "stream_frame", columns)
    table = 100 * frame.pivot(index="step", columns="asked", values="accuracy")
    steps, asked = [int(step) for step in table.index], [int(one) for one in table.columns]
    values = table.to_numpy(dtype=float)
    come = np.asarray(asked)[None, :] <= np.asarray(steps)[:, None]
    with drawing(style, style.height(0.9)) as plot:
        axes = plot.subplots()
        shown = np.where(come, values, np.nan)
        heat(plot, axes, shown, x=asked, y=steps, bound=100.0, label="accuracy (%)", signed=False)
        axes.set(xlabel="asked about stage", ylabel="after stage")
        dress(axes.xaxis, whole=True)
        dress(axes.yaxis, whole=True)
        last = values[-1]
        plot.alt_text = (
            f"Accuracy on {len(asked)} stages after each of them: after the last one "
            f"{number(np.nanmean(last))}% on average, {number(last[0])}% on the first."
        )
    return plot


def stream_transfer(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """What was learned of each stage and what is left of it; above, what came and went.

    frame  columns stage, learned, last, forgetting, backward and forward, as the inspection
           `transfer` makes them

    >>> from workbench.figures import examples
    >>> stream_transfer(examples.transfer()).alt_text
    'Of 5 stages 94% was learned and 69% is left: forgetting 31.3, backward transfer −31.3, \
forward transfer 0 points on average.'
    """
    lines = ["learned", "last", "forgetting", "backward", "forward"]
    columns = ["stage", *lines]
    require(frame, "stream_transfer", columns, "transfer_frame", ["stage", "learned", "last"])
    rows = frame.sort_values("stage")
    mean = {name: 100 * float(rows[name].mean()) for name in lines}
    before = rows[rows["stage"] < rows["stage"].max()]  # of the last one nothing can be forgotten
    if len(before):
        mean |= {n: 100 * float(before[n].mean()) for n in ("forgetting", "backward")}
    few = len(rows) <= 20
    with drawing(style, style.height(1.0)) as plot:
        upper, lower = plot.subplots(2, 1, sharex=True)
        for axes, names in ((upper, lines[:2]), (lower, lines[2:])):
            for name in names:
                colour, marker = style.look(lines.index(name))
                said = {"learned": "right after it", "last": "after the last"}.get(name, name)
                axes.plot(
                    rows["stage"],
                    100 * rows[name],
                    color=colour,
                    marker=marker if few else "",
                    label=f"{said} ({number(mean[name])})",
                )
        plot.key(upper, lower)
        upper.set_ylabel("accuracy (%)")
        lower.set(xlabel="stage", ylabel="change (points)")
        dress(lower.xaxis, whole=True)
        plot.alt_text = (
            f"Of {len(rows)} stages {number(mean['learned'])}% was learned and "
            f"{number(mean['last'])}% is left: forgetting {number(mean['forgetting'])}, backward "
            f"transfer {number(mean['backward'])}, forward transfer {number(mean['forward'])} "
            "points on average."
        )
    return plot
