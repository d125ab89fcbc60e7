"""What a learner decides as it adapts: which class a query is given, which arm is pulled."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.figures.axes import dress, note
from workbench.figures.columns import require
from workbench.figures.heat import heat
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.numbers import number


def query_predictions(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """Each query example's probability of its true class after every inner step.

    Queries stand by class; a cross marks where another class was predicted.

    frame  columns step, example, label, truth and correct, as
           `workbench.inspection.prediction_frame` makes them

    >>> from workbench.figures import examples
    >>> query_predictions(examples.predictions()).alt_text
    'Probability of the true class of 6 queries over 2 inner steps. Predicted right: 2 of 6 before,
    5 of 6 after the last step.'
    """
    columns = ["step", "example", "label", "truth", "correct"]
    require(frame, "query_predictions", columns, "prediction_frame", ["truth"])
    order = frame.sort_values(["label", "example"])["example"].unique()
    table = frame.pivot(index="example", columns="step", values="truth").loc[order]
    right = frame.pivot(index="example", columns="step", values="correct").loc[order].astype(bool)
    labels = frame.drop_duplicates("example").set_index("example")["label"].loc[order].to_numpy()
    queries, steps = table.shape
    with drawing(style, style.height(min(1.15, 0.34 + 0.03 * queries))) as plot:
        axes = plot.subplots()
        heat(
            plot,
            axes,
            table.to_numpy(),
            x=[int(step) for step in table.columns],
            y=list(range(1, queries + 1)),
            bound=1.0,
            label="probability",
            signed=False,
        )
        rows, cells = np.nonzero(~right.to_numpy())
        axes.plot(
            table.columns.to_numpy()[cells],
            rows + 1,
            linestyle="none",
            marker="x",
            color=style.ink,
            markersize=min(3.4, 110 / queries) * style.scale,
            markeredgewidth=0.8 * style.scale,
        )
        for edge in np.flatnonzero(np.diff(labels)):
            axes.axhline(edge + 1.5, color=style.ink, linewidth=0.6 * style.scale)
        axes.set_xlabel("inner step")
        axes.set_ylabel("query, by class")
        for axis in (axes.xaxis, axes.yaxis):
            dress(axis, whole=True)
        note(axes, "of the true class; crosses: another predicted", style.before)
        counts = [int(right[step].sum()) for step in (right.columns[0], right.columns[-1])]
        plot.alt_text = (
            f"Probability of the true class of {queries} queries over {steps - 1} inner "
            f"step{'s' if steps != 2 else ''}. Predicted right: {counts[0]} of {queries} before, "
            f"{counts[1]} of {queries} after the last step."
        )
    return plot


def arm_pulls(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """The policy's probability of each action at every move, and what the one it took brought.

    Of actions that are numbers: what each was drawn around, a deviation on both sides, and drawn.

    frame  columns move (or step), arm, probability, pulled, reward and chance, or for numbers mean,
           deviation and action, as `workbench.inspection.pull_frame` makes them

    >>> from workbench.figures import examples
    >>> arm_pulls(examples.pulls()).alt_text
    'A trial of 6 pulls of 3 arms: total reward 4; the best arm, 3, was pulled 4 times.'
    """
    if "mean" in frame:
        return _numbers_drawn(frame, style)
    axis = "move" if "move" in frame else "step"
    columns = [axis, "arm", "probability", "pulled", "reward"]
    require(frame, "arm_pulls", columns, "pull_frame", ["probability"])
    table = frame.pivot(index="arm", columns=axis, values="probability")
    pulled = frame[frame["pulled"].astype(bool)]
    arms = [int(arm) for arm in table.index]
    known = "chance" in frame and bool(frame["chance"].notna().any())
    chance = frame.drop_duplicates("arm").set_index("arm")["chance"] if known else None
    what, done = ("arm", "pull") if known else ("action", "move")
    names = [
        f"{what} {a + 1}" + (f": {number(chance[a], 2)}" if chance is not None else "")
        for a in arms
    ]
    size = 3.8 * style.scale
    with drawing(style, style.height(0.3 + 0.07 * len(arms))) as plot:
        axes = plot.subplots()
        heat(
            plot,
            axes,
            table.to_numpy(),
            x=[int(move) for move in table.columns],
            y=names,
            bound=1.0,
            label="probability",
            signed=False,
        )
        for paid, fill, label in ((True, style.ink, "paid"), (False, "none", "paid nothing")):
            own = pulled[(pulled["reward"] > 0) == paid]
            axes.plot(
                own[axis],
                own["arm"],
                linestyle="none",
                marker="o",
                markersize=size,
                markerfacecolor=style.ground if not paid else fill,
                markeredgecolor=style.ground if paid else style.ink,
                markeredgewidth=0.7 * style.scale,
                label=label,
            )
        axes.set_xlabel("move")
        dress(axes.xaxis, whole=True)
        axes.tick_params(axis="y", length=0)
        if known:
            note(axes, "number: chance that the arm pays", style.before)
        plot.key(axes)
        total = number(float(pulled["reward"].sum()))
        plot.alt_text = (
            f"A trial of {len(pulled)} {done}s of {len(arms)} {what}s: total reward {total}"
        )
        if chance is not None:
            best = int(chance.idxmax())
            times = int((pulled["arm"] == best).sum())
            plot.alt_text += (
                f"; the best arm, {best + 1}, was pulled {times} time{'s' if times != 1 else ''}"
            )
        plot.alt_text += "."
    return plot


def _numbers_drawn(frame: pd.DataFrame, style: Style) -> Plot:
    columns = ["move", "arm", "mean", "deviation", "action", "reward"]
    require(frame, "arm_pulls", columns, "pull_frame", ["mean"])
    moves = frame["move"].nunique()
    dots = {"linestyle": "none", "marker": "o", "markersize": min(3.0, 90 / moves) * style.scale}
    said = []
    with drawing(style, style.height(0.62)) as plot:
        axes = plot.subplots()
        for place, (arm, rows) in enumerate(frame.groupby("arm")):
            colour, _ = style.look(place)
            low, high = rows["mean"] - rows["deviation"], rows["mean"] + rows["deviation"]
            axes.fill_between(rows["move"], low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(rows["move"], rows["mean"], color=colour, label=f"number {int(arm) + 1}")
            axes.plot(rows["move"], rows["action"], color=colour, markeredgewidth=0, **dots)
            first, last = (number(rows["deviation"].iloc[end], 2) for end in (0, -1))
            said.append(f"number {int(arm) + 1} by a deviation of {first} at first, {last} at last")
        axes.set_xlabel("move")
        axes.set_ylabel("number of the action")
        dress(axes.xaxis, whole=True)
        dress(axes.yaxis)
        note(axes, "line: mean, band: deviation, dots: drawn", style.before)
        plot.key(axes)
        total = number(float(frame.drop_duplicates("move")["reward"].sum()))
        plot.alt_text = f"A trial of {moves} moves: total reward {total}; {'; '.join(said)}."
    return plot
