"""Measures: what a number is called, which way is better, its unit, and what guessing reaches.

Whoever makes a frame of results notes the measures in it; tables, axes and panels read them there.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from workbench.numbers import with_interval

if TYPE_CHECKING:
    from pandas import DataFrame

Better = Literal["lower", "higher"]
_NOTED, _ENDED, _WARNED = "measures", "diverged", "notice"  # where in a frame's `attrs`


@dataclass(frozen=True)
class Measure:
    """A number that says how well something goes, apart from how it is computed.

    >>> Measure("hits", "higher", "%").axis
    'hits (%)'
    """

    name: str
    better: Better | None = None  # which way; None where nobody said it
    unit: str = ""  # written behind it; a fraction of unit % is shown times 100
    chance: float | None = None  # what guessing reaches, where that is known
    label: str = ""  # what axes call it; its name where nothing is said
    loss: bool = False  # whether it is the mean loss itself under another name

    @property
    def factor(self) -> float:
        """What to multiply it by where it is shown."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return -1 if self.better == "lower" else 1

    @property
    def words(self) -> str:
        """Its label; the loss is called that, and then what it is.

        >>> Measure("absolute_error").words, Measure("loss", label="cross-entropy").words
        ('absolute error', 'loss: cross-entropy')
        """
        if self.name == LOSS.name and self.label:
            return f"{self.name}: {self.label}"
        return self.label or self.name.replace("_", " ")

    def of(self, part: str) -> str:
        """What a line is called that shows it on a part of the tasks, whose axis names it.

        >>> LOSS.of("query"), ACCURACY.of("query")
        ('query loss', 'query')
        """
        return f"{part} loss" if self.name == LOSS.name else part

    @property
    def axis(self) -> str:
        """What to write on its axis.

        >>> ACCURACY.axis
        'accuracy (%)'
        """
        return f"{self.words} ({self.unit})" if self.unit else self.words

    def said(self, value: float, half: float = math.nan) -> str:
        """A value of it in words, with the half width of its interval where that is known.

        >>> ACCURACY.said(0.93833, 0.00712), MSE.said(0.3, 0.0357)
        ('93.8 ± 0.7%', '0.300 ± 0.036')
        """
        text = with_interval(self.factor * value, self.factor * half)
        return f"{text}{'' if self.unit in ('', '%') else ' '}{self.unit}"

    def to_record(self) -> Record:
        """Plain data for JSON."""
        return dataclasses.asdict(self)


Record = Annotated[dict[str, Any], Measure]  # a measure as plain data


def half_width(deviation: float, n: int) -> float:
    """Half the width of the 95% interval of a mean of n > 1 numbers, by Student's t.

    >>> round(half_width(1.0, 600) * 600**0.5, 3)
    1.964
    """
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n)


ACCURACY = Measure("accuracy", "higher", "%")
MSE = Measure("mse", "lower", label="mean squared error", loss=True)
REWARD = Measure("reward", "higher", label="total reward")
LOSS = Measure("loss", "lower")
# By these, frames and runs are read that do not say what their numbers are.
_STANDARD = {measure.name: measure for measure in (ACCURACY, MSE, REWARD, LOSS)}


def named(name: str) -> Measure:
    """The measure of a name, of which nothing else is known unless it is a standard one."""
    return _STANDARD.get(name, Measure(name))


def is_measure(record: Any) -> bool:
    """Whether plain data is what `to_record` gives.

    >>> is_measure(MSE.to_record()), is_measure({"name": "mse", "better": "up"})
    (True, False)
    """
    if not isinstance(record, dict) or record.keys() != MSE.to_record().keys():
        return False
    chance = record["chance"]
    number = isinstance(chance, int | float) and math.isfinite(chance)
    return (
        all(isinstance(record[name], str) for name in ("name", "unit", "label"))
        and record["better"] in (None, *get_args(Better))
        and isinstance(record["loss"], bool)
        and (chance is None or number)
    )


def noted(frame: DataFrame, measures: Iterable[Measure]) -> DataFrame:
    """The frame, which now says what its columns or its metrics of these names are."""
    frame.attrs[_NOTED] = {measure.name: measure.to_record() for measure in measures}
    return frame


def records(frame: DataFrame) -> Mapping[str, Record]:
    """What was noted in a frame, as plain data; of a frame that says nothing the standard ones."""
    found = frame.attrs.get(_NOTED)
    if isinstance(found, Mapping):
        return found
    return {n: measure.to_record() for n, measure in _STANDARD.items() if n in frame.columns}


def measure_in(frame: DataFrame, name: str) -> Measure:
    """What a frame says of one of its measures."""
    record = records(frame).get(name)
    return named(name) if record is None else Measure(**record)


def marked(frame: DataFrame, sentences: Mapping[str, str]) -> DataFrame:
    """The frame, which now says what of it diverged: a sentence by method, by '' of a single one.

    >>> import pandas as pd
    >>> diverged_in(marked(pd.DataFrame(), {"MAML": "task 0 diverged", "Reptile": ""}))
    {'MAML': 'task 0 diverged'}
    """
    found = {name: sentence for name, sentence in sentences.items() if sentence}
    frame.attrs.pop(_ENDED, None)
    if found:
        frame.attrs[_ENDED] = found
    return frame


def diverged_in(frame: DataFrame) -> dict[str, str]:
    """What of a frame diverged, as `marked` says it; nothing where all is finite."""
    found = frame.attrs.get(_ENDED)
    return dict(found) if isinstance(found, Mapping) else {}


def warned(frame: DataFrame, notice: str) -> DataFrame:
    """The frame, which now says a sentence that every picture of it says too.

    >>> import pandas as pd
    >>> notice_in(warned(pd.DataFrame(), "for research only"))
    'for research only'
    """
    if notice:
        frame.attrs[_WARNED] = notice
    return frame


def notice_in(frame: DataFrame) -> str:
    """The sentence that every picture of a frame says; empty where there is none."""
    return str(frame.attrs.get(_WARNED, ""))


def measured_in(row: Mapping[str, Any]) -> Measure | None:
    """The metric of one row of a run; None where it has none.

    >>> measured_in({"iteration": 5, "split": "validation", "mse": 0.5}).better
    'lower'
    """
    if "measure" in row:
        return Measure(**row["measure"])
    train = row.get("split") == "train"
    known = (m for m in _STANDARD.values() if m.name in row and (m is LOSS) == train)
    return next(known, None)
