"""`sweep`: begins a sweep or goes on with one, over processes of this machine or of a cluster."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.errors import UserError
from workbench.standing import validation_of
from workbench.training.crews import Crew, crew_of
from workbench.training.experiment import Experiment
from workbench.training.loop import is_watched
from workbench.training.sweeps.described import Unit, read, units_of
from workbench.training.sweeps.folder import Sweep, is_sweep
from workbench.training.sweeps.unit import Ended, Order, trained
from workbench.training.tracking import check_tracker
from workbench.training.trainer import versions

_TRIES = 4  # so often is a unit begun or gone on with whose process was killed
_LOOK_SECONDS = 1.0  # between looks at how far units are
_STOP_SECONDS = 60.0  # that units may take to write their checkpoints
_LINE_SECONDS = 10.0  # between lines where nobody sees a bar


def sweep(
    experiments: Experiment
    | Sequence[Experiment]
    | Mapping[str, Experiment]
    | Sequence[Unit]
    | Path
    | str
    | None = None,
    directory: Path | str | None = None,
    *,
    seeds: Iterable[int] | None = None,
    workers: int = 1,
    dask: str | None = None,
    tracker: str | None = None,
    progress: bool = True,
) -> Sweep:
    """Train many, each in a run of its own; what is trained already is left as it is.

    experiments  one, several, several by name, or a file that describes them (see `read`); none to
                 go on with the sweep in the directory
    directory    the sweep's folder; one under runs/ if none, that of a file called after it
    seeds        of each experiment; its own if none. A file says its own
    workers      trainings side by side
    dask         the address of a dask scheduler whose workers train instead, in this very folder
    tracker      who is told of the metrics of each, as `train` takes it

    An interrupt, or the end of this process, ends all of them with checkpoints to go on from. A
    unit that fails does not end the others: `Sweep.states` says how each one stands.
    """
    if workers < 1:
        raise UserError(f"workers is {workers}: it must be at least 1")
    check_tracker(tracker, directory or experiments)
    units, place = _wanted(experiments, directory, seeds)
    found = Sweep(place)
    with crew_of(workers, dask, threads=True) as crew, found.held():
        if units:
            found = Sweep.made(units, place)
        found.check_whole()
        _Sitting(found, crew, workers if dask is None else 0, tracker, progress).run()
    return found


def _wanted(
    experiments: Any, directory: Path | str | None, seeds: Iterable[int] | None
) -> tuple[list[Unit], Path]:
    """The units, none where those of the folder are meant, and the folder."""
    if isinstance(experiments, Path | str):
        if seeds is not None:
            raise UserError(f"{experiments} says itself which seeds there are: write them there")
        if is_sweep(experiments):
            return [], Path(experiments)
        default = Path("runs") / Path(experiments).stem
        return read(experiments), default if directory is None else Path(directory)
    if experiments is None:
        if directory is None or not is_sweep(directory):
            raise UserError("there is nothing to sweep: give experiments, or a sweep's folder")
        return [], Path(directory)
    if directory is None:
        directory = Path("runs") / f"sweep-{datetime.now():%Y%m%d-%H%M%S}"
    return units_of(experiments, seeds), Path(directory)


class _Sitting:
    """The units of a sweep as they are given out, in this sitting of it."""

    def __init__(
        self, sweep: Sweep, crew: Crew, workers: int, tracker: str | None, progress: bool
    ) -> None:
        self.sweep, self.crew = sweep, crew
        threads = max(1, (os.cpu_count() or 1) // workers) if workers else 0
        place = Path.cwd()
        self.order = Order(sweep.directory.resolve(), place, versions(), threads, tracker)
        self.left = sweep.left()
        self.given: Counter[str] = Counter()
        self.avoid: dict[str, set[str]] = {name: set() for name in self.left}
        self.ended: dict[str, Ended] = {}
        self.shown = _Shown(sweep, self.left, progress)

    def run(self) -> None:
        """Give them all out, and wait for them."""
        for name in self.left:
            self._give(name)
        try:
            self._wait()
        except BaseException:
            self._stop()
            raise
        finally:
            self.shown.close()
        if any(one.state == "interrupted" for one in self.ended.values()):
            raise KeyboardInterrupt(f"{self.sweep.directory} was interrupted")

    def _stop(self) -> None:
        """Let all that are at work write checkpoints and end; wait until they have."""
        self.crew.forget()
        self.sweep.stop()
        until = time.monotonic() + _STOP_SECONDS
        at_work = [name for name in self.left if name not in self.ended]
        while time.monotonic() < until and any(
            self.sweep.run(name).status().state == "running" for name in at_work
        ):
            time.sleep(_LOOK_SECONDS / 4)

    def _wait(self) -> None:
        for name, found in self.crew.done(self.shown.look):
            ended = self.ended.pop(name) if found is None else found  # None: nobody else is there
            if ended.elsewhere:
                self.avoid[name].add(ended.worker)
            lost = found is not None and (ended.elsewhere or ended.state == "killed")
            if lost and self.given[name] < _TRIES:
                self.sweep.log(f"{name} is given again: {ended.reason}")
                self.ended[name] = ended
                self._give(name)
                continue
            self.ended[name] = ended
            if ended.state in ("failed", "killed"):  # which its own files may not say
                self.sweep.run(name).log(ended.reason)
            self.shown.tell(name, ended)

    def _give(self, name: str) -> None:
        self.given[name] += 1
        self.crew.give(name, trained, self.order, name, avoid=self.avoid[name])


class _Shown:
    """How far all of them are: a bar where somebody sees it move, lines where nobody does."""

    def __init__(self, sweep: Sweep, left: Sequence[str], progress: bool) -> None:
        from tqdm import tqdm

        self.sweep, self.progress = sweep, progress
        self.watched = progress and is_watched(sys.stderr)
        self.steps = {name: sweep.run(name).experiment.training.iterations for name in sweep.units}
        self.open = list(left)
        self.reached = {
            name: sweep.reached(name) if name in left else steps
            for name, steps in self.steps.items()
        }
        self.began, self.first = time.monotonic(), sum(self.reached.values())
        self.looked = self.told = self.began
        self.bar = tqdm(
            initial=self.first,
            total=sum(self.steps.values()),
            disable=not self.watched,
            file=sys.stderr,
            unit=" outer steps",
            desc=str(sweep.directory),
        )
        self.bar.set_postfix_str(self.count)

    @property
    def count(self) -> str:
        return f"{len(self.steps) - len(self.open):,} of {len(self.steps):,} units"

    def look(self) -> None:
        """Look how far they are, if that is due."""
        now = time.monotonic()
        if now - self.looked < _LOOK_SECONDS:
            return
        self.looked = now
        for name in self.open:
            self.reached[name] = self.sweep.reached(name)
        done, total = sum(self.reached.values()), sum(self.steps.values())
        self.bar.set_postfix_str(self.count, refresh=False)
        self.bar.update(done - self.bar.n)
        if self.progress and not self.watched and now - self.told >= _LINE_SECONDS:
            self.told = now
            rate = (done - self.first) / (now - self.began)
            left = f", {(total - done) / rate:.0f} s left" if rate > 0 else ""
            self._line(f"{self.count}, outer step {done:,} of {total:,}{left}")

    def tell(self, name: str, ended: Ended) -> None:
        """One of them has ended."""
        self.open.remove(name)
        self.reached[name] = self.steps[name]
        line = f"{name} {ended.state}"
        if ended.state == "finished":
            best = validation_of(self.sweep.run(name).metrics(), best=True)
            line += f": best validation {best['metric']} {best['value']:.4g}" if best else ""
        else:
            line += f": {ended.reason}"
        self.sweep.log(line)
        if self.progress:
            self._line(f"{line} ({self.count})")

    def _line(self, text: str) -> None:
        self.bar.write(text, file=sys.stderr) if self.watched else sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the bar where it is."""
        self.bar.close()
