"""Classification tasks: the images of an episode, and what the model says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from workbench.errors import UserError
from workbench.figures.axes import dress, short
from workbench.figures.columns import require
from workbench.figures.style import PAPER, WRONG, ColumnWidth, Plot, Style, drawing

_COLUMN = 1.1  # images and the space between them, in image widths
_ROW = 1.36  # an image and the line of its prediction, in image widths
_MARKS = "mark: the class it is taken for; bar: how surely; dashed frame: wrong"
_GAP = 0.5  # between support and query, in image widths


def episode_grid(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """One task: a row a class, its support images left, its query images right.

    Below a query image stand the predicted class's marker and a bar as long as its confidence;
    wrong predictions are framed, dashed, and a line below says so. At most five images a class are
    shown of each part, ten where the figure spans two columns; there more than ten classes stand
    side by side.

    frame  columns part (support or query), label (true class, 0 upwards), name, shot (which
           image of its class) and image (array, height x width of ink in 0..1, or height x width
           x 3), and, once predicted, prediction and confidence; as
           `workbench.inspection.image_frame` makes them

    >>> from workbench.figures import examples
    >>> episode_grid(examples.images()).alt_text
    'A 3-way task with 2 support images a class and 4 query images a class: 11 of 12 query images
    predicted right.'
    """
    columns = ["part", "label", "name", "shot", "image"]
    require(frame, "episode_grid", columns, "image_frame", ["label", "shot"])
    classes = sorted(int(label) for label in frame["label"].unique())
    names = frame.drop_duplicates("label").set_index("label")["name"]
    double = style.width is ColumnWidth.DOUBLE
    blocks = 2 if double and len(classes) > 10 else 1
    rows = -(-len(classes) // blocks)
    most = 10 if double and blocks == 1 else 5
    counts = {part: _images_of_a_class(frame, part) for part in ("support", "query")}
    shown = {part: min(count, most) for part, count in counts.items()}

    # One set of axes over the whole figure, measured in inches from the upper left corner.
    edge, head = 0.06 * style.scale, 0.24 * style.scale
    longest = max(len(short(str(name))) for name in names)
    aside = (0.26 + 0.066 * longest) * style.scale
    across = sum(shown.values()) * _COLUMN + (_GAP if all(shown.values()) else 0)
    wide = style.width.value / blocks
    side = min((wide - aside - 2 * edge) / across, 0.5 * style.scale)
    judged = "prediction" in frame and bool(frame["prediction"].notna().any())
    foot = 0.18 * style.scale if judged else 0.0
    height = 2 * edge + head + rows * _ROW * side + foot
    with drawing(style, height) as plot:
        plot.set_layout_engine("none")
        axes = plot.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, style.width.value)
        axes.set_ylim(height, 0)
        corners = {
            label: (place // rows * wide, edge + head + place % rows * _ROW * side)
            for place, label in enumerate(classes)
        }
        for label, (left, top) in corners.items():
            _chip(axes, left + edge + 0.06 * style.scale, top + side / 2, label, style, 5.0)
            x = left + edge + 0.18 * style.scale
            axes.text(x, top + side / 2, short(str(names[label])), va="center", size="small")
        start = edge + aside
        for part in ("support", "query"):
            if not shown[part]:
                continue
            heading = _heading(part, counts[part], shown[part])
            for block in range(blocks):
                x = block * wide + start
                axes.text(x, edge + head / 2, heading, va="center", size="small")
            for image in frame[(frame["part"] == part) & (frame["shot"] < most)].to_dict("records"):
                left, top = corners[int(image["label"])]
                x = left + start + int(image["shot"]) * _COLUMN * side
                _image(axes, x, top, side, image, style)
            start += (shown[part] * _COLUMN + _GAP) * side
        if judged:
            low, colour = height - edge, style.before
            axes.text(edge, low, _MARKS, va="bottom", size="x-small", color=colour)
        plot.alt_text = _describe(frame, len(classes), counts)
    return plot


def _images_of_a_class(frame: pd.DataFrame, part: str) -> int:
    shots = frame.loc[frame["part"] == part, "shot"]
    return 0 if shots.empty else int(shots.max()) + 1


def _heading(part: str, count: int, shown: int) -> str:
    return part if count == shown else f"{part} ({shown} of {count} a class)"


def _chip(axes: Axes, x: float, y: float, label: int, style: Style, size: float) -> None:
    """A class's colour and marker."""
    colour, marker = style.look(label)
    axes.plot(
        [x],
        [y],
        marker=marker,
        color=colour,
        markersize=size * style.scale,
        markeredgecolor=style.ink,
        markeredgewidth=0.4 * style.scale,
    )


def _image(
    axes: Axes, left: float, top: float, side: float, image: dict[Any, Any], style: Style
) -> None:
    """One image, its outline, and what was predicted of it."""
    axes.imshow(
        np.asarray(image["image"], dtype=float),
        extent=(left, left + side, top + side, top),
        cmap=LinearSegmentedColormap.from_list("ink", [style.ground, style.ink]),
        vmin=0,
        vmax=1,
        interpolation="nearest",
        aspect="auto",
        zorder=1,
    )
    predicted = pd.notna(image.get("prediction"))
    wrong = predicted and int(image["prediction"]) != int(image["label"])
    axes.add_patch(
        Rectangle(
            (left, top),
            side,
            side,
            fill=False,
            edgecolor=WRONG if wrong else style.faint,
            linestyle="--" if wrong else "-",
            linewidth=(1.2 if wrong else 0.5) * style.scale,
            gid="wrong" if wrong else "image",
            zorder=2,
        )
    )
    if not predicted:
        return
    label, middle = int(image["prediction"]), top + 1.15 * side
    _chip(axes, left + 0.1 * side, middle, label, style, 3.2)
    if pd.notna(image.get("confidence")):
        confidence = float(image["confidence"])
        start, room, thick = left + 0.26 * side, 0.74 * side, 0.03 * style.scale
        for length, colour in ((1.0, style.faint), (confidence, style.look(label)[0])):
            bar = Rectangle((start, middle - thick / 2), room * length, thick, color=colour)
            bar.set(linewidth=0, zorder=2)
            axes.add_patch(bar)


def _describe(frame: pd.DataFrame, ways: int, counts: dict[str, int]) -> str:
    parts = [
        f"{count} {part} image{'s' if count != 1 else ''} a class"
        for part, count in counts.items()
        if count
    ]
    text = f"A {ways}-way task with {' and '.join(parts)}"
    if "prediction" not in frame:
        return f"{text}."
    judged = frame[(frame["part"] == "query") & frame["prediction"].notna()]
    right = int((judged["prediction"] == judged["label"]).sum())
    return f"{text}: {right} of {len(judged)} query images predicted right."


def episode_examples(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """A task as it is, before anything adapts: images by class, or points of a curve.

    frame  columns part and label, and name, shot and image of images or x and y of points; as
           `workbench.inspection.example_frame` makes them

    >>> from workbench.figures import examples
    >>> points = examples.curves().query("kind == 'support'").rename(columns={"kind": "part"})
    >>> episode_examples(points.assign(label=None)).alt_text
    'A regression task of 5 support points and 0 query points.'
    """
    require(frame, "episode_examples", ["part", "label"], "example_frame", [])
    if "image" in frame:
        return episode_grid(frame, style=style)
    if not {"x", "y"} <= set(frame.columns):
        raise UserError(
            "episode_examples draws images, and points of a curve; these examples are neither: "
            "save the frame as a table"
        )
    with drawing(style, style.height(0.66)) as plot:
        axes = plot.subplots()
        counts = {}
        for part, fill, edge in (
            ("query", style.ground, style.ink),
            ("support", style.ink, style.ground),
        ):
            own = frame[frame["part"] == part]
            counts[part] = len(own)
            axes.plot(
                own["x"],
                own["y"],
                linestyle="none",
                marker="o",
                markersize=(4.6 if part == "support" else 3.2) * style.scale,
                markerfacecolor=fill,
                markeredgecolor=edge,
                markeredgewidth=0.6 * style.scale,
                label=f"{part} ({len(own)})",
            )
        axes.set_xlabel("x")
        axes.set_ylabel("y")
        for axis in (axes.xaxis, axes.yaxis):
            dress(axis)
        plot.key(axes)
        plot.alt_text = (
            f"A regression task of {counts['support']} support points and {counts['query']} query "
            "points."
        )
    return plot
