"""Memory: what every query reads of every entry."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.figures.axes import dress, note, number
from workbench.figures.columns import require
from workbench.figures.heat import heat
from workbench.figures.style import PAPER, Plot, Style, drawing


def memory_reads(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """Queries by entries: attention, or squared distance to prototypes.

    frame  columns query, label, entry, class, kind and value, as
           `workbench.inspection.memory_frame` makes them

    >>> from workbench.figures import examples
    >>> memory_reads(examples.memory()).alt_text
    'Attention of 6 queries to 3 entries of the memory. 5 of 6 read most from an entry of their own
    class.'
    """
    columns = ["query", "label", "entry", "class", "kind", "value"]
    require(frame, "memory_reads", columns, "memory_frame", ["query", "entry", "value"])
    kind = str(frame["kind"].iloc[0])
    order = frame.sort_values(["label", "query"])["query"].unique()
    table = frame.pivot(index="query", columns="entry", values="value").loc[order]
    best = table.idxmin(axis=1) if kind == "distance" else table.idxmax(axis=1)
    classes = frame.drop_duplicates("entry").set_index("entry")["class"]
    labels = frame.drop_duplicates("query").set_index("query")["label"].loc[order]
    right = int((classes.loc[best].to_numpy() == labels.to_numpy()).sum())
    rows, entries = table.shape
    with drawing(style, style.height(min(1.1, 0.28 + 0.03 * rows))) as plot:
        axes = plot.subplots()
        bound = float(np.nanmax(table.to_numpy())) or 1.0
        values = table.to_numpy()
        heat(
            plot,
            axes,
            values,
            x=list(range(entries)),
            y=list(range(rows)),
            bound=1.0 if kind == "attention" else bound,
            label="squared distance" if kind == "distance" else kind,
            signed=False,
        )
        for edge in np.flatnonzero(np.diff(labels.to_numpy())):
            axes.axhline(edge + 0.5, color=style.ink, linewidth=0.6 * style.scale)
        what = "class" if kind == "distance" else "support example"
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
