"""What rank 0 does before it trains with others, and all that the others do."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import threading
import warnings
from pathlib import Path
from typing import NoReturn

import torch

from workbench.algorithms.base import Learner
from workbench.errors import UserError
from workbench.tasks import Tasks
from workbench.training.execution import keep_freed_memory
from workbench.training.experiment import Experiment
from workbench.training.group import Group, RankLost
from workbench.training.launching import joined, launched
from workbench.training.runs import Run
from workbench.training.threads import use_threads
from workbench.training.trainer import Trainer, versions


def shared_out(experiment: Experiment, learner: Learner, ranks: int) -> Experiment:
    """The experiment with chunks of which each rank gets one, where it says nothing of chunks.

    >>> from workbench.training import preset
    >>> experiment = preset("sinusoid-maml")
    >>> shared_out(experiment, experiment.build()[0], 2).training.tasks_per_chunk
    13
    """
    settings = experiment.training
    if ranks > settings.tasks:
        raise UserError(
            f"{ranks} ranks cannot share {settings.tasks} tasks: raise training.tasks, or take "
            f"{settings.tasks} ranks at most"
        )
    if ranks == 1 or settings.tasks_per_chunk or learner.rematerialises:
        return experiment
    size = -(-settings.tasks // ranks)
    if -(-settings.tasks // size) < ranks:
        size = settings.tasks // ranks
    training = dataclasses.replace(settings, tasks_per_chunk=size)
    return dataclasses.replace(experiment, training=training)


def leading(
    group: Group,
    experiment: Experiment,
    built: tuple[Learner, Tasks],
    run: Run,
    path: str | None,
) -> Trainer:
    """Rank 0's trainer, once the others are ready too; `path` is that of what is resumed."""
    settings, learner = experiment.training, built[0]
    chunks = -(-settings.tasks // (settings.tasks_per_chunk or (
        1 if learner.rematerialises else settings.tasks)))  # fmt: skip
    if chunks < group.size:
        many = f"{chunks} chunks" if chunks > 1 else "one piece"
        raise UserError(
            f"each meta-batch is computed in {many} (training.tasks_per_chunk), too few for "
            f"{group.size} ranks: " + (f"take {chunks} at most" if chunks > 1 else "take one")
        )
    group.check_alike("versions", versions())
    for rank in range(1, group.size):
        run.log(f"rank {rank} is {group.hear('process', rank)}")
    threads = torch.get_num_threads()
    group.say("run", {"directory": str(run.directory.resolve()), "path": path, "threads": threads})
    group.join(own_gpu=group.has_own_gpu(experiment.device))
    trainer = Trainer(experiment, built=built, path=path, group=group)
    _check_shared(trainer)
    group.check_alike("way", {"the meta-gradient": trainer.meta_gradients.path})
    return trainer


def _check_shared(trainer: Trainer) -> None:
    """Refuse a training of which a chunk's result depends on more than the chunk."""
    name, cure = type(trainer.learner).__name__, "train it in one process"
    if trainer.draws:
        raise UserError(
            f"{name} draws from torch's generator in the course of a meta-batch, so that what it "
            f"draws would depend on the ranks: {cure}"
        )
    if trainer.windows > 1:
        raise UserError(
            f"the estimator of {name} goes on over {trainer.windows} outer steps from what one "
            f"process keeps: {cure}"
        )
    buffers = [(buffer, buffer.clone()) for buffer in trainer.learner.buffers()]
    trainer.learner.meta_gradient(trainer.episodes[0].split(1)[0])
    changed = [buffer for buffer, before in buffers if not torch.equal(buffer, before)]
    for buffer, before in buffers:
        buffer.copy_(before)
    if changed:
        raise UserError(f"{name} keeps in its buffers what each task leaves there: {cure}")


def follow() -> int:
    """Compute what rank 0 asks for, until it ends; the exit code."""
    warnings.simplefilter("ignore")  # which rank 0 has too
    keep_freed_memory()
    if not launched():
        threading.Thread(target=_end_with_rank_0, daemon=True).start()
    group, word = joined(), None
    try:
        _compute(group)
    except RankLost:
        return 0 if group.ended else 1
    except UserError as error:  # which rank 0 will say
        word = " ".join(str(error).split())
        return 2
    except BaseException as error:
        word = type(error).__name__
        raise
    finally:
        group.leave(word)


def _end_with_rank_0() -> None:
    os.read(0, 1)  # nothing comes on standard input but its end
    os._exit(1)


def _compute(group: Group) -> NoReturn:
    group.check_alike("versions", versions())
    group.say("process", f"process {os.getpid()} on {socket.gethostname()}")
    told = group.hear("run", 0)
    for signum in (signal.SIGINT, signal.SIGTERM):  # from here on it is rank 0 that ends it
        signal.signal(signum, signal.SIG_IGN)
    use_threads(told["threads"])
    if not Path(told["directory"]).is_dir():
        raise UserError(
            f"this machine has no {told['directory']}: keep runs where all machines see them"
        )
    run = Run.open(told["directory"])
    experiment = run.experiment
    own_gpu = group.has_own_gpu(experiment.device)
    if own_gpu:
        experiment = dataclasses.replace(experiment, device=f"cuda:{group.local}")
    group.join(own_gpu=own_gpu)
    trainer = Trainer(experiment, built=run.build(experiment), path=told["path"], group=group)
    group.check_alike("way", {"the meta-gradient": trainer.meta_gradients.path})
    while True:
        trainer.compute(group.tell(0, trainer.parameters))
