"""Lanes below each other, each as the figure that it is alone, under its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from workbench.figures.columns import ordered
from workbench.figures.style import Part, Plot, Style, announce, drawing, drawn_on
from workbench.measures import marked, notice_in

_HEAD = 0.22  # inches for a name, on paper


def one_below_another(
    function: Callable[..., Plot], frame: pd.DataFrame, *, style: Style, **options: Any
) -> Plot:
    """The figure of every `method` of a frame on one page, in the frame's order.

    >>> from workbench.figures import examples, query_predictions
    >>> one = examples.predictions()
    >>> both = pd.concat([one.assign(method="maml"), one.assign(method="reptile")])
    >>> one_below_another(query_predictions, both, style=Style()).alt_text[:59]
    'maml: Probability of the true class of 6 queries over 2 inn'
    """
    names = [str(name) for name in ordered(frame["method"])]
    # What diverged is said below the page.
    frames = [marked(frame[frame["method"] == n].drop(columns="method"), {}) for n in names]
    heights = [function(one, style=style, **options).get_figheight() for one in frames]
    head = _HEAD * style.scale
    ratios = [inches for height in heights for inches in (head, height)]
    total, said = sum(ratios), []
    announce(notice_in(frame))
    with drawing(style, total) as page:
        grid = page.add_gridspec(len(ratios), 1, height_ratios=ratios)
        for number, (name, one) in enumerate(zip(names, frames, strict=True)):
            above = sum(ratios[: 2 * number]) + head / 2
            page.text(0.06 / style.width.value, 1 - above / total, name, va="center")
            part = Part(page, grid[2 * number + 1])
            with drawn_on(part):
                function(one, style=style, **options)
            said.append(f"{name}: {part.alt_text}")
        page.alt_text = " ".join(said)
    return page
