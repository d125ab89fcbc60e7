"""Gradients put to the test: how much of them is signal, and whether they are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.figures.axes import asks_for_log, dress, note, short
from workbench.figures.columns import ordered, require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.numbers import number

_EXACT = 1e-5  # the relative error below which a meta-gradient is as good as exact
_LEAST = 1e-14  # what stands for an error of 0 on a log axis


def gradient_signal(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """Signal to noise of gradients by layer, and how many of their pairs conflict.

    frame  columns between, layer, ratio, conflict and count, as
           `workbench.inspection.signal_frame` makes them

    >>> from workbench.figures import examples
    >>> gradient_signal(examples.signal()).alt_text
    'Signal to noise of gradients, all layers together. Tasks: 0.686, 20% of pairs in conflict.
    Shots: 0.441, 40% of pairs in conflict.'
    """
    columns = ["between", "layer", "count", "ratio", "conflict"]
    require(frame, "gradient_signal", columns, "signal_frame", ["ratio", "conflict"])
    kinds, layers = ordered(frame["between"]), ordered(frame["layer"])
    thick = 0.8 / len(kinds)
    with drawing(style, style.height(0.36 + 0.09 * len(layers))) as plot:
        panels = plot.subplots(1, 2, sharey=True)
        for index, kind in enumerate(kinds):
            rows = frame[frame["between"] == kind].set_index("layer").reindex(layers)
            places = np.arange(len(layers)) + (index - (len(kinds) - 1) / 2) * thick
            colour, _ = style.look(index)
            label = f"between {kind}"
            panels[0].barh(places, rows["ratio"], 0.9 * thick, color=colour, label=label)
            panels[1].barh(places, 100 * rows["conflict"], 0.9 * thick, color=colour)
        panels[0].set_yticks(range(len(layers)), [short(layer) for layer in layers])
        panels[0].invert_yaxis()
        panels[0].axvline(1, color=style.before, linewidth=0.7 * style.scale)
        panels[0].set_xlabel("signal / noise")
        panels[1].set_xlabel("pairs in conflict (%)")
        panels[1].set_xlim(0, 100)
        for axes in panels:
            axes.tick_params(axis="y", length=0)
            dress(axes.xaxis)
            axes.locator_params(axis="x", nbins=5)
        count = frame.groupby("between")["count"].first()
        counts = [f"{number(float(count[kind]))} {kind}" for kind in kinds]
        note(panels[0], f"of {' and '.join(counts)}", style.before)
        plot.key(panels[0])
        plot.alt_text = _describe_signal(frame, kinds)
    return plot


def _describe_signal(frame: pd.DataFrame, kinds: list[str]) -> str:
    text = "Signal to noise of gradients, all layers together."
    for kind in kinds:
        rows = frame[(frame["between"] == kind) & (frame["layer"] == "all")]
        if not rows.empty:
            ratio, conflict = float(rows["ratio"].iloc[0]), float(rows["conflict"].iloc[0])
            share = number(100 * conflict, 2)
            text += f" {kind.capitalize()}: {number(ratio)}, {share}% of pairs in conflict."
    return text


def gradient_sampling(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """Signal to noise of a policy gradient by its number of trajectories, in every layer.

    frame  columns layer, trajectories, ratio, low and high, as
           `workbench.inspection.sampling_frame` makes them

    >>> from workbench.figures import examples
    >>> gradient_sampling(examples.sampling()).alt_text
    'Signal to noise of a policy gradient, all layers together: 0.3 with 1 trajectory, 1.9 with 40;
    as much signal as noise from 10 trajectories on.'
    """
    columns = ["layer", "trajectories", "ratio", "low", "high"]
    require(frame, "gradient_sampling", columns, "sampling_frame", ["ratio"])
    with drawing(style, style.height(0.62)) as plot:
        axes = plot.subplots()
        layers = [layer for layer in ordered(frame["layer"]) if layer != "all"]
        for index, layer in enumerate(layers):
            rows = frame[frame["layer"] == layer]
            colour, marker = style.look(index)
            look: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "markersize": 2.6 * style.scale,
            }
            thin = 0.8 * style.scale
            axes.plot(rows["trajectories"], rows["ratio"], lw=thin, label=short(layer), **look)
        whole = frame[frame["layer"] == "all"]
        axes.fill_between(
            whole["trajectories"], whole["low"], whole["high"], color=style.after, alpha=0.25, lw=0
        )
        axes.plot(
            whole["trajectories"],
            whole["ratio"],
            color=style.after,
            lw=1.9 * style.scale,
            label="all",
        )
        axes.axhline(1, color=style.before, linewidth=0.7 * style.scale)
        axes.set_xlabel("trajectories of a gradient")
        axes.set_ylabel("signal / noise")
        dress(axes.xaxis, log=True)
        dress(axes.yaxis, log=asks_for_log(frame["ratio"]))
        note(axes, "band: 95% over gradients, all layers", style.before)
        plot.key(axes)
        plot.alt_text = _describe_sampling(whole)
    return plot


def _describe_sampling(whole: pd.DataFrame) -> str:
    def said(row: pd.Series) -> str:
        return f"{number(row['ratio'])} with {number(row['trajectories'])}"

    text = (
        f"Signal to noise of a policy gradient, all layers together: {said(whole.iloc[0])} "
        f"trajector{'y' if whole.iloc[0]['trajectories'] == 1 else 'ies'}, {said(whole.iloc[-1])}"
    )
    enough = whole[whole["ratio"] >= 1]
    if enough.empty:
        return f"{text}; never as much signal as noise."
    first = int(enough["trajectories"].iloc[0])
    return (
        f"{text}; as much signal as noise from {first} trajector{'y' if first == 1 else 'ies'} on."
    )


def gradient_certificate(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """How far the meta-gradient is from finite differences of the meta-loss, by direction.

    frame  columns direction, claimed, measured, error and unsure, as
           `workbench.inspection.certificate_frame` makes them

    >>> from workbench.figures import examples
    >>> gradient_certificate(examples.certificate()).alt_text
    'The meta-gradient against central differences in 4 directions: the largest relative error is
    2×10⁻⁷, so it is exact.'
    """
    columns = ["direction", "claimed", "measured", "error", "unsure"]
    numbers = ["claimed", "measured", "error", "unsure"]
    require(frame, "gradient_certificate", columns, "certificate_frame", numbers)
    directions = ordered(frame["direction"])
    places = np.arange(len(directions))
    error = frame["error"].clip(lower=_LEAST).to_numpy(float)
    unsure = frame["unsure"].clip(lower=_LEAST).to_numpy(float)
    colour, _ = style.look(0)
    size = 4.6 * style.scale
    with drawing(style, style.height(0.34 + 0.075 * len(directions))) as plot:
        axes = plot.subplots()
        axes.hlines(places, np.minimum(error, unsure), np.maximum(error, unsure), color=style.faint)
        axes.plot(error, places, "o", color=colour, markersize=size, label="error")
        axes.plot(
            unsure,
            places,
            "s",
            markersize=size,
            markerfacecolor="none",
            markeredgecolor=style.before,
            label="of the differences themselves",
        )
        axes.axvline(_EXACT, color=style.ink, linewidth=0.7 * style.scale, linestyle="--")
        reach = np.concatenate([error, unsure, [_EXACT]])
        axes.set_xlim(reach.min() / 4, reach.max() * 4)
        axes.set_yticks(places, directions)
        axes.set_ylim(len(directions) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("error relative to the slope")
        dress(axes.xaxis, log=True)
        note(axes, f"left of the dashed {number(_EXACT)}: exact", style.before)
        plot.key(axes)
        plot.alt_text = _describe_certificate(frame)
    return plot


def _describe_certificate(frame: pd.DataFrame) -> str:
    sure = frame[frame["unsure"] <= np.maximum(frame["error"], _EXACT)]
    text = f"The meta-gradient against central differences in {len(frame)} directions: "
    if sure.empty:
        return text + "the loss has kinks right there, so they say nothing."
    worst = float(sure["error"].max())
    verdict = "exact" if worst < _EXACT else "not that of the meta-loss"
    return text + f"the largest relative error is {number(worst)}, so it is {verdict}."
