"""One worker of a study: takes a trial, trains its run, tells Optuna, and takes the next."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from workbench.errors import UserError
from workbench.files import holding
from workbench.numbers import number
from workbench.training.loop import train
from workbench.training.runs import Run
from workbench.training.tuning.library import optuna
from workbench.training.tuning.space import Choice
from workbench.training.tuning.study import Study
from workbench.training.tuning.warm import follow


class _TimeOver(Exception):
    """The study is to be gone on with later."""


def work(study: Study, *, minutes: float | None = None, progress: bool = False) -> bool:
    """Work on trials until there are none left, or the time is over; whether none are left.

    A trial that nobody works on any more, since its process was killed, is gone on with first.
    """
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    asked = study.asked()
    while True:
        with ExitStack() as held:
            with holding(study.directory / "lock"):
                taken = _taken(study, asked, held)
            if taken is None:
                return True
            trial, values = taken
            try:
                _tell(study, asked, trial, _judged(study, trial, values, deadline))
            except _TimeOver:
                return False
            line = _line(study, trial.number + 1)
            study.log(line)
            if progress:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()


def _taken(study: Study, asked: Any, held: ExitStack) -> tuple[Any, dict[str, Choice]] | None:
    """A trial of this process alone, and its settings; None where there is none left."""
    trials = asked.get_trials(deepcopy=False)
    states = optuna().trial.TrialState
    trial = None
    for known in trials:
        if known.state == states.RUNNING and held.enter_context(study.claim(known.number + 1)):
            asked.sampler = study.sampler(known.number)
            trial = optuna().trial.Trial(asked, known._trial_id)
            break
    if trial is None:
        if sum(t.state != states.WAITING for t in trials) >= study.settings.trials:
            return None
        follow(study, asked)
        trials = asked.get_trials(deepcopy=False)
        waiting = [t.number for t in trials if t.state == states.WAITING]
        asked.sampler = study.sampler(min(waiting, default=len(trials)))
        trial = asked.ask()
        held.enter_context(study.claim(trial.number + 1))
    return trial, {name: of.suggest(trial, name) for name, of in study.space.items()}


class _Judge:
    """Hands a run's validations to Optuna, and says when it is to be pruned."""

    def __init__(self, study: Study, trial: Any) -> None:
        self.study, self.trial = study, trial
        frozen = trial.storage.get_trial(trial._trial_id)
        self.known = set(frozen.intermediate_values)  # before its process was killed
        self.seen = 0
        self.values: list[float] = []
        self.pruned = False

    def __call__(self, row: Mapping[str, Any]) -> str:
        value = row[self.study.measure.name]
        self.seen += 1
        if value is None:  # it diverged on some task
            return ""
        self.values.append(value)
        if self.seen not in self.known:
            self.trial.report(value, self.seen)
        self.pruned = bool(self.trial.should_prune())
        return f"pruned at validation {self.seen}" if self.pruned else ""

    @property
    def best(self) -> float | None:
        sign = self.study.measure.sign
        return max(self.values, key=lambda value: sign * value, default=None)


def _judged(
    study: Study, trial: Any, values: Mapping[str, Choice], deadline: float | None
) -> tuple[str, float | None]:
    """How the trial's training ended, and its best validation."""
    place = study.trial(trial.number + 1)
    judge = _Judge(study, trial)
    run, said = None, ""
    if (place / "config.json").exists():
        run = Run.open(place)
        for row in _kept(run):
            if said := judge(row):
                break
    elif place.exists():  # its process was killed before there was a run
        shutil.rmtree(place)
    state = "new" if run is None else run.status().state
    left = None if deadline is None else (deadline - time.monotonic()) / 60
    try:
        if not said and state not in ("finished", "diverged"):
            if left is not None and left <= 0:
                raise _TimeOver
            given = {"run": run, "resume": True} if run is not None else {"run": place}
            experiment = None if run is not None else study.with_settings(values)
            outcome = train(experiment, minutes=left, progress=False, watch=judge, **given)
            state = outcome.state
    except UserError as error:
        run = Run(place) if (place / "config.json").exists() else None
        state = "failed" if run is None else run.status().state
        study.log(f"trial {trial.number + 1} {state}: {error}")
        if state != "diverged":
            return "failed", None
    if state == "interrupted":
        raise KeyboardInterrupt(f"{study.directory} was interrupted")
    if state == "paused" and not judge.pruned:
        raise _TimeOver
    pruned = state != "finished" and judge.pruned
    return ("pruned" if pruned else state), judge.best


def _kept(run: Run) -> list[dict[str, Any]]:
    """The validations that a resumed run will not make again."""
    reached = 0
    if run.checkpoint_path("latest").exists():
        reached = run.checkpoint("latest")[0].header["iteration"]
    rows = run.metrics()
    return [r for r in rows if r["split"] == "validation" and r["iteration"] <= reached]


def _tell(study: Study, asked: Any, trial: Any, judged: tuple[str, float | None]) -> None:
    """What ended well has a value; what diverged is as bad as can be, and pruned."""
    ended, value = judged
    run, states = Run(study.trial(trial.number + 1)), optuna().trial.TrialState
    trial.set_user_attr("ended", ended)
    trial.set_user_attr("outer_steps", run.status().iteration)
    rows = run.metrics()
    trial.set_user_attr("seconds", rows[-1]["seconds"] if rows else math.nan)
    if value is not None:
        trial.set_user_attr("value", value)
    if ended == "finished" and value is not None:
        asked.tell(trial.number, value)
    else:
        state = states.FAIL if ended == "failed" else states.PRUNED
        asked.tell(trial.number, state=state)


def _line(study: Study, place: int) -> str:
    row = study.history().set_index("trial").loc[place]
    value = "" if math.isnan(row["value"]) else f": {study.measure.said(row['value'])}"
    best = "" if math.isnan(row["best"]) else f" (best {study.measure.said(row['best'])})"
    settings = ", ".join(
        f"{name} {number(row[name]) if isinstance(row[name], int | float) else row[name]}"
        for name in study.space
    )
    total = study.settings.trials
    return f"trial {place} of {total} {row['state']}{value}{best}; {settings}"
