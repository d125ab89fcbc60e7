"""Episode: a batch of tasks, each with examples to learn from and examples to be judged by."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.tasks.control.environment import Environment, Task
from workbench.tasks.examples import Examples as Examples
from workbench.tasks.objectives import Kind as Kind
from workbench.tasks.objectives import Objective, check_objective, standard


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
    objective        what its tasks are judged by; where it is not given, cross-entropy of targets
                     that are whole numbers, and squared error of others
    kind             what its tasks are, which follows from what it holds
    """

    support: Examples  # None only for control tasks, whose learners never ask for it
    query: Examples
    seed: Tensor
    ways: int | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    env: Environment | None = None
    task: Task = field(default_factory=dict)
    objective: Objective = None  # type: ignore[assignment]  # `__post_init__` puts the standard one
    kind: Kind = field(init=False, repr=False)
    _found: Found | None = field(default=None, init=False, repr=False)  # None until it was checked

    def __post_init__(self) -> None:
        kind: Kind = "regression" if self.ways is None else "classification"
        if self.objective is not None:
            kind = getattr(self.objective, "kind", kind)
        elif self.support is not None:
            kind = "regression" if self.support.y.is_floating_point() else "classification"
        if self.env is not None or self.support is None:
            kind = "control"
        object.__setattr__(self, "kind", kind)
        if self.objective is None:
            object.__setattr__(self, "objective", standard(kind))

    def __len__(self) -> int:
        return len(self.seed)

    def measured(self, prediction: Tensor, examples: Examples | None) -> Tensor:
        """The objective's first metric of each task, `[task]`.

        In control tasks the prediction is the rewards so far, and there are no examples.
        """
        return self.objective.metrics[0](prediction, examples)

    @property
    def parts(self) -> dict[str, Examples]:
        """Support and query by name, as far as there are any; control tasks have none."""
        both = {"support": self.support, "query": self.query}
        return {name: examples for name, examples in both.items() if examples is not None}

    @property
    def padded(self) -> bool:
        """Whether some of its examples may only pad."""
        return any(examples.weight is not None for examples in self.parts.values())

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """The objective's loss of every one of some examples, `[task, example]`."""
        losses = self.objective.losses(prediction, examples)
        if losses.shape != examples.y.shape[:2]:
            raise UserError(
                f"{type(self.objective).__name__}.losses gave {list(losses.shape)} for examples "
                f"{list(examples.y.shape[:2])}: return the loss of every example, [task, example]"
            )
        return losses

    def loss(self, prediction: Tensor, examples: Examples) -> Tensor:
        """Each task's mean loss over those of some examples that count, `[task]`."""
        return examples.mean(self.losses(prediction, examples))

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
            check_objective(self.objective)
            fewest = {part: _fewest(part, examples, self) for part, examples in self.parts.items()}
            classes = 0
            if self.kind == "classification":
                largest = [_largest_label(part, e, self.ways) for part, e in self.parts.items()]
                classes = max(largest) + 1 if self.ways is None else self.ways
            object.__setattr__(self, "_found", Found(fewest, classes))
        assert self._found is not None
        return self._found

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor under a dotted name, in a fixed order."""
        found: dict[str, Tensor] = {}
        for part, examples in self.parts.items():
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

        def mapping(part: str) -> dict[str, Any]:
            return {k: tensors.get(f"{part}.{k}", v) for k, v in getattr(self, part).items()}

        examples: dict[str, Any] = {
            part: Examples(
                tensors[f"{part}.x"], tensors[f"{part}.y"], tensors.get(f"{part}.weight")
            )
            for part in self.parts
        }
        made = dataclasses.replace(
            self,
            **examples,
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

        none: Any = [None] * count  # what control tasks have for support and query

        def examples(whole: Examples) -> Sequence[Any]:
            weights = [None] * count if whole.weight is None else whole.weight.split(size)
            return list(map(Examples, whole.x.split(size), whole.y.split(size), weights))

        def mapping(whole: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
            pieces = (
                v.split(size) if isinstance(v, Tensor) else [v] * count for v in whole.values()
            )
            names = list(whole)
            columns = list(zip(*pieces, strict=True)) or [()] * count
            return [dict(zip(names, column, strict=True)) for column in columns]

        cut = {part: examples(whole) for part, whole in self.parts.items()}
        support, query = cut.get("support", none), cut.get("query", none)
        info, task = mapping(self.info), mapping(self.task)
        pieces = [
            Episode(
                *(support[i], query[i], seeds[i], self.ways, info[i], self.env, task[i]),
                self.objective,
            )
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
        support = self.parts.get("support")
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
