"""MovieLens: films that people rated; a new person is a task.

Harper and Konstan (2015), The MovieLens Datasets: History and Context; the release of October 2016,
100,004 ratings of 9,066 films by 671 people. Read from WORKBENCH_DATA, and never kept here.

    people   people are divided: 371 train, 100 validate, 200 are tested, on films that all know
    films    as well, later films are left out of training: those first rated after the half of all
             ratings. Tested, and validated, are people who rated such films, and on these alone
"""

from __future__ import annotations

import functools

import torch

from workbench.errors import UserError
from workbench.randomness import permutation
from workbench.tasks import data
from workbench.tasks.base import Split
from workbench.tasks.taste import FEWEST, Ratings, Taste
from workbench.tasks.taste_files import read_films, read_ratings
from workbench.tasks.text_files import Stamp

FILES = ("movielens-latest-small/ratings.csv", "movielens-latest-small/movies.csv")
SCHEMES = ("people", "films")
_TESTED, _VALIDATED, _OLD = 200, 100, 20  # people, people, and films that all of them rated
_SPLIT_SEED = 1  # 0 was seen while the net and the presets were chosen


def open_movielens(scheme: str) -> Taste:
    """MovieLens's people as tasks: on films that are known, or on new ones."""
    stamps = [Stamp.of(data.require("movielens", path)) for path in FILES]
    ratings = _read(*stamps, later=scheme == "films")
    order = permutation(torch.tensor([_SPLIT_SEED]), len(ratings.counts))[0]
    if scheme == "films":
        who = torch.arange(len(ratings.counts)).repeat_interleave(ratings.counts)
        new = torch.zeros_like(ratings.counts).scatter_add(0, who, ratings.new[ratings.film].long())
        both = (new >= FEWEST) & (ratings.counts - new >= _OLD)
        order = torch.cat([order[both[order]], order[~both[order]]])
        tested, validated = int(both.sum()) * 2 // 3, int(both.sum())
    else:
        tested, validated = _TESTED, _TESTED + _VALIDATED
    people: dict[Split, list[int]] = {
        "train": sorted(order[validated:].tolist()),
        "validation": sorted(order[tested:validated].tolist()),
        "test": sorted(order[:tested].tolist()),
    }
    if not all(people.values()):
        raise UserError(
            f"the ratings of {len(ratings.counts)} people are too few to divide: "
            "run `workbench data fetch movielens`, or get the files again"
        )
    return Taste(ratings, people, name="movielens", scheme=scheme, new_films=scheme == "films")


@functools.lru_cache(maxsize=2)
def _read(rated: Stamp, listed: Stamp, *, later: bool) -> Ratings:
    """The ratings by person and time, of films as they are numbered in their file."""
    films, given = read_films(listed.path), read_ratings(rated.path)
    place = torch.searchsorted(films.numbers.sort().values, given.film)
    by_number = films.numbers.argsort()
    row = by_number[place.clamp(max=len(by_number) - 1)]
    unknown = films.numbers[row] != given.film
    if bool(unknown.any()):
        number = int(given.film[unknown][0])
        raise UserError(
            f"{rated.path} rates the film {number}, which {listed.path.name} does not list: "
            "get both files again"
        )
    order = given.time.argsort(stable=True)
    order = order[given.person[order].argsort(stable=True)]
    _, person = given.person[order].unique(return_inverse=True)
    first = torch.full((len(films.titles),), torch.iinfo(torch.int64).max)
    first = first.scatter_reduce(0, row, given.time, "amin")
    middle = given.time.sort().values[len(given.time) // 2]
    return Ratings(
        titles=films.titles,
        genre_names=films.genre_names,
        about=torch.cat([films.years.unsqueeze(1), films.genres], dim=1),
        film=row[order],
        stars=given.stars[order].to(torch.get_default_dtype()),
        counts=person.bincount(),
        new=(first > middle) if later else torch.zeros(len(films.titles), dtype=torch.bool),
    )
