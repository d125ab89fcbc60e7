"""Tastes that are made up: people and films of a known rank, always there, seeded.

    stars = 3.4 + film's quality + person's mildness + taste . film + noise, to half stars
    film  = a direction of each of its one or two genres, and a part of its own, [RANK]
    taste = normal, [RANK]

Some films are rated much more often than others. What can be learned is which directions there are,
and what genres say of them; a new person's taste must be found from the first few ratings. It is no
substitute for real ratings: name the set in every result.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from workbench.randomness import fold, normal, permutation, uniform
from workbench.tasks.base import Split
from workbench.tasks.taste import Ratings, Taste

RANK = 3
FILMS, EACH = 300, 40  # films, and ratings of a person
DIVISION: dict[Split, int] = {"train": 500, "validation": 100, "test": 200}  # people
GENRES = ("Comedy", "Crime", "Drama", "Fantasy", "Horror", "Romance", "Science", "War")
_FIRST = "Last Silent Golden Broken Hidden Distant Burning Second Winter Paper Crooked Midnight"
_SECOND = (
    "Harbour Garden Letter Summer Mirror Bridge Orchard Station Promise Island Lantern Journey "
    "Witness Shadow River Carnival Stranger Kingdom Window Machine Voyage Secret Empire Clock Road"
)
_SEED = 20
_QUALITY, _SCALE, _MILD, _NOISE = 0.35, 0.55, 0.35, 0.45  # spreads, in stars


def open_tastes() -> Taste:
    """The people as tasks.

    >>> tasks = open_tastes()
    >>> tasks.shown[0]
    'The Last Harbour (2010) · Comedy, War'
    """
    starts = iter(range(sum(DIVISION.values())))
    people = {split: [next(starts) for _ in range(count)] for split, count in DIVISION.items()}
    return Taste(_ratings(), people, name="taste", scheme="rank")


@functools.cache
def _ratings() -> Ratings:
    people, double = sum(DIVISION.values()), torch.float64
    of = fold(torch.full((8,), _SEED), torch.arange(8))  # a seed for every use
    first, second = (uniform(of[0], (2, FILMS)) * len(GENRES)).long()
    genres = torch.zeros(FILMS, len(GENRES), dtype=torch.int64)
    genres.scatter_(1, first.unsqueeze(1), 1).scatter_(1, second.unsqueeze(1), 1)
    directions = normal(of[1], (len(GENRES), RANK), double)
    own = normal(of[2], (FILMS, RANK), double)
    films = (directions[first] + directions[second]) / 2 + 0.6 * own
    quality = _QUALITY * normal(of[3], (FILMS,), double)
    taste, mild = _SCALE * normal(of[4], (people, RANK), double), normal(of[5], (people,), double)
    # of two films drawn the one that stands in front is the more often rated
    chance = -uniform(of[6], (people, FILMS), double).log() * (1 + torch.arange(FILMS)) ** 0.7
    film = chance.argsort(dim=1)[:, :EACH]
    film = film.gather(1, permutation(fold(of[6:7], torch.arange(people)), EACH))
    felt = (taste.unsqueeze(1) * films[film]).sum(dim=-1)
    noise = _NOISE * normal(of[7], (people, EACH), double)
    stars = 3.4 + quality[film] + _MILD * mild.unsqueeze(1) + felt + noise
    years = 1950 + (65 * uniform(fold(of[0], 1), (FILMS,))).long()
    return Ratings(
        titles=_titles(years),
        genre_names=GENRES,
        about=torch.cat([years.unsqueeze(1), genres], dim=1),
        film=film.flatten(),
        stars=((2 * stars.mul(1e6).round() / 1e6).round() / 2)
        .clamp(0.5, 5)
        .flatten()
        .to(torch.get_default_dtype()),
        counts=torch.full((people,), EACH),
        new=torch.zeros(FILMS, dtype=torch.bool),
    )


def _titles(years: Tensor) -> tuple[str, ...]:
    first, second = _FIRST.split(), _SECOND.split()
    return tuple(
        f"The {first[i % len(first)]} {second[i // len(first)]} ({year})"
        for i, year in enumerate(years.tolist())
    )
