"""The exact meta-gradient: the derivative of the mean meta-loss.

What of the inner steps is differentiated is the learner's to say (its `order`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.values import Adapted, MetaGradient, trainable
from workbench.errors import UserError
from workbench.innerloop import named_derivatives
from workbench.tasks.episode import Episode


@dataclass(frozen=True)
class Exact(Estimator):
    """Differentiate the mean meta-loss through the whole adaptation."""

    def __call__(
        self, learner: Any, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, None]:
        """The derivative of what `learner(episode)` gives."""
        return differentiated(learner, learner(episode)), None


_SEEN: WeakSet[nn.Module] = WeakSet()  # learners whose gradients were looked at once


def differentiated(learner: nn.Module, losses: Tensor) -> MetaGradient:
    """The gradient of the mean of `[task]` losses by every meta-parameter."""
    names, parameters = zip(*trainable(learner), strict=True)
    if not losses.requires_grad:
        raise UserError(
            f"the meta-loss of {type(learner).__name__} depends on none of its meta-parameters: "
            "compute it from them, without detach() or no_grad()"
        )
    with named_derivatives():
        gradients = torch.autograd.grad(losses.mean(), parameters, allow_unused=True)
    found = filled(learner, zip(names, parameters, gradients, strict=True))
    return MetaGradient(found, losses.detach())


def filled(learner: Any, found: Iterable[tuple[str, Tensor, Tensor | None]]) -> dict[str, Tensor]:
    """Gradients by name, of `(name, parameter, gradient)`: 0 for what is idle and said to be so."""
    every = list(found)
    if learner not in _SEEN:
        _check_gradients(learner, [name for name, _, g in every if g is None])
        _SEEN.add(learner)
    return {name: torch.zeros_like(p) if g is None else g for name, p, g in every}


def _check_gradients(learner: Any, missing: Sequence[str]) -> None:
    """Refuse meta-parameters that would never train, but for those that are said to be idle."""
    idle = {*learner.may_lack_gradient, *_before_norm(learner)}
    lost = [name for name in missing if not any(fnmatchcase(name, one) for one in idle)]
    if lost:
        shown = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        raise UserError(
            f"{type(learner).__name__} has meta-parameters that got no gradient ({shown}) and "
            "would never train: use them in the meta-loss, freeze them with "
            "requires_grad_(False), or name them in the learner's may_lack_gradient"
        )


def _before_norm(learner: nn.Module) -> Iterator[str]:
    """Biases of convolutions before batch normalisation, which `forward_tasks` leaves out."""
    for prefix, module in learner.named_modules():
        if isinstance(module, nn.Sequential):
            for (name, layer), (_, following) in pairwise(module.named_children()):
                if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                    yield f"{prefix}.{name}.bias"
