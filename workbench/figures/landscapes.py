"""Landscapes: support and query loss in the plane of an adaptation's path."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from workbench.errors import UserError
from workbench.figures.axes import asks_for_log, dress, logarithmic, mark_step, note
from workbench.figures.columns import of_task, ordered, require
from workbench.figures.heat import SEQUENTIAL
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.measures import LOSS
from workbench.numbers import number


def loss_landscape(frame: pd.DataFrame, *, step: int | None = None, style: Style = PAPER) -> Plot:
    """The loss around the path, a panel for support and one for query, and the path on it.

    frame  columns kind, x, y, step, part, loss, explained_x and explained_y, as
           `workbench.inspection.landscape_frame` makes them
    step   the inner step that is marked on the path

    >>> from workbench.figures import examples
    >>> loss_landscape(examples.landscape()).alt_text
    'Loss in the plane of the path, which explains 97% of its variance. Support loss: 4.83
    before adaptation, 0.366 after 5 inner steps. Query loss: 5.7 before adaptation, 0.508 after 5
    inner steps.'
    """
    columns = ["kind", "x", "y", "step", "part", "loss", "explained_x", "explained_y"]
    require(frame, "loss_landscape", columns, "landscape_frame", ["x", "y", "loss"])
    if not {"grid", "path"} <= set(frame["kind"]):
        raise UserError("loss_landscape needs rows of both kinds, grid and path: keep them")
    parts = ordered(frame["part"])
    grid = frame[frame["kind"] == "grid"]
    low, high = float(grid["loss"].min()), float(grid["loss"].max())
    log = asks_for_log(grid["loss"])
    norm = LogNorm(low, high) if log else Normalize(low, high)
    levels = np.geomspace(low, high, 13) if log else np.linspace(low, high, 13)
    share = [float(frame[f"explained_{axis}"].iloc[0]) for axis in "xy"]
    with drawing(style, style.height(0.98 / max(len(parts), 1) + 0.16)) as plot:
        panels = plot.subplots(1, len(parts), sharex=True, sharey=True, squeeze=False)[0]
        said, filled = [], None
        for axes, part in zip(panels, parts, strict=True):
            table = grid[grid["part"] == part].pivot(index="y", columns="x", values="loss")
            if np.unique(levels).size > 1:
                filled = axes.contourf(
                    table.columns, table.index, table, levels, norm=norm, cmap=SEQUENTIAL
                )
            path = frame[(frame["kind"] == "path") & (frame["part"] == part)].sort_values("step")
            _walk(axes, path, step, style)
            note(axes, LOSS.of(part), style.ink)
            start, end = path["loss"].iloc[0], path["loss"].iloc[-1]
            said.append(
                f"{LOSS.of(part).capitalize()}: {number(start)} before adaptation, {number(end)} "
                f"after {int(path['step'].max())} inner steps."
            )
        panels[0].set_ylabel(f"direction 2 ({number(100 * share[1], 2)}%)")
        plot.supxlabel(f"direction 1 ({number(100 * share[0], 2)}%)", fontsize=style.text_size)
        for axis in (panels[0].xaxis, panels[0].yaxis):
            dress(axis, most=4)
        if filled is not None:
            bar = plot.colorbar(filled, ax=list(panels), label="loss", fraction=0.06, pad=0.02)
            dress(bar.ax.yaxis, log=log)
            bar.outline.set_visible(False)
        plot.key(panels[0])
        plot.alt_text = (
            f"Loss in the plane of the path, which explains {number(100 * sum(share), 2)}% of its "
            f"variance. {' '.join(said)}"
        )
    return plot


def _walk(axes: Axes, path: pd.DataFrame, step: int | None, style: Style) -> None:
    """The path, from a hollow start to a solid end."""
    scale = style.scale
    axes.plot(path["x"], path["y"], "-", color=style.ink, linewidth=0.9 * scale, zorder=3)
    axes.plot(
        path["x"], path["y"], "o", color=style.ink, markersize=1.8 * scale, zorder=4, label="_steps"
    )
    for index, fill, label in ((0, style.ground, "before"), (-1, style.ink, "after")):
        axes.plot(
            path["x"].iloc[index],
            path["y"].iloc[index],
            "o",
            markersize=5 * scale,
            markerfacecolor=fill,
            markeredgecolor=style.ink,
            linestyle="none",
            label=label,
            zorder=5,
        )
    now = path[path["step"] == step]
    if len(now) and step not in (path["step"].iloc[0], path["step"].iloc[-1]):
        axes.plot(
            now["x"],
            now["y"],
            "o",
            markersize=8 * scale,
            markerfacecolor="none",
            markeredgecolor=style.ink,
            linestyle="none",
            label=f"step {step}",
            zorder=6,
        )


def loss_curvature(
    frame: pd.DataFrame,
    *,
    step: int | None = None,
    task: int | None = None,
    style: Style = PAPER,
) -> Plot:
    """The Hessian's largest eigenvalues along the inner steps, for support and for query.

    frame  columns task, step, part, rank and eigenvalue, as
           `workbench.inspection.curvature_frame` makes them
    step   the inner step that is looked at: a thin line
    task   the one that is shown, by default the mean of all

    >>> from workbench.figures import examples
    >>> loss_curvature(examples.curvature()).alt_text
    'The 3 largest eigenvalues of the Hessian, mean of 4 tasks. Support: the largest is 8.24
    before adaptation, 4.25 after 5 inner steps. Query: the largest is 9.89 before adaptation, 5.1
    after 5 inner steps.'
    """
    columns = ["task", "step", "part", "rank", "eigenvalue"]
    require(frame, "loss_curvature", columns, "curvature_frame", ["step", "rank", "eigenvalue"])
    frame, which = of_task(frame, task)
    parts = ordered(frame["part"])
    ranks = sorted(int(rank) for rank in frame["rank"].unique())
    means = frame.groupby(["part", "rank", "step"])["eigenvalue"].mean()
    log = logarithmic(style, means)
    with drawing(style, style.height(0.62)) as plot:
        panels = plot.subplots(1, len(parts), sharex=True, sharey=True, squeeze=False)[0]
        said = []
        for axes, part in zip(panels, parts, strict=True):
            for rank in ranks:
                line = means[part][rank].sort_index()
                colour = style.steps(1 - rank / max(len(ranks), 2))
                label = "largest" if rank == 0 else f"no. {rank + 1}"
                axes.plot(
                    line.index,
                    line,
                    "-",
                    marker="o",
                    color=colour,
                    label=label,
                    zorder=3 - rank / 9,
                )
            if not log:
                axes.axhline(0, color=style.before, linewidth=0.6 * style.scale, zorder=0)
            mark_step(axes, step, style.before)
            note(axes, part, style.ink)
            axes.set_xlabel("inner step")
            top = means[part][0].sort_index()
            said.append(
                f"{part.capitalize()}: the largest is {number(top.iloc[0])} before "
                f"adaptation, {number(top.iloc[-1])} after {int(top.index[-1])} inner steps."
            )
        panels[0].set_ylabel(f"eigenvalue, {which}")
        dress(panels[0].yaxis, log=log)
        dress(panels[0].xaxis, whole=True)
        plot.key(panels[0])
        plot.alt_text = (
            f"The {len(ranks)} largest eigenvalues of the Hessian, {which}. {' '.join(said)}"
        )
    return plot
