"""Measuring a batch of tasks: each one's metric after every inner step, and where it diverged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.capabilities import Plays
from workbench.algorithms.control.trials import rewards
from workbench.algorithms.divergence import Divergence, Watch, unread
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.tasks import Episode


@torch.no_grad()
def measure(
    learner: Learner, episode: Episode, steps: int | None = None, *, every_step: bool = True
) -> tuple[Tensor, Divergence]:
    """Each task's metric after 0, 1, 2 ... steps, `[task, step]`; by moves where steps are moves.

    Without `every_step` all columns but the last are NaN. So is a task's metric from where it
    diverged, which is told beside it: the accuracy of weights that are NaN is none.
    """
    total = learner.steps(episode) if steps is None else steps
    watch = Watch()
    path = _watched(adapt(learner, episode, steps=total), watch)
    of = [*range(total + 1)]
    if isinstance(learner, Plays):
        found = _by_playing(learner, path, episode)
    elif episode.kind == "control":
        found, of = _by_move(path, episode)
    else:
        found = _by_step(learner, path, episode, watch, total, every_step)
    ended = watch.found
    for task in ended.among(range(len(episode))):
        stopped = ended.steps[ended.lengths[task]]
        found[task, [step >= stopped for step in of]] = math.nan
    return found, ended


def _watched(path: Iterable[Adapted], watch: Watch) -> Iterator[Adapted]:
    for adapted in path:
        watch.see(adapted)
        yield adapted


def _by_step(
    learner: Learner,
    path: Iterable[Adapted],
    episode: Episode,
    watch: Watch,
    total: int,
    every_step: bool,
) -> Tensor:
    """The metric of the query after every step."""
    found: list[Tensor] = []
    for adapted in path:
        if not every_step and adapted.step < total:
            if adapted.step == 0:  # before a step meets a class that it has no output for
                _check_outputs(learner.predict(adapted, episode.query.x[:, :2]), episode)
            found.append(torch.full((len(episode),), math.nan, device=episode.seed.device))
            continue
        x, weight = episode.query.x, episode.query.weight
        prediction = learner.predict(adapted, x, weight)
        _check_outputs(prediction, episode)
        measured = episode.measured(prediction, episode.query)
        found.append(measured.masked_fill(unread(prediction, measured), math.nan))
        if adapted.step == total:
            watch.read(prediction, measured)
    return torch.stack(found, dim=1)


def _by_playing(learner: Plays, path: Iterable[Adapted], episode: Episode) -> Tensor:
    """The metric of what a policy did before every step, and of what it does after the last one."""
    rewards: list[Tensor] = []
    for adapted in path:
        if adapted.step > 0:
            rewards.append(adapted.seen["trajectory.reward"])
    rewards.append(learner.play(adapted, episode)["trajectory.reward"])
    return torch.stack([episode.measured(r.mean(dim=1), None) for r in rewards], dim=1)


def _by_move(path: Iterable[Adapted], episode: Episode) -> tuple[Tensor, list[int]]:
    """The metric of the first 0, 1, 2 ... moves together, and which step made the last of them."""
    brought, of = torch.zeros(len(episode), 0, device=episode.seed.device), [0]
    for adapted in path:
        if adapted.step > 0:
            new = rewards(adapted)
            brought = torch.cat([brought, new], dim=1)
            of += [adapted.step] * new.shape[1]
    moves = range(brought.shape[1] + 1)
    return torch.stack([episode.measured(brought[:, :m], None) for m in moves], dim=1), of


def _check_outputs(prediction: Tensor, episode: Episode) -> None:
    outputs, ways = prediction.shape[-1], episode.ways
    if ways is not None and outputs < ways:
        raise UserError(
            f"this learner tells {outputs} classes apart and the tasks have {ways} ways: "
            f"ask for at most {outputs} ways"
        )
