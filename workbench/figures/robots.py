"""Robots as their simulator renders them."""

from __future__ import annotations

import pandas as pd

from workbench.figures.columns import require
from workbench.figures.style import PAPER, Plot, Style, drawing


def robot_pictures(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """A robot on its way: a row an inner step (of a trial an episode), a picture a move.

    frame  columns step, trajectory, move and image (array, height x width x 3), as
           `workbench.inspection.rendered_frame` makes them

    >>> from workbench.figures import examples
    >>> robot_pictures(examples.rendered()).alt_text
    'Pictures of a robot in 2 rows: before adaptation, after 1 inner step.'
    """
    require(
        frame, "robot_pictures", ["step", "trajectory", "move", "image"], "rendered_frame", ["move"]
    )
    trial = frame["step"].nunique() == len(frame)  # every move is a step there
    by = "trajectory" if trial else "step"
    groups = [(int(k), rows.sort_values("move")) for k, rows in frame.groupby(by)]
    most = max(len(rows) for _, rows in groups)
    height, width = frame["image"].iloc[0].shape[:2]
    names = [_name(k, trial) for k, _ in groups]
    side = style.width.value / (most + 0.5)
    with drawing(style, len(groups) * (side * height / width + 0.16 * style.scale)) as plot:
        plot.set_layout_engine("constrained", w_pad=0.01, h_pad=0.01, wspace=0.03)
        panels = plot.subplots(len(groups), most, squeeze=False)
        for row, name, (_, rows) in zip(panels, names, groups, strict=True):
            for axes in row:
                axes.set_axis_off()
            for axes, one in zip(row, rows.to_dict("records"), strict=False):
                axes.imshow(one["image"])
                axes.set_title(str(one["move"]), fontsize=style.text_size * 0.75)
            row[0].text(
                -0.1, 0.5, name, rotation=90, ha="right", va="center", transform=row[0].transAxes,
                fontsize=style.text_size * 0.75,
            )  # fmt: skip
        said = ", ".join(names if trial else [_said(k) for k, _ in groups])
        count = len(groups)
        plot.alt_text = f"Pictures of a robot in {count} row{'s' if count != 1 else ''}: {said}."
    return plot


def _name(number: int, trial: bool) -> str:
    if trial:
        return f"episode {number + 1}"
    return f"step {number}" if number else "before"


def _said(step: int) -> str:
    return f"after {step} inner step{'s' if step != 1 else ''}" if step else "before adaptation"
