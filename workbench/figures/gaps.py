"""Missing values: how a result falls with the share missing, and what examples bring back."""

from __future__ import annotations

import pandas as pd

from workbench.figures.axes import dress
from workbench.figures.columns import ordered, require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.measures import half_width, measure_in
from workbench.numbers import number


def missing_values(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """The result by the share of values missing, and by the number of examples at one share.

    Left the shares at the number of examples at which there are most shares; right the numbers of
    examples at the share at which there are most of them. Bands are 95% intervals over tasks.

    frame  columns method, share (0 to 1), shots, task and a measure, as
           `workbench.training.gap_frame` makes them

    >>> from workbench.figures import examples
    >>> missing_values(examples.gaps()).alt_text
    'accuracy (%) by the share of values missing at 5 shots: flags from 95 to 70, mean from 95 to
    60. With half missing, by shots from 1 to 10: flags from 74.5 to 92.5, mean from 69.5 to 87.5.'
    """
    columns = ["method", "share", "shots", "task", "metric", "value"]
    require(frame, "missing_values", columns, "gap_frame", ["share", "shots", "value"])
    measure = measure_in(frame, str(frame["metric"].iloc[0]))
    shots = _most(frame, "shots", "share")
    share = _most(frame, "share", "shots")
    sides = (
        ("share", frame[frame["shots"] == shots], 100.0, "values missing (%)", f"{shots:g} shots"),
        ("shots", frame[frame["share"] == share], 1.0, "shots", f"{100 * share:g}% missing"),
    )
    said: dict[str, list[str]] = {"share": [], "shots": []}
    with drawing(style, style.height(0.66)) as plot:
        row = plot.subplots(1, 2, sharey=True)
        for axes, (name, part, factor, label, at) in zip(row, sides, strict=True):
            for place, method in enumerate(ordered(frame["method"])):
                own = part[part["method"] == method].groupby([name, "task"])["value"].mean()
                groups = own.groupby(level=0)
                mean = measure.factor * groups.mean()
                if mean.empty:
                    continue
                half = [
                    measure.factor * half_width(float(g.std()), len(g)) if len(g) > 1 else 0.0
                    for _, g in groups
                ]
                x, (colour, marker) = factor * mean.index.to_numpy(dtype=float), style.look(place)
                axes.plot(x, mean, color=colour, marker=marker, label=method)
                axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.2, lw=0)
                said[name].append(
                    f"{method} from {number(mean.iloc[0])} to {number(mean.iloc[-1])}"
                )
            axes.set(xlabel=label, title=at)
            for axis in (axes.xaxis, axes.yaxis):
                dress(axis)
        row[0].set_ylabel(measure.axis)
        plot.key(row[0])
        least, most = frame[frame["share"] == share]["shots"].agg(["min", "max"])
        lacks = "half" if share == 0.5 else f"{share:.0%}"
        plot.alt_text = (
            f"{measure.axis} by the share of values missing at {shots:g} shots: "
            f"{', '.join(said['share'])}. With {lacks} missing, by shots from {least:g} to "
            f"{most:g}: {', '.join(said['shots'])}."
        )
    return plot


def _most(frame: pd.DataFrame, column: str, of: str) -> float:
    """The value of a column at which another has most values."""
    return float(frame.groupby(column)[of].nunique().idxmax())
