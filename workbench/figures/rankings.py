"""A ranking that changes: the place of every film after every rating."""

from __future__ import annotations

import pandas as pd

from workbench.figures.axes import dress, number, short
from workbench.figures.columns import ordered, require
from workbench.figures.style import PAPER, Plot, Style, drawing


def film_ranking(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """The place of each film by the number of ratings given, the first at the top.

    frame  columns ratings, film, prediction and place, as `ranking_frame` makes them

    >>> from workbench.figures import examples
    >>> film_ranking(examples.ranking()).alt_text
    'Places of 3 films after 0 to 2 ratings: first is Harbour with 4.5 stars, last Lantern with 2.'
    """
    columns = ["ratings", "film", "prediction", "place"]
    require(frame, "film_ranking", columns, "ranking_frame", ["ratings", "place", "prediction"])
    end = frame[frame["ratings"] == frame["ratings"].max()].sort_values("place")
    with drawing(style, style.height(0.9)) as plot:
        axes = plot.subplots()
        for i, film in enumerate(ordered(end["film"])):
            rows = frame[frame["film"] == film].sort_values("ratings")
            colour, marker = style.look(i)
            stars = number(rows["prediction"].iloc[-1])
            said = f"{short(film.split(' · ')[0])} ({stars})"
            axes.plot(rows["ratings"], rows["place"], color=colour, marker=marker, label=said)
        axes.invert_yaxis()
        axes.set(xlabel="ratings given", ylabel="place in the ranking")
        dress(axes.xaxis, whole=True)
        dress(axes.yaxis, whole=True)
        plot.key(axes)
        best, worst = end.iloc[0], end.iloc[-1]
        plot.alt_text = (
            f"Places of {len(end)} films after {int(frame['ratings'].min())} to "
            f"{int(frame['ratings'].max())} ratings: first is {best['film'].split(' · ')[0]} with "
            f"{number(best['prediction'])} stars, last {worst['film'].split(' · ')[0]} with "
            f"{number(worst['prediction'])}."
        )
    return plot
