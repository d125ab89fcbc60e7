"""The same learner with other settings: what a branch tries, and what an inspection assumes."""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import Any, TypeVar

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Descends
from workbench.algorithms.values import Adapted
from workbench.errors import UserError, nearest
from workbench.fields import Live, live_fields

L = TypeVar("L", bound=Learner)


def varied(learner: L, /, **settings: Any) -> L:
    """A learner of the same parameters, in the same mode, with some live settings changed.

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
    free = list(_live(learner))
    for given in settings:
        if given not in free:
            cure = nearest(given, free) if free else "it has none that can"
            raise UserError(f"{name} has no setting '{given}' to change on the way: {cure}")
    learned = isinstance(learner, Descends) and learner.learned_rates != "none"
    if learned and "inner_rate" in settings:
        raise UserError(
            f"{name} learned its inner rates, so inner_rate would change nothing: "
            "scale the learner's rates instead"
        )
    return reset(learner, **settings)


def reset(learner: L, /, **settings: Any) -> L:
    """A learner of the same parameters with other settings, whether or not it follows them."""
    other = copy.copy(learner)
    changed: Any = dataclasses.replace(learner.settings, **settings)
    object.__setattr__(other, "settings", changed)
    if "optimizer" in settings:  # in a table of its own: copies share that of their modules
        modules = {**learner._modules, "rule": changed.optimizer.build()}
        object.__setattr__(other, "_modules", modules)
    if isinstance(learner, _Switched):
        live = _live(learner)
        kept = {n: v for n, v in settings.items() if n not in live or not live[n].moves}
        object.__setattr__(other, "before", reset(learner.before, **kept))
    return other


def _live(learner: Learner) -> dict[str, Live]:
    own: Any = learner.settings
    return live_fields(type(own)) if dataclasses.is_dataclass(own) else {}


def switched(before: Learner, after: L, at: int) -> L:
    """A learner that takes its first `at` steps as one learner and goes on as another.

    Both must have the same parameters, as `varied` leaves them: then what is differentiated
    through a branch is what was done.

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> slow = MAML(MLP(1, 1))
    >>> both = switched(slow, varied(slow, inner_rate=0.5), 2)
    >>> isinstance(both, MAML), both.settings.inner_rate, both.before.settings.inner_rate
    (True, 0.5, 0.01)
    """
    if at == 0 or before is after:
        return after
    other = copy.copy(after)
    method: Any = type(after)
    made = _switching(method)
    other.__class__ = made
    object.__setattr__(other, "before", before)  # not a submodule: its parameters are the same
    object.__setattr__(other, "at", at)
    return other


class _Switched(Learner):
    """A learner that takes its first `at` steps as another one."""

    before: Learner
    at: int


@functools.cache
def _switching(cls: Any) -> Any:
    """The method, with steps that go by another learner's settings first."""

    def step(self: Any, adapted: Adapted, episode: Any) -> Adapted:
        if adapted.step < self.at:
            return self.before.step(adapted, episode)
        if adapted.step == self.at and _optimizer(self) != _optimizer(self.before):
            adapted = without_optimizer(adapted)
        return cls.step(self, adapted, episode)

    return type(cls.__name__, (cls, _Switched), {"step": step, "__module__": cls.__module__})


def without_optimizer(adapted: Adapted) -> Adapted:
    """A value from which another inner optimizer goes on: the old one's state means nothing to it.

    >>> import torch
    >>> list(without_optimizer(Adapted({"weights.w": torch.zeros(1), "optimizer.m": torch.zeros(1)})
    ...     ).values)
    ['weights.w']
    """
    values = {n: t for n, t in adapted.values.items() if not n.startswith("optimizer.")}
    return Adapted(values, adapted.seen, adapted.step)


def _optimizer(learner: Learner) -> Any:
    return getattr(learner.settings, "optimizer", None) if isinstance(learner, Descends) else None
