"""A run as its files tell it, read again and again while it trains: only what was added is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import UserError
from workbench.files import measured
from workbench.inspection import diagnostics_frame, metrics_frame, progress_frame
from workbench.session.messages import RunSummary, SettingApart
from workbench.standing import Pace, Validation, pace_of, validation_of
from workbench.training import Experiment, Run, Status
from workbench.training.loop import diverged_in
from workbench.training.record import flattened
from workbench.wire import WireFrame, to_wire

_TAIL = 4_000  # bytes of the log's end, in which a process that died left its last words


class Followed:
    """One run directory.

    status      how it stands
    experiment  what it trains; None where config.json cannot be read, and `broken` says why
    rows        what has been measured so far
    """

    def __init__(self, run: Run, experiment: Experiment | None = None) -> None:
        """A run by its files; one that has none yet by its experiment."""
        self.run = run
        self.experiment = experiment
        self.broken = ""
        try:
            self.experiment = experiment or run.experiment
        except UserError as error:
            self.broken = str(error)
        self.status = Status("new")
        self.stopping = False
        self.rows: list[dict[str, Any]] = []
        self.wire: WireFrame | None = None  # the curves, once there are any
        self.inside: WireFrame | None = None  # diagnostics
        self.adaptations: WireFrame | None = None
        self._file, self._read = 0, 0

    @property
    def alive(self) -> bool:
        """Whether a process trains it."""
        return self.status.state == "running"

    def look(self) -> bool:
        """Read what is new; whether anything is."""
        before = (self.status, self.stopping)
        self.status = self.run.status()
        self.stopping = self.alive and self.run.stop_requested()
        added = self._read_rows()
        if added:
            try:
                self.wire = to_wire(metrics_frame(self.rows))
            except UserError:  # nothing measured yet, or all of it was cut by a resume
                self.wire = None
            inside, adaptations = diagnostics_frame(self.rows), progress_frame(self.rows)
            self.inside = None if inside.empty else to_wire(inside)
            self.adaptations = None if adaptations.empty else to_wire(adaptations)
        return added or before != (self.status, self.stopping)

    def _read_rows(self) -> bool:
        path = self.run.directory / "metrics.jsonl"
        try:
            with path.open("rb") as file:
                found = path.stat()
                again = found.st_ino != self._file or found.st_size < self._read
                if again:  # a resumed run has cut the file and begun another
                    self._file, self._read, self.rows = found.st_ino, 0, []
                file.seek(self._read)
                content = file.read()
        except FileNotFoundError:
            return False
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        self.rows += measured(whole)[0]
        return again or bool(whole)

    @property
    def iteration(self) -> int:
        """How far it is."""
        last = self.rows[-1]["iteration"] if self.rows else 0
        return max(last, 0 if self.alive else self.status.iteration)

    @property
    def pace(self) -> Pace:
        """How fast it goes and how long it will take."""
        if self.experiment is None:
            return Pace()
        steps = self.experiment.training.iterations - self.iteration
        return pace_of(self.rows, steps, alive=self.alive)

    def validation(self, *, best: bool = False) -> Validation | None:
        """The last validation, or the last that was the best: metric, value, ci95, iteration."""
        return validation_of(self.rows, best=best)

    @property
    def kind(self) -> str:
        """All of its experiment but the seed: runs of which it is equal are seeds of one."""
        if self.experiment is None:
            return self.run.directory.name
        return json.dumps({**self.experiment.to_record(), "seed": None}, sort_keys=True)

    @property
    def reason(self) -> str:
        """Why it ended; of one that died without a word the last line of its log."""
        if self.broken:
            return self.broken
        if self.alive and not self.rows:
            return "building, perhaps compiling: nothing was measured yet"
        if self.status.state in ("new", "killed"):
            line = last_line(self.run.directory / "log.txt")
            return f"{self.status.reason}: {line}" if self.status.reason and line else line
        return self.status.reason

    def summary(self) -> RunSummary:
        """What the panel says of it, as plain data."""
        one, pace = self.experiment, self.pace
        return {
            "method": type(one.learner).__name__.removesuffix("Settings") if one else "",
            "tasks": one.tasks if one else "",
            "seed": one.seed if one else 0,
            "iterations": one.training.iterations if one else 0,
            "state": "broken" if self.broken else self.status.state,
            "stopping": self.stopping,
            "reason": self.reason,
            "note": self.run.note,
            "iteration": self.iteration,
            "rate": pace.rate,
            "left": pace.left,
            "last": self.validation(),
            "diverged": diverged_in(self.rows),
            "best": self.validation(best=True),
            "opens": any(self.run.checkpoint_path(which).exists() for which in ("best", "latest")),
        }


def found_in(folder: Path, known: Mapping[str, Followed] | None = None) -> dict[str, Followed]:
    """The runs in a folder by name, the oldest first, as their files tell them now.

    known  those that were found before, of which only what is new is read

    >>> found_in(Path("no-runs-yet"))
    {}
    """
    found = {}
    for path in sorted(folder.glob("*/config.json"), key=lambda p: p.stat().st_mtime):
        name = path.parent.name
        found[name] = (known or {}).get(name) or Followed(Run(path.parent))
        found[name].look()
    return found


def apart(first: Experiment, second: Experiment) -> list[SettingApart]:
    """The settings in which two experiments differ, as flags name them; — where one has it not.

    >>> from workbench.training import preset
    >>> one, other = preset("sinusoid-maml"), preset("sinusoid-fomaml")
    >>> apart(one, other)
    [{'name': 'learner.order', 'first': 'second', 'second': 'first'}]
    """
    one, other = (dict(flattened(experiment.to_record())) for experiment in (first, second))
    return [
        {"name": name, "first": one.get(name, "—"), "second": other.get(name, "—")}
        for name in dict.fromkeys([*one, *other])
        if one.get(name, "—") != other.get(name, "—")
    ]


def last_line(path: Path) -> str:
    """The last line of a log that says something; nothing where there is no log.

    >>> last_line(Path("no/such.txt"))
    ''
    """
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
