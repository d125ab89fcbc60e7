"""A run: the directory that holds all there is of one training.

config.json      the experiment
methods.json     your own files that it needs, with hash and text; data.json: your data's hash
files/           copies of the files that its settings name, and of data that were in memory
metrics.jsonl    one row of training loss or validation a line, append-only
checkpoints/     latest.safetensors and best.safetensors (best by validation)
status.json      how it last went
log.txt          what happened, for people
lock             held by the living process that trains here
stop, note.txt   there when somebody asked it to stop; what you wrote of it

Those that were deleted lie in the folder `.trash` beside the others, from where they come back.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shlex
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from workbench.algorithms.base import Learner
from workbench.errors import UserError
from workbench.files import damage, measured, plain_name, read_json, swept, write_safely, writing
from workbench.standing import TRASH, State, Status, standing
from workbench.tasks import Tasks
from workbench.training.checkpoints import Checkpoint, load_learner, read_checkpoint
from workbench.training.experiment import Experiment, check_present
from workbench.training.kept import check_data, keep, named_files, own_data, with_kept
from workbench.training.record import own_files

Which = Literal["best", "latest"]


@dataclass(frozen=True)
class Run:
    """A run directory."""

    directory: Path

    @staticmethod
    def create(experiment: Experiment, directory: Path | str) -> Run:
        """A new run in a directory that holds none yet."""
        run = Run(Path(directory))
        if (run.directory / "config.json").exists():
            raise UserError(
                f"{directory} already holds a run: pass --resume to continue it, "
                "or choose another directory"
            )
        if run.directory.is_dir() and any(run.directory.iterdir()):
            raise UserError(f"{directory} holds other files: choose an empty run directory")
        if run.directory.exists() and not run.directory.is_dir():
            raise UserError(f"{directory} is a file: choose another run directory")
        try:
            content = _json(experiment.to_record(), indent=2)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"the experiment cannot be written down ({error}): use plain, finite values"
            ) from None
        files, data = named_files(experiment), own_data(experiment)
        checkpoints = run.directory / "checkpoints"
        try:
            with writing(run.directory):
                run.directory.mkdir(parents=True, exist_ok=True)
                checkpoints.mkdir()  # one process alone can: from here the directory is its own
            write_safely(run.directory / "config.json", content)
            if own := own_files(experiment):
                write_safely(run.directory / "methods.json", _json(own, indent=2))
            keep(files, data, run.directory)
        except UserError as error:
            if isinstance(error.__cause__, FileExistsError):
                raise UserError(
                    f"{directory} was just taken by another process: choose another directory"
                ) from None
            for folder in (checkpoints, run.directory):
                with suppress(OSError):
                    folder.rmdir()
            raise
        return run

    @staticmethod
    def open(directory: Path | str) -> Run:
        """An existing run."""
        if not (Path(directory) / "config.json").is_file():
            raise UserError(f"{directory} is no run directory (it has no config.json)")
        return Run(Path(directory))

    @property
    def experiment(self) -> Experiment:
        """What the run trains."""
        path = self.directory / "config.json"
        methods = self._methods()
        digests = {name: record["sha256"] for name, record in methods.items()}
        experiment = Experiment.from_record(read_json(path), str(path), digests)
        now = own_files(experiment) if methods else {}
        for name, digest in digests.items():
            if name in now and now[name]["sha256"] != digest:
                warnings.warn(
                    f"{name} has changed since {self.directory} was begun: "
                    f"its text of then is in {self.directory / 'methods.json'}",
                    stacklevel=2,
                )
        return experiment

    def _methods(self) -> dict[str, dict[str, str]]:
        """The files that the run's experiment was made with, as methods.json keeps them."""
        path = self.directory / "methods.json"
        if not path.exists():
            return {}
        found = read_json(path)
        good = isinstance(found, dict) and all(
            isinstance(record, dict)
            and isinstance(record.get("sha256"), str)
            and isinstance(record.get("text"), str)
            for record in found.values()
        )
        if not good:
            raise UserError(f"{path} is damaged: restore it")
        return found

    @property
    def argument(self) -> str:
        """The directory as one writes it after a command.

        >>> Run(Path("-dash")).argument
        './-dash'
        """
        name = str(self.directory)
        return shlex.quote(f"./{name}" if name.startswith("-") else name)

    def build(self, experiment: Experiment) -> tuple[Learner, Tasks]:
        """What the run's experiment builds from the files that the run keeps."""
        learner, tasks = with_kept(experiment, self.directory / "files").build()
        check_data(tasks, self.directory)
        return learner, tasks

    def checkpoint_path(self, which: Which) -> Path:
        """Where a checkpoint lies."""
        return self.directory / "checkpoints" / f"{which}.safetensors"

    def checkpoint(self, which: Which = "best") -> tuple[Checkpoint, Path]:
        """The best checkpoint by validation, or the latest (also where nothing was validated)."""
        path = self.checkpoint_path(which)
        if which == "best" and not path.exists():
            path = self.checkpoint_path("latest")
        return read_checkpoint(path), path

    def load(self, which: Which = "best") -> tuple[Learner, Tasks]:
        """The trained learner, in evaluation mode, and its tasks.

        What was trained on a GPU comes on the CPU where there is none.
        """
        checkpoint, path = self.checkpoint(which)
        experiment = self.experiment
        try:
            check_present(experiment.device)
        except UserError:
            experiment = dataclasses.replace(experiment, device="cpu")
        learner, tasks = self.build(experiment)
        load_learner(learner, checkpoint, path)
        return learner.eval(), tasks

    # What is written while training

    def append(self, row: dict[str, Any]) -> None:
        """One more row of metrics, wholly or not at all."""
        path = self.directory / "metrics.jsonl"
        with writing(path), path.open("ab") as file:
            before = file.tell()
            try:
                file.write(_json(row) + b"\n")
                file.flush()
            except OSError:
                os.truncate(path, before)
                raise

    def metrics(self) -> list[dict[str, Any]]:
        """All complete rows so far; a damaged line is left out with a warning."""
        path = self.directory / "metrics.jsonl"
        rows, damaged = measured(_content(path))
        if damaged:
            warnings.warn(f"{path} {damage(damaged)}, which is left out", stacklevel=2)
        return rows

    def cut_metrics(self, iteration: int) -> None:
        """Forget the rows past a checkpoint (and a half-written one), for resuming from it.

        A file with damaged lines is kept beside.
        """
        path = self.directory / "metrics.jsonl"
        content = _content(path)
        rows, damaged = measured(content)
        if damaged:
            number = 1
            while (kept := path.with_name(f"metrics-damaged-{number}.jsonl")).exists():
                number += 1
            write_safely(kept, content)
            text = f"{path} {damage(damaged)}: it is kept as {kept.name}, the other rows go on"
            self.log(text)
            warnings.warn(text, stacklevel=2)
        content = b"".join(_json(row) + b"\n" for row in rows if row["iteration"] <= iteration)
        write_safely(path, content)

    def log(self, text: str) -> None:
        """A line for people."""
        path = self.directory / "log.txt"
        with writing(path), path.open("a") as file:
            file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}\n")

    def set_status(self, state: State, reason: str = "", iteration: int = 0) -> None:
        """Write down how the run stands."""
        record = {"state": state, "reason": reason, "iteration": iteration, "process": os.getpid()}
        write_safely(self.directory / "status.json", _json(record))

    # One process at a time

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run; refused while another living process does."""
        path = self.directory / "lock"
        with writing(path), path.open("a+") as file:
            if not _lock(file):
                raise UserError(
                    f"{self.directory} is in use by the living process {self._owner()}: stop it "
                    f"with 'workbench stop {self.argument}', or choose another directory"
                )
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            for folder in (self.directory, self.directory / "checkpoints"):
                swept(folder)
            (self.directory / "stop").unlink(missing_ok=True)
            yield

    def _owner(self) -> int | None:
        """The process that holds the lock, if one does."""
        path = self.directory / "lock"
        if not path.exists():
            return None
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read(20)
                return int(text) if text.isdigit() else 0
        return None

    # What others may ask of it

    def status(self) -> Status:
        """How the run stands now."""
        path = self.directory / "status.json"
        owner, record = self._owner(), {"state": "new"}
        if path.exists():
            try:
                record = read_json(path)
            except UserError:
                record = {}  # damaged
        begun = (self.directory / "lock").exists()  # even if its process came no further
        return standing(record, owner=owner, begun=begun)

    @property
    def note(self) -> str:
        """What was written of it."""
        return _content(self.directory / "note.txt").decode(errors="replace").strip()

    def annotate(self, text: str) -> None:
        """Write a note on it in place of the one before; an empty one takes it away."""
        path = self.directory / "note.txt"
        if text.strip():
            write_safely(path, text.strip().encode() + b"\n")
        else:
            path.unlink(missing_ok=True)

    def rename(self, name: str) -> Run:
        """The run under another name in the same folder."""
        return self._moved(self.directory.with_name(plain_name(name)))

    def delete(self) -> Run:
        """The run in the trash beside it, from where `restore` brings it back."""
        place, number = self.directory.parent / TRASH / self.directory.name, 1
        while place.exists():
            number += 1
            place = place.with_name(f"{self.directory.name}-{number}")
        return self._moved(place)

    def restore(self) -> Run:
        """The run out of the trash, back among the others."""
        if self.directory.parent.name != TRASH:
            raise UserError(f"{self.directory} is not in the trash: there is nothing to restore")
        return self._moved(self.directory.parent.parent / self.directory.name)

    def _moved(self, place: Path) -> Run:
        if self._owner() is not None:
            raise UserError(
                f"{self.directory} is training: stop it first, with 'workbench stop "
                f"{self.argument}'"
            )
        if place.exists():
            raise UserError(f"{place} is there already: choose another name")
        with writing(place):
            place.parent.mkdir(exist_ok=True)
            self.directory.rename(place)
        return Run(place)

    def stop_requested(self) -> bool:
        """Whether somebody asked this run to stop."""
        return (self.directory / "stop").exists()

    def stop(self, wait: float = 60.0) -> Status:
        """Ask the living process to write a checkpoint and end; waits until it has."""
        if self._owner() is None:
            raise UserError(f"nothing trains in {self.directory}: there is nothing to stop")
        (self.directory / "stop").touch()
        until = time.monotonic() + wait
        while self._owner() is not None and time.monotonic() < until:
            time.sleep(0.1)
        return self.status()

    def follow(self, every: float = 0.5) -> Iterator[dict[str, Any]]:
        """The rows of metrics as they come, until the run ends.

        Rows that a resumed run cuts and writes again are given again.
        """
        seen = 0
        while True:
            alive = self._owner() is not None
            rows = self.metrics()
            seen = min(seen, len(rows))
            yield from rows[seen:]
            seen = len(rows)
            if not alive:
                return
            time.sleep(every)


def _lock(file: IO[str]) -> bool:
    """Take the lock; a moment's patience, since `_owner` in another process probes it."""
    for _ in range(20):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


def _json(record: Any, indent: int | None = None) -> bytes:
    return json.dumps(record, indent=indent, allow_nan=False).encode()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check it") from None
