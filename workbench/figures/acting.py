"""What acting brought: returns by episode or gradient step, regret, and a critic held to them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns

from workbench.figures.axes import dress, note
from workbench.figures.columns import ordered, require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.figures.summary import interval
from workbench.numbers import number

_GROUPS = 10  # of moves by what was expected of them, whose means are shown


def episode_returns(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """The mean return over tasks by episode of a trial, or by gradient step, and its 95% interval.

    Several trajectories of a task after a step count by their mean.

    frame  columns task, return and episode (of a trial) or step, as
           `workbench.inspection.return_frame` makes them; a column `method` tells several apart

    >>> from workbench.figures import examples
    >>> episode_returns(examples.returns()).alt_text
    'Return by episode 1 to 5, mean of 30 tasks. RL²: 9.76 at first, 14 at last. PSRL: 9.74 at
    first, 11.5 at last.'
    """
    axis = "episode" if "episode" in frame else "step"
    require(frame, "episode_returns", ["task", axis, "return"], "return_frame", ["return"])
    words = {"episode": "episode", "step": "gradient step"}[axis]
    return _by(frame, axis, "return", "return", words, style, most="at last")


def regret_by_move(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """The mean regret over tasks by move, and its 95% interval: flat where nothing more is lost.

    frame  columns task, move and regret, as `workbench.inspection.regret_frame` makes them; a
           column `method` tells several apart

    >>> from workbench.figures import examples
    >>> regret_by_move(examples.regret()).alt_text
    'Regret by move 1 to 20, mean of 30 tasks. RL²: 0.534 at first, 2.64 in all. Thompson: 0.534 at
    first, 5.42 in all.'
    """
    require(frame, "regret_by_move", ["task", "move", "regret"], "regret_frame", ["regret"])
    return _by(frame, "move", "regret", "regret", "move", style, most="in all")


def _by(
    frame: pd.DataFrame, x: str, y: str, label: str, words: str, style: Style, *, most: str
) -> Plot:
    """Means over tasks with their intervals along whole numbers, a line a method."""
    methods = ordered(frame["method"]) if "method" in frame else [""]
    lines = ["method"] if methods != [""] else []
    data = frame.groupby([*lines, "task", x], sort=False)[y].mean().reset_index()
    few = data[x].nunique() <= 30
    said = []
    with drawing(style, style.height(0.62)) as plot:
        axes = plot.subplots()
        for place, method in enumerate(methods):
            rows = data[data["method"] == method] if lines else data
            colour, marker = style.look(place)
            sns.lineplot(
                rows,
                x=x,
                y=y,
                errorbar=interval,
                ax=axes,
                legend=False,
                color=colour,
                marker=marker if few else None,
                markeredgecolor=colour,
                err_kws={"linewidth": 0, "alpha": 0.2},
                label=method or None,
            )
            ends = rows.groupby(x)[y].mean().iloc[[0, -1]]
            both = f"{number(ends.iloc[0])} at first, {number(ends.iloc[-1])} {most}."
            said.append(f"{method}: {both}" if method else f"{both[0].upper()}{both[1:]}")
        tasks = data["task"].nunique()
        several = f"mean and 95% interval over {number(tasks)} tasks"
        note(axes, several if tasks > 1 else "one task", style.before)
        axes.set_xlabel(words)
        axes.set_ylabel(label)
        dress(axes.xaxis, whole=True)
        if y == "regret":  # a sum, which begins at nothing
            axes.set_ylim(bottom=0)
        dress(axes.yaxis)
        plot.key(axes)
        span = f"{int(data[x].min())} to {int(data[x].max())}"
        plot.alt_text = (
            f"{label.capitalize()} by {words} {span}, mean of {tasks} "
            f"task{'s' if tasks != 1 else ''}. {' '.join(said)}"
        )
    return plot


def value_against_return(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """What a critic expected against what came, a dot a move; on the dotted line both are the same.

    The line goes through the means of ten groups of equally many moves, by what was expected.

    frame  columns value and return, as `workbench.inspection.expectation_frame` makes them

    >>> from workbench.figures import examples
    >>> value_against_return(examples.expectations()).alt_text
    'Return against what was expected before 300 moves: expected 4.73 and came 4.95 on average; what
    was expected explains 79.7% of the variance of what came.'
    """
    columns = ["value", "return"]
    require(frame, "value_against_return", columns, "expectation_frame", columns)
    value, came = (frame[name].to_numpy(dtype=float) for name in columns)
    rows = np.isfinite(value) & np.isfinite(came)
    value, came = value[rows], came[rows]
    with drawing(style, style.height(0.8)) as plot:
        axes = plot.subplots()
        ends = [min(value.min(), came.min()), max(value.max(), came.max())]
        axes.plot(ends, ends, color=style.before, linestyle=":", zorder=1, label="as expected")
        axes.plot(
            value,
            came,
            linestyle="none",
            marker=".",
            markersize=2.2 * style.scale,
            color=style.before,
            alpha=float(np.clip(600 / len(value), 0.15, 0.6)),
            markeredgewidth=0,
            rasterized=True,
            zorder=2,
            label="_moves",
        )
        order = np.array_split(np.argsort(value, kind="stable"), min(_GROUPS, len(value)))
        means = np.array([(value[group].mean(), came[group].mean()) for group in order])
        axes.plot(*means.T, color=style.after, marker="o", zorder=3, label="mean of what came")
        axes.set_xlabel("expected before the move")
        axes.set_ylabel("return that came")
        for one in (axes.xaxis, axes.yaxis):
            dress(one)
        plot.key(axes)
        share = 1 - (came - value).var() / came.var() if came.var() > 0 else float("nan")
        explained = (
            f"; what was expected explains {number(100 * share)}% of the variance of what came"
            if np.isfinite(share)
            else ""
        )
        plot.alt_text = (
            f"Return against what was expected before {number(len(value), 6)} moves: expected "
            f"{number(value.mean())} and came {number(came.mean())} on average{explained}."
        )
    return plot
