"""Tables: the rows of a task side by side, names and units at the left, gaps as —."""

from __future__ import annotations

import pandas as pd

from workbench.figures.columns import require
from workbench.figures.style import PAPER, Plot, Style, drawing

_LINE = 0.15  # inches
_NAME, _CELL = 1.35, 0.42  # inches of the names, and of a row's cells
_LETTERS = 9  # of a cell


def episode_rows(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """One task of a table: a column for each example, first the support, then the query.

    As many are shown as there is room for, half of each part at least.

    frame  columns part, label, name, header and cells, as `workbench.inspection.example_frame`
           makes them

    >>> from workbench.figures import examples
    >>> episode_rows(examples.patients()).alt_text
    'A task of table rows: 2 support and 2 query examples of 3 columns, of which 4 of 4 are shown;
    2 of 12 values are missing.'
    """
    require(frame, "episode_rows", ["part", "label", "header", "cells"], "example_frame", [])
    heads = str(frame["header"].iloc[0]).split("\t")
    scale, wide = style.scale, style.width.value
    room = int((wide / scale - _NAME) / _CELL)
    parts = {part: frame[frame["part"] == part] for part in ("support", "query")}
    half = max(room // 2, room - len(parts["query"]))
    support = parts["support"].iloc[:half]
    shown = {"support": support, "query": parts["query"].iloc[: room - len(support)]}
    height = _LINE * scale * (len(heads) + 3)
    with drawing(style, height) as plot:
        plot.set_layout_engine("none")
        axes = plot.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, wide), ylim=(height, 0))
        size = style.text_size * 0.75

        def line(number: int) -> float:
            return _LINE * scale * (number + 0.75)

        for number, head in enumerate(heads):
            axes.text(0.06 * scale, line(number + 2), head, va="center", size=size)
            if number % 2 == 0:
                top = line(number + 2) - _LINE * scale / 2
                axes.axhspan(top, top + _LINE * scale, color=style.faint, alpha=0.4, lw=0)
        place = 0
        for part, own in shown.items():
            left = (_NAME + _CELL * place) * scale
            if len(own):
                axes.text(
                    left,
                    line(0),
                    f"{part} ({len(own)} of {len(parts[part])})",
                    va="center",
                    size=size,
                )
            for row in own.to_dict("records"):
                x = (_NAME + _CELL * (place + 0.4)) * scale
                if pd.notna(row["label"]):
                    colour, marker = style.look(int(row["label"]))
                    solid = colour if part == "support" else style.ground
                    axes.plot(
                        *([x], [line(1)], marker),
                        color=colour,
                        markerfacecolor=solid,
                        markersize=4 * scale,
                    )
                for number, cell in enumerate(str(row["cells"]).split("\t")):
                    text = cell if len(cell) <= _LETTERS else cell[: _LETTERS - 1] + "…"
                    colour = style.before if cell == "—" else style.ink
                    axes.text(
                        x,
                        line(number + 2),
                        text,
                        ha="center",
                        va="center",
                        size=size * 0.85,
                        color=colour,
                    )
                place += 1
        every = [cell for cells in frame["cells"] for cell in str(cells).split("\t")]
        counts = {part: len(own) for part, own in parts.items()}
        plot.alt_text = (
            f"A task of table rows: {counts['support']} support and {counts['query']} query "
            f"examples of {len(heads)} columns, of which {place} of {len(frame)} are shown; "
            f"{every.count('—')} of {len(every)} values are missing."
        )
    return plot
