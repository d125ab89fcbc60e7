"""Where an adaptation stops being finite: the one notion of it, for tapes, frames and figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from workbench.algorithms.values import Adapted

_DESCENDED = ("weights.", "optimizer.")
# Cures.
_RATE = "lower the inner rate"
_WEIGHTS = "look at the learner's weights"
_START = "look at the learner's weights and the task's inputs"


@dataclass(frozen=True)
class Divergence:
    """What of a path is finite.

    A value counts as finite where nothing in it is NaN and no fast weight, no optimizer state and
    no loss seen is infinite (a memory may well hold an infinite score).

    lengths  of each task, how many leading values of the path are finite
    losses   of each task, the loss seen where it stopped; NaN where it never did or none was seen
    steps    of each value of the path, after how many inner steps it is
    descends whether inner steps moved weights, so that a lower inner rate is the cure
    """

    lengths: tuple[int, ...]
    losses: tuple[float, ...]
    steps: tuple[int, ...]
    descends: bool

    def among(self, tasks: Iterable[int]) -> list[int]:
        """Those of the tasks that diverged."""
        lengths, whole = self.lengths, len(self.steps)  # none of a method that keeps no values
        return [task for task in tasks if task < len(lengths) and lengths[task] < whole]

    @property
    def summary(self) -> str:
        """How many of many tasks diverged, where the first did, and the cure; or nothing.

        >>> Divergence((3, 1, 2), (math.nan, math.inf, math.nan), (0, 1, 2), True).summary
        '2 of 3 tasks diverged, the first at inner step 1 (loss inf): lower the inner rate'
        """
        bad = self.among(range(len(self.lengths)))
        if len(bad) < 2:
            return self.sentence()
        first = min(bad, key=lambda task: self.lengths[task])
        step, loss = self.steps[self.lengths[first]], self.losses[first]
        many = f"{len(bad):,} of {len(self.lengths):,} tasks"
        if step == 0:
            return f"{many} start from numbers that are not finite: {_START}"
        cure = _RATE if self.descends else _WEIGHTS
        return f"{many} diverged, the first at inner step {step} (loss {loss}): {cure}"

    def sentence(self, tasks: Iterable[int] | None = None) -> str:
        """Which of the tasks diverged, where, and the cure; empty where none did.

        >>> Divergence((3, 1), (math.nan, math.inf), (0, 1, 2), True).sentence()
        'task 2 diverged at inner step 1 (loss inf): lower the inner rate'
        """
        bad = self.among(range(len(self.lengths)) if tasks is None else tasks)
        if not bad:
            return ""
        first = min(bad, key=lambda task: self.lengths[task])
        step = self.steps[self.lengths[first]]
        who = f"task {first + 1}" if len(self.lengths) > 1 else "the adaptation"
        others = f" (and {len(bad) - 1} of the other tasks there or later)" if bad[1:] else ""
        if step == 0:
            return f"{who}{others} starts from numbers that are not finite: {_START}"
        cure = _RATE if self.descends else _WEIGHTS
        return f"{who} diverged at inner step {step} (loss {self.losses[first]}){others}: {cure}"


def divergence(path: Sequence[Adapted]) -> Divergence:
    """What of a path is finite, task by task.

    >>> import torch
    >>> path = [Adapted({"weights.w": torch.tensor([[1.0], [w]])}, step=k)
    ...         for k, w in enumerate((1.0, math.inf))]
    >>> divergence(path).lengths
    (2, 1)
    """
    watch = Watch()
    for adapted in path:
        watch.see(adapted)
    return watch.found


class Watch:
    """Looks at the values of an adaptation as they come, so that none need be kept."""

    def __init__(self) -> None:
        self._first: dict[int, tuple[int, float]] = {}  # by task: place, and the loss seen there
        self._steps: list[int] = []
        self._tasks, self._descends = 0, False

    def see(self, adapted: Adapted) -> None:
        """The next value."""
        if not self._tasks and adapted.values:
            self._tasks = len(next(iter(adapted.values.values())))
            self._descends = any(name.startswith(_DESCENDED) for name in adapted.values)
        self._steps.append(adapted.step)
        loss = adapted.seen.get("loss")
        for task in _bad(adapted):
            self._note(task, math.nan if loss is None else float(loss[task].double().mean()))

    def read(self, prediction: Tensor, measured: Tensor) -> None:
        """What was made of the value that was seen last: predictions, and a number a task."""
        for task in unread(prediction, measured).nonzero().flatten().tolist():
            self._note(task, float(measured[task]))

    def _note(self, task: int, loss: float) -> None:
        self._first.setdefault(task, (len(self._steps) - 1, loss))

    @property
    def found(self) -> Divergence:
        """What was finite so far."""
        ends = [self._first.get(task, (len(self._steps), math.nan)) for task in range(self._tasks)]
        lengths, losses = tuple(place for place, _ in ends), tuple(loss for _, loss in ends)
        return Divergence(lengths, losses, tuple(self._steps), self._descends)


def followed(path: Sequence[Adapted], task: int) -> int:
    """Up to which inner step a picture's axes follow a task that diverged, so that others show.

    That is before the support loss had grown to ten times what it was at the start.

    >>> import torch
    >>> path = [Adapted({}, {"loss": torch.tensor([x])}, k) for k, x in enumerate((1.0, 1.0, 2e9))]
    >>> followed(path, 0)
    1
    """
    first: float | None = None
    for before, adapted in pairwise(path):
        loss = adapted.seen.get("loss")  # by which the step went: that of the value before it
        now = 0.0 if loss is None else float(loss[task].double().mean())
        first = now if first is None else first
        if not now <= 10 * max(first, 1e-12):
            return before.step
    return path[-1].step


def unread(prediction: Tensor, measured: Tensor) -> Tensor:
    """Of which tasks a prediction, or the number that was made of it, is none: `[task]`.

    >>> import torch
    >>> unread(torch.tensor([[0.5], [math.nan]]), torch.tensor([math.inf, 0.0]))
    tensor([True, True])
    """
    return measured.isinf() | prediction.isnan().flatten(1).any(dim=1)


def joined(parts: Sequence[Divergence]) -> Divergence:
    """Of all the tasks of several groups, whose paths have the same steps.

    >>> joined([Divergence((1,), (math.nan,), (0,), True)] * 2).lengths
    (1, 1)
    """
    return replace(
        parts[0],
        lengths=tuple(length for part in parts for length in part.lengths),
        losses=tuple(loss for part in parts for loss in part.losses),
    )


def _bad(adapted: Adapted) -> list[int]:
    """The tasks for which a value is not finite."""
    checked = [
        (t, name.startswith(_DESCENDED))
        for name, t in adapted.values.items()
        if t.is_floating_point()
    ]
    if "loss" in adapted.seen:
        checked.append((adapted.seen["loss"], True))
    # A sum of finite numbers is finite, unless they are huge: then each is looked at.
    if not checked or bool(torch.stack([t.sum().double() for t, _ in checked]).sum().isfinite()):
        return []
    bad: Tensor | None = None
    for tensor, strict in checked:
        here = ~tensor.isfinite() if strict else tensor.isnan()
        own = here.flatten(1).any(dim=1) if here.dim() > 1 else here
        bad = own if bad is None else bad | own
    return [] if bad is None else bad.nonzero().flatten().tolist()
