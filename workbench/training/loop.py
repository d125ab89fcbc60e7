"""`train`: runs a `Trainer` to its end in a run directory, or in memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from workbench.algorithms.base import Learner
from workbench.errors import UserError
from workbench.numbers import number
from workbench.tasks import Tasks
from workbench.training.checkpoints import check_header, save_checkpoint
from workbench.training.experiment import Experiment
from workbench.training.following import leading
from workbench.training.group import Group, RankLost
from workbench.training.interrupts import Interrupts, Stopped
from workbench.training.launching import count_of, group_of
from workbench.training.opening import opened
from workbench.training.room import fitting
from workbench.training.runs import Run, State
from workbench.training.threads import kept_threads, threads_for, use_threads
from workbench.training.tracking import Tracker, check_tracker, tracking
from workbench.training.trainer import Best, Diverged, Trainer, versions
from workbench.training.watching import adaptation, diagnostics, or_as_before

_GLANCE_SECONDS = 0.25  # between looks at the clock's limits, the stop file, and the bar
_LINE_SECONDS = 10.0  # between lines where nobody sees a bar


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a training ended, and what it made (the learner as it was at the end)."""

    state: State
    reason: str
    iteration: int
    seconds: float
    best: Best | None
    learner: Learner
    tasks: Tasks
    metrics: list[dict[str, Any]]
    run: Run | None = None


def train(
    experiment: Experiment | None = None,
    run: Run | Path | str | None = None,
    *,
    resume: bool = False,
    minutes: float | None = None,
    progress: bool = True,
    watch: Callable[[Mapping[str, Any]], str] | None = None,
    ranks: int = 1,
    tracker: str | None = None,
) -> Outcome:
    """Train in a run directory (a new one, or with `resume` an existing one), or in memory.

    watch    is given each validation's row; what it says, if anything, pauses the training there
    ranks    processes of this machine that share the tasks of each meta-batch; the result is that
             of one process that computes the same chunks, bit for bit
    tracker  is told of the metrics too: tensorboard or mlflow, perhaps with a colon and a folder

    An interrupt (SIGINT, SIGTERM or the run's stop file) ends it with a checkpoint to resume from.
    It ends as 'diverged' where no validation was of finite numbers, and with an error where the
    meta-loss is none; such a run is not resumed, for it would diverge again.

    >>> from workbench.training import preset
    >>> outcome = train(preset("sinusoid-maml").stretched(3), progress=False)
    >>> outcome.state, outcome.iteration
    ('finished', 3)
    """
    if minutes is not None and not minutes > 0:
        raise UserError(f"minutes is {minutes}: it must be above 0")
    ranks = count_of(ranks)
    check_tracker(tracker, run)
    with ExitStack() as held:
        group = held.enter_context(group_of(ranks))
        experiment, run, built = opened(experiment, run, resume, ranks)
        if run is not None:
            held.enter_context(run.locked())
        held.enter_context(kept_threads())
        interrupts = held.enter_context(Interrupts())
        session = _Session(experiment, run, minutes, progress, interrupts, watch, group)
        try:
            with fitting("an outer step", "lower training.tasks, or training.tasks_per_chunk"):
                if built is None:
                    built = experiment.build() if run is None else run.build(experiment)
                with interrupts.at_once(run):
                    session.prepare(built)
                gradients = session.trainer.meta_gradients
                gradients.compiling = partial(interrupts.at_once, run)
                with tracking(tracker, run, session.trainer.iteration) as session.tracker:
                    return session.train()
        except RankLost as lost:
            raise session.without(lost) from None
        except BaseException as error:
            session.failed(error)
            raise


class _Session:
    """One sitting of a training."""

    def __init__(
        self,
        experiment: Experiment,
        run: Run | None,
        minutes: float | None,
        progress: bool,
        interrupts: Interrupts,
        watch: Callable[[Mapping[str, Any]], str] | None,
        group: Group | None,
    ) -> None:
        self.experiment, self.run, self.group = experiment, run, group
        self.watch, self.said = watch, ""  # who looks on, and why the training is to end
        self.interrupts, self.progress = interrupts, progress
        self.started = time.monotonic()
        self.deadline = None if minutes is None else self.started + 60 * minutes
        self.seconds_before = 0.0
        self.rows: list[dict[str, Any]] = []
        self.latest: dict[str, str] = {}  # the newest measure of each split, in words
        self.trainer: Trainer
        self.tracker: Tracker | None = None
        self.done = 0  # outer steps before the trainer is there

    def prepare(self, built: tuple[Learner, Tasks]) -> None:
        """The trainer at its start, or at the run's latest checkpoint."""
        run = self.run
        if run is not None:
            self.done = run.status().iteration
            run.set_status("running", iteration=self.done)
        if run is None or not run.checkpoint_path("latest").exists():
            threads = threads_for(built[0])
            use_threads(threads if self.group is None else self.group.threads(threads))
            if run is not None:
                run.cut_metrics(0)
            self.trainer = self._trainer(built)
            return
        checkpoint, path = run.checkpoint("latest")
        check_header(checkpoint, path)
        header = checkpoint.header
        threads = use_threads(header["threads"])
        self.trainer = trainer = self._trainer(built, header["path"])
        trainer.restore(checkpoint, str(path))
        run.cut_metrics(trainer.iteration)
        run.log(f"resumed at outer step {trainer.iteration}")
        if threads != header["threads"]:
            run.log(
                f"it computed with {header['threads']} threads and does with {threads} now: the "
                "result may differ in the last bits"
            )
        for name, version in versions().items():
            if header["versions"].get(name) != version:
                run.log(
                    f"{name} is {version} now and was {header['versions'].get(name)}: "
                    "the result may differ in the last bits"
                )
        if trainer.meta_gradients.path != header["path"]:
            run.log(
                f"the path was {header['path']} and is {trainer.meta_gradients.path} now "
                f"({trainer.meta_gradients.note}): the result may differ in the last bits"
            )
        self.seconds_before = header["seconds"]
        self.rows = run.metrics()

    def _trainer(self, built: tuple[Learner, Tasks], path: str | None = None) -> Trainer:
        if self.group is None:
            return Trainer(self.experiment, built=built, path=path)
        assert self.run is not None
        return leading(self.group, self.experiment, built, self.run, path)

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    def train(self) -> Outcome:
        trainer, run = self.trainer, self.run
        if run is not None:
            run.set_status("running", iteration=trainer.iteration)
            run.log(
                f"training {type(trainer.learner).__name__} on {self.experiment.tasks}, "
                f"{trainer.meta_gradients.path}"
            )
        with self._bar() as bar:
            try:
                state = self._go_on(bar)
            except Stopped:  # compiling or validating: all that was done before is kept
                return self._end("interrupted")
        return self._end("finished" if trainer.finished else state)

    def _go_on(self, bar: Any) -> State:
        """Outer steps until the end, or until something says to stop."""
        trainer, settings, run = self.trainer, self.experiment.training, self.run
        began = saved = told = time.monotonic()
        first, said = trainer.iteration, None
        glance = saved + _GLANCE_SECONDS
        if self._validates and not any(
            row["iteration"] == first and row["split"] == "validation" for row in self.rows
        ):
            self._validate(bar)  # in which the last sitting was stopped
        drawn = trainer.iteration
        while not trainer.finished:
            trainer.update()
            i = trainer.iteration
            if i % settings.log_every == 0 or i == settings.iterations:
                self._add(trainer.row())
            if settings.diagnose_every and i % settings.diagnose_every == 0:
                self._add(diagnostics(trainer))
            if self._validates:
                self._validate(bar)
                if self.said:
                    return "paused"
            now = time.monotonic()
            if now < glance and i < settings.iterations:
                continue
            glance = now + _GLANCE_SECONDS
            bar.update(i - drawn)
            drawn = i
            new = self.latest.get("validation") != said
            if self.unwatched and (new or now - told >= _LINE_SECONDS or trainer.finished):
                self._tell(first, now - began)
                told, said = now, self.latest.get("validation")
            if run is not None and now - saved >= settings.checkpoint_seconds:
                self._save()
                saved = time.monotonic()
            if self.interrupts.requested or (run is not None and run.stop_requested()):
                return "interrupted"
            if self.deadline is not None and now >= self.deadline:
                return "paused"
        return "finished"

    @property
    def _validates(self) -> bool:
        """Whether a validation belongs to the outer step that was just made."""
        i, settings = self.trainer.iteration, self.experiment.training
        return (
            i > 0
            and settings.validate_every > 0
            and (i % settings.validate_every == 0 or i == settings.iterations)
        )

    def _end(self, state: State) -> Outcome:
        trainer, run = self.trainer, self.run
        diverged = diverged_in(self.rows)
        if state == "finished" and diverged and trainer.best is None:
            state = "diverged"
        reason = {
            "diverged": "no validation was of finite numbers",
            "finished": "no better validation for too long"
            if trainer.lost_patience
            else "all outer steps done",
            "paused": self.said or "the time given is over",
            "interrupted": "stopped on request",
        }[state]
        if diverged:
            reason += f"; in the last validation {diverged}"
        if run is not None:
            self._save()
            run.set_status(state, reason, trainer.iteration)
            run.log(f"{state} at outer step {trainer.iteration}: {reason}")
        return Outcome(
            state=state,
            reason=reason,
            iteration=trainer.iteration,
            seconds=self.seconds,
            best=trainer.best,
            learner=trainer.learner,
            tasks=trainer.tasks,
            metrics=self.rows,
            run=run,
        )

    def without(self, lost: RankLost) -> RankLost:
        """Keep all outer steps, since rank 0 changes nothing in one before it is computed."""
        run, where = self.run, "before the first outer step of this sitting"
        assert run is not None
        if hasattr(self, "trainer"):
            self._save()
            where = f"in outer step {self.trainer.iteration + 1}"
        said = f"{lost} {where}: go on with workbench train --run {run.argument} --resume"
        self.failed(error := RankLost(said))
        return error

    def failed(self, error: BaseException) -> None:
        """Leave a word about what went wrong."""
        if self.run is None:
            return
        iteration = self.trainer.iteration if hasattr(self, "trainer") else self.done
        interrupted = isinstance(error, KeyboardInterrupt | RankLost)
        reason = " ".join(str(error).split()) or type(error).__name__
        state: State = "interrupted" if interrupted else "failed"
        if isinstance(error, Diverged):
            state = "diverged"
        try:
            self.run.set_status(state, reason, iteration)
            self.run.log(f"{state} at outer step {iteration}: {reason}")
        except (UserError, OSError):
            return  # a full disk has no room for the word either

    def _add(self, row: dict[str, Any]) -> None:
        row["seconds"] = round(self.seconds, 3)
        self.rows.append(row)
        if row["split"] == "train" and row.get("loss") is not None:
            self.latest["train"] = f"loss {number(row['loss'])}"
        elif row["split"] == "validation":
            measure = self.trainer.tasks.measure(self.experiment.test)
            value = row[measure.name]
            said = "diverged" if value is None else measure.said(value)
            self.latest["validation"] = f"{measure.name} {said}"
        if self.run is not None:
            self.run.append(row)
        if self.tracker is not None:
            self.tracker.row(row)

    def _validate(self, bar: Any) -> None:
        with or_as_before(self.trainer), self.interrupts.at_once(self.run):
            row = self.trainer.validate()
            watched = bool(self.experiment.training.diagnose_every)
            rows = [row, *(adaptation(self.trainer) if watched else [])]
        for found in rows:
            self._add(found)
        if "validation" in self.latest:
            bar.set_postfix_str(f"validation {self.latest['validation']}", refresh=False)
        if row["best"] and self.run is not None:
            checkpoint = self.trainer.checkpoint(self.seconds)
            save_checkpoint(self.run.checkpoint_path("best"), checkpoint)
        if self.watch is not None:
            self.said = self.watch(row)

    @property
    def unwatched(self) -> bool:
        """Whether progress is told in lines: it is asked for, and no bar would be seen."""
        return self.progress and not is_watched(sys.stderr)

    def _tell(self, first: int, seconds: float) -> None:
        """A line on how far it is, such as a log keeps; the rate is that since the first step."""
        done, total = self.trainer.iteration, self.experiment.training.iterations
        rate = (done - first) / seconds
        line = f"outer step {done:,} of {total:,}, {rate:.3g}/s, {(total - done) / rate:.0f} s left"
        for split, measure in self.latest.items():
            line += f"; {split} {measure}"
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def _save(self) -> None:
        self.trainer.check_loss()
        run = self.run
        assert run is not None
        save_checkpoint(run.checkpoint_path("latest"), self.trainer.checkpoint(self.seconds))

    def _bar(self) -> Any:
        from tqdm import tqdm

        return tqdm(
            initial=self.trainer.iteration,
            total=self.experiment.training.iterations,
            disable=not (self.progress and is_watched(sys.stderr)),
            file=sys.stderr,
            unit=" outer steps",
            desc=self.experiment.tasks,
        )


def diverged_in(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the last validation of a run's rows says of divergence; empty where none did.

    >>> diverged_in([{"split": "validation", "mse": None, "diverged": "all did"}])
    'all did'
    """
    last: Mapping[str, Any] = next(
        (r for r in reversed(rows) if r.get("split") == "validation"), {}
    )
    return str(last.get("diverged", ""))


def is_watched(stream: Any) -> bool:
    """Whether somebody sees a bar move there: a terminal or a notebook, not a file or a pipe."""
    return bool(stream.isatty()) or type(stream).__module__.startswith("ipykernel")
