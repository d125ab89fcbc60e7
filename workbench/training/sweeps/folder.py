"""A sweep's folder: `sweep.json` names its units; each unit's folder is an ordinary run."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import UserError
from workbench.files import holding, measured, read_record, understood, write_safely, writing
from workbench.standing import RESUMED
from workbench.training.runs import Run
from workbench.training.shipped import run_of
from workbench.training.sweeps.described import Unit

if TYPE_CHECKING:
    import pandas as pd

_RECORD = "sweep.json"
_TAIL = 10_000  # bytes at the end of a run's metrics, in which its last row is


@dataclass(frozen=True)
class Sweep:
    """The folder of many trainings.

    >>> Sweep(Path("runs/mine")).run("maml,seed=0").directory
    PosixPath('runs/mine/maml,seed=0')
    """

    directory: Path

    @staticmethod
    def open(directory: Path | str) -> Sweep:
        """An existing sweep."""
        if not is_sweep(directory):
            raise UserError(f"{directory} is no sweep (it has no {_RECORD})")
        return Sweep(Path(directory))

    @staticmethod
    def made(units: Sequence[Unit], directory: Path) -> Sweep:
        """A sweep of these units in a folder, or the one that is there, which may get new ones."""
        sweep = Sweep(directory)
        for unit in units:
            run = sweep.run(unit.name)
            begun = (run.directory / "config.json").exists()
            if begun and run.experiment.to_record() != unit.experiment.to_record():
                raise UserError(
                    f"the unit '{unit.name}' of {directory} was begun with other settings than it "
                    "has now: choose another folder"
                )
        units_record = {u.name: {"group": u.group, "settings": dict(u.settings)} for u in units}
        content = json.dumps({"units": units_record}, indent=2)
        write_safely(directory / _RECORD, content.encode())
        for unit in units:
            if not (sweep.run(unit.name).directory / "config.json").exists():
                Run.create(unit.experiment, sweep.run(unit.name).directory)
        return sweep

    @functools.cached_property
    def units(self) -> dict[str, dict[str, Any]]:
        """By each unit's name its group and its settings."""
        path = self.directory / _RECORD
        with understood(path, "sweep"):
            found = {
                str(name): {"group": str(of["group"]), "settings": dict(of["settings"])}
                for name, of in read_record(path, kind="sweep")["units"].items()
            }
        return found

    def run(self, name: str) -> Run:
        """The run of a unit."""
        return Run(self.directory / name)

    def check_whole(self) -> None:
        """Refuses to go on with a sweep of which a unit has no run, since its making was ended."""
        for name in self.units:
            if not (self.run(name).directory / "config.json").exists():
                raise UserError(
                    f"the unit '{name}' of {self.directory} has no run: begin it again from its "
                    "file, or its experiments"
                )

    def reached(self, name: str) -> int:
        """How far a unit is by its last row, in outer steps."""
        path = self.run(name).directory / "metrics.jsonl"
        if not path.exists():
            return 0
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            rows, _ = measured(file.read())
        return int(rows[-1]["iteration"]) if rows else 0

    def left(self) -> list[str]:
        """The units that are to be trained, or gone on with."""
        return [name for name in self.units if self.run(name).status().state in RESUMED]

    def states(self) -> pd.DataFrame:
        """How every unit stands: a row a unit.

        unit, group  its name, and that of those equal but for their seed
        state        new, running, finished, diverged, paused, interrupted, failed or killed
        reason       why it ended
        iteration    how far it was trained, in outer steps
        """
        import pandas as pd

        rows = []
        for name, of in self.units.items():
            status = self.run(name).status()
            rows.append((name, of["group"], status.state, status.reason, status.iteration))
        return pd.DataFrame(rows, columns=["unit", "group", "state", "reason", "iteration"])

    def log(self, text: str) -> None:
        """A line for people."""
        path = self.directory / "log.txt"
        with writing(path), path.open("a") as file:
            file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}\n")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the whole: one process alone gives out its units."""
        if not is_sweep(self.directory) and self.directory.exists() and not self._empty():
            raise UserError(f"{self.directory} holds something else than a sweep: choose another")
        with writing(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        with holding(self.directory / "lock", wait=False) as free:
            if not free:
                raise UserError(
                    f"{self.directory} is being worked on by another process: wait for it, or stop "
                    "it first"
                )
            self.stop_file.unlink(missing_ok=True)
            yield

    def _empty(self) -> bool:
        """Whether nothing but a lock is in the folder."""
        return self.directory.is_dir() and {p.name for p in self.directory.iterdir()} <= {"lock"}

    @property
    def stop_file(self) -> Path:
        """What, where it is there, makes all units write checkpoints and end."""
        return self.directory / "stop"

    def stop(self) -> None:
        """Ask for the end of all that is at work; it can be gone on with."""
        with writing(self.stop_file):
            self.stop_file.touch()


def is_sweep(directory: Path | str) -> bool:
    """Whether a folder is that of a sweep.

    >>> is_sweep("no/such")
    False
    """
    return (Path(directory) / _RECORD).is_file()


def runs_of(name: Run | Path | str) -> list[Run]:
    """The trained units of a sweep in that folder; else the one run that `run_of` finds.

    >>> [str(run.directory.name) for run in runs_of("sinusoid-maml")]
    ['sinusoid-maml']
    """
    if isinstance(name, Run) or not is_sweep(name):
        return [run_of(name)]
    found = Sweep.open(name)
    runs = [found.run(unit) for unit in found.units]
    trained = [run for run in runs if run.checkpoint_path("latest").exists()]
    if not trained:
        raise UserError(f"no unit of {name} is trained yet: go on with `workbench sweep {name}`")
    return trained
