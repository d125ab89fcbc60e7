"""Where an adaptation stops being finite: the one notion of it, for tapes, frames and figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from workbench.algorithms.values import Adapted

_DESCENDED = ("weights.", "optimizer.")


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
        return [task for task in tasks if self.lengths[task] < len(self.steps)]

    def sentence(self, tasks: Iterable[int] | None = None) -> str:
        """Which of the tasks diverged, where, and the cure; empty where none did.

        >>> Divergence((3, 1), (math.nan, math.inf), (0, 1, 2), True).sentence()
        'task 1 diverged at inner step 1 (loss inf): lower the inner rate'
        """
        bad = self.among(range(len(self.lengths)) if tasks is None else tasks)
        if not bad:
            return ""
        first = min(bad, key=lambda task: self.lengths[task])
        step = self.steps[self.lengths[first]]
        who = f"task {first}" if len(self.lengths) > 1 else "the adaptation"
        others = f" (and {len(bad) - 1} of the other tasks there or later)" if bad[1:] else ""
        if step == 0:
            return (
                f"{who}{others} starts from numbers that are not finite: "
                "look at the learner's weights and the task's inputs"
            )
        cure = "lower the inner rate" if self.descends else "look at the learner's weights"
        return f"{who} diverged at inner step {step} (loss {self.losses[first]}){others}: {cure}"


def divergence(path: Sequence[Adapted]) -> Divergence:
    """What of a path is finite, task by task.

    >>> import torch
    >>> path = [Adapted({"weights.w": torch.tensor([[1.0], [w]])}, step=k)
    ...         for k, w in enumerate((1.0, math.inf))]
    >>> divergence(path).lengths
    (2, 1)
    """
    tasks = len(next(iter(path[0].values.values()))) if path and path[0].values else 0
    lengths, losses = [len(path)] * tasks, [math.nan] * tasks
    for place, adapted in enumerate(path):
        for task in _bad(adapted):
            if lengths[task] == len(path):
                lengths[task] = place
                loss = adapted.seen.get("loss")
                losses[task] = math.nan if loss is None else float(loss[task].double().mean())
    descends = bool(path) and any(name.startswith(_DESCENDED) for name in path[0].values)
    return Divergence(tuple(lengths), tuple(losses), tuple(a.step for a in path), descends)


def _bad(adapted: Adapted) -> list[int]:
    """The tasks for which a value is not finite."""
    checked = [
        (t, name.startswith(_DESCENDED))
        for name, t in adapted.values.items()
        if t.is_floating_point()
    ]
    if "loss" in adapted.seen:
        checked.append((adapted.seen["loss"], True))
    bad: Tensor | None = None
    for tensor, strict in checked:
        here = ~tensor.isfinite() if strict else tensor.isnan()
        if bool(here.any()):
            own = here.flatten(1).any(dim=1) if here.dim() > 1 else here
            bad = own if bad is None else bad | own
    return [] if bad is None else bad.nonzero().flatten().tolist()
