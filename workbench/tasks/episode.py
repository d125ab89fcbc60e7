"""Episode: a batch of tasks, each with examples to learn from and examples to be judged by."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

State = Mapping[str, Tensor]


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
        if self.weight is None:
            return values.mean(dim=1)
        return (values * self.weight).sum(dim=1) / self.weight.sum(dim=1).clamp(min=1)


class Environment(Protocol):
    """A control task's dynamics: pure, batched over tasks, the state an explicit value."""

    @property
    def actions(self) -> int: ...

    @property
    def observation_size(self) -> int: ...

    @property
    def horizon(self) -> int: ...

    def __call__(
        self, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """state, observation `[task, size]`, reward `[task]`, done `[task]` after an action."""
        ...


@dataclass(frozen=True, eq=False)
class Episode:
    """n tasks at once.

    support, query   what a task is learned from and judged by; None for control tasks
    ways             number of classes a task chooses among; None where targets are numbers
    seed             `[task]`: all randomness inside an adaptation follows from it
    info             what the tasks are and where they come from; a tensor in it has a leading
                     task axis (`classes` [task, way], `amplitude` [task], ...), all else is said
                     of the whole batch (`dataset`, `scheme`, `split`, `class_names`, ...)
    env, state       a control task's dynamics and its starting state, in place of the examples
    """

    support: Examples  # None only for control tasks, whose learners never ask for it
    query: Examples
    seed: Tensor
    ways: int | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    env: Environment | None = None
    state: State = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seed)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor under a dotted name, in a fixed order."""
        found: dict[str, Tensor] = {}
        for part in ("support", "query"):
            examples = getattr(self, part)
            if examples is not None:
                found[f"{part}.x"], found[f"{part}.y"] = examples.x, examples.y
                if examples.weight is not None:
                    found[f"{part}.weight"] = examples.weight
        found["seed"] = self.seed
        for part in ("info", "state"):
            for name, value in sorted(getattr(self, part).items()):
                if isinstance(value, Tensor):
                    found[f"{part}.{name}"] = value
        return found

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Episode:
        """The same episode with other tensors, named as `tensors()` names them."""

        def examples(part: str) -> Any:  # None stays None, for control tasks
            if getattr(self, part) is None:
                return None
            return Examples(
                tensors[f"{part}.x"], tensors[f"{part}.y"], tensors.get(f"{part}.weight")
            )

        def mapping(part: str) -> dict[str, Any]:
            return {k: tensors.get(f"{part}.{k}", v) for k, v in getattr(self, part).items()}

        return dataclasses.replace(
            self,
            support=examples("support"),
            query=examples("query"),
            seed=tensors["seed"],
            info=mapping("info"),
            state=mapping("state"),
        )

    def map(self, change: Callable[[Tensor], Tensor]) -> Episode:
        """The episode with `change` applied to every tensor."""
        return self.with_tensors({name: change(t) for name, t in self.tensors().items()})

    def __getitem__(self, tasks: slice | Tensor) -> Episode:
        """Some of the tasks, as an episode.

        >>> from workbench.tasks import open_tasks
        >>> len(open_tasks("sinusoid").sample(4, seed=0)[1:3])
        2
        """
        return self.map(lambda t: t[tasks])

    def split(self, size: int) -> list[Episode]:
        """Consecutive episodes of `size` tasks (the last may be smaller), sharing memory.

        The training loop samples large blocks and cuts them here, so this is written for speed.
        """
        seeds = self.seed.split(size)
        count = len(seeds)

        def examples(whole: Examples | None) -> Sequence[Any]:
            if whole is None:
                return [None] * count
            weights = [None] * count if whole.weight is None else whole.weight.split(size)
            return list(map(Examples, whole.x.split(size), whole.y.split(size), weights))

        def mapping(whole: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
            pieces = (
                v.split(size) if isinstance(v, Tensor) else [v] * count for v in whole.values()
            )
            names = list(whole)
            columns = list(zip(*pieces, strict=True)) or [()] * count
            return [dict(zip(names, column, strict=True)) for column in columns]

        support, query = examples(self.support), examples(self.query)
        info, state = mapping(self.info), mapping(self.state)
        return [
            Episode(support[i], query[i], seeds[i], self.ways, info[i], self.env, state[i])
            for i in range(count)
        ]

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Episode:
        """The episode on another device, its floating-point tensors in another precision."""
        return self.map(lambda t: t.to(device, dtype if t.is_floating_point() else None))

    def sha256(self) -> str:
        """A fingerprint of support and query (of seeds and states for control tasks)."""
        digest = hashlib.sha256()
        for name, tensor in self.tensors().items():
            if not name.startswith("info."):
                digest.update(name.encode() + str(tuple(tensor.shape)).encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def present(self) -> Tensor | None:
        """Which classes a task really has, `[task, way]`; None when it has them all."""
        support = self.support
        if support is None or support.weight is None or self.ways is None:
            return None
        counts = torch.zeros(len(self), self.ways, device=self.seed.device)
        return counts.scatter_add(1, support.y, support.weight.to(counts.dtype)) > 0
