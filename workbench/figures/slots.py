"""Slots of a memory: what was written to each, how used it was, and what had to go."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.figures.axes import dress, note
from workbench.figures.columns import require
from workbench.figures.heat import heat
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.numbers import number


def memory_slots(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """How much each support example wrote to each slot.

    frame  columns step, slot, example, class and weight, as `workbench.inspection.slot_frame`
           makes them

    >>> from workbench.figures import examples
    >>> memory_slots(examples.slots()).alt_text
    'What 6 support examples wrote to 4 slots of the memory. 2 slots hold more than one class.'
    """
    columns = ["step", "slot", "example", "class", "weight"]
    require(frame, "memory_slots", columns, "slot_frame", ["slot", "example", "weight"])
    table = frame.pivot_table(index="example", columns="slot", values="weight", aggfunc="sum")
    order = frame.sort_values(["class", "example"])["example"].unique()
    table = table.loc[order].fillna(0.0)
    most = frame.sort_values("weight").drop_duplicates(["slot", "class"], keep="last")
    mixed = int((most[most["weight"] > 0.05].groupby("slot")["class"].nunique() > 1).sum())
    rows, slots = table.shape
    with drawing(style, style.height(min(1.1, 0.5 + 0.02 * rows))) as plot:
        axes = plot.subplots()
        bound = float(table.to_numpy().max()) or 1.0
        heat(
            plot,
            axes,
            table.to_numpy(),
            x=list(range(1, slots + 1)),
            y=list(range(1, rows + 1)),
            bound=bound,
            label="written",
            signed=False,
        )
        axes.set_xlabel("slot of the memory")
        axes.set_ylabel("support example, by class")
        for axis in (axes.xaxis, axes.yaxis):
            dress(axis, whole=True)
        plot.alt_text = (
            f"What {rows} support examples wrote to {slots} slots of the memory. {mixed} slots "
            "hold more than one class."
        )
    return plot


def memory_usage(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """How much each slot holds, step by step; a cross where content had to go.

    Shown is the method's own account of usage, or, where it keeps none, what was written.

    frame  columns step, slot, held, usage and evicted, as `workbench.inspection.usage_frame`
           makes them

    >>> from workbench.figures import examples
    >>> memory_usage(examples.usage()).alt_text
    'Usage of 4 slots of the memory over 6 steps. 1 time what a slot held had to go.'
    """
    columns = ["step", "slot", "held", "usage", "evicted"]
    require(frame, "memory_usage", columns, "usage_frame", ["step", "slot", "held"])
    own = bool(frame["usage"].notna().any())
    name = "usage" if own else "held"
    table = frame.pivot(index="slot", columns="step", values=name)
    slots, steps = table.shape
    gone = frame[frame["evicted"].astype(bool)]
    with drawing(style, style.height(min(1.1, 0.5 + 0.008 * slots))) as plot:
        axes = plot.subplots()
        heat(
            plot,
            axes,
            table.to_numpy(),
            x=[int(step) for step in table.columns],
            y=list(range(1, slots + 1)),
            bound=float(np.nanmax(table.to_numpy())) or 1.0,
            label="usage" if own else "written",
            signed=False,
        )
        places = table.index.get_indexer(gone["slot"]) + 1
        axes.scatter(gone["step"], places, marker="x", s=9 * style.scale, color=style.ink, lw=0.7)
        axes.set_xlabel("inner step")
        axes.set_ylabel("slot of the memory")
        for axis in (axes.xaxis, axes.yaxis):
            dress(axis, whole=True)
        if len(gone):
            note(axes, f"{number(len(gone))} evictions", style.before)
        times = f"{len(gone)} time{'s' if len(gone) != 1 else ''}"
        plot.alt_text = (
            f"{'Usage' if own else 'Content'} of {slots} slots of the memory over {steps} steps. "
            f"{times} what a slot held had to go."
        )
    return plot
