"""A meta-learner inside another: called under meta-parameters that each family has of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from threading import RLock
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.values import last
from workbench.innerloop import check_stackable
from workbench.tasks.episode import Episode

_ALONE = RLock()  # while a learner's parameters are swapped, which other threads would see


class Inside:
    """A copy of a meta-learner, of which nothing is trained: all that it has comes from outside.

    It is no module, so that its parameters are none of the learner's that holds it.

    >>> import torch
    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> maml, tasks = MAML(MLP(1, 1)), open_tasks("sinusoid").sample(4, seed=0)
    >>> two = {n: torch.stack([p.detach(), 0 * p.detach()]) for n, p in maml.named_parameters()}
    >>> found, plain = Inside(maml).losses(two, tasks, families=2), maml(tasks)
    >>> torch.isclose(found, plain).tolist()
    [True, True, False, False]
    """

    def __init__(self, learner: Learner) -> None:
        self._caller = _Caller(copy.deepcopy(learner))
        check_stackable(self._caller)  # and look at its parameters' shapes before they are stacked

    def __deepcopy__(self, memo: dict[int, Any]) -> Inside:
        return Inside(self._caller.learner)

    def losses(self, stacked: Mapping[str, Tensor], tasks: Episode, families: int) -> Tensor:
        """The meta-loss of every task, `[task]`, under its family's parameters `[family, ...]`."""
        return self._call(stacked, tasks, families, False)

    def predictions(self, stacked: Mapping[str, Tensor], tasks: Episode, families: int) -> Tensor:
        """What is predicted for the query of every task after adapting to its support."""
        return self._call(stacked, tasks, families, True)

    def _call(
        self, stacked: Mapping[str, Tensor], tasks: Episode, families: int, predicts: bool
    ) -> Tensor:
        each = len(tasks) // families
        own = {f"learner.{n}": t.repeat_interleave(each, dim=0) for n, t in stacked.items()}
        with _ALONE:
            found: Tensor = functional_call(self._caller, own, (tasks, predicts))
        return found


class _Caller(nn.Module):
    """Makes what a learner does a forward, which is what `functional_call` calls."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, tasks: Episode, predicts: bool) -> Tensor:
        if not predicts:
            losses: Tensor = self.learner(tasks)
            return losses
        return self.learner.predict(last(adapt(self.learner, tasks)), tasks.query.x)
