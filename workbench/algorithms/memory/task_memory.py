"""Task memory: a new task starts from what was learned on those that it resembles.

    L_i      = loss of w_i on the new task's support      w_0 = theta, then the memory's entries
    a        = softmax( -L / tau ), or 1 for the smallest L (hard)
    theta_0  = retrieve(M, D_new) = sum_i a_i w_i
    theta_k+1 = theta_k - alpha * gradient of L(theta_k; D_new)
    M       <- update(M, D_tr): the adapted weights go to the entry that fits best, by a share of
               the way, where its loss was below a bound: the task is recognised. Else to a new one

A task is recognised by how well what was learned before fits its support. The memory holds the
weights of some tasks; once it is full, the entry that was not recognised for the longest time
makes room. Adapting reads the memory and leaves it alone: only `update` writes to it. Theta is
meta-learned as in MAML (Finn et al., 2017), from which an empty memory does not differ: training
remembers nothing. An evaluation is a stream: each task is measured and then remembered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms.base import adapt
from workbench.algorithms.capabilities import Remembers
from workbench.algorithms.classes import Temperature, check_outputs
from workbench.algorithms.gradient.learner import GradientLearner, GradientSettings
from workbench.algorithms.memory import attention as attend
from workbench.algorithms.memory.learner import MemoryLearner
from workbench.algorithms.values import Adapted, last
from workbench.errors import UserError
from workbench.fields import Live, Range
from workbench.innerloop import forward_tasks, weights_of
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples

_NEVER = -1


def _filled(learner: Any) -> bool:
    return bool(learner.filled)


def _mixes(learner: Any) -> bool:
    return bool(learner.filled and learner.settings.attention == "soft")


@dataclass(frozen=True)
class TaskMemorySettings(GradientSettings):
    """A memory of tasks, and gradient steps from what it recognises."""

    slots: Annotated[int, Range(1, span=(1, 100))] = 20  # tasks that the memory holds
    # mix what fits, or take what fits best
    attention: Annotated[Literal["soft", "hard"], Live(when=_filled)] = "soft"
    # tau: lower trusts the best fit more
    temperature: Annotated[Temperature, Live(when=_mixes)] = 0.1
    # a task is recognised where an entry's loss on its support is below this
    familiar: Annotated[float, Range(above=0, span=(0.01, 10), log=True)] = 0.3
    # how far the entry of a recognised task moves to what was learned now
    share: Annotated[float, Range(above=0, most=1)] = 0.5

    def build(self, model: ModelSettings, spec: TaskSpec) -> TaskMemory:
        """The learner for tasks of this kind."""
        return TaskMemory(model.build(spec.input_shape, spec.outputs), self)


class Written(NamedTuple):
    """What one task of a stream did to the memory."""

    slot: int  # which entry it was written to
    recognised: bool  # whether that entry was known to be of such a task
    evicted: bool  # whether another task had to go for it
    loss: float  # of the entry that fitted best, on the support; infinite where there was none


class TaskMemory(GradientLearner, MemoryLearner, Remembers):
    """Remembers the weights of earlier tasks, and starts from those that fit.

    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> tasks = open_tasks("recurring:sinusoid").sample(3, seed=0)
    >>> learner = TaskMemory(MLP(1, 1))
    >>> [written.slot for written in learner.update(tasks)][0], learner.filled
    (0, 3)
    """

    settings: TaskMemorySettings

    def __init__(
        self, model: nn.Module, settings: TaskMemorySettings = TaskMemorySettings()
    ) -> None:
        super().__init__(model, settings)
        self.entries = nn.Module()
        for name in self.adapted_names:
            like = model.get_parameter(name)
            empty = like.detach().new_zeros(settings.slots, *like.shape)
            self.entries.register_buffer(name.replace(".", "/"), empty)
        self.recognised: Tensor
        self.register_buffer("recognised", torch.full((settings.slots,), _NEVER))

    @property
    def filled(self) -> int:
        """How many tasks the memory holds."""
        return int((self.recognised != _NEVER).sum())

    def begin(self, episode: Episode) -> Adapted:
        """What the memory retrieves for each task; theta while it is empty."""
        start = super().begin(episode)
        if not self.filled:
            return start
        fit = self.fit(episode)
        scores = -fit / self.settings.temperature
        if self.settings.attention == "soft":
            trust = attend.soft(scores)
        else:
            trust = attend.hard(attend.highest(scores, 1), scores.shape[1], scores)
        known, theta = self._entries(), weights_of(start.values)
        weights = {
            f"weights.{name}": _beside(trust[:, 0], theta[name]) * theta[name]
            + torch.einsum("ts,s...->t...", trust[:, 1:], known[name])
            for name in self.adapted_names
        }
        return Adapted({**start.values, **weights, "fit": fit, "trust": trust})

    def fit(self, episode: Episode) -> Tensor:
        """The support loss of theta (first) and of each entry: `[task, 1 + slot]`.

        Infinite where a slot is empty.
        """
        theta, known = dict(self.model.named_parameters()), self._entries()
        support, count, tasks = episode.support, self.settings.slots + 1, len(episode)
        candidates = {
            name: torch.cat([theta[name].unsqueeze(0), known[name]])
            .expand(tasks, *[-1] * (theta[name].dim() + 1))
            .flatten(0, 1)
            for name in self.adapted_names
        }
        # Every task under every candidate, all in one batch.
        many = Examples(
            support.x.repeat_interleave(count, dim=0),
            support.y.repeat_interleave(count, dim=0),
            None if support.weight is None else support.weight.repeat_interleave(count, dim=0),
        )
        parameters = self.parameters_with(candidates)
        prediction = forward_tasks(self.model, parameters, many.x, weight=many.weight)
        check_outputs(prediction, episode)
        losses = episode.loss(prediction, many).unflatten(0, (tasks, count))
        there = torch.cat([self.recognised.new_zeros(1), self.recognised]) != _NEVER
        return torch.where(there, losses, torch.inf)

    @torch.no_grad()
    def update(self, episode: Episode, *, steps: int | None = None) -> list[Written]:
        """Adapt to the tasks of a stream, one after the other, and remember each.

        `steps` inner steps are taken before a task is written, by default the learner's own.
        """
        written = []
        clock = int(self.recognised.max()) + 1
        for task in episode.split(1):
            adapted = last(adapt(self, task, steps=steps))
            fit = adapted.values.get("fit")
            least, place = (math.inf, -1) if fit is None else _smallest(fit[0, 1:])
            known = least < self.settings.familiar
            new = self.filled < self.settings.slots
            slot = place if known else int(self.recognised.argmin())
            share = self.settings.share if known else 1.0
            learned = weights_of(adapted.values)
            if not all(bool(weight.isfinite().all()) for weight in learned.values()):
                raise UserError(
                    f"adapting in {adapted.step} steps led to weights that are not finite, which "
                    "were not remembered: lower the inner rate or the steps"
                )
            for name, weight in learned.items():
                self.entries.get_buffer(name.replace(".", "/"))[slot].lerp_(weight[0], share)
            self.recognised[slot] = clock
            clock += 1
            written.append(Written(slot, known, not known and not new, least))
        return written

    def forget(self) -> None:
        """Empty the memory."""
        self.recognised.fill_(_NEVER)

    def reads(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """a, the same for every input: slot 0 is theta, the memory's entries follow."""
        trust = adapted.values.get("trust")
        if trust is None:
            trust = x.new_zeros(len(x), self.settings.slots + 1)
            trust[:, 0] = 1.0
        return {"retrieved": trust.unsqueeze(1).expand(-1, x.shape[1], -1)}

    def held_before(self, adapted: Adapted) -> Tensor:
        """Theta, and the entries that `update` wrote."""
        filled = (self.recognised != _NEVER).to(next(self.model.parameters()))
        tasks = len(next(iter(adapted.values.values())))
        return F.pad(filled, (1, 0), value=1.0).expand(tasks, -1)

    def writes(self, adapted: Adapted, episode: Episode) -> Tensor:
        """Nothing: only `update` writes."""
        slots, examples = self.settings.slots + 1, episode.support.y.shape[1]
        like = next(self.model.parameters())
        return like.new_zeros(len(episode), slots, examples)

    def _entries(self) -> dict[str, Tensor]:
        # Cloned, so that a later update does not change what was computed from them.
        return {
            name: self.entries.get_buffer(name.replace(".", "/")).clone()
            for name in self.adapted_names
        }


def _smallest(fit: Tensor) -> tuple[float, int]:
    value, place = fit.min(dim=0)
    return float(value), int(place)


def _beside(trust: Tensor, weight: Tensor) -> Tensor:
    return trust.reshape(-1, *[1] * (weight.dim() - 1))
