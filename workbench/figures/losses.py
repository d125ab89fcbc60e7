"""Losses as functions of a prediction: a learned one beside the tasks' own."""

from __future__ import annotations

import pandas as pd

from workbench.figures.axes import dress, note, number
from workbench.figures.columns import ordered, require
from workbench.figures.style import PAPER, Plot, Style, drawing


def loss_shape(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """A panel for each target: the learned loss on the left scale, the true one on the right.

    Where each is lowest is marked, since a learned loss has no unit.

    frame  columns target, prediction, learned and true, as a learned loss's own inspection has
           them

    >>> from workbench.figures import examples
    >>> loss_shape(examples.loss_shape()).alt_text
    'Learned and true loss by prediction. Target -1: lowest at −1.2 and −1. Target 1: lowest at 1
    and 1.'
    """
    columns = ["target", "prediction", "learned", "true"]
    require(frame, "loss_shape", columns, "compute", columns[1:])
    targets = ordered(frame["target"])
    said = []
    with drawing(style, style.height(0.95 / max(len(targets), 1) + 0.2)) as plot:
        panels = plot.subplots(1, len(targets), sharex=True, squeeze=False)[0]
        for i, (axes, target) in enumerate(zip(panels, targets, strict=True)):
            rows = frame[frame["target"] == target]
            other = axes.twinx()
            lows = []
            for own, name, colour in (
                (axes, "learned", style.after),
                (other, "true", style.ink),
            ):
                own.plot(rows["prediction"], rows[name], color=colour, label=name)
                least = rows.loc[rows[name].idxmin()]
                own.plot(
                    least["prediction"], least[name], "o", color=colour,
                    markersize=3 * style.scale,
                )  # fmt: skip
                lows.append(number(float(least["prediction"])))
                own.tick_params(axis="y", colors=colour)
                dress(own.yaxis)
            dress(axes.xaxis)
            axes.set_xlabel("prediction")
            note(axes, "target " + target.replace(": ", "\n"), style.ink)
            if i == 0:
                axes.set_ylabel("learned loss", color=style.after)
            if i == len(targets) - 1:
                other.set_ylabel("true loss", color=style.ink)
            said.append(f"Target {target}: lowest at {lows[0]} and {lows[1]}.")
        plot.alt_text = f"Learned and true loss by prediction. {' '.join(said)}"
    return plot
