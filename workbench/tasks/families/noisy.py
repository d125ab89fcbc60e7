"""Few-shot tasks of whose support labels some are wrong; the queries' labels are right."""

from __future__ import annotations

from dataclasses import replace

import torch

from workbench.randomness import fold, uniform
from workbench.tasks.base import Shape, Split
from workbench.tasks.episode import Episode
from workbench.tasks.sampler import FewShot

WRONG = 0.4  # the share of support labels, in the mean
_WHETHER, _WHICH = 8_001, 8_002  # which use a task's seed is put to


class WrongLabels(FewShot):
    """Each support example has, with a chance of 0.4, the label of another class of its task.

    In the scheme 'confused' it is always the class that comes next in the task: pairs are confused,
    as Patrini et al. (2017, Making deep neural networks robust to label noise) have it.

    >>> from workbench.tasks import open_tasks
    >>> tasks = with_wrong_labels(open_tasks("digits:whole"))
    >>> support = tasks.sample(4, seed=0).support
    >>> right = torch.arange(10).repeat_interleave(100)
    >>> 0.35 < float((support.y != right).float().mean()) < 0.45
    True
    """

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        episode = super().sample(n, seed=seed, split=split, shape=shape)
        y, ways = episode.support.y, episode.ways
        assert ways is not None
        count = tuple(y.shape[1:])
        wrong = uniform(fold(episode.seed, _WHETHER), count) < WRONG
        others = 1 if self.scheme == "confused" else ways - 1
        on = 1 + (uniform(fold(episode.seed, _WHICH), count) * others).long()
        return replace(
            episode, support=replace(episode.support, y=torch.where(wrong, (y + on) % ways, y))
        )


def with_wrong_labels(tasks: FewShot, scheme: str = "noisy") -> WrongLabels:
    """The same tasks with wrong labels: of any other class, or 'confused'."""
    return WrongLabels(
        tasks.bank,
        tasks.splits,
        name=tasks.name,
        scheme=scheme,
        default_shape=tasks.default_shape,
        shared=tasks.shared,
    )
