"""Large evaluations over processes: blocks of tasks, the same ones and the same bits as in one.

A worker opens the run itself, so that nothing but names and numbers goes there and comes back.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Remembers
from workbench.errors import UserError
from workbench.tasks import Shape, Tasks, open_tasks
from workbench.tasks.base import Split
from workbench.training.crews import Crew
from workbench.training.evaluation import (
    BLOCK,
    DEFAULT_SEED,
    Block,
    Evaluation,
    block_of,
    check_alike,
    evaluate,
    evaluating,
    measured_block,
)
from workbench.training.runs import Run, Which
from workbench.training.shipped import Untrained, run_of
from workbench.training.threads import kept_threads

_one_at_a_time = threading.Lock()  # a worker of a cluster may have several threads


@dataclass(frozen=True)
class _Part:
    """What a worker needs to know to measure a block.

    run      a directory, or the name of what ships
    sha256   of the checkpoint that is meant
    asked    how `evaluate` was asked for it
    place    where names of your own methods and tasks hold
    threads  that torch computes with, on which the last bits may depend
    """

    run: str
    which: Which
    sha256: str
    tasks: str | None
    shape: Shape
    asked: Mapping[str, Any]
    place: Path
    threads: int


def evaluate_run(
    run: Run | Path | str,
    which: Which = "best",
    *,
    tasks: str | None = None,
    shape: Shape | None = None,
    episodes: int = 600,
    split: Split = "test",
    steps: int | None = None,
    seed: int = DEFAULT_SEED,
    inductive: bool | None = None,
    every_step: bool = True,
    crew: Crew | None = None,
) -> Evaluation:
    """`evaluate` a run's learner, with a crew's processes side by side where one is given.

    which  the checkpoint: the best by validation, or the latest
    tasks  other tasks than it was trained on, by name
    shape  of the tasks; the run's own test shape if none
    """
    run = run_of(run)
    learner, family = run.load(which)
    experiment = run.experiment
    if tasks is not None:
        trained, family = family, open_tasks(tasks)
        check_alike(trained.spec(experiment.train), family, experiment.test)
    shape = experiment.test if shape is None else shape
    asked: dict[str, Any] = {
        "episodes": episodes,
        "split": split,
        "steps": steps,
        "seed": seed,
        "inductive": inductive,
        "every_step": every_step,
    }
    blocks = None
    if crew is not None:
        if isinstance(learner, Remembers):
            raise UserError(
                f"{type(learner).__name__} goes through tasks one after the other, since it "
                "remembers them: evaluate it in one process"
            )
        part = _Part(
            run=str(run.directory if isinstance(run, Untrained) else run.directory.resolve()),
            which=which,
            sha256=_fingerprint(run, which),
            tasks=tasks,
            shape=shape,
            asked=asked,
            place=Path.cwd(),
            threads=torch.get_num_threads(),
        )
        blocks = _in_order(crew, part)
    return evaluate(learner, family, shape, **asked, blocks=blocks)


def _in_order(crew: Crew, part: _Part) -> Iterator[Block]:
    """Every block, the first one first, as soon as it and all before it are known."""
    for number in range(math.ceil(part.asked["episodes"] / BLOCK)):
        crew.give(number, _measured, part, number)
    known: dict[int, Block] = {}
    following = 0
    for number, block in crew.done():
        known[number] = block
        while following in known:
            yield known.pop(following)
            following += 1


def _measured(part: _Part, number: int) -> Block:
    """A block, in the process of a worker."""
    with _one_at_a_time, contextlib.chdir(part.place), kept_threads():
        learner, tasks = _loaded(part.run, part.which, part.sha256, part.tasks)
        torch.set_num_threads(part.threads)
        asked = part.asked
        drawn = (asked["episodes"], asked["split"], asked["seed"])
        episode = block_of(tasks, part.shape, *drawn, number)
        with evaluating(learner, asked["inductive"]):
            return measured_block(learner, episode, asked["steps"], every_step=asked["every_step"])


@functools.lru_cache(maxsize=2)
def _loaded(name: str, which: Which, sha256: str, tasks: str | None) -> tuple[Learner, Tasks]:
    """A learner and its tasks, opened once for all blocks that a process measures."""
    run = run_of(name)
    learner, family = run.load(which)
    if _fingerprint(run, which) != sha256:
        raise UserError(
            f"{run.directory} has another {which} checkpoint than it had when the evaluation "
            "began: wait until its training has ended, or stop it"
        )
    return learner, family if tasks is None else open_tasks(tasks)


def _fingerprint(run: Run, which: Which) -> str:
    """Of the checkpoint; empty where nothing was trained."""
    if isinstance(run, Untrained):
        return ""
    _, path = run.checkpoint(which)
    return hashlib.sha256(path.read_bytes()).hexdigest()
