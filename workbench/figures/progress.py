"""Losses and metrics along the inner steps, along training, and along whatever was varied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from workbench.figures.axes import (
    asks_for_log,
    dress,
    dress_measure,
    mark_step,
    note,
    reach,
    tell_diverged,
)
from workbench.figures.columns import of_task, ordered, require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.figures.summary import interval, smoothed
from workbench.measures import Measure, diverged_in, measure_in
from workbench.numbers import number

_AXES = {"step": "inner step", "move": "move"}
ALONG = {"iteration": "outer step", "seconds": "training time (s)"}


def loss_by_step(
    frame: pd.DataFrame,
    *,
    measure: str = "loss",
    step: int | None = None,
    task: int | None = None,
    lanes: Sequence[int] = (),
    style: Style = PAPER,
) -> Plot:
    """A measure after every inner step: its mean over tasks with the 95% interval, or one task's.

    frame    columns task, step (or move, of control tasks), part (support, query or trial) and the
             measure, as `workbench.inspection.step_frame` makes them; a column `method` tells
             several apart
    measure  which column to show: loss, accuracy, or any other metric
    step     the inner step that is looked at: a thin line
    task     the one that is shown, as panels show it: strong, and of a single lane the others thin
    lanes    numbers of the lanes that the methods are, for their colours: then support and query
             of each are shown, as panels show them

    >>> from workbench.figures import examples
    >>> loss_by_step(examples.steps()).alt_text
    'Query loss over inner steps 0 to 5, mean of 40 tasks. MAML: 2.94 before, 0.0669 after the last
    step. pretrained: 2.85 before, 0.946 after the last step.'
    """
    axis = "move" if "move" in frame else "step"
    columns = ["task", axis, "part", measure]
    require(frame, "loss_by_step", columns, "step_frame", [axis, measure])
    shown = measure_in(frame, measure)
    data = frame.assign(_value=frame[measure] * shown.factor)
    methods = ordered(data["method"]) if "method" in data else [""]
    # Many methods: the query alone, or the lines could not be told apart.
    parts = ordered(data["part"])
    if len(methods) > 1 and not lanes and "query" in parts:
        parts = ["query"]
    data = data[data["part"].isin(parts)]
    every = data
    data, which = of_task(data, task)
    data = _whole(data, axis)
    with drawing(style, style.height(0.62)) as plot:
        axes = plot.subplots()
        if which.startswith("task ") and methods == [""]:
            _other_tasks(axes, every[every["task"] != task], parts[-1], axis, shown, style)
        for index, method in enumerate(methods):
            colour, marker = style.lane(lanes[index]) if lanes else style.look(index)
            rows = data if method == "" else data[data["method"] == method]
            for part in parts:
                label = ", ".join(
                    word for word in (shown.of(part) if len(parts) > 1 else "", method) if word
                )
                hollow = part == "query" and len(parts) > 1
                _line(
                    axes,
                    rows[rows["part"] == part],
                    x=axis,
                    y="_value",
                    color=colour,
                    marker=marker,
                    markerfacecolor=style.ground if hollow else colour,
                    markeredgecolor=colour,
                    linestyle="--" if hollow else "-",
                    label=label or None,
                )
        mark_step(axes, step, style.before)
        tasks = data["task"].nunique()
        several = f"mean and 95% interval over {number(tasks)} tasks"
        note(axes, several if tasks > 1 else which, style.before)
        axes.set_xlabel(_AXES[axis])
        means = data.groupby([*(["method"] if methods != [""] else []), "part", axis])["_value"]
        dress(axes.xaxis, whole=True)
        dress_measure(axes, shown, means.mean(), style)
        _keep_in_sight(axes, data, axis, list(diverged_in(frame)))
        _from_zero(axes, shown)
        if parts == ["query"]:
            axes.set_ylabel(f"query {shown.axis}")
        plot.key(axes)
        plot.alt_text = _describe_steps(data, axis, methods, parts[-1], shown, which)
        tell_diverged(plot, frame, style)
    return plot


def _other_tasks(
    axes: Axes, rows: pd.DataFrame, part: str, axis: str, measure: Measure, style: Style
) -> None:
    """Thin lines of the tasks beside the one that is looked at."""
    label = f"{measure.of(part)}, other tasks"
    for _, own in rows[rows["part"] == part].groupby("task"):
        own = own.sort_values(axis)
        width = 0.6 * style.scale
        axes.plot(own[axis], own["_value"], color=style.before, lw=width, label=label, zorder=1)
        label = "_"


def _whole(data: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The rows up to where a task diverged: a mean over those that are left would be another's."""
    data = data[np.isfinite(data["_value"].to_numpy(dtype=float))]
    line = [name for name in ("method", "part") if name in data]
    count = data.groupby([*line, axis])["_value"].transform("size")
    return data[count == count.groupby([data[name] for name in line]).transform("max")]


def _keep_in_sight(axes: Axes, data: pd.DataFrame, axis: str, ended: list[str]) -> None:
    """Let axes follow the lines that are finite; of a single one that diverged, its start."""
    if not ended:
        return
    calm = data[~data["method"].isin(ended)] if "method" in data else data[:0]
    if calm.empty:
        calm = data[data[axis] == data[axis].min()]
    by = [name for name in ("method", "part", axis) if name in data]
    means, usual = (some.groupby(by)["_value"].mean() for some in (data, calm))
    low, high = reach(means, usual)
    log = axes.get_yscale() == "log"
    room = 0.05 * (high - low)
    axes.set_ylim(*((low / 1.2, 1.2 * high) if log else (low - room, high + room)))


def _from_zero(axes: Axes, measure: Measure) -> None:
    """Let a linear axis begin at 0, as panels have it, so that little does not look much."""
    if axes.get_yscale() == "linear":
        low, high = axes.get_ylim()
        top = 100.0 if measure.unit == "%" else high
        axes.set_ylim(min(low, 0.0), max(high, top))


def trend(frame: pd.DataFrame, *, by: str, measure: str = "accuracy", style: Style = PAPER) -> Plot:
    """The mean of a measure over tasks by anything it may depend on, with its 95% interval.

    frame    columns task, the one to go by and the measure, one row a task and place, as
             `workbench.inspection.recall_frame` makes them; a column `method` tells several apart
    by       which column goes along the axis: time, shots, slots, entries, distractors ...
    measure  which column to show: accuracy, loss, or any other metric

    >>> from workbench.figures import examples
    >>> trend(examples.recall(), by="time").alt_text
    'accuracy (%) by time 1 to 5, mean of 60 tasks: 21.3 at 1, 75 at 5.'
    """
    require(frame, "trend", ["task", by, measure], "recall_frame", [by, measure])
    shown = measure_in(frame, measure)
    data = frame.assign(_value=frame[measure] * shown.factor)
    methods = ordered(data["method"]) if "method" in data else [""]
    tasks = data["task"].nunique()
    log = asks_for_log(frame[by])
    with drawing(style, style.height(0.62)) as plot:
        axes = plot.subplots()
        said = []
        for index, method in enumerate(methods):
            rows = data if method == "" else data[data["method"] == method]
            colour, marker = style.look(index)
            label = method or None
            _line(axes, rows, x=by, y="_value", color=colour, marker=marker, label=label)
            ends = rows.groupby(by)["_value"].mean().iloc[[0, -1]]
            both = ", ".join(f"{number(value)} at {number(at)}" for at, value in ends.items())
            said.append(f"{method}: {both}." if method else f"{both}.")
        note(axes, f"mean and 95% interval over {number(tasks)} tasks", style.before)
        axes.set_xlabel(by)
        dress(axes.xaxis, log=log, whole=not log)
        means = data.groupby([*(["method"] if methods != [""] else []), by])["_value"].mean()
        dress_measure(axes, shown, means, style)
        _from_zero(axes, shown)
        plot.key(axes)
        span = f"{number(frame[by].min())} to {number(frame[by].max())}"
        start = f"{shown.axis} by {by} {span}, mean of {number(tasks)} tasks"
        plot.alt_text = f"{start}{'. ' if methods != [''] else ': '}{' '.join(said)}"
    return plot


def learning_curves(
    frame: pd.DataFrame, *, by: str = "iteration", smoothing: float = 0.0, style: Style = PAPER
) -> Plot:
    """Training and validation by outer step: a panel a metric, a colour a method.

    Several seeds give their mean and its 95% interval; one seed gives the interval over
    validation tasks where the frame has it.

    frame  columns iteration, split (train or validation), metric and value, as
           `workbench.inspection.metrics_frame` makes them; low and high (an interval over
           tasks), seed and method may be there too
    by         what goes along the axis: iteration (the outer step) or seconds
    smoothing  of the training's values, as `smoothed` has it; validation stays as it was measured

    >>> from workbench.figures import examples
    >>> learning_curves(examples.training()).alt_text
    'Training up to outer step 2,000, 3 seeds. mse on validation: best mean 0.47 at outer step
    2,000.'
    """
    columns = list(dict.fromkeys(["iteration", by, "split", "metric", "value"]))
    require(frame, "learning_curves", columns, "metrics_frame", [by, "value"])
    metrics = ordered(frame["metric"])
    methods = ordered(frame["method"]) if "method" in frame else [""]
    seeds = frame["seed"].nunique() if "seed" in frame else 1
    height = 0.6 if len(metrics) == 1 else 0.44 * len(metrics) + 0.1
    with drawing(style, style.height(height)) as plot:
        column = plot.subplots(len(metrics), 1, sharex=True, squeeze=False)[:, 0]
        for axes, metric in zip(column, metrics, strict=True):
            rows = frame[frame["metric"] == metric]
            for index, method in enumerate(methods):
                own = rows if method == "" else rows[rows["method"] == method]
                _training(
                    axes, own, method, measure_in(frame, metric), index, seeds, by, smoothing, style
                )
            measure = measure_in(frame, metric)
            dress_measure(axes, measure, measure.factor * rows["value"], style)
        column[-1].set_xlabel(ALONG[by])
        dress(column[-1].xaxis)
        over = f"{seeds} seeds" if seeds > 1 else "validation tasks"
        said = ["validation strong, training faint"] if len(methods) > 1 else []
        if seeds > 1 or {"low", "high"} <= set(frame.columns):
            said.insert(0, f"mean and 95% interval over {over}")
        if smoothing:
            said.append(f"training smoothed by {number(smoothing)}")
        note(column[0], "\n".join(said), style.before)
        plot.key(*column)
        plot.alt_text = _describe_training(frame, metrics, methods, seeds)
        tell_diverged(plot, frame, style)
    return plot


def _training(
    axes: Axes,
    rows: pd.DataFrame,
    method: str,
    measure: Measure,
    index: int,
    seeds: int,
    by: str,
    smoothing: float,
    style: Style,
) -> None:
    colour, marker = style.look(index)
    factor = measure.factor
    for split in ("train", "validation"):
        own = rows[rows["split"] == split].sort_values("iteration")
        if own.empty:
            continue
        train = split == "train"
        label = ("_" if train else method) if method else split
        own = own.assign(_value=own["value"] * factor)
        if not train:  # one seed that diverged leaves no mean over seeds
            lost = own.loc[own["value"].isna(), "iteration"]
            own = own[~own["iteration"].isin(lost)]
        if train and smoothing:
            seed = own["seed"] if "seed" in own else 0 * own["iteration"]
            each = own["_value"].groupby(seed)
            own["_value"] = each.transform(lambda values: smoothed(values, smoothing))
        if by == "seconds" and seeds > 1:  # each seed's clock is its own: the mean of them
            own["seconds"] = own.groupby("iteration")["seconds"].transform("mean")
        _line(
            axes,
            own,
            x=by,
            y="_value",
            color=style.before if train and method == "" else colour,
            alpha=0.55 if train and method else 1.0,
            linewidth=(0.8 if train else 1.4) * style.scale,
            marker="" if train else marker,
            markersize=2.8 * style.scale,
            markeredgewidth=0,
            label=label,
        )
        if seeds == 1 and not train and {"low", "high"} <= set(own.columns):
            axes.fill_between(
                own[by],
                own["low"] * factor,
                own["high"] * factor,
                color=colour,
                alpha=0.2,
                linewidth=0,
            )


def _line(axes: Axes, rows: pd.DataFrame, **look: Any) -> None:
    """A line through the means, a band for the 95% interval, nothing random."""
    if not rows.empty:
        sns.lineplot(
            rows,
            errorbar=interval,
            ax=axes,
            legend=False,
            err_kws={"linewidth": 0, "alpha": 0.2},
            **look,
        )


def _describe_steps(
    data: pd.DataFrame, axis: str, methods: list[str], part: str, measure: Measure, which: str
) -> str:
    last = int(data[axis].max())
    text = (
        f"{part.capitalize()} {measure.axis} over {_AXES[axis]}s "
        f"{int(data[axis].min())} to {last}, {which}."
    )
    for method in methods:
        rows = data[data["part"] == part]
        rows = rows if method == "" else rows[rows["method"] == method]
        means = rows.groupby(axis)["_value"].mean()
        name = f"{method}: " if method else ""
        ends = f"{number(means.iloc[0])} before, {number(means.iloc[-1])} after the last {axis}."
        text += f" {name}{ends}"
    return text


def _describe_training(
    frame: pd.DataFrame, metrics: list[str], methods: list[str], seeds: int
) -> str:
    text = f"Training up to outer step {frame['iteration'].max():,}, {seeds} seed"
    text += "s." if seeds != 1 else "."
    for metric in metrics:
        for method in methods:
            rows = frame[(frame["metric"] == metric) & (frame["split"] == "validation")]
            rows = rows if method == "" else rows[rows["method"] == method]
            means = rows.groupby("iteration")["value"].mean().dropna()
            if means.empty:
                continue
            measure = measure_in(frame, metric)
            best = (measure.sign * means).idxmax()
            value = number(means[best] * measure.factor)
            name = f"{method}, " if method else ""
            text += (
                f" {name}{measure.axis if measure.unit else metric} on validation: "
                f"best mean {value} at outer step {best:,}."
            )
    return text
