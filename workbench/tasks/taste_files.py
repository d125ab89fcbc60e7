"""MovieLens's files as they come, `ratings.csv` and `movies.csv`; what is broken is refused.

Every refusal is one sentence with the place and the cure, and comes before anything is kept.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.tasks.text_files import read_text

_CURE = "run `workbench data fetch movielens`, or get the file again"
_RATINGS = ("userId", "movieId", "rating", "timestamp")
_FILMS = ("movieId", "title", "genres")
_NO_GENRE = "(no genres listed)"


class Films(NamedTuple):
    """Films in the order of their file: what each is called, its year (0: unknown) and genres."""

    numbers: Tensor  # [film] as ratings name them
    titles: tuple[str, ...]
    years: Tensor  # [film]
    genres: Tensor  # [film, genre], 0 or 1
    genre_names: tuple[str, ...]


class Rated(NamedTuple):
    """Who gave which film how many stars, and when: `[rating]` each, in the order of the file."""

    person: Tensor
    film: Tensor
    stars: Tensor
    time: Tensor


def read_films(path: Path) -> Films:
    """The films of `movies.csv`."""
    numbers, titles, years, listed = [], [], [], []
    for place, (number, title, genres) in _lines(path, _FILMS):
        found = re.search(r"\((\d{4})\)\s*$", title)
        numbers.append(_whole(number, path, place))
        titles.append(title.strip())
        years.append(int(found[1]) if found else 0)
        listed.append([one for one in genres.split("|") if one and one != _NO_GENRE])
    if len(set(numbers)) < len(numbers):
        twice = next(n for n in numbers if numbers.count(n) > 1)
        raise UserError(f"{path} has the film {twice} twice: {_CURE}")
    names = tuple(sorted({genre for own in listed for genre in own}))
    of = torch.tensor([[name in own for name in names] for own in listed], dtype=torch.int64)
    return Films(torch.tensor(numbers), tuple(titles), torch.tensor(years), of, names)


def read_ratings(path: Path) -> Rated:
    """The ratings of `ratings.csv`: from half a star to five."""
    rows = []
    for place, (person, film, stars, time) in _lines(path, _RATINGS):
        try:
            given = float(stars)
        except ValueError:
            given = 0.0
        if not 0.5 <= given <= 5 or (2 * given) % 1:
            raise UserError(
                f"line {place} of {path} gives '{stars[:20]}' stars and not half a star to five: "
                f"{_CURE}"
            )
        rows.append((*(_whole(word, path, place) for word in (person, film, time)), given))
    people, films, times, stars_given = zip(*rows, strict=True)
    return Rated(
        torch.tensor(people),
        torch.tensor(films),
        torch.tensor(stars_given),
        torch.tensor(times),
    )


def _lines(path: Path, header: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows below a header, with their lines' numbers; at least one."""
    text = read_text(path, _CURE)
    try:
        lines = list(csv.reader(text.splitlines(), strict=True))
    except csv.Error as error:
        raise UserError(f"{path} is no table ({error}): {_CURE}") from error
    if not lines or tuple(lines[0]) != tuple(header):
        raise UserError(f"{path} does not begin with the columns {', '.join(header)}: {_CURE}")
    if len(lines) == 1:
        raise UserError(f"{path} has no row below its header: {_CURE}")
    for place, row in enumerate(lines[1:], start=2):
        if len(row) != len(header):
            raise UserError(
                f"line {place} of {path} has {len(row)} values and not {len(header)}: {_CURE}"
            )
        yield place, row


def _whole(word: str, path: Path, place: int) -> int:
    if not word.isascii() or not word.isdigit():
        raise UserError(f"line {place} of {path} has '{word[:20]}' for a whole number: {_CURE}")
    return int(word)
