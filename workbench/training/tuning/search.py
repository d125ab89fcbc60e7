"""`tune`: begins a study or goes on with one, in this process or in several."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.errors import UserError
from workbench.fields import with_values
from workbench.files import writing
from workbench.training.experiment import Experiment
from workbench.training.record import check_loads_elsewhere
from workbench.training.trainer import tried
from workbench.training.tuning.space import Given, space_of
from workbench.training.tuning.study import Study, TuningSettings
from workbench.training.tuning.warm import check_warm, probe
from workbench.training.tuning.working import work

_GLANCE_SECONDS = 0.2  # between looks at the processes


def tune(
    experiment: Experiment | None = None,
    space: Sequence[str] | Mapping[str, Given] | None = None,
    directory: Path | str | None = None,
    *,
    warm: Sequence[Path | str] = (),
    workers: int = 1,
    minutes: float | None = None,
    resume: bool = False,
    progress: bool = True,
    **settings: Any,
) -> Study:
    """Seek the settings of an experiment that validate best; the study says what was found.

    space      what is sought, and where, as `space_of` takes it
    directory  the study's folder; one under runs/ if none
    warm       folders of earlier studies to start from
    workers    processes that train trials side by side
    minutes    how long, at most; the study can then be gone on with
    resume     go on with the study in the directory, perhaps to more trials
    settings   the fields of `TuningSettings`: trials, sampler, pruner, and their options

    A study of one worker and one seed tries the same settings every time, killed in between or not.
    """
    if minutes is not None and not minutes > 0:
        raise UserError(f"minutes is {minutes}: it must be above 0")
    if workers < 1:
        raise UserError(f"workers is {workers}: it must be at least 1")
    if resume:
        study = _gone_on(directory, settings, given=experiment or space or warm)
    else:
        study = begin(experiment, space, directory, warm, **settings)
    if workers > 1:
        _side_by_side(study, workers, minutes, progress)
    else:
        work(study, minutes=minutes, progress=progress)
    return study


def begin(
    experiment: Experiment | None,
    space: Sequence[str] | Mapping[str, Given] | None,
    directory: Path | str | None,
    warm: Sequence[Path | str] = (),
    **settings: Any,
) -> Study:
    """A new study of which no trial is trained yet; see `tune`."""
    if experiment is None:
        raise UserError("there is nothing to tune: give an experiment, or a study and resume=True")
    how = with_values(TuningSettings(), settings)
    sought = space_of(experiment, space)
    training = experiment.training
    if not 0 < training.validate_every <= training.iterations:
        raise UserError(
            f"training.validate_every is {training.validate_every} and a study judges trials by "
            f"their validations: choose 1 to {training.iterations} outer steps"
        )
    tried(experiment)  # what cannot be trained is refused before a file is written
    if directory is None:
        name = f"study-{datetime.now():%Y%m%d-%H%M%S}-{experiment.seed}"
        directory = Path("runs") / name
    earlier = [Study.open(path) for path in warm]
    check_warm(sought, earlier)
    places = [one.directory.resolve() for one in earlier]
    study = Study.create(experiment, sought, Path(directory), how, places)
    probe(study, study.asked())
    return study


def _gone_on(directory: Path | str | None, settings: dict[str, Any], given: Any) -> Study:
    if directory is None:
        raise UserError("there is no study to go on with: name its folder")
    others = sorted(settings.keys() - {"trials"})
    if given or others:
        raise UserError(
            f"{directory} goes on with its own experiment, space and settings: give nothing but a "
            "number of trials, workers or minutes"
        )
    study = Study.open(directory)
    if "trials" in settings:
        study.prolong(with_values(TuningSettings(), settings).trials)
    return study


def _side_by_side(study: Study, workers: int, minutes: float | None, progress: bool) -> None:
    """Work in processes of their own; an interrupt reaches each of them once."""
    log = study.directory / "log.txt"
    told = log.stat().st_size if log.exists() else 0
    children = [start_worker(study, minutes) for _ in range(workers)]
    try:
        while True:
            alive = any(child.poll() is None for child in children)
            if progress and log.exists():
                with log.open("rb") as file:
                    file.seek(told)
                    new = file.read()
                told += len(new)
                sys.stderr.write(new.decode(errors="replace"))
                sys.stderr.flush()
            if not alive:
                break
            time.sleep(_GLANCE_SECONDS)
    except KeyboardInterrupt:
        for child in children:
            if child.poll() is None:
                child.terminate()
        for child in children:
            child.wait()
        raise
    if 130 in [child.returncode for child in children]:
        raise KeyboardInterrupt(f"{study.directory} was interrupted")
    lost = sum(child.returncode != 0 for child in children)
    if lost:
        raise UserError(
            f"{lost} of {workers} workers of {study.directory} ended before their time: see "
            f"{log}, and go on with the study"
        )


def start_worker(study: Study, minutes: float | None = None) -> subprocess.Popen[bytes]:
    """Work on a study in a child process, which outlives this one."""
    check_loads_elsewhere(study.experiment)
    log = study.directory / "log.txt"
    more = [] if minutes is None else [str(minutes)]
    with writing(log), log.open("a") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "workbench.training.tuning", str(study.directory), *more],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
