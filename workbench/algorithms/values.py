"""The values that meta-learning passes on: an adaptation's state, and a meta-gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from workbench.errors import UserError


@dataclass(frozen=True, eq=False)
class Adapted:
    """The state of an adaptation after `step` inner steps; nothing ever changes it.

    values  what the adaptation changes (fast weights, optimizer state, memory, hidden state)
    seen    what it observed on the way (loss, gradients, reads, rewards)
    Both map names to tensors with a leading task axis.
    """

    values: Mapping[str, Tensor]
    seen: Mapping[str, Tensor] = field(default_factory=dict)
    step: int = 0

    def detach(self) -> Adapted:
        """The same numbers, cut from the graph that made them."""
        return Adapted(
            {name: t.detach() for name, t in self.values.items()},
            {name: t.detach() for name, t in self.seen.items()},
            self.step,
        )

    def split(self, size: int) -> list[Adapted]:
        """The values of consecutive groups of `size` tasks, as `Episode.split` cuts an episode.

        >>> [len(a.values["w"]) for a in Adapted({"w": torch.zeros(5, 2)}).split(2)]
        [2, 2, 1]
        """
        tasks = len(next(iter(self.values.values())))
        parts = {name: t.split(size) for name, t in self.values.items()}
        return [
            Adapted({name: part[i] for name, part in parts.items()}, step=self.step)
            for i in range(-(-tasks // size))
        ]

    @staticmethod
    def joined(parts: Sequence[Adapted]) -> Adapted:
        """The values of all the tasks that were split."""
        names = parts[0].values
        values = {name: torch.cat([part.values[name] for part in parts]) for name in names}
        return Adapted(values, step=parts[0].step)


class MetaGradient(NamedTuple):
    """What one outer step needs: a gradient for every meta-parameter, and each task's meta-loss."""

    gradients: dict[str, Tensor]
    losses: Tensor


def last(path: Iterable[Adapted]) -> Adapted:
    """The last value of a path, keeping none of the earlier ones."""
    for adapted in path:
        pass
    return adapted


def trainable(learner: nn.Module) -> list[tuple[str, Tensor]]:
    """The meta-parameters: named parameters that want a gradient."""
    every: list[tuple[str, Tensor]] = list(learner.named_parameters())
    found = [(name, p) for name, p in every if p.requires_grad]
    if not every:
        raise UserError(
            f"{type(learner).__name__} has no meta-parameter to train, since it learns by a fixed "
            "rule: evaluate or compare it as it is"
        )
    if not found:
        raise UserError(
            f"{type(learner).__name__} has no meta-parameter to train, since all that it has is "
            "frozen: set requires_grad_(True) on what is to be learned, or only evaluate it"
        )
    return found
