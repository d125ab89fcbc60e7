"""What every method with a memory can be asked, so that one view shows them all.

A memory has *slots*. Support examples are written to them, `writes`; inputs read them by one or
more heads, `reads`. A slot can be emptied or given what another holds, and predictions follow at
once. Two more are shown where a method has them: the value `usage` [task, slot], how much each
slot was used lately, and what was seen as `erased` [task, slot], 1 where a slot was cleared.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.randomness import uniform
from workbench.tasks.episode import Episode


class MemoryLearner(Learner):
    """A learner whose adaptation writes to a memory that its predictions read.

    `slot_values` names the values `[task, slot, ...]` that hold what the slots hold.
    """

    lacking = (
        "{method} has no memory that queries read: use Matching Networks, "
        "Prototypical Networks, MetaNet, MANN, SNAIL, attention or task memory"
    )
    slot_values: tuple[str, ...] = ()

    @abstractmethod
    def reads(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """How much each input reads of each slot, by head: `[task, example, slot]`.

        No head where nothing was written yet that could be read.
        """

    def distances(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor | None:
        """`[task, example, slot]`, where inputs read by their distance to slots; else None."""
        return None

    @abstractmethod
    def writes(self, adapted: Adapted, episode: Episode) -> Tensor:
        """How much each support example wrote to each slot in the step that made `adapted`.

        `[task, slot, support]`; zero where nothing was written.
        """

    def held_before(self, adapted: Adapted) -> Tensor | None:
        """How much each slot held before the first step, `[task, slot]`; None where none did."""
        return None

    def empty(self, adapted: Adapted) -> Tensor | None:
        """Whether a slot holds nothing, `[task, slot]`: not written yet, or emptied; None if it
        cannot be told."""
        held = [adapted.values[name] for name in self.slot_values if name in adapted.values]
        if not held:
            return None
        return ~torch.stack([t.flatten(2).any(2) if t.dim() > 2 else t != 0 for t in held]).any(0)

    def without(self, adapted: Adapted, slots: Iterable[int]) -> Adapted:
        """The adaptation with some slots emptied, in every task.

        >>> from workbench.algorithms import Matching, adapt, last
        >>> from workbench.models import MLP
        >>> from workbench.tasks import open_tasks
        >>> episode = open_tasks("digits").sample(1, seed=0)
        >>> learner = Matching(MLP(64, None))
        >>> adapted = learner.without(last(adapt(learner, episode)), [0])
        >>> bool(learner.read(adapted, episode.query.x)[..., 0].any())
        False
        """
        emptied = list(slots)

        def empty(tensor: Tensor) -> None:
            tensor[:, emptied] = 0

        return self._edited(adapted, emptied, empty)

    def given(self, adapted: Adapted, slot: int, source: int) -> Adapted:
        """The adaptation with a slot that holds what another does, in every task."""

        def copy(tensor: Tensor) -> None:
            tensor[:, slot] = tensor[:, source]

        return self._edited(adapted, [slot, source], copy)

    def _edited(
        self, adapted: Adapted, slots: list[int], change: Callable[[Tensor], None]
    ) -> Adapted:
        held = {n: adapted.values[n].clone() for n in self.slot_values if n in adapted.values}
        if not held:
            raise UserError(
                f"{type(self).__name__} has written nothing to its slots yet that could be "
                "changed: take a step first"
            )
        count = next(iter(held.values())).shape[1]
        for slot in slots:
            if not 0 <= slot < count:
                raise UserError(
                    f"slot {slot} was to be changed and this task wrote to {count}: "
                    f"choose 0 to {count - 1}"
                )
        for tensor in held.values():
            change(tensor)
        return Adapted({**adapted.values, **held}, adapted.seen, adapted.step)


def each_its_own(adapted: Adapted, episode: Episode, like: Tensor, *, step: int = 1) -> Tensor:
    """The writes of a memory with a slot for every support example, all filled in one step."""
    support = episode.support
    examples = support.y.shape[1]
    own = torch.eye(examples, dtype=like.dtype, device=like.device).expand(len(episode), -1, -1)
    if adapted.step != step:
        return torch.zeros_like(own)
    return own if support.weight is None else own * support.weight.to(like).unsqueeze(-1)


def shuffled(present: Tensor, seed: Tensor) -> Tensor:
    """An order `[task, example]` drawn from each task's seed; what only pads (0) comes last.

    The order of those that count is the same however much padding stands between them.

    >>> order = shuffled(torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([3]))
    >>> order[0, -1].item(), sorted(order[0].tolist())
    (1, [0, 1, 2])
    """
    place = (present.cumsum(dim=1) - 1).clamp(min=0).long()  # among those that count
    draws = uniform(seed, (present.shape[1],), present.dtype)
    return (draws.gather(1, place) - present).argsort(dim=1)


def check_ways(method: str, built: int, ways: int) -> None:
    """Refuse more classes than the read-out has outputs.

    >>> check_ways("MANN", 5, 5)
    """
    if ways > built:
        raise UserError(
            f"{method}'s read-out tells {built} classes apart and the tasks have {ways} ways: "
            f"ask for at most {built} ways, or train it on tasks of {ways}"
        )
