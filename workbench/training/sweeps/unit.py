"""One unit, trained in a child process of whoever is to see to it, here or on a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import UserError
from workbench.files import writing
from workbench.training.crews import apart, worker_name
from workbench.training.runs import Run
from workbench.training.sweeps.folder import Sweep
from workbench.training.trainer import versions

FULL = 74  # the exit code of a unit that found its disk full
_GLANCE_SECONDS = 0.1  # between looks at the child and the stop file


@dataclass(frozen=True)
class Ended:
    """How a unit's child ended.

    state      that of its run; 'killed' too where its process ended without a word
    worker     the name of who saw to it
    elsewhere  whether it was this worker's fault, so that another one may do better
    """

    state: str
    reason: str
    worker: str = ""
    elsewhere: bool = False


@dataclass(frozen=True)
class Order:
    """What a worker needs to know to train a unit: the sweep's folder, where to work, and how.

    versions  of whoever gives the order
    threads   that torch may use; 0 is for the worker to say
    tracker   who is told of metrics, as `train` takes it
    """

    sweep: Path
    place: Path
    versions: Mapping[str, str]
    threads: int = 0
    tracker: str | None = None


def trained(order: Order, name: str) -> Ended:
    """Train a unit of a sweep to its end, or until the sweep is to stop."""
    worker = worker_name()
    if said := apart(versions(), order.versions):
        return Ended("failed", f"the worker {worker} {said}", worker, elsewhere=True)
    sweep = Sweep(order.sweep)
    run = sweep.run(name)
    if not (run.directory / "config.json").exists():
        reason = f"the worker {worker} sees no {run.directory}: let all workers share that folder"
        return Ended("failed", reason, worker, elsewhere=True)
    try:
        code = _minded(order, sweep, run)
    except UserError as error:
        return Ended("failed", f"{error} (worker {worker})", worker, elsewhere=True)
    status = run.status()
    if code == FULL:
        reason = f"the disk of the worker {worker} is full: free some space and go on"
        return Ended("failed", reason, worker, elsewhere=True)
    if code == 130 or (status.state == "killed" and sweep.stop_file.exists()):
        return Ended("interrupted", "stopped on request", worker)
    if status.state in ("new", "killed", "running"):
        return Ended("killed", f"its process ended without a word, with code {code}", worker)
    return Ended(status.state, status.reason, worker)


def _minded(order: Order, sweep: Sweep, run: Run) -> int:
    """The exit code of the child, which ends when its standard input closes."""
    environment = dict(os.environ)
    if order.threads:
        environment.setdefault("OMP_NUM_THREADS", str(order.threads))
    command = [sys.executable, "-m", "workbench.training.sweeps", str(run.directory)]
    command += [] if order.tracker is None else [order.tracker]
    log = run.directory / "log.txt"
    with writing(log), log.open("a") as file:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            cwd=order.place if order.place.is_dir() else None,
            env=environment,
            start_new_session=True,  # an interrupt at a terminal is for who minds it
        )
    assert child.stdin is not None
    try:
        while child.poll() is None:
            if sweep.stop_file.exists():
                child.stdin.close()
                break
            time.sleep(_GLANCE_SECONDS)
    finally:
        child.stdin.close()
        code = child.wait()
    return code
