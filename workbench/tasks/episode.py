"""Episode: a batch of tasks, each with examples to learn from and examples to be judged by."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.tasks.control.environment import Environment, Task

Kind = Literal["classification", "regression", "control"]


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

    def check_any(self) -> None:
        """Refuse what has no example, over which a mean would be NaN."""
        if self.y.shape[1] == 0:
            raise UserError(
                "there are no examples to take a mean over: give each task at least one query, "
                "and one support example where its loss is descended"
            )


class Found(NamedTuple):
    """What a check found in an episode."""

    fewest: Mapping[str, int]  # examples of any task, in support and query
    classes: int  # that a model must tell apart; 0 where targets are numbers


@dataclass(frozen=True, eq=False)
class Episode:
    """n tasks at once.

    support, query   what a task is learned from and judged by; None for control tasks
    ways             number of classes a task chooses among; None where targets are numbers
    seed             `[task]`: all randomness inside an adaptation follows from it
    info             what the tasks are and where they come from; a tensor in it has a leading
                     task axis (`classes` [task, way], `amplitude` [task], ...), all else is said
                     of the whole batch (`dataset`, `scheme`, `split`, `class_names`, ...)
    env, task        a control task's dynamics and what each task of them is (an arm's chances, a
                     goal), in place of the examples; never a state, which a trajectory has
    """

    support: Examples  # None only for control tasks, whose learners never ask for it
    query: Examples
    seed: Tensor
    ways: int | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    env: Environment | None = None
    task: Task = field(default_factory=dict)
    _found: Found | None = field(default=None, init=False, repr=False)  # None until it was checked

    def __len__(self) -> int:
        return len(self.seed)

    @property
    def padded(self) -> bool:
        """Whether some of its examples may only pad."""
        parts = (self.support, self.query)
        return any(part is not None and part.weight is not None for part in parts)

    @property
    def kind(self) -> Kind:
        """What its tasks are: whole numbers as targets are classes."""
        if self.support is None:
            return "control"
        return "regression" if self.support.y.is_floating_point() else "classification"

    def check(self) -> Found:
        """Refuse what would give a wrong number without a word, and say what was found.

        It reads the labels, so it is done once: pieces, slices and copies on another device are as
        sound as what they were cut from. What stands in padding does not matter.

        >>> x, y = torch.zeros(1, 2, 1), torch.tensor([[0, 5]])
        >>> Episode(Examples(x, y), Examples(x, y), torch.tensor([0]), ways=2).check()
        Traceback (most recent call last):
        ...
        workbench.errors.UserError: the support has an example of class 5 and its tasks have 2 ways:
        count classes from 0 to 1, and give weight 0 to what only pads
        """
        if self._found is None:
            parts = {"support": self.support, "query": self.query}
            there = {part: examples for part, examples in parts.items() if examples is not None}
            fewest = {part: _fewest(part, examples, self) for part, examples in there.items()}
            classes = 0
            if self.kind == "classification":
                largest = [_largest_label(part, e, self.ways) for part, e in there.items()]
                classes = max(largest) + 1 if self.ways is None else self.ways
            object.__setattr__(self, "_found", Found(fewest, classes))
        assert self._found is not None
        return self._found

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
        for part in ("info", "task"):
            for name, value in sorted(getattr(self, part).items()):
                if isinstance(value, Tensor):
                    found[f"{part}.{name}"] = value
        return found

    def with_tensors(self, tensors: Mapping[str, Tensor], *, checked: bool = False) -> Episode:
        """The same episode with other tensors, named as `tensors()` names them.

        `checked` says that they are as sound as its own: numbers that cannot be read, in a trace.
        """

        def examples(part: str) -> Any:  # None stays None, for control tasks
            if getattr(self, part) is None:
                return None
            return Examples(
                tensors[f"{part}.x"], tensors[f"{part}.y"], tensors.get(f"{part}.weight")
            )

        def mapping(part: str) -> dict[str, Any]:
            return {k: tensors.get(f"{part}.{k}", v) for k, v in getattr(self, part).items()}

        made = dataclasses.replace(
            self,
            support=examples("support"),
            query=examples("query"),
            seed=tensors["seed"],
            info=mapping("info"),
            task=mapping("task"),
        )
        if checked:
            object.__setattr__(made, "_found", self._found)
        return made

    def map(self, change: Callable[[Tensor], Tensor], *, checked: bool = False) -> Episode:
        """The episode with `change` applied to every tensor."""
        changed = {name: change(t) for name, t in self.tensors().items()}
        return self.with_tensors(changed, checked=checked)

    def __getitem__(self, tasks: slice | Tensor) -> Episode:
        """Some of the tasks, as an episode.

        >>> from workbench.tasks import open_tasks
        >>> len(open_tasks("sinusoid").sample(4, seed=0)[1:3])
        2
        """
        return self.map(lambda t: t[tasks], checked=True)

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
        info, task = mapping(self.info), mapping(self.task)
        pieces = [
            Episode(support[i], query[i], seeds[i], self.ways, info[i], self.env, task[i])
            for i in range(count)
        ]
        for piece in pieces:
            object.__setattr__(piece, "_found", self._found)
        return pieces

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Episode:
        """The episode on another device, its floating-point tensors in another precision."""
        return self.map(
            lambda t: t.to(device, dtype if t.is_floating_point() else None), checked=True
        )

    def sha256(self) -> str:
        """A fingerprint of support and query (of seeds and what is drawn for control tasks)."""
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
        way = support.y.clamp(0, self.ways - 1)  # padding may hold any number
        return counts.scatter_add(1, way, support.weight.to(counts.dtype)) > 0


def _fewest(part: str, examples: Examples, episode: Episode) -> int:
    """The fewest examples of any task in a support or query whose tensors fit each other."""
    x, y, weight = examples.x, examples.y, examples.weight
    shape = (len(episode), *y.shape[1:2])
    for name, tensor in (("x", x), ("y", y), ("weight", weight)):
        if tensor is None:
            continue
        if tensor.shape[:2] != shape:
            raise UserError(
                f"{part}.{name} is {list(tensor.shape)} where there are {len(episode)} seeds and "
                f"{part}.y is {list(y.shape)}: let all begin with [task, example]"
            )
        if tensor.device != episode.seed.device:
            raise UserError(
                f"{part}.{name} is on {tensor.device} and the episode's seed on "
                f"{episode.seed.device}: bring all to one device with episode.to(...)"
            )
    if weight is None or weight.is_meta:
        return y.shape[1]
    fewest = int((weight > 0).sum(dim=1).min()) if weight.numel() else 0
    if y.shape[1] and not fewest:
        task = int((weight > 0).sum(dim=1).argmin())
        raise UserError(
            f"task {task} has no {part} example, only padding of weight 0: give it at least one"
        )
    return fewest


def _largest_label(part: str, examples: Examples, ways: int | None) -> int:
    """The largest class of a support or query in which all are classes of the task."""
    y, weight = examples.y, examples.weight
    if y.dtype != torch.int64 or y.dim() != 2:
        raise UserError(
            f"{part}.y is {list(y.shape)} of {y.dtype}, and whole numbers are classes: "
            "give classes [task, example] of torch.int64"
        )
    if y.is_meta or not y.numel():
        return -1
    real = y if weight is None else y.masked_fill(weight == 0, 0)
    least, largest = (int(bound) for bound in real.aminmax())
    many = largest + 1 if ways is None else ways
    if least < 0 or largest >= many:
        wrong = least if least < 0 else largest
        raise UserError(
            f"the {part} has an example of class {wrong} and its tasks have {many} ways: "
            f"count classes from 0 to {many - 1}, and give weight 0 to what only pads"
        )
    return largest
