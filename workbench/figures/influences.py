"""Influence: what each support example does for the query."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from workbench.figures.axes import dress, note
from workbench.figures.columns import of_task, require
from workbench.figures.style import OKABE_ITO, PAPER, Plot, Style, drawing
from workbench.numbers import number

_MOST = 4  # tasks that are drawn
_FAR = 100  # times the median beyond which one influence would hide the others


def support_influence(
    frame: pd.DataFrame, *, task: int | None = None, style: Style = PAPER
) -> Plot:
    """How much the query loss grows without each support example, a panel a task.

    Hatched bars are examples without which the task goes better. At most four tasks are shown.

    frame  columns task, example and influence, as `workbench.inspection.influence_frame` makes
           them
    task   the one that is shown, by default the first four

    >>> from workbench.figures import examples
    >>> support_influence(examples.influence()).alt_text
    'Influence of 5 support examples on the query loss. Task 1: example 3 helps most (0.8), 1 of 5
    do harm.'
    """
    columns = ["task", "example", "influence"]
    require(frame, "support_influence", columns, "influence_frame", ["influence"])
    frame, which = of_task(frame, task)
    tasks = [int(task) for task in frame["task"].unique()]
    shown, said = tasks[:_MOST], []
    across = min(len(shown), 2)
    down = -(-len(shown) // across)
    values = frame["influence"].to_numpy(float)
    finite = np.abs(values[np.isfinite(values)])
    middle = float(np.median(finite)) if len(finite) else 0.0
    far = middle > 0 and bool(finite.max() > _FAR * middle)
    with drawing(style, style.height(0.12 + 0.46 * down)) as plot:
        grid = plot.subplots(down, across, squeeze=False, sharey=True)
        for axes, one in zip(grid.flat, shown, strict=False):
            rows = frame[frame["task"] == one]
            _bars(axes, rows, style)
            if far:
                axes.set_yscale("symlog", linthresh=middle)
            if len(tasks) > 1:
                note(axes, f"task {one + 1}", style.before)
            said.append(_describe(rows, one))
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        for axes in grid[-1]:
            axes.set_xlabel("support example left out")
        for row in grid:
            row[0].set_ylabel("change of query loss")
        if not far:
            dress(grid[0, 0].yaxis)
        if len(tasks) == 1:
            note(grid[0, 0], f"{which}; above 0 it helped, hatched: it harmed", style.before)
        plot.alt_text = (
            f"Influence of {frame['example'].nunique()} support examples on the query loss. "
            f"{' '.join(said)}"
        )
    return plot


def _bars(axes: Axes, rows: pd.DataFrame, style: Style) -> None:
    for helped, colour, hatch in ((True, style.after, ""), (False, OKABE_ITO["vermilion"], "////")):
        own = rows[(rows["influence"] >= 0) == helped]
        axes.bar(
            own["example"] + 1,
            own["influence"],
            0.8,
            color=colour,
            hatch=hatch,
            edgecolor=style.ground,
        )
    axes.axhline(0, color=style.ink, linewidth=0.6 * style.scale)
    dress(axes.xaxis, whole=True)


def _describe(rows: pd.DataFrame, task: int) -> str:
    best = rows.loc[rows["influence"].idxmax()]
    harm = int((rows["influence"] < 0).sum())
    most = number(best["influence"])
    return (
        f"Task {task + 1}: example {int(best['example']) + 1} helps most ({most}), "
        f"{harm} of {len(rows)} do harm."
    )
