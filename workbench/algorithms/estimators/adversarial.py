"""Adversarial training in one outer step: each side's parameters follow that side's own loss.

Goodfellow et al. (2014), Generative Adversarial Networks, arXiv:1406.2661, with the penalty on the
discriminator's slope of Mescheder, Geiger and Nowozin (2018), arXiv:1801.04406, and two time scales
(Heusel et al., 2017, arXiv:1706.08500).

    generator       softplus(-D(made))
    discriminator   softplus(-D(real)) + softplus(D(made)) + penalty |slope of D at real|^2

Both gradients are of the same moment; the outer optimizer takes both steps at once. Each is a mean
over tasks, so that chunks of tasks add up.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms.base import Learner
from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.estimators.exact import filled
from workbench.algorithms.values import Adapted, MetaGradient, trainable
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.innerloop import named_derivatives
from workbench.tasks.episode import Episode

_ITS = "discriminator."
Weights = dict[str, Tensor]


class Contested(Learner):
    """A learner of two sides: its `discriminator`, and all the rest, which generates."""

    discriminator: nn.Module

    @abstractmethod
    def generated(self, episode: Episode) -> Weights:
        """Every task's parameters as they are made, `[task, *shape]`."""

    @abstractmethod
    def expert(self, made: Weights, episode: Episode) -> Weights:
        """What they are to be like, of tasks like these; a constant."""

    @abstractmethod
    def verdict(self, weights: Weights, episode: Episode) -> Tensor:
        """The discriminator on each task: higher where the parameters are more like an expert's."""


@dataclass(frozen=True)
class Adversarial(Estimator):
    """Let a generator and a discriminator learn against each other."""

    # weight of the discriminator's squared slope at the expert's parameters
    penalty: Annotated[float, Range(0, span=(0, 10))] = 1.0
    # the discriminator's outer rate, as a factor of the generator's
    speed: Annotated[float, Range(above=0, span=(0.1, 10), log=True)] = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "estimator")

    def pace(self, name: str) -> float:
        """`speed` for what is the discriminator's."""
        return self.speed if name.startswith(_ITS) else 1.0

    def __call__(
        self, learner: Any, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, None]:
        """Each side's gradient, and the query loss of what is made, which neither side descends."""
        if not isinstance(learner, Contested):
            raise UserError(
                f"the estimator Adversarial trains a generator against a discriminator, and "
                f"{type(learner).__name__} has none: use GAIL, or another estimator"
            )
        episode.query.check_any()
        parameters = dict(trainable(learner))
        its = {n: p for n, p in parameters.items() if n.startswith(_ITS)}
        own = {n: p for n, p in parameters.items() if n not in its}
        made = learner.generated(episode)
        fooled = F.softplus(-learner.verdict(made, episode)).mean()
        found = _slopes(fooled, own)

        made = {n: w.detach() for n, w in made.items()}
        real = {n: w.detach().requires_grad_() for n, w in learner.expert(made, episode).items()}
        score = learner.verdict(real, episode)
        told = F.softplus(-score) + F.softplus(learner.verdict(made, episode))
        if self.penalty:
            slopes = torch.autograd.grad(score.sum(), list(real.values()), create_graph=True)
            squares = [s.flatten(1).square().sum(dim=1) for s in slopes]
            told = told + self.penalty * torch.stack(squares).sum(dim=0)
        found |= _slopes(told.mean(), its)
        gradients = filled(learner, ((n, p, found[n]) for n, p in parameters.items()))
        with torch.no_grad():
            losses = learner(episode)
        return MetaGradient(gradients, losses), None


def _slopes(loss: Tensor, parameters: Weights) -> dict[str, Tensor | None]:
    with named_derivatives():
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return dict(zip(parameters, found, strict=True))
