"""Trainings in processes of their own, which outlive this one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from workbench.files import writing
from workbench.training.experiment import Experiment
from workbench.training.record import check_loads_elsewhere
from workbench.training.runs import Run
from workbench.training.trainer import tried


def start_in_background(experiment: Experiment, directory: Path | str) -> Run:
    """Train in a child process that outlives this one; follow it by the run's files."""
    check_loads_elsewhere(experiment)
    tried(experiment)  # what cannot be trained is refused here, not in the child's log
    run = Run.create(experiment, directory)
    return resume_in_background(run)


def resume_in_background(run: Run) -> Run:
    """Go on with a run in a child process that outlives this one."""
    log = run.directory / "log.txt"
    with writing(log), log.open("a") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "workbench.training", str(run.directory.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    while run._owner() is None and child.poll() is None:  # so that `follow` finds it alive
        time.sleep(0.05)
    return run
