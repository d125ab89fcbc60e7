"""Memory: what every query reads of every entry, and where examples lie in the embedding."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from workbench.figures.axes import dress, note
from workbench.figures.columns import require
from workbench.figures.heat import heat
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.numbers import number


def memory_reads(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """Queries by entries: attention (its mean over heads), or squared distance to prototypes.

    After the last step, where the frame has several.

    frame  columns query, label, entry, class, kind and value, as
           `workbench.inspection.memory_frame` makes them

    >>> from workbench.figures import examples
    >>> memory_reads(examples.memory()).alt_text
    'Attention of 6 queries to 3 entries of the memory. 5 of 6 read most from an entry of their own
    class.'
    """
    columns = ["query", "label", "entry", "class", "kind", "value"]
    require(frame, "memory_reads", columns, "memory_frame", ["query", "entry", "value"])
    if "step" in frame:
        frame = frame[frame["step"] == frame["step"].max()]
    kind = str(frame["kind"].iloc[0])
    order = frame.sort_values(["label", "query"])["query"].unique()
    means = frame.groupby(["query", "entry"])["value"].mean()
    table = means.unstack("entry").loc[order]
    best = table.idxmin(axis=1) if kind == "distance" else table.idxmax(axis=1)
    classes = frame.drop_duplicates("entry").set_index("entry")["class"]
    truth = frame.drop_duplicates("query").set_index("query")["label"].loc[order]
    labels, found = (  # nan where a class is missing, which equals none
        some.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        for some in (truth, classes.loc[best])
    )
    right = int((found == labels).sum())
    rows, entries = table.shape
    with drawing(style, style.height(min(1.1, 0.28 + 0.03 * rows))) as plot:
        axes = plot.subplots()
        bound = float(np.nanmax(table.to_numpy())) or 1.0
        values = table.to_numpy()
        heat(
            plot,
            axes,
            values,
            x=list(range(1, entries + 1)),
            y=list(range(1, rows + 1)),
            bound=1.0 if kind == "attention" else bound,
            label="squared distance" if kind == "distance" else kind,
            signed=False,
        )
        for edge in np.flatnonzero(np.nan_to_num(np.diff(labels))):
            axes.axhline(edge + 1.5, color=style.ink, linewidth=0.6 * style.scale)
        what = "class" if kind == "distance" else "slot"
        axes.set_xlabel(f"entry of the memory ({what})")
        axes.set_ylabel("query, by class")
        for axis in (axes.xaxis, axes.yaxis):
            dress(axis, whole=True)
        note(axes, f"{number(right)} of {number(rows)} nearest to their own class", style.before)
        plot.alt_text = (
            f"{kind.capitalize()} of {rows} queries to {entries} entries of the memory. {right} of "
            f"{rows} {'are nearest to' if kind == 'distance' else 'read most from'} an entry of "
            "their own class."
        )
    return plot


def embedding_map(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """A task's examples in the plane of the embedding that holds most of their variance.

    Before and after adaptation where the embedding adapts. A colour and a marker a class; support
    solid, query hollow.

    frame  columns step, part, label, x, y, explained_x and explained_y, as
           `workbench.inspection.embedding_frame` makes them

    >>> from workbench.figures import examples
    >>> embedding_map(examples.embedding()).alt_text
    'Examples of 3 classes in the plane that holds 90% of the variance of the embedding. Query
    examples nearest to the support of their class: 92% before adaptation, 100% after 1 inner step.'
    """
    columns = ["step", "part", "label", "x", "y", "explained_x", "explained_y"]
    require(frame, "embedding_map", columns, "embedding_frame", ["x", "y"])
    steps = sorted(int(step) for step in frame["step"].unique())
    shown = sorted({steps[0], steps[-1]})
    share = [float(frame[f"explained_{axis}"].iloc[0]) for axis in "xy"]
    height = 0.86 if len(shown) == 1 else 0.6
    with drawing(style, style.height(height)) as plot:
        panels = plot.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
        for axes, step in zip(panels, shown, strict=True):
            _cloud(axes, frame[frame["step"] == step], style)
            if len(shown) > 1:
                note(axes, _when(step), style.ink)
        plot.supxlabel(f"direction 1 ({number(100 * share[0], 2)}%)", fontsize=style.text_size)
        panels[0].set_ylabel(f"direction 2 ({number(100 * share[1], 2)}%)")
        for axis in (panels[0].xaxis, panels[0].yaxis):
            dress(axis)
        plot.key(panels[-1])
        classes = frame["label"].nunique()
        what = f"Examples of {classes} classes" if classes else "Examples"
        plot.alt_text = (
            f"{what} in the plane that holds {number(100 * sum(share), 2)}% of the variance of "
            "the embedding."
        )
        if classes:
            found = [
                f"{number(100 * _own(frame[frame['step'] == step]), 2)}% {_when(step)}"
                for step in shown
            ]
            plot.alt_text += (
                f" Query examples nearest to the support of their class: {', '.join(found)}."
            )
    return plot


def _when(step: int) -> str:
    return f"after {step} inner step{'s' if step != 1 else ''}" if step else "before adaptation"


def _cloud(axes: Axes, rows: pd.DataFrame, style: Style) -> None:
    known = rows["label"].dropna().astype(int)
    for label in sorted(known.unique()) or [None]:
        own = rows if label is None else rows[rows["label"] == label]
        colour, marker = (style.after, "o") if label is None else style.look(int(label))
        for part, fill, size in (("query", "none", 3.4), ("support", colour, 6.0)):
            points = own[own["part"] == part]
            axes.plot(
                points["x"],
                points["y"],
                linestyle="none",
                marker=marker,
                markersize=size * style.scale,
                markerfacecolor=fill,
                markeredgecolor=style.ground if part == "support" else colour,
                markeredgewidth=0.7 * style.scale,
                zorder=3 if part == "support" else 2,
                label=f"class {label + 1}"
                if part == "support" and label is not None
                else f"_{part}",
            )


def _own(rows: pd.DataFrame) -> float:
    """The share of query examples whose nearest class, by its support's mean, is their own."""
    means = rows[rows["part"] == "support"].groupby("label")[["x", "y"]].mean()
    query = rows[rows["part"] == "query"]
    if means.empty or query.empty:
        return float("nan")
    apart = query[["x", "y"]].to_numpy()[:, None] - means.to_numpy()[None]
    nearest = means.index.to_numpy()[np.square(apart).sum(axis=-1).argmin(axis=1)]
    return float((nearest == query["label"].to_numpy()).mean())
