"""Examples: inputs and targets of a batch of tasks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.errors import UserError


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs and targets of n tasks, `[task, example, ...]`.

    `weight` is 0 where an example only pads (tasks of unequal shots and ways stack that way) and
    1 elsewhere; None means that every example counts.
    """

    x: Tensor
    y: Tensor
    weight: Tensor | None = None

    def mean(self, values: Tensor) -> Tensor:
        """The mean of `[task, example]` values over the examples that count: `[task]`.

        >>> Examples(torch.zeros(1, 2, 1), torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).mean(
        ...     torch.tensor([[3.0, 9.0]]))
        tensor([3.])
        """
        self.check_any()
        if self.weight is None:
            return values.mean(dim=1)
        return (values * self.weight).sum(dim=1) / self.weight.sum(dim=1).clamp(min=1)

    def counts(self) -> Tensor:
        """How much each example counts, `[task, example]`: 0 where it only pads."""
        if self.weight is not None:
            return self.weight
        number = self.x if self.x.is_floating_point() else torch.get_default_dtype()
        return torch.ones(self.y.shape[:2], device=self.y.device).to(number)

    def check_any(self) -> None:
        """Refuse what has no example, over which a mean would be NaN."""
        if self.y.shape[1] == 0:
            raise UserError(
                "there are no examples to take a mean over: give each task at least one query, "
                "and one support example where its loss is descended"
            )
