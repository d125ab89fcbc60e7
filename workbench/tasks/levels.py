"""A level above meta-learning: a task is a family of tasks, and its examples are tasks.

A learner of the third level adapts to a family by outer steps, as a meta-learner adapts to a task
by inner steps: from the tasks in its support, and judged by those in its query. So a family is one
of an episode's tasks like any other, and everything that takes episodes takes families. A task is
packed into an example, whose points are rows:

    x  [family, task, point, inputs + outputs]  the support's points with their targets, then the
                                                query's, with zeros in place of targets
    y  [family, task, query points * outputs]   the targets of the query's points
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.measures import ACCURACY, Measure
from workbench.randomness import fold, uniform
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, bounds, task_seeds
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.objectives import Metric, Objective, standard

_TRAINING, _VALIDATION, _COUNT = range(101, 104)  # which use a family's seed is put to


@dataclass(frozen=True)
class Nested:
    """What the tasks in a family are, and how one is packed into an example.

    spec   what a model for a task must take and give
    shape  how big each task is

    >>> from workbench.tasks import open_tasks
    >>> tasks = open_tasks("sinusoid").sample(6, seed=0, shape=Shape(1, 5, 10))
    >>> nested = Nested(TaskSpec("regression", (1,), 1), Shape(1, 5, 10))
    >>> packed = nested.packed(tasks, families=2)
    >>> packed.x.shape, packed.y.shape
    (torch.Size([2, 3, 15, 2]), torch.Size([2, 3, 10]))
    >>> bool(torch.equal(nested.tasks(packed, tasks.seed).query.y, tasks.query.y))
    True
    """

    spec: TaskSpec
    shape: Shape

    def __post_init__(self) -> None:
        if self.spec.kind == "control" or self.spec.whole_numbers:
            what = "moves" if self.spec.kind == "control" else "whole numbers"
            raise UserError(
                f"a family cannot hold tasks of {what}, which fit in no row of numbers: use tasks "
                "of regression, or of classes of images or vectors"
            )
        if not all(isinstance(n, int) for n in (self.shape.ways, self.shape.shots)):
            raise UserError(
                "the tasks in a family are all of one size: give shots and ways one number each"
            )

    @property
    def classes(self) -> bool:
        """Whether its tasks are of classes."""
        return self.spec.kind == "classification"

    @property
    def points(self) -> tuple[int, int]:
        """How many points a task's support and query have."""
        each = self.spec.outputs if self.classes else 1
        return bounds(self.shape.shots)[0] * each, self.shape.queries * each

    def packed(self, tasks: Episode, families: int) -> Examples:
        """Tasks, family after family, as the examples of so many families."""
        if len(tasks) % families:
            raise UserError(
                f"{len(tasks)} tasks cannot be those of {families} families: give each family as "
                "many"
            )
        support, query = self._targets(tasks.support), self._targets(tasks.query)
        x = torch.cat([tasks.support.x, tasks.query.x], dim=1).flatten(2)
        rows = torch.cat([x, torch.cat([support, torch.zeros_like(query)], dim=1).to(x)], dim=-1)
        y = query.flatten(1).to(x)
        return Examples(*(t.unflatten(0, (families, -1)).contiguous() for t in (rows, y)))

    def _targets(self, examples: Examples) -> Tensor:
        """Targets as numbers, `[task, point, output]`."""
        if not self.classes:
            return examples.y
        return torch.nn.functional.one_hot(examples.y, self.spec.outputs)

    def tasks(self, examples: Examples, seed: Tensor) -> Episode:
        """The tasks that examples `[family, task, ...]` are, family after family."""
        (shots, queries), inputs = self.points, math.prod(self.spec.input_shape)
        rows = examples.x.flatten(0, 1)
        if rows.shape[1:] != (shots + queries, inputs + self.spec.outputs):
            raise UserError(
                f"a task in a family is {list(rows.shape[1:])} and not "
                f"{[shots + queries, inputs + self.spec.outputs]}, as this learner was made for: "
                "give it the families that it was made for"
            )
        x, y = rows.split([inputs, self.spec.outputs], dim=-1)
        x = x.unflatten(-1, self.spec.input_shape)
        asked = examples.y.reshape(-1, queries, self.spec.outputs)
        support, ways = y[:, :shots], None
        if self.classes:
            support, asked, ways = support.argmax(-1), asked.argmax(-1), self.spec.outputs
        return Episode(
            Examples(x[:, :shots], support), Examples(x[:, shots:], asked), seed, ways=ways
        )


@dataclass(frozen=True)
class OfClasses:
    """What families of tasks of so many classes are judged by: the cross-entropy of their queries.

    A prediction is the logits of all of a task's queries, `[family, task, query points * ways]`.
    """

    ways: int
    kind: ClassVar[Kind] = (
        "regression"  # an example's target is no class, but those of a whole task
    )
    loss_measure: ClassVar[Measure] = Measure("loss", "lower", "nats", label="cross-entropy")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The accuracy over all queries of a family's tasks."""
        own = ACCURACY
        return (
            Metric(
                own.name, "higher", own.unit, 1 / self.ways, self._accuracy, own.label, own.loss
            ),
        )

    def _each(self, prediction: Tensor, examples: Examples) -> tuple[Tensor, Tensor]:
        """Logits and targets of every query, `[family, task, point, way]`."""
        return (
            prediction.unflatten(-1, (-1, self.ways)),
            examples.y.unflatten(-1, (-1, self.ways)),
        )

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """Each task's mean cross-entropy, `[family, task]`."""
        logits, targets = self._each(prediction, examples)
        return -(targets * logits.log_softmax(dim=-1)).sum(dim=-1).mean(dim=-1)

    def _accuracy(self, prediction: Tensor, examples: Examples) -> Tensor:
        logits, targets = self._each(prediction, examples)
        right = logits.argmax(dim=-1) == targets.argmax(dim=-1)
        return examples.mean(right.to(prediction.dtype).mean(dim=-1))


class Families(Tasks):
    """Tasks that are families of tasks: `shots` counts the tasks to train on, `queries` those that
    a family is judged by, and `ways` means nothing.

    Families are drawn anew for every seed and split, so that those of a test were never met.

    >>> from workbench.tasks import open_tasks
    >>> families = open_tasks("families:sines")
    >>> episode = families.sample(3, seed=0, split="test", shape=Shape(1, 8, 4))
    >>> len(episode), episode.support.x.shape
    (3, torch.Size([3, 8, 15, 2]))
    """

    kind: Kind = "regression"
    default_shape = Shape(ways=1, shots=80, queries=32)
    nested: Nested

    @cached_property
    def objective(self) -> Objective:
        """That of the tasks inside, of all of a task's queries together."""
        return OfClasses(self.nested.spec.outputs) if self.nested.classes else standard(self.kind)

    @abstractmethod
    def about(self, seeds: Tensor, split: Split) -> Mapping[str, Tensor]:
        """What families are, by name: numbers `[family]`, which their tasks are drawn by."""

    @abstractmethod
    def tasks_of(self, family: Mapping[str, Tensor], seeds: Tensor, split: Split) -> Episode:
        """The tasks of those seeds, `[family, task]`, of families that `about` told of: family
        after family."""

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        self.check(shape, split)
        least, most = bounds(shape.shots)
        seeds = task_seeds(n, seed, split)
        family = self.about(seeds, split)

        def drawn(use: int, count: int) -> Examples:
            of_tasks = fold(seeds.unsqueeze(1), use, torch.arange(count))
            return self.nested.packed(self.tasks_of(family, of_tasks, split), n)

        support, query = drawn(_TRAINING, most), drawn(_VALIDATION, shape.queries)
        if least < most:
            extra = uniform(fold(seeds, _COUNT), ()) * (most - least + 1)
            weight = (torch.arange(most) < least + extra.long().unsqueeze(1)).float()
            x = support.x * weight.view(n, most, 1, 1)  # padding holds nothing to learn from
            support = replace(support, x=x, y=support.y * weight.unsqueeze(-1), weight=weight)
        info: dict[str, Any] = {"dataset": self.name, "scheme": self.scheme, "split": split}
        return Episode(support, query, seeds, info={**family, **info})

    def check(self, shape: Shape, split: Split = "train") -> None:
        """Every number of tasks can be drawn."""

    def spec(self, shape: Shape) -> TaskSpec:
        (shots, queries), own = self.nested.points, self.nested.spec
        rows = (shots + queries, math.prod(own.input_shape) + own.outputs)
        return TaskSpec("regression", rows, queries * own.outputs, nested=(own, self.nested.shape))
