"""The inner rates of a task, step by step."""

from __future__ import annotations

import pandas as pd

from workbench.figures.axes import asks_for_log, dress, note, number, short
from workbench.figures.columns import ordered, require
from workbench.figures.style import PAPER, Plot, Style, drawing


def inner_rates(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """The inner rate of each tensor by step, and below it its weight decay where there is any.

    frame  columns step, tensor, rate and decay, as the inspection `rates` makes them

    >>> from workbench.figures import examples
    >>> inner_rates(examples.rates()).alt_text
    'Inner rates of 4 tensors over 5 steps: largest 0.04 (head.weight in step 5), smallest 0.01.'
    """
    columns = ["step", "tensor", "rate", "decay"]
    require(frame, "inner_rates", columns, "rate_frame", ["step", "rate", "decay"])
    tensors = ordered(frame["tensor"])
    decays = bool((frame["decay"] != 0).any())
    with drawing(style, style.height(1.0 if decays else 0.62)) as plot:
        panels = plot.subplots(2 if decays else 1, 1, sharex=True, squeeze=False)[:, 0]
        for axes, column in zip(panels, ("rate", "decay"), strict=False):
            for i, tensor in enumerate(tensors):
                rows = frame[frame["tensor"] == tensor].sort_values("step")
                colour, marker = style.look(i)
                few = marker if len(rows) <= 20 else ""
                axes.plot(rows["step"], rows[column], color=colour, marker=few, label=short(tensor))
            axes.set_ylabel("inner rate" if column == "rate" else "weight decay")
            positive = bool((frame[column] > 0).all())
            dress(axes.yaxis, log=positive and asks_for_log(frame[column]))
        note(panels[0], "mean over a tensor's elements", style.before)
        panels[-1].set_xlabel("inner step")
        dress(panels[-1].xaxis, whole=True)
        plot.key(panels[0])
        most = frame.loc[frame["rate"].idxmax()]
        plot.alt_text = (
            f"Inner rates of {len(tensors)} tensors over {int(frame['step'].max())} steps: largest "
            f"{number(most['rate'])} ({most['tensor']} in step {int(most['step'])}), smallest "
            f"{number(frame['rate'].min())}."
        )
    return plot
