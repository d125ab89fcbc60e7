"""A line a method over a number of steps: the figure that several benchmarks have."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench.figures import PAPER, Plot, Receipt, save
from workbench.figures.axes import dress, number
from workbench.figures.columns import ordered
from workbench.figures.style import drawing


def lines(frame: pd.DataFrame, *, x: str, y: str, across: str, along: str) -> Plot:
    """The geometric mean over seeds of a positive measure by steps, on a logarithmic axis.

    frame   columns method, seed and the two measures
    across  what the axis of `x` is called
    along   what the axis of `y` is called
    """
    data = frame[frame[y] > 0]
    means = data.groupby(["method", x])[y].apply(lambda v: v.product() ** (1 / len(v)))
    with drawing(PAPER, PAPER.height(0.72)) as plot:
        axes = plot.subplots()
        said = []
        for index, method in enumerate(ordered(data["method"])):
            colour, _ = PAPER.look(index)
            line = means[method].sort_index()
            axes.plot(line.index, line, color=colour, label=method)
            ends = f"{number(line.iloc[0])} at {line.index[0]}, {number(line.iloc[-1])} at "
            said.append(f"{method} {ends}{line.index[-1]}")
        axes.set_xlabel(across)
        axes.set_ylabel(along)
        dress(axes.xaxis, whole=True)
        dress(axes.yaxis, log=True)
        plot.key(axes)
        plot.alt_text = f"{along} by {across}: {'; '.join(said)}."
    return plot


def keep(plot: Plot, out: Path, frame: pd.DataFrame, name: str) -> None:
    """Write the figure beside the results."""
    file = out.with_suffix(".png")
    save(plot, file, Receipt.of(frame, code=f"python -m benchmarks.{name}", seed=0))
    print(f"{file}: {plot.alt_text}")
