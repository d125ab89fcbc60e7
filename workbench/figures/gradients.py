"""Gradients: how they flow back, what they are made of, whether they agree, layer by layer.

First order is blue and second order orange in every figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from workbench.answers import second_order
from workbench.errors import UserError
from workbench.figures.axes import dress, logarithmic, mark_step, note, short
from workbench.figures.columns import of_task, ordered, require
from workbench.figures.heat import heat
from workbench.figures.style import FIRST_ORDER, PAPER, SECOND_ORDER, Plot, Style, drawing
from workbench.numbers import number

_ORDERS = {
    "second": SECOND_ORDER,
    "first": FIRST_ORDER,
    "truncated": "#009E73",
    "clipped": "#CC79A7",
}
_DASHES = {"second": "-", "first": "--", "truncated": ":", "clipped": "-."}
_NORMS = ("gradient", "update", "distance", "weights")


def gradient_flow(frame: pd.DataFrame, *, task: int | None = None, style: Style = PAPER) -> Plot:
    """The meta-gradient's norm at each inner step, and by layer what became of it.

    frame  columns task, step, layer, order and norm, as `workbench.inspection.flow_frame` makes
           them
    task   the one that is shown, by default the mean of all

    >>> from workbench.figures import examples
    >>> gradient_flow(examples.flow()).alt_text
    'Norm of the meta-gradient on its way back through 10 inner steps, mean of 8 tasks: second order
    1.17 at the last step, 0.285 before adaptation; first order 1.17 at the last step, 1.17
    before adaptation.'
    """
    columns = ["task", "step", "layer", "order", "norm"]
    require(frame, "gradient_flow", columns, "flow_frame", ["step", "norm"])
    frame, which = of_task(frame, task)
    means = frame.groupby(["order", "layer", "step"], sort=False)["norm"].mean()
    orders = [order for order in _ORDERS if order in set(frame["order"])]
    layers = [layer for layer in ordered(frame["layer"]) if layer != "all"]
    last = int(frame["step"].max())
    with drawing(style, style.height(0.62 + 0.07 * len(layers))) as plot:
        top, bottom = plot.subplots(
            2, 1, sharex=True, height_ratios=[0.5, 0.12 + 0.07 * len(layers)]
        )
        said = []
        for order in orders:
            line = means[order]["all"].sort_index()
            label = f"{order} order" if order in ("second", "first") else order
            top.plot(
                line.index,
                line,
                _DASHES[order],
                color=_ORDERS[order],
                marker="o" if last <= 20 else "",
                label=label,
            )
            first, end = number(line.iloc[0]), number(line.iloc[-1])
            ends = f"{end} at the last step, {first} before adaptation"
            said.append(f"{label} {ends}")
        top.set_ylabel("meta-gradient")
        dress(top.yaxis, log=logarithmic(style, means.xs("all", level="layer")))
        note(top, f"norm at each step's value, {which}", style.before)
        table = means[orders[0]].unstack("step").loc[layers].sort_index(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            grown = np.log10(table.to_numpy() / table.to_numpy()[:, -1:])
        bound = max(1.0, float(np.nanmax(np.abs(np.where(np.isfinite(grown), grown, 0)))))
        heat(plot, bottom, grown, x=list(table.columns), y=layers, bound=bound, label="log₁₀ ratio")
        note(bottom, f"{orders[0]} order, against the last step", style.before)
        bottom.set_xlabel("inner step")
        dress(bottom.xaxis, whole=True)
        plot.key(top)
        plot.alt_text = (
            f"Norm of the meta-gradient on its way back through {last} inner steps, {which}: "
            f"{'; '.join(said)}."
        )
    return plot


def gradient_anatomy(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """What the meta-gradient is made of: first order and second order, by layer and by step.

    Above stands the second-order part (`workbench.answers.SECOND_ORDER` defines it); the bars are
    shares along the whole, which sum to 1 and may be small where the second order turns it.

    frame  columns layer, term, step, norm, cosine and share, as
           `workbench.inspection.anatomy_frame` makes them

    >>> from workbench.figures import examples
    >>> gradient_anatomy(examples.anatomy()).alt_text
    'The meta-gradient in parts: second-order part 47.1%. Along the whole, first order makes 140% of
    it and second order −40%; the cosine of first order with the whole is 0.95. Largest correction:
    inner step 1.'
    """
    columns = ["layer", "term", "step", "norm", "cosine", "share"]
    require(frame, "gradient_anatomy", columns, "anatomy_frame", ["norm", "share"])
    layers = ordered(frame["layer"])
    whole = frame[frame["layer"] == "all"].set_index("term")
    if whole.empty:
        raise UserError("gradient_anatomy needs the rows of the layer 'all': keep them")
    with drawing(style, style.height(0.7 + 0.075 * len(layers))) as plot:
        top, bottom = plot.subplots(2, 1, height_ratios=[0.16 + 0.075 * len(layers), 0.45])
        shift = 0.19
        for term, colour, side in (
            ("first order", FIRST_ORDER, -shift),
            ("second order", SECOND_ORDER, shift),
        ):
            rows = frame[frame["term"] == term].set_index("layer").loc[layers]
            places = np.arange(len(layers)) + side
            top.barh(places, 100 * rows["share"], 2 * shift, color=colour, label=term)
        top.axvline(0, color=style.ink, linewidth=0.6 * style.scale)
        top.set_yticks(range(len(layers)), [short(layer) for layer in layers])
        top.invert_yaxis()
        dress(top.xaxis)
        top.set_xlabel("share along the meta-gradient (%)")
        answer = second_order(frame)
        note(top, answer, style.before)
        steps = frame[(frame["term"] == "step") & (frame["layer"] == "all")].sort_values("step")
        size = float(whole.loc["full", "norm"])
        x, norms = steps["step"].astype(int), steps["norm"] / size
        bottom.plot(x, norms, "-", marker="o", color=SECOND_ORDER, label="_correction of a step")
        first = float(whole.loc["first order", "norm"]) / size
        bottom.axhline(first, color=FIRST_ORDER, linestyle="--", label="_first-order term")
        bottom.set_xlabel("inner step whose Hessian corrects")
        bottom.set_ylabel("norm / whole")
        dress(bottom.xaxis, whole=True)
        dress(bottom.yaxis, log=logarithmic(style, np.append(norms.to_numpy(dtype=float), first)))
        cosine = float(whole.loc["first order", "cosine"])
        note(bottom, f"cosine of first order with the whole: {number(cosine)}", style.before)
        plot.key(top)
        terms = ("first order", "second order")
        shares = [number(100 * float(whole.loc[term, "share"])) for term in terms]
        largest = int(x.iloc[int(np.argmax(norms.to_numpy()))]) if len(x) else 0
        plot.alt_text = (
            f"The meta-gradient in parts: {answer}. Along the whole, first order makes "
            f"{shares[0]}% of it and second order "
            f"{shares[1]}%; the cosine of first order with the whole is {number(cosine)}. "
            f"Largest correction: inner step {largest}."
        )
    return plot


def gradient_agreement(frame: pd.DataFrame, *, layer: str = "all", style: Style = PAPER) -> Plot:
    """Cosines between gradients of tasks, and of a task's shots: a map each.

    frame  columns between, layer, first, second and cosine, as
           `workbench.inspection.agreement_frame` makes them
    layer  which layer's gradients

    >>> from workbench.figures import examples
    >>> gradient_agreement(examples.agreement()).alt_text
    'Cosines between gradients, layer all. Tasks: mean 0.26 over 15 pairs, 27% in conflict.'
    """
    columns = ["between", "layer", "first", "second", "cosine"]
    require(frame, "gradient_agreement", columns, "agreement_frame", ["first", "second", "cosine"])
    known = ordered(frame["layer"])
    if layer not in known:
        raise UserError(f"gradient_agreement has no layer '{layer}': choose {', '.join(known)}")
    rows = frame[frame["layer"] == layer]
    kinds = ordered(rows["between"])
    with drawing(style, style.height(0.98 / max(len(kinds), 1) + 0.12)) as plot:
        panels = plot.subplots(1, len(kinds), squeeze=False)[0]
        said = []
        for axes, kind in zip(panels, kinds, strict=True):
            pairs = rows[rows["between"] == kind]
            count = int(pairs["second"].max()) + 1
            if count > len(pairs) + 1:
                raise UserError(
                    f"gradient_agreement needs every pair once: {count} gradients of {kind} "
                    f"cannot have {len(pairs)}"
                )
            table = np.full((count, count), np.nan)
            first, second = pairs["first"].to_numpy(int), pairs["second"].to_numpy(int)
            table[first, second] = table[second, first] = pairs["cosine"].to_numpy(float)
            np.fill_diagonal(table, 1.0)
            key = "cosine" if axes is panels[-1] else ""
            places = list(range(1, count + 1))
            heat(plot, axes, table, x=places, y=places, bound=1.0, label=key)
            axes.set_aspect("equal")
            axes.set_xlabel(kind.removesuffix("s"))
            axes.set_ylabel(kind.removesuffix("s") if axes is panels[0] else "")
            for axis in (axes.xaxis, axes.yaxis):
                dress(axis, whole=True)
            conflict = float((pairs["cosine"] < 0).mean())
            mean = float(pairs["cosine"].mean())
            note(axes, f"mean {number(mean, 2)}, {number(100 * conflict, 2)}% < 0", style.before)
            said.append(
                f"{kind.capitalize()}: mean {number(mean, 2)} over {len(pairs)} pairs, "
                f"{number(100 * conflict, 2)}% in conflict."
            )
        plot.alt_text = f"Cosines between gradients, layer {layer}. {' '.join(said)}"
    return plot


def layer_norms(
    frame: pd.DataFrame,
    *,
    step: int | None = None,
    task: int | None = None,
    style: Style = PAPER,
) -> Plot:
    """Norms of gradients, updates, distance and weights by inner step, a line a layer.

    frame  columns task, step, layer, kind and norm, as `workbench.inspection.norm_frame` makes
           them
    step   the inner step that is looked at: a thin line
    task   the one that is shown, by default the mean of all

    >>> from workbench.figures import examples
    >>> layer_norms(examples.norms()).alt_text
    'Norms by layer over 5 inner steps, mean of 4 tasks. gradient is largest in head, update in
    head, distance in head, weights in linear1.'
    """
    columns = ["task", "step", "layer", "kind", "norm"]
    require(frame, "layer_norms", columns, "norm_frame", ["step", "norm"])
    frame, which = of_task(frame, task)
    layers = [layer for layer in ordered(frame["layer"]) if layer != "all"]
    kinds = [kind for kind in _NORMS if kind in set(frame["kind"])]
    means = frame.groupby(["kind", "layer", "step"], sort=False)["norm"].mean()
    with drawing(style, style.height(0.42 * -(-len(kinds) // 2) + 0.14)) as plot:
        grid = plot.subplots(-(-len(kinds) // 2), 2, sharex=True, squeeze=False)
        said: list[str] = []
        for axes, kind in zip(grid.flat, kinds, strict=False):
            _norms(axes, means[kind], layers, style)
            mark_step(axes, step, style.before)
            axes.set_ylabel(kind)
            ends = {layer: means[kind][layer].sort_index().iloc[-1] for layer in layers}
            said.append(f"{kind}{' is largest' * (not said)} in {max(ends, key=ends.__getitem__)}")
        for axes in grid.flat[len(kinds) :]:
            axes.set_visible(False)
        for axes in grid[-1]:
            axes.set_xlabel("inner step")
        dress(grid[0, 0].xaxis, whole=True)
        note(grid[0, 0], f"norm, {which}", style.before)
        plot.key(grid[0, 0])
        plot.alt_text = (
            f"Norms by layer over {int(frame['step'].max())} inner steps, {which}. "
            f"{', '.join(said)}."
        )
    return plot


def _norms(axes: Axes, means: pd.Series, layers: Sequence[str], style: Style) -> None:
    for index, layer in enumerate(layers):
        colour, marker = style.look(index)
        line = means[layer].sort_index()
        few = marker if len(line) <= 20 else ""
        axes.plot(line.index, line, color=colour, marker=few, label=short(layer))
    dress(axes.yaxis, log=logarithmic(style, means))
