"""The same learner with other settings: what a branch tries, and what an inspection assumes."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, TypeVar

from workbench.algorithms.base import Learner
from workbench.errors import UserError, nearest

L = TypeVar("L", bound=Learner)

# Settings that make no parameters: they can change under a learner that was trained.
_FREE = (
    *("inner_rate", "train_steps", "test_steps", "order", "truncate", "optimizer", "clip"),
    *("rematerialise", "batch", "distance", "temperature", "looks", "scale", "augment"),
)


def varied(learner: L, **settings: Any) -> L:
    """A learner of the same parameters, in the same mode, with some settings changed.

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> maml = MAML(MLP(1, 1))
    >>> other = varied(maml, inner_rate=0.5)
    >>> other.settings.inner_rate, maml.settings.inner_rate, other.model is maml.model
    (0.5, 0.01, True)
    """
    if not settings:
        return learner
    name = type(learner).__name__
    own: Any = getattr(learner, "settings", None)
    free = free_settings(learner)
    for given in settings:
        if given not in free:
            cure = nearest(given, free) if free else "it has none that can"
            raise UserError(f"{name} has no setting '{given}' to change on the way: {cure}")
    if "inner_rate" in settings and getattr(learner, "learned_rates", "none") != "none":
        raise UserError(
            f"{name} learned its inner rates, so inner_rate would change nothing: "
            "scale the learner's rates instead"
        )
    other = copy.copy(learner)
    changed: Any = dataclasses.replace(own, **settings)
    object.__setattr__(other, "settings", changed)
    if hasattr(learner, "loop"):
        object.__setattr__(other, "loop", changed.inner_loop())
    return other


def free_settings(learner: Learner) -> list[str]:
    """The settings of a learner that can change after it was trained.

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> "inner_rate" in free_settings(MAML(MLP(1, 1)))
    True
    """
    own: Any = getattr(learner, "settings", None)
    fields = {f.name for f in dataclasses.fields(own)} if dataclasses.is_dataclass(own) else set()
    return [field for field in _FREE if field in fields]
