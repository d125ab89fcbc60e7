"""Maps of numbers in colour, the same scale and key in every figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from workbench.figures.axes import dress, short
from workbench.figures.style import Plot

# Purple and green: told apart by the colour-blind, and neither first nor second order's colour.
DIVERGING, SEQUENTIAL = "PRGn", "Purples"


def heat(
    plot: Plot,
    axes: Axes,
    table: np.ndarray,
    *,
    x: Sequence[int],
    y: Sequence[str | int],
    bound: float,
    label: str = "",
    signed: bool = True,
) -> None:
    """A cell a number, rows downwards; with a `label` the colours get a key.

    bound   the number that has the strongest colour; infinite numbers have it too
    signed  whether numbers below 0 have colours of their own
    """
    columns = np.append(np.asarray(x) - 0.5, x[-1] + 0.5)
    named = bool(y) and isinstance(y[0], str)
    rows = np.arange(len(y) + 1) + (0.0 if named else float(y[0])) - 0.5
    mesh = axes.pcolormesh(
        columns,
        rows,
        np.clip(table, -bound, bound),
        cmap=DIVERGING if signed else SEQUENTIAL,
        vmin=-bound if signed else 0,
        vmax=bound,
        rasterized=table.size > 5_000,
    )
    axes.invert_yaxis()
    if named:
        axes.set_yticks(range(len(y)), [short(str(name)) for name in y])
    if label:
        bar = plot.colorbar(mesh, ax=axes, label=label, fraction=0.08, pad=0.02)
        dress(bar.ax.yaxis)
        bar.outline.set_visible(False)
