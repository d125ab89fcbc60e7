"""What share each operation has in the mixed layers of a net, step by step."""

from __future__ import annotations

import math

import pandas as pd

from workbench.figures.axes import dress, mark_step, short
from workbench.figures.columns import ordered, require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.numbers import number

_IN_A_ROW = 3


def mixture_weights(frame: pd.DataFrame, *, step: int | None = None, style: Style = PAPER) -> Plot:
    """The share of every operation by inner step, one axes a layer.

    frame  columns step, layer, operation and weight, as the inspection `mixture` makes them
    step   the inner step that is looked at: a thin line

    >>> from workbench.figures import examples
    >>> mixture_weights(examples.mixture()).alt_text
    'Shares of operations over inner steps 0 to 3. At the end: mixture1 tanh 0.72, mixture2 relu
    0.61.'
    """
    columns = ["step", "layer", "operation", "weight"]
    require(frame, "mixture_weights", columns, "mixture_frame", ["step", "weight"])
    layers, operations = ordered(frame["layer"]), ordered(frame["operation"])
    rows = math.ceil(len(layers) / _IN_A_ROW)
    with drawing(style, rows * style.height(0.55)) as plot:
        wide = min(len(layers), _IN_A_ROW)
        grid = plot.subplots(rows, wide, sharex=True, sharey=True, squeeze=False).ravel()
        said = []
        for axes, layer in zip(grid, layers, strict=False):
            own = frame[frame["layer"] == layer]
            for i, operation in enumerate(operations):
                line = own[own["operation"] == operation].sort_values("step")
                colour, marker = style.look(i)
                few = marker if len(line) <= 20 else ""
                label = operation if axes is grid[0] else None
                axes.plot(line["step"], line["weight"], color=colour, marker=few, label=label)
            mark_step(axes, step, style.before)
            axes.set_title(short(layer))
            axes.set_xlabel("inner step")
            dress(axes.xaxis, whole=True)
            last = own[own["step"] == own["step"].max()]
            most = last.loc[last["weight"].idxmax()]
            said.append(f"{layer} {most['operation']} {number(most['weight'], 2)}")
        for axes in grid[len(layers) :]:
            axes.set_visible(False)
        grid[0].set_ylabel("share in the mixture")
        grid[0].set_ylim(-0.03, 1.03)
        dress(grid[0].yaxis)
        plot.key(grid[0])
        plot.alt_text = (
            f"Shares of operations over inner steps {int(frame['step'].min())} to "
            f"{int(frame['step'].max())}. At the end: {', '.join(said)}."
        )
    return plot
