"""A level above meta-learning: a task is itself a family of tasks.

A learner of the third level adapts to a family by outer steps, as a meta-learner adapts to a task
by inner steps. Families are stacked on the task axis, so that one call of the meta-learner inside
takes all families' tasks at once, each family under meta-parameters of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from workbench.errors import UserError
from workbench.tasks.episode import Episode


@dataclass(frozen=True, eq=False)
class Families:
    """Several families of tasks; its length is their number.

    training    the tasks of each outer step: family after family on the task axis
    validation  the tasks that a family is judged by, family after family
    count       the number of families

    >>> import torch
    >>> from workbench.tasks import open_tasks
    >>> tasks = open_tasks("sinusoid").sample(6, seed=0)
    >>> families = Families((tasks, tasks), tasks, count=2)
    >>> families.of_tasks({"w": torch.zeros(2, 4)}, tasks)["w"].shape
    torch.Size([6, 4])
    """

    training: tuple[Episode, ...]
    validation: Episode
    count: int

    def __post_init__(self) -> None:
        for episode in (*self.training, self.validation):
            if len(episode) % self.count:
                raise UserError(
                    f"{len(episode)} tasks cannot be those of {self.count} families: give each "
                    "family as many"
                )

    def __len__(self) -> int:
        return self.count

    def of_tasks(self, parameters: Mapping[str, Tensor], tasks: Episode) -> dict[str, Tensor]:
        """Meta-parameters `[family, *shape]` as those of each family's tasks, `[task, *shape]`."""
        each = len(tasks) // self.count
        return {name: p.repeat_interleave(each, dim=0) for name, p in parameters.items()}

    def means(self, losses: Tensor) -> Tensor:
        """The mean of `[task]` losses over each family: `[family]`."""
        return losses.unflatten(0, (self.count, -1)).mean(dim=1)
