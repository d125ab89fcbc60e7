"""Regression tasks: what the model says before, while and after it adapts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from workbench.errors import UserError
from workbench.figures.axes import dress, note, tell_diverged
from workbench.figures.columns import require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.numbers import number

_MOST = 20  # query points that are drawn


def adapted_curves(
    frame: pd.DataFrame,
    *,
    step: int | None = None,
    lanes: Sequence[int] = (),
    style: Style = PAPER,
) -> Plot:
    """The curve of one task before adaptation, at every inner step, and after.

    frame  columns x, y, kind (truth, support, query or prediction) and step (of a prediction),
           as `workbench.inspection.curve_frame` makes them. A column `method`, if there is one,
           gives every method its own panel, all on the same axes.
    step   the inner step that is shown strong, by default the last; later ones are left out
    lanes  numbers of the lanes that the methods are, for their colours; of two, each panel has the
           other's curve too, dashed

    >>> from workbench.figures import examples
    >>> adapted_curves(examples.curves()).alt_text
    'A regression task with 5 support points. Mean squared distance from the truth: 3.64 before
    adaptation, 0.00922 after 5 inner steps.'
    """
    require(frame, "adapted_curves", ["x", "y", "kind", "step"], "curve_frame", ["x", "y"])
    if "prediction" not in set(frame["kind"]):
        known = ", ".join(sorted({str(kind) for kind in frame["kind"]}))
        raise UserError(
            f"adapted_curves found no row of kind 'prediction', only {known}: "
            "give workbench.inspection.curve_frame the path that adapt yields"
        )
    span = _span(frame)
    if step is not None:
        frame = frame[frame["step"].isna() | (frame["step"] <= step).fillna(False)]
    colours = [style.lane(number)[0] for number in lanes]
    if "method" not in frame:
        with drawing(style, style.height(0.66)) as plot:
            axes = plot.subplots()
            _draw(axes, frame, style, *colours)
            axes.set_ylim(span)
            dress(axes.yaxis)
            plot.key(axes)
            plot.alt_text = _describe(frame)
            tell_diverged(plot, frame, style)
        return plot
    panels = [(str(name), part) for name, part in frame.groupby("method", sort=False)]
    with drawing(style, style.height(1.05 / max(len(panels), 2) + 0.14)) as plot:
        row = plot.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for place, (axes, (name, part)) in enumerate(zip(row, panels, strict=True)):
            _draw(axes, part, style, *colours[place : place + 1])
            if len(lanes) == len(panels) == 2:
                _draw_other(axes, panels[1 - place][1], style)
            note(axes, _lines(name, style, len(panels)), colours[place] if lanes else style.ink)
            if axes is not row[0]:
                axes.set_ylabel("")
        row[0].set_ylim(span)
        dress(row[0].yaxis)
        plot.key(*row)
        plot.alt_text = " ".join(f"{name}: {_describe(part)}" for name, part in panels)
        tell_diverged(plot, frame, style)
    return plot


def _lines(name: str, style: Style, panels: int) -> str:
    """A name in as many lines as it needs above one of so many panels."""
    letters = style.width.value / style.scale / panels / 0.07
    return textwrap.fill(name, max(int(letters), 10))


def _span(frame: pd.DataFrame) -> tuple[float, float]:
    """The same at every step, and as panels have it: room for what is known, and for predictions
    that do not leave it by far."""
    kinds = frame["kind"] == "prediction"
    known, made = frame.loc[~kinds, "y"], frame.loc[kinds, "y"]
    low, high = (known.min(), known.max()) if len(known) else (made.min(), made.max())
    room = (high - low) / 2 or 1.0
    edge = 0.03 * (high - low + 2 * room)
    return (
        max(min(low, made.min()), low - room) - edge,
        min(max(high, made.max()), high + room) + edge,
    )


def _draw_other(axes: Axes, frame: pd.DataFrame, style: Style) -> None:
    """The other lane's curve after the same step, or its last."""
    curves = frame[frame["kind"] == "prediction"]
    curve = curves[curves["step"] == curves["step"].max()].sort_values("x")
    width = 1.2 * style.scale
    axes.plot(curve["x"], curve["y"], "--", color=style.ink, lw=width, label="the other", zorder=4)


def _draw(axes: Axes, frame: pd.DataFrame, style: Style, lane: str = "") -> None:
    kinds = {str(kind): part.sort_values("x") for kind, part in frame.groupby("kind")}
    prediction = kinds["prediction"]
    steps = sorted(int(step) for step in prediction["step"].unique())
    first, last = steps[0], steps[-1]
    scale = style.scale
    between = [step for step in steps if step not in (first, last)]

    if "truth" in kinds:
        truth = kinds["truth"]
        axes.plot(truth["x"], truth["y"], color=style.ink, lw=0.7 * scale, label="truth", zorder=6)
    for index, step in enumerate(between):
        curve = prediction[prediction["step"] == step]
        label = None
        if step == between[len(between) // 2]:
            label = f"step {step}" if len(between) == 1 else f"steps {between[0]}–{between[-1]}"
        late = index / max(len(between), 2)
        axes.plot(
            curve["x"], curve["y"], color=style.steps(late), lw=0.8 * scale, label=label, zorder=2
        )
    if last != first:
        curve = prediction[prediction["step"] == first]
        colour = style.before
        label = "before" if first == 0 else f"step {first}"
        axes.plot(curve["x"], curve["y"], color=colour, lw=1.4 * scale, label=label, zorder=3)
    curve = prediction[prediction["step"] == last]
    label = f"step {last}" if last else "before"
    colour = (lane or style.after) if last else style.before
    axes.plot(curve["x"], curve["y"], color=colour, lw=1.9 * scale, label=label, zorder=5)
    if "query" in kinds:
        _points(axes, kinds["query"], style, "query", style.ground)
    if "support" in kinds:
        _points(axes, kinds["support"], style, "support", style.ink)
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    axes.margins(x=0.01)
    dress(axes.xaxis)


def _points(axes: Axes, points: pd.DataFrame, style: Style, kind: str, fill: str) -> None:
    """Support solid, query hollow, both outlined so that they stand off the curves."""
    edge = style.ground if kind == "support" else style.ink
    label = f"{kind} ({len(points)})"
    if kind == "query" and len(points) > _MOST:  # or they would hide the curves
        every = np.linspace(0, len(points) - 1, _MOST).round().astype(int)
        label = f"{kind} ({_MOST} of {len(points)})"
        points = points.iloc[every]
    axes.plot(
        points["x"],
        points["y"],
        linestyle="none",
        marker="o",
        markersize=(4.6 if kind == "support" else 3.2) * style.scale,
        markerfacecolor=fill,
        markeredgecolor=edge,
        markeredgewidth=0.6 * style.scale,
        label=label,
        zorder=8 if kind == "support" else 7,
    )


def _describe(frame: pd.DataFrame) -> str:
    prediction = frame[frame["kind"] == "prediction"]
    steps = sorted(int(step) for step in prediction["step"].unique())
    shots = int((frame["kind"] == "support").sum())
    text = f"A regression task with {shots} support points."
    truth = frame[frame["kind"] == "truth"][["x", "y"]]
    if truth.empty:
        return f"{text} Predictions after {', '.join(map(str, steps))} inner steps."
    both = prediction.merge(truth, on="x", suffixes=("", "_true"))
    error = ((both["y"] - both["y_true"]) ** 2).groupby(both["step"]).mean()
    if error.empty:
        return text
    first, last = error.iloc[0], error.iloc[-1]
    text += f" Mean squared distance from the truth: {number(first)} before adaptation"
    if len(steps) > 1:
        text += f", {number(last)} after {steps[-1]} inner step{'s' if steps[-1] != 1 else ''}"
    return f"{text}."
