"""Rows of a table as inputs: each value beside a flag that says whether it is there.

An input is flat, `[value, ..., flag, ...]`. A number is brought near 0 and 1 by its column's centre
and scale; a choice has a value for each of its choices, of which one is 1. Where a value is missing
its flag is up and it is 0 itself: 'average' and 'not known' differ, and rows without gaps are read
as if there were no flags. A flag that is up is a quarter and not 1: many of them would drown the
values, where a network begins at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.tasks.base import Shape, Split
from workbench.tasks.episode import Episode
from workbench.tasks.sampler import FewShot

TABLE = "table"  # what `info["inputs"]` of an episode of rows is
FLAG = 0.25  # what a flag is where a value is missing; elsewhere it is 0
GAP = "—"  # what is shown where a value is missing


@dataclass(frozen=True)
class Column:
    """A column of a table.

    name, unit     what it is called, and what its numbers are in
    centre, scale  of its numbers: (number - centre) / scale is what a learner reads
    choices        what its values are called, where they are choices: 0 is the first
    group          what is measured together with it, and lacks together
    """

    name: str
    unit: str = ""
    centre: float = 0.0
    scale: float = 1.0
    choices: tuple[str, ...] = ()
    group: str = ""

    @property
    def width(self) -> int:
        """How many values it has in an input: two choices are one number, 0 or 1.

        >>> Column("sex", choices=("female", "male")).width, Column("x", choices=tuple("abc")).width
        (1, 3)
        """
        return len(self.choices) if len(self.choices) > 2 else 1

    @property
    def head(self) -> str:
        """What stands above it.

        >>> Column("age", "years").head
        'age (years)'
        """
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def cell(self, values: Sequence[float]) -> str:
        """Its values in an input, as people read them.

        >>> Column("age", "years", centre=50, scale=10).cell([0.3])
        '53'
        """
        if len(self.choices) > 2:
            place = max(range(len(values)), key=lambda k: values[k])
        elif self.choices:
            place = int(values[0] >= 0.5)
        else:
            return f"{self.centre + self.scale * values[0]:.4g}"
        return self.choices[place]


def widths(columns: Sequence[Column]) -> list[int]:
    """How many values each column has in an input."""
    return [column.width for column in columns]


def encoded(table: NDArray[np.float64], columns: Sequence[Column]) -> Tensor:
    """Inputs `[row, size]` of a table `[row, column]` of numbers, NaN where one is missing.

    >>> columns = Column("age", "years", 50, 10), Column("pain", choices=("none", "some", "bad"))
    >>> encoded(np.array([[60.0, 2.0], [np.nan, 0.0]]), columns).tolist()
    [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.25, 0.0]]
    """
    flags = FLAG * np.isnan(table)
    values = []
    for place, column in enumerate(columns):
        own = np.nan_to_num((table[:, place] - column.centre) / column.scale)[:, None]
        if column.width > 1:
            own = (table[:, place, None] == np.arange(column.width)).astype(float)
        values.append(own)
    return torch.from_numpy(np.concatenate([*values, flags], axis=1).astype("float32"))


def cells(row: Any, columns: Sequence[Column]) -> list[str]:
    """What stands in each column of an input, as people read it.

    >>> columns = Column("age", "years", 50, 10), Column("sex", choices=("female", "male"))
    >>> cells([0.3, 0.0, 0.0, FLAG], columns)
    ['53', '—']
    """
    numbers = [float(number) for number in row]
    flags, found, start = numbers[sum(widths(columns)) :], [], 0
    for column, flag in zip(columns, flags, strict=True):
        own = numbers[start : start + column.width]
        start += column.width
        found.append(GAP if flag > 0 else column.cell(own))
    return found


def records(columns: Iterable[Column]) -> list[dict[str, Any]]:
    """Columns as plain data, such as an episode's `info["columns"]` holds."""
    return [asdict(column) for column in columns]


def columns_of(said: Iterable[dict[str, Any]]) -> tuple[Column, ...]:
    """The columns of such plain data.

    >>> columns_of(records([Column("age", "years")]))[0].head
    'age (years)'
    """
    return tuple(Column(**{**one, "choices": tuple(one["choices"])}) for one in said)


class Rows(FewShot):
    """Few-shot tasks of a table's rows; `info["inputs"]` says so, and `info["columns"]` of what.

    `notice` is a sentence that every picture and result of them says; empty where there is none.
    """

    def __init__(self, *args: Any, columns: Sequence[Column], notice: str = "", **how: Any) -> None:
        super().__init__(*args, **how)
        self.columns, self.notice = tuple(columns), notice
        self._said = {"inputs": TABLE, "columns": records(columns)}
        if notice:
            self._said["notice"] = notice

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        episode = super().sample(n, seed=seed, split=split, shape=shape)
        return replace(episode, info={**episode.info, **self._said})
