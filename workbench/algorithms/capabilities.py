"""What a learner can do beyond the contract: it says so by its class, never by a method's name.

Those with a memory are `MemoryLearner`s. Settings say by `live` which of them an adaptation follows
at once; of the others parameters are made, so that only a new training follows them.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.values import Adapted
from workbench.tasks.episode import Episode


class Embeds(Learner):
    """A learner that compares examples by what an embedding makes of them."""

    @abstractmethod
    def embed(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """Inputs `[task, example, ...]` in the embedding, `[task, example, feature]`."""


class Descends(Learner):
    """A learner whose steps move the values `weights.NAME` along a gradient of the support loss.

    Each step has seen that `loss` and its gradients, `gradient.NAME`.
    """


class Remembers(Learner):
    """A learner that keeps something of every task of a stream, for those that follow.

    What it remembers is part of its `state_dict`. Training leaves it alone; an evaluation goes
    through its tasks as a stream.
    """

    @abstractmethod
    def update(self, episode: Episode) -> Sequence[object]:
        """Remember the tasks of a stream, one after the other: what became of each."""


def live_settings(learner: Learner) -> list[str]:
    """The settings of a learner that an adaptation follows at once, also after it was trained.

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> live_settings(MAML(MLP(1, 1)))[:2]
    ['inner_rate', 'train_steps']
    """
    own: Any = learner.settings
    if not dataclasses.is_dataclass(own):
        return []
    return list(getattr(own, "live", ()))
