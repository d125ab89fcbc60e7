"""The critical-difference diagram: which of several methods differ by more than chance."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from workbench.errors import UserError
from workbench.figures.axes import two_lines
from workbench.figures.columns import ordered, require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.measures import measure_in
from workbench.numbers import number
from workbench.ranks import LEVEL, Ranks, ranked

_LANE, _EDGE = 0.07, 0.06  # inches on paper: from bar to bar, and at the edge


def critical_difference(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """Each method's mean rank over tasks; bars join those that Nemenyi's test sets not apart.

    After Demšar (2006). Of several seeds a task's value is the mean; what diverged is ranked last.

    frame  columns method, task, metric and value, one row a task (and seed, where there are
           several), of three methods or more, as `workbench.inspection.comparison_frame` makes them

    >>> from workbench.figures import examples
    >>> critical_difference(examples.methods()).alt_text
    'Mean rank over 200 tasks, 1 is the best. Prototypical Networks: 1.59, Matching Networks: 1.75,
    MAML: 2.66. Friedman p = 1.2×10⁻²⁹, critical difference 0.234. Not apart: Prototypical Networks
    and Matching Networks.'
    """
    columns = ["method", "task", "metric", "value"]
    require(frame, "critical_difference", columns, "comparison_frame", ["value"])
    methods = ordered(frame["method"])
    if len(methods) < 3:
        raise UserError(
            f"critical_difference ranks three methods or more and the frame has {len(methods)}: "
            "draw the figure comparison"
        )
    found = ranked(_worth(frame, methods))
    order = sorted(range(len(methods)), key=lambda i: found.mean[i])
    names = [two_lines(name, 14) for name in methods]
    a_row = 0.27 if any("\n" in name for name in names) else 0.19
    sides = order[: -(-len(order) // 2)], order[-(-len(order) // 2) :]
    low = math.floor(min(found.mean))
    high = math.ceil(max(*found.mean, low + found.critical_difference))  # the ruler has room, too
    wide = style.width.value / style.scale
    ranks = [f"{mean:.2f}" for mean in found.mean]
    room = max(_width(rank) for rank in ranks) + 0.06  # for a rank above its line
    left, right = (max(_width(names[i]) for i in side) + room + _EDGE + 0.03 for side in sides)
    an_inch = (high - low) / (wide - left - right)  # of the axis, in ranks
    lanes = _lanes(found, apart=0.1 * an_inch)
    top = 0.52
    first = top + 0.1 + _LANE * len(lanes) + 0.08  # how far below the upper edge the names begin
    height = first + a_row * (len(sides[0]) - 1) + 0.48

    def place(rank: float) -> float:
        return left + (rank - low) / an_inch

    with drawing(style, height * style.scale) as plot:
        axes = plot.subplots(subplot_kw={"xlim": (0, wide), "ylim": (height, 0)})
        axes.set_axis_off()  # in inches on paper, since it fills the figure
        thin = 0.7 * style.scale
        axes.plot([place(low), place(high)], [top, top], color=style.ink, lw=thin, zorder=1)
        every = max(1, round((high - low) / 6))
        for tick in range(low, high + 1, every):
            axes.plot([place(tick)] * 2, [top - 0.04, top], color=style.ink, lw=thin, zorder=1)
            _say(axes, place(tick), top - 0.06, str(tick), style, ha="center", va="bottom")
        for side, members in enumerate(sides):
            for row, i in enumerate(members if side == 0 else reversed(members)):
                y, x = first + a_row * row, place(found.mean[i])
                edge = (left - room, wide - right + room)[side]
                colour, marker = style.look(i)
                axes.plot([x, x, edge], [top, y, y], color=colour, lw=thin, zorder=2)
                axes.plot(x, top, marker, color=colour, ms=3.6 * style.scale, mew=0, zorder=4)
                away = (1, -1)[side] * 0.03
                ha = ("right", "left")[side]
                _say(axes, edge - away, y, names[i], style, ha=ha, va="center")
                grey, back = style.before, ("left", "right")[side]
                _say(axes, edge + away / 2, y, ranks[i], style, grey, ha=back, va="bottom")
        for lane, groups in enumerate(lanes):
            y = top + 0.1 + _LANE * lane
            for group in groups:
                ends = [place(found.mean[group[0]]) - 0.03, place(found.mean[group[-1]]) + 0.03]
                axes.plot(ends, [y, y], color=style.ink, lw=2.2 * style.scale, zorder=3)
                axes.lines[-1].set_solid_capstyle("butt")
        _ruler(axes, place(low), place(low + found.critical_difference), found, style)
        said = (
            f"mean rank over {number(found.tasks)} tasks, 1 is the best; {_friedman(found)}\n"
            f"bars join what Nemenyi's test ({number(100 * LEVEL)}%) sets not apart"
        )
        _say(axes, _EDGE, height - 0.05, said, style, style.before, ha="left", va="bottom")
        plot.alt_text = _describe(found, methods, order)
    return plot


def _width(name: str) -> float:
    """Inches that a name takes on paper."""
    font = FontProperties(family="DejaVu Sans", size=PAPER.text_size * 0.875)
    lines = name.split("\n")
    return max(float(TextPath((0, 0), line, prop=font).get_extents().x1) for line in lines) / 72


def _worth(frame: pd.DataFrame, methods: list[str]) -> np.ndarray:
    """How good each method is on each task, `[task, method]`, the mean over seeds."""
    sign = measure_in(frame, ordered(frame["metric"])[0]).sign
    worth = sign * frame["value"].astype(float)
    worth = worth.where(np.isfinite(worth), -np.inf)  # no mean is then better than that
    table = frame.assign(value=worth).groupby(["task", "method"])["value"].mean().unstack()
    for method in methods:
        lacking = len(table) - frame.loc[frame["method"] == method, "task"].nunique()
        if lacking:
            raise UserError(
                f"method {method!r} lacks {lacking} of the {len(table)} tasks: "
                "evaluate all methods on the same episodes, with one seed and one count"
            )
    return table[methods].to_numpy()


def _lanes(found: Ranks, apart: float) -> list[list[tuple[int, ...]]]:
    """The groups that are alike, in as few lanes as keep bars from running into each other."""
    lanes: list[list[tuple[int, ...]]] = []
    for group in found.alike():
        start = found.mean[group[0]]
        free = (of for of in lanes if found.mean[of[-1][-1]] + apart < start)
        lane = next(free, None)
        if lane is None:
            lanes.append([group])
        else:
            lane.append(group)
    return lanes


def _ruler(axes: Axes, start: float, end: float, found: Ranks, style: Style) -> None:
    """The critical difference itself, above the ranks."""
    axes.plot([start, end], [0.2, 0.2], color=style.ink, lw=1.2 * style.scale)
    for x in (start, end):
        axes.plot([x, x], [0.17, 0.23], color=style.ink, lw=0.7 * style.scale)
    text = f"critical difference {number(found.critical_difference)}"
    _say(axes, start, 0.15, text, style, ha="left", va="bottom")


def _say(
    axes: Axes, x: float, y: float, text: str, style: Style, colour: str = "", **where: str
) -> None:
    size = style.text_size * 0.875
    axes.text(x, y, text, fontsize=size, color=colour or style.ink, **where)  # type: ignore[arg-type]


def _friedman(found: Ranks) -> str:
    least = 1e-99  # below which a p-value is only said to be
    p = found.friedman_p
    return f"Friedman p < {number(least)}" if p < least else f"Friedman p = {number(p, 2)}"


def _describe(found: Ranks, methods: list[str], order: list[int]) -> str:
    ranks = ", ".join(f"{methods[i]}: {found.mean[i]:.2f}" for i in order)
    text = (
        f"Mean rank over {number(found.tasks)} tasks, 1 is the best. {ranks}. {_friedman(found)}, "
        f"critical difference {number(found.critical_difference)}."
    )
    alike = ["{} and {}".format(", ".join(n[:-1]), n[-1]) for n in _named(found, methods)]
    return text + (f" Not apart: {'; '.join(alike)}." if alike else " All are apart.")


def _named(found: Ranks, methods: list[str]) -> list[list[str]]:
    return [[methods[i] for i in group] for group in found.alike()]
