"""What a training was like inside, and how the adaptation from its start got better."""

from __future__ import annotations

import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from workbench.figures.axes import dress, dress_measure, number
from workbench.figures.columns import ordered, require
from workbench.figures.progress import ALONG
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.figures.summary import smoothed
from workbench.measures import measure_in


def training_diagnostics(
    frame: pd.DataFrame, *, by: str = "iteration", smoothing: float = 0.0, style: Style = PAPER
) -> Plot:
    """The meta-gradient along a training: a small panel a quantity, a colour a method or run.

    frame      columns iteration, quantity and value, as `workbench.inspection.diagnostics_frame`
               makes them; method, seed and seconds may be there too
    by         what goes along the axis: iteration (the outer step) or seconds
    smoothing  as `smoothed` has it; the values themselves stay, faint

    >>> from workbench.figures import examples
    >>> training_diagnostics(examples.diagnostics()).alt_text
    'Diagnostics up to outer step 2,000. agreement of tasks: last 0.61. second-order part (%): last
    12.'
    """
    columns = list(dict.fromkeys(["iteration", by, "quantity", "value"]))
    require(frame, "training_diagnostics", columns, "diagnostics_frame", [by, "value"])
    quantities = ordered(frame["quantity"])
    lines = [name for name in ("method", "seed") if name in frame]
    methods = ordered(frame["method"]) if "method" in frame else [""]
    rows = -(-len(quantities) // 2)
    said = []
    with drawing(style, style.height(0.1 + 0.34 * rows)) as plot:
        grid = plot.subplots(rows, 2, sharex=True, squeeze=False)
        for axes, quantity in zip(grid.flat, quantities, strict=False):
            own = frame[frame["quantity"] == quantity].sort_values(by)
            for _, line in own.groupby(lines) if lines else [("", own)]:
                name = str(line["method"].iloc[0]) if "method" in frame else ""
                colour, _ = style.look(methods.index(name))
                values = line["value"].to_numpy(dtype=float)
                if smoothing:
                    axes.plot(line[by], values, color=colour, alpha=0.3, linewidth=0.6)
                    values = smoothed(values, smoothing)
                axes.plot(line[by], values, color=colour, linewidth=1.1 * style.scale, label=name)
            axes.set_title(quantity, fontsize=0.875 * style.text_size)
            dress(axes.xaxis)
            dress(axes.yaxis, log=style.log is True)
            said.append(f"{quantity}: last {number(own['value'].dropna().iloc[-1:].mean())}.")
        for axes in grid.flat[len(quantities) :]:
            axes.set_visible(False)
        for axes in grid[-1]:
            axes.set_xlabel(ALONG[by])
        if smoothing:
            plot.suptitle(
                f"smoothed by {number(smoothing)}",
                fontsize=0.875 * style.text_size,
                color=style.before,
            )
        if methods != [""]:
            plot.key(*grid.flat[: len(quantities)])
        start = f"Diagnostics up to outer step {number(frame['iteration'].max(), 6)}."
        plot.alt_text = " ".join([start, *said])
    return plot


def adaptation_progress(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """The adaptation from the start at each validation, coloured by outer step: late is dark.

    frame  columns iteration, step (or move), metric and value, of one run, as
           `workbench.inspection.progress_frame` makes them

    >>> from workbench.figures import examples
    >>> adaptation_progress(examples.progress()).alt_text
    'mean squared error by inner step 0 to 5, after outer steps 500 to 2,000. At first 3.25 to 1.88
    along the adaptation, at last 3.1 to 0.399.'
    """
    axis = "move" if "move" in frame else "step"
    columns = ["iteration", axis, "metric", "value"]
    require(frame, "adaptation_progress", columns, "progress_frame", [axis, "value"])
    (metric,) = frame["metric"].unique()
    measure = measure_in(frame, metric)
    frame = frame.assign(_value=measure.factor * frame["value"]).sort_values(["iteration", axis])
    whole = Normalize(0, float(frame["iteration"].max()))
    with drawing(style, style.height(0.62)) as plot:
        axes = plot.subplots()
        for iteration, line in frame.groupby("iteration"):
            colour = style.steps(whole(float(iteration)))
            axes.plot(line[axis], line["_value"], color=colour, linewidth=1.1 * style.scale)
        key = plot.colorbar(ScalarMappable(whole, style.steps), ax=axes)
        key.set_label("outer step")
        words = "inner step" if axis == "step" else axis
        axes.set_xlabel(words)
        dress(axes.xaxis, whole=True)
        dress_measure(axes, measure, frame["_value"], style)
        first, last = (
            frame[frame["iteration"] == frame["iteration"].agg(end)]["_value"].iloc[[0, -1]]
            for end in ("min", "max")
        )
        spans = [f"{number(one.iloc[0])} to {number(one.iloc[1])}" for one in (first, last)]
        plot.alt_text = (
            f"{measure.axis} by {words} {frame[axis].min()} to {frame[axis].max()}, "
            f"after outer steps {number(frame['iteration'].min(), 6)} to "
            f"{number(frame['iteration'].max(), 6)}. At first {spans[0]} along the adaptation, "
            f"at last {spans[1]}."
        )
    return plot
