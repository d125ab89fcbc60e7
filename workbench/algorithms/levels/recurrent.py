"""Recurrent: a cell watches a meta-training and sets the strategy of its next outer steps.

After Andrychowicz et al. (2016), Learning to learn by gradient descent by gradient descent,
arXiv:1606.04474, one level up: what is learned is no update but how the next ones are made.

    h           = LSTM(x, h)                                         every `every` outer steps
    x           = (log L, its change since last, log |g|, cos(g, -move), t / T)
    log setting = what is learned for all families + reach * tanh(V h / width)

L is what the last outer step descended, g its gradient and move what the step made
of theta; settings are those of `MetaOptimised`. V starts at 0: so begun, and kept there, it is
`MetaOptimised`. As in the paper, what is read is a constant to the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.algorithms.capabilities import Unrolls
from workbench.algorithms.levels.meta_optimised import (
    MetaOptimised,
    MetaOptimisedSettings,
    Setting,
)
from workbench.algorithms.values import Adapted
from workbench.fields import Range
from workbench.innerloop import weights_of
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode
from workbench.tasks.levels import Nested

_FARTHEST = 10.0  # where logarithms that are read are cut


@dataclass(frozen=True)
class RecurrentSettings(MetaOptimisedSettings):
    """A recurrent cell sets a meta-learner's rates and regularisation as its training goes."""

    learned: tuple[Setting, ...] = ("inner_rate", "outer_rate", "proximal")
    proximal: Annotated[float, Range(above=0, span=(1e-5, 1), log=True)] = 1e-3  # where it starts
    every: Annotated[int, Range(1, span=(1, 25))] = 5  # outer steps that a strategy is kept for
    width: Annotated[int, Range(1, span=(4, 64))] = 16  # numbers that the cell remembers
    # how far it moves a setting at most, as a logarithm
    reach: Annotated[float, Range(above=0, span=(0.5, 5))] = 2.0

    def build(self, model: ModelSettings, spec: TaskSpec) -> Recurrent:
        """The learner for families of this kind."""
        return Recurrent(*self.started("Recurrent", model, spec), self)


class Recurrent(MetaOptimised):
    """Learns to set rates and regularisation by how a meta-training goes.

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.models import MLPSettings
    >>> from workbench.tasks import Shape, open_tasks
    >>> families, shape = open_tasks("families:sines"), Shape(1, 8, 4)
    >>> learner = RecurrentSettings(train_steps=2).build(MLPSettings(), families.spec(shape))
    >>> found = last(adapt(learner, families.sample(2, seed=0, shape=shape)))
    >>> found.values["carried.moves"].shape
    torch.Size([2, 3])
    """

    settings: RecurrentSettings

    def __init__(
        self, inner: Unrolls, nested: Nested, settings: RecurrentSettings = RecurrentSettings()
    ) -> None:
        super().__init__(inner, nested, settings)
        self.cell = nn.LSTMCell(5, settings.width)
        self.head = nn.Linear(settings.width, len(settings.learned))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def begin(self, episode: Episode) -> Adapted:
        """A family's start, and nothing read or remembered yet."""
        start, families, like = super().begin(episode), len(episode), self.head.weight
        blank = {
            "carried.hidden": like.new_zeros(families, 2 * self.settings.width),
            "read": like.new_zeros(families, 4),
            "carried.moves": like.new_zeros(families, len(self.settings.learned)),
        }
        return Adapted({**start.values, **blank})

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """An outer step, by a strategy that is set anew every few of them."""
        adapted = self.settled(adapted, episode)
        after = super().step(adapted, episode)
        read = self.read(adapted, after)
        return Adapted({**after.values, "read": read}, after.seen, after.step)

    def settled(self, adapted: Adapted, episode: Episode) -> Adapted:
        """The same with the strategy of the next outer steps, where it is set anew."""
        if adapted.step % self.settings.every:
            return adapted
        values, done = adapted.values, adapted.step / self.steps(episode)
        level, before, size, along = values["read"].unbind(1)
        x = torch.stack([level, level - before, size, along, torch.full_like(level, done)], dim=1)
        h, c = values["carried.hidden"].chunk(2, dim=1)
        h, c = self.cell(x, (h.contiguous(), c.contiguous()))
        new = {
            "carried.hidden": torch.cat([h, c], dim=1),
            # by the width, so that the cell learns no quicker than what is learned for all
            "carried.moves": self.settings.reach * torch.tanh(self.head(h) / self.settings.width),
            "read": torch.stack([level, level, size, along], dim=1),
        }
        return Adapted({**values, **new}, adapted.seen, adapted.step)

    @torch.no_grad()
    def read(self, before: Adapted, after: Adapted) -> Tensor:
        """What is read of an outer step: log loss, that at the last decision, and its gradient's
        log norm and how far the step went along it."""
        old, new = weights_of(before.values), weights_of(after.values)
        move = torch.cat([(new[n] - old[n]).flatten(1) for n in old], dim=1)
        slope = torch.cat([after.seen[f"gradient.{n}"].flatten(1) for n in old], dim=1)
        size = slope.norm(dim=1)
        along = -(slope * move).sum(dim=1) / (size * move.norm(dim=1)).clamp(min=1e-30)
        last = before.values["read"][:, 1]
        found = torch.stack([after.seen["loss"].log(), last, size.log(), along], dim=1)
        return found.nan_to_num(nan=_FARTHEST).clamp(-_FARTHEST, _FARTHEST)

    def own(self, name: Setting, adapted: Adapted) -> Tensor:
        """What is learned for all families, and what the cell moves it by in each."""
        move = adapted.values["carried.moves"][:, self.settings.learned.index(name)]
        own = self.free[name]
        return own + move.reshape(-1, *[1] * own.dim())
