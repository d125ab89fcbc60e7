"""How a run stands, from the plain data of its files.

For those who train, and for those who only look, such as JupyterLab's server, which loads no torch.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from workbench.measures import Record, measured_in

State = Literal[
    "new", "running", "finished", "diverged", "paused", "interrupted", "failed", "killed"
]
TRASH = ".trash"  # beside runs: those that were deleted
RESUMED = ("paused", "interrupted", "killed", "failed", "new")  # from which one can go on
_STATES = typing.get_args(State)
_RECENT = 60.0  # seconds of training from which the rate is taken


@dataclass(frozen=True)
class Status:
    """How a run stands.

    'killed' is a run whose process ended without a word: resume it. 'diverged' is one whose
    numbers were not finite: it would diverge again, so that it is not resumed.
    """

    state: State
    reason: str = ""
    iteration: int = 0
    process: int | None = None


def standing(record: Any, *, owner: int | None, begun: bool) -> Status:
    """How a run stands by its status.json, of which nothing is believed.

    owner  the living process that holds the run
    begun  whether one ever did

    >>> standing({"state": "running", "iteration": 7}, owner=None, begun=True)
    Status(state='killed', reason='its process ended without a word', iteration=7, process=None)
    """
    damaged = not isinstance(record, dict) or record.get("state") not in _STATES
    iteration = 0 if damaged else record.get("iteration", 0)
    if not isinstance(iteration, int):
        iteration = 0
    if owner is not None:
        return Status("running", "", iteration, owner)
    if damaged:
        return Status("killed", "its status.json is damaged", iteration)
    if record["state"] == "running" or (record["state"] == "new" and begun):
        return Status("killed", "its process ended without a word", iteration)
    return Status(record["state"], str(record.get("reason", "")), iteration)


@dataclass(frozen=True)
class Pace:
    """How fast a run goes, in outer steps a second, and the seconds that are left; 0 is unknown."""

    rate: float = 0.0
    left: float | None = None


def pace_of(rows: Sequence[Mapping[str, Any]], steps: int, *, alive: bool) -> Pace:
    """How fast a run goes by its rows, and how long it will take for so many outer steps more.

    >>> rows = [{"iteration": i, "seconds": i / 10} for i in (0, 100, 200)]
    >>> pace_of(rows, 300, alive=True)
    Pace(rate=10.0, left=30.0)
    """
    timed = [row for row in rows if row.get("seconds") is not None]
    if len(timed) < 2:
        return Pace()
    last = timed[-1]
    recent = [row for row in timed if row["seconds"] >= last["seconds"] - _RECENT]
    first = recent[0] if len(recent) > 1 else timed[-2]
    seconds, done = (last[k] - first[k] for k in ("seconds", "iteration"))
    if seconds <= 0 or done <= 0:
        return Pace()
    rate = done / seconds
    return Pace(rate, max(0, steps) / rate if alive else None)


class Validation(TypedDict):
    """A validation."""

    metric: str
    measure: Record
    value: float
    ci95: float | None
    iteration: int


def validation_of(rows: Sequence[Mapping[str, Any]], *, best: bool = False) -> Validation | None:
    """The last validation among a run's rows, or the last that was the best."""
    for row in reversed(rows):
        if row.get("split") == "validation" and (row.get("best") or not best):
            measure = measured_in(row)
            if measure is not None and row.get(measure.name) is not None:
                return {
                    "metric": measure.name,
                    "measure": measure.to_record(),
                    "value": row[measure.name],
                    "ci95": row.get("ci95"),
                    "iteration": row["iteration"],
                }
    return None
