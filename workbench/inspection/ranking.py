"""A ranking of films that changes with every rating that a person gives."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch

from workbench.algorithms.base import Learner, adapt, brought_to
from workbench.algorithms.values import last
from workbench.tasks.taste import Taste


@torch.no_grad()
def ranking_frame(
    learner: Learner, tasks: Taste, given: Mapping[str, float], films: int = 8
) -> pd.DataFrame:
    """What a learner makes of films after each rating of a new person: a row for each of both.

    ratings     how many ratings the person has given so far, 0 before the first
    film        the film: title and year, and its genres
    prediction  the stars that it is expected to get
    place       its place in the ranking, counted from 1
    rated       the film that was rated last; missing before the first
    stars       what it was given

    given   the stars of films by title, in the order in which they are given
    films   how many are ranked: those that were rated most often, without the person's own

    >>> from workbench.training import preset
    >>> learner, tasks = preset("taste-melu").build()
    >>> rated = {tasks.ratings.titles[0]: 5.0, tasks.ratings.titles[3]: 1.0}
    >>> len(ranking_frame(learner.eval(), tasks, rated, films=4))
    12
    """
    rows, said = [], list(given.items())
    for count in range(len(said) + 1):
        episode = brought_to(learner, tasks.asked_of(given, count, films))
        adapted = last(adapt(learner, episode)) if count else learner.begin(episode)
        stars = learner.predict(adapted, episode.query.x)[0, :, 0]
        places = stars.argsort(descending=True, stable=True).argsort() + 1
        film, worth = said[count - 1] if count else (None, None)
        rows += [
            (count, tasks.shown[row], prediction, place, film, worth)
            for row, prediction, place in zip(
                episode.info["query_index"][0].tolist(),
                stars.tolist(),
                places.tolist(),
                strict=True,
            )
        ]
    columns = ["ratings", "film", "prediction", "place", "rated", "stars"]
    return pd.DataFrame(rows, columns=columns)
