"""Evolution strategies: a gradient from the meta-losses of a population, without derivatives.

Salimans, Ho, Chen, Sidor and Sutskever (2017), Evolution Strategies as a Scalable Alternative to
Reinforcement Learning, arXiv:1703.03864, with members in pairs of opposites.

    gradient = mean over pairs of (L(phi + sigma e) - L(phi - sigma e)) / (2 sigma) e

A population is part of the task axis, tasks x members, with meta-parameters that are stacked like
fast weights: every task draws its own members, from its seed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.func import functional_call

from workbench.algorithms.base import Learner
from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.values import Adapted, MetaGradient, trainable
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.randomness import fold, normal
from workbench.tasks.episode import Episode

_MUTATION = 3  # the use that a task's seed is put to
_ALONE = RLock()  # while a learner's parameters are swapped, which other threads would see


class Populated(Learner):
    """A learner that can judge a population by itself, with what its members share done once."""

    @abstractmethod
    def population_losses(self, members: Mapping[str, Tensor], episode: Episode) -> Tensor:
        """The meta-loss of every member, `[member, task]`.

        `members` has a tensor `[task, member, *shape]` for each meta-parameter.
        """


@dataclass(frozen=True)
class Evolution(Estimator):
    """Estimate the gradient from what the members of a population lose."""

    # members, in pairs of opposites
    population: Annotated[int, Range(2, span=(4, 128))] = 32
    # their spread around the meta-parameters
    sigma: Annotated[float, Range(above=0, span=(1e-3, 1), log=True)] = 0.05

    def __post_init__(self) -> None:
        check_fields(self, "estimator")
        if self.population % 2:
            raise UserError(
                f"estimator.population is {self.population}: members come in pairs, so make it even"
            )

    @torch.no_grad()
    def __call__(
        self, learner: Learner, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, None]:
        """The estimate, and each task's meta-loss under the meta-parameters themselves."""
        with _ALONE:
            return self._estimate(learner, episode), None

    def _estimate(self, learner: Learner, episode: Episode) -> MetaGradient:
        half, tasks = self.population // 2, len(episode)
        parameters = {name: p.detach() for name, p in trainable(learner)}
        draws = {
            name: normal(fold(episode.seed, _MUTATION, i), (half, *p.shape), p.dtype)
            for i, (name, p) in enumerate(parameters.items())
        }
        members = {}
        for name, p in parameters.items():
            own, away = p.expand(tasks, 1, *p.shape), self.sigma * draws[name]
            # the middle member is what the meta-parameters are now
            members[name] = torch.cat([own + away, own, own - away], dim=1)
        judge = learner.population_losses if isinstance(learner, Populated) else None
        losses = judge(members, episode) if judge else _stacked(learner, members, episode)
        slope = (losses[:half] - losses[half + 1 :]) / (2 * self.sigma)
        gradients = {
            name: torch.einsum("mt,tm...->...", slope, e) / (half * tasks)
            for name, e in draws.items()
        }
        return MetaGradient(gradients, losses[half])


def _stacked(learner: Learner, members: Mapping[str, Tensor], episode: Episode) -> Tensor:
    """`[member, task]`: all members of all tasks in one call, on the task axis."""
    tasks, count = len(episode), next(iter(members.values())).shape[1]
    many = episode.map(lambda t: t.repeat_interleave(count, dim=0))
    flat = {name: m.flatten(0, 1) for name, m in members.items()}
    try:
        losses = functional_call(learner, flat, (many,)).unflatten(0, (tasks, count))
        # The first member of the first task once more, by itself.
        own = {name: m[0, 0] for name, m in members.items()}
        alone: Any = functional_call(learner, own, (episode[:1],))
        holds = torch.allclose(losses[0, :1], alone, rtol=1e-3, atol=1e-5)
    except RuntimeError:
        holds = False
    if not holds:
        raise UserError(
            f"{type(learner).__name__} cannot judge a population, whose meta-parameters come "
            "stacked: let them enter by Learner.run, or make it Populated"
        )
    return losses.T
