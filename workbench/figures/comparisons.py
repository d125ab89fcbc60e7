"""Methods side by side on the same test tasks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from workbench.errors import UserError
from workbench.figures.axes import (
    dress,
    footnote,
    logarithmic,
    note,
    short,
    two_lines,
)
from workbench.figures.columns import ordered, require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.figures.summary import interval, paired
from workbench.measures import Measure, measure_in
from workbench.numbers import number


def comparison(frame: pd.DataFrame, *, reference: str | None = None, style: Style = PAPER) -> Plot:
    """Each method's mean, and its paired difference from a reference method, task by task.

    Both with their 95% interval over tasks. Where a method was trained with several seeds, a
    task's value is its mean over them, and hollow marks show each seed's own mean.

    frame      columns method, task, metric and value, one row a task (and seed, where there are
               several), as `workbench.inspection.comparison_frame` makes them
    reference  the method that the others are compared with; the first by default

    >>> from workbench.figures import examples
    >>> comparison(examples.methods()).alt_text
    'accuracy (%) on 200 tasks. MAML: 93.8. Prototypical Networks: 97.8. Matching Networks: 97.1.
    Prototypical Networks minus MAML: 4.08 (95% interval 3.5 to 4.66). Matching Networks minus
    MAML: 3.36 (95% interval 2.79 to 3.93).'
    """
    columns = ["method", "task", "metric", "value"]
    require(frame, "comparison", columns, "comparison_frame", ["value"])
    ended = ordered(frame["method"][~np.isfinite(frame["value"].to_numpy(dtype=float))])
    methods = [method for method in ordered(frame["method"]) if method not in ended]
    if not methods:
        raise UserError("comparison: every method diverged on some task, so no mean can be taken")
    reference = methods[0] if reference is None else reference
    if reference in ended:
        raise UserError(f"the reference method '{reference}' diverged: choose another, or none")
    measure = measure_in(frame, ordered(frame["metric"])[0])
    data = frame.assign(value=frame["value"] * measure.factor)
    data = data[data["method"].isin(methods)]
    differences = paired(data, reference)
    tasks = data.groupby(["method", "task"], sort=False, as_index=False)["value"].mean()
    with drawing(style, (0.3 * len(methods) + 0.95) * style.scale) as plot:
        panels = 2 if len(methods) > 1 else 1
        row = plot.subplots(1, panels, sharey=True, squeeze=False)[0]
        log = measure.unit != "%" and logarithmic(style, tasks.groupby("method")["value"].mean())
        if log:
            dress(row[0].xaxis, log=True)
        _points(row[0], tasks, "value", methods, style)
        seeds = "seed" in data and data["seed"].nunique() > 1
        if seeds:
            _seeds(row[0], data, methods, style)
        row[0].set_xlabel(measure.axis)
        better = f"; {measure.better} is better" if measure.better else ""
        count = tasks["task"].nunique()
        note(row[0], f"mean over {number(count)} tasks", style.before)
        if panels == 2:
            row[1].axvline(0, color=style.before, lw=0.7 * style.scale, zorder=0)
            _points(row[1], differences, "difference", methods, style)
            row[1].set_xlabel("difference (points)" if measure.unit == "%" else "difference")
            note(row[1], f"minus {short(reference, 12)}", style.before)
        row[0].set_ylabel("")
        row[0].set_ylim(len(methods) - 0.5, -0.5)
        for axes in row:
            axes.set_yticks(range(len(methods)), [two_lines(method) for method in methods])
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.set_ylabel("")
            axes.grid(axis="y")
            dress(axes.xaxis, log=log and axes is row[0])
            axes.locator_params(axis="x", nbins=4) if not (log and axes is row[0]) else None
        pairs = ", paired" if panels == 2 else ""
        hollow = "; hollow: seeds" if seeds else ""
        below = f"bars: 95% interval over tasks{pairs}{hollow}{better}"
        footnote(plot, below, style, style.before)
        plot.alt_text = _describe(tasks, differences, methods, reference, measure)
        plot.alt_text += "".join(f" {method} diverged and is left out." for method in ended)
        if ended:
            left = "; ".join(f"{short(method)} diverged: left out" for method in ended)
            row[0].set_xlabel(f"{measure.axis}\n{left}")
    return plot


def _points(axes: Axes, rows: pd.DataFrame, value: str, methods: list[str], style: Style) -> None:
    """A mark at each mean, a bar for its interval; a colour and a marker a method."""
    looks = [style.look(index) for index in range(len(methods))]
    for method, (colour, marker) in zip(methods, looks, strict=True):
        own = rows[rows["method"] == method]
        if own.empty:
            continue
        sns.pointplot(
            own,
            x=value,
            y="method",
            order=methods,
            errorbar=interval,
            color=colour,
            markers=marker,
            markersize=4.4 * style.scale,
            markeredgewidth=0,
            linestyle="none",
            err_kws={"linewidth": 1.3 * style.scale},
            ax=axes,
        )


def _seeds(axes: Axes, data: pd.DataFrame, methods: list[str], style: Style) -> None:
    """Each seed's own mean as a hollow mark a little below its method's."""
    means = data.groupby(["method", "seed"], sort=False)["value"].mean().reset_index()
    for index, method in enumerate(methods):
        colour, marker = style.look(index)
        own = means.loc[means["method"] == method, "value"]
        if len(own) < 2:
            continue
        axes.plot(
            own,
            [index + 0.28] * len(own),
            linestyle="none",
            marker=marker,
            markersize=2.8 * style.scale,
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=0.6 * style.scale,
        )


def _describe(
    tasks: pd.DataFrame,
    differences: pd.DataFrame,
    methods: list[str],
    reference: str,
    measure: Measure,
) -> str:
    text = f"{measure.axis} on {tasks['task'].nunique()} tasks."
    for method in methods:
        mean = tasks.loc[tasks["method"] == method, "value"].mean()
        text += f" {method}: {number(mean)}."
    for method in methods:
        values = differences.loc[differences["method"] == method, "difference"]
        if method != reference:
            low, high = interval(values)
            text += (
                f" {method} minus {reference}: {number(values.mean())} "
                f"(95% interval {number(low)} to {number(high)})."
            )
    return text
