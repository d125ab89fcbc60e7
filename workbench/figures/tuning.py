"""A search for settings: what trials reached, which settings mattered, and where they were good."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from workbench.figures.axes import asks_for_log, dress, dress_measure, note
from workbench.figures.columns import require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.measures import measure_in
from workbench.numbers import number

_COLUMNS = ["trial", "state", "value", "best", "outer_steps", "seconds", "origin"]
_IN_A_ROW = 3


def study_history(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """What each trial of a study validated, the best so far, and crosses where one was pruned.

    frame  columns trial, state, value and best, as `Study.history` makes them

    >>> from workbench.figures import examples
    >>> study_history(examples.study()).alt_text
    'Best validation by trial, 12 trials: accuracy (%) 57.8 at trial 8. 4 trials were pruned.'
    """
    require(
        frame,
        "study_history",
        ["trial", "state", "value", "best"],
        "training.Study.history",
        ["value"],
    )
    shown = measure_in(frame, "value")
    data = frame.assign(value=frame["value"] * shown.factor, best=frame["best"] * shown.factor)
    finished, pruned = (data[data["state"] == state] for state in ("finished", "pruned"))
    with drawing(style, style.height(0.62)) as plot:
        axes = plot.subplots()
        _marks(axes, finished, "trial", style)
        axes.plot(
            pruned["trial"], pruned["value"], "x", color=style.before,
            markersize=4 * style.scale, label="pruned" if len(pruned) else None,
        )  # fmt: skip
        colour, _ = style.look(1)
        axes.step(data["trial"], data["best"], where="post", color=colour, label="best so far")
        axes.set_xlabel("trial")
        dress(axes.xaxis, whole=True)
        dress_measure(axes, shown, finished["value"] if len(finished) else data["value"], style)
        axes.set_ylabel(f"validation {shown.axis}")
        plot.key(axes)
        plot.alt_text = _said(data, shown.axis, len(pruned))
    return plot


def _said(data: pd.DataFrame, axis: str, pruned: int) -> str:
    best = data["best"].iloc[-1]
    found = "none finished"
    if math.isfinite(best):
        at = int(data.loc[data["best"] == best, "trial"].iloc[0])
        found = f"{axis} {number(best)} at trial {at}"
    return f"Best validation by trial, {len(data)} trials: {found}. {pruned} trials were pruned."


def _marks(axes: Axes, rows: pd.DataFrame, along: str, style: Style) -> None:
    colour, marker = style.look(0)
    axes.plot(
        rows[along], rows["value"], marker, color=colour, markersize=3.5 * style.scale,
        label="finished" if along == "trial" else None,
    )  # fmt: skip


def setting_importance(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """How much of what trials differ by each setting explains.

    frame  columns setting and importance, as `Study.importance` makes them

    >>> from workbench.figures import examples
    >>> setting_importance(examples.importance()).alt_text
    'Share of the differences between trials: learner.inner_rate 71%, training.rate 29%.'
    """
    columns = ["setting", "importance"]
    require(frame, "setting_importance", columns, "training.Study.importance", ["importance"])
    data = frame.sort_values("importance", ascending=False)
    with drawing(style, (0.25 * len(data) + 0.7) * style.scale) as plot:
        axes = plot.subplots()
        colour, _ = style.look(0)
        axes.barh(range(len(data)), 100 * data["importance"], color=colour, height=0.6)
        axes.set_yticks(range(len(data)), list(data["setting"]))
        axes.set_ylim(len(data) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("share of the differences between trials (%)")
        pairs = zip(data["setting"], data["importance"], strict=True)
        told = ", ".join(f"{name} {100 * share:.0f}%" for name, share in pairs)
        plot.alt_text = f"Share of the differences between trials: {told}."
    return plot


def setting_slices(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """What finished trials validated along each setting, one axes a setting.

    frame  columns trial, state, value and one a setting, as `Study.history` makes them

    >>> from workbench.figures import examples
    >>> setting_slices(examples.study()).alt_text
    'Validation of 8 finished trials along learner.inner_rate, training.rate.'
    """
    require(
        frame, "setting_slices", ["trial", "state", "value"], "training.Study.history", ["value"]
    )
    shown = measure_in(frame, "value")
    data = frame[frame["state"] == "finished"]
    data = data.assign(value=data["value"] * shown.factor)
    settings = [str(name) for name in frame if name not in _COLUMNS]
    rows = math.ceil(len(settings) / _IN_A_ROW)
    with drawing(style, rows * style.height(0.5)) as plot:
        wide = min(len(settings), _IN_A_ROW)
        grid = plot.subplots(rows, wide, sharey=True, squeeze=False).ravel()
        for axes, name in zip(grid, settings, strict=False):
            numeric = pd.api.types.is_numeric_dtype(frame[name])
            along = data if numeric else data.assign(**{name: data[name].astype(str)})
            _marks(axes, along, name, style)
            axes.set_xlabel(name)
            if numeric and data[name].dtype != bool:
                dress(axes.xaxis, log=asks_for_log(data[name]))
        for axes in grid[len(settings) :]:
            axes.set_visible(False)
        if len(data):
            dress_measure(grid[0], shown, data["value"], style)
        else:
            note(grid[0], "no trial has finished", style.before)
        grid[0].set_ylabel(f"validation {shown.axis}")
        plot.alt_text = (
            f"Validation of {np.sum(frame['state'] == 'finished')} finished trials along "
            f"{', '.join(settings)}."
        )
    return plot
