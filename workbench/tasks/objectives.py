"""Objectives: what tasks are judged by. Nothing else decides a loss, or knows what a metric is.

`Tasks` carry one and every `Episode` knows it. Your own is a class with `losses` and `metrics`:

    >>> import torch
    >>> class AbsoluteError:
    ...     def losses(self, prediction, examples):
    ...         return (prediction - examples.y).abs().mean(dim=-1)
    ...     metrics = (
    ...         Metric("median_error", "lower", "", None, lambda prediction, examples:
    ...                (prediction - examples.y).abs().flatten(1).median(dim=1).values),
    ...     )
    >>> two = Examples(torch.zeros(1, 2, 1), torch.tensor([[[1.0], [3.0]]]))
    >>> AbsoluteError().losses(torch.zeros(1, 2, 1), two)
    tensor([[1., 3.]])
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, get_args, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.measures import ACCURACY, LOSS, MSE, REWARD, Better, Measure
from workbench.tasks.examples import Examples

Kind = Literal["classification", "regression", "control"]

_NO_CLASS = -(2**62)
# What stands beside a metric in frames, in rows of a run and in results.
_TAKEN = (
    *("iteration", "split", "loss", "ci95", "best", "seconds", "measure", "metric", "value"),
    *("method", "seed", "task", "step", "part"),
)


@dataclass(frozen=True)
class Metric:
    """What is reported of tasks.

    name     of its column
    better   lower or higher
    unit     % for a fraction, which is then shown times 100; '' where there is none
    chance   what guessing reaches: a number, a function of the number of ways, or None
    measure  `measure(prediction, examples)`, a number a task `[task]`; in control tasks the
             prediction is the rewards so far, `[task, move]`, and there are no examples
    label    what axes call it
    loss     whether it is the mean loss itself under another name
    """

    name: str
    better: Better
    unit: str
    chance: float | Callable[[int], float] | None
    measure: Callable[[Tensor, Examples], Tensor]
    label: str = ""
    loss: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier() or self.name in _TAKEN:
            raise UserError(
                f"a metric cannot be named {self.name!r}: give it a name of letters, digits and "
                f"_ that is none of {', '.join(_TAKEN)}"
            )
        if self.better not in get_args(Better):
            raise UserError(f"{self.name} is better {self.better!r}: say lower or higher")
        if not callable(self.measure):
            raise UserError(
                f"the metric {self.name} cannot be measured by {self.measure!r}: "
                "give a function of (prediction, examples)"
            )

    def about(self, ways: int | None = None) -> Measure:
        """What tables and axes need to know of it, for tasks of so many ways."""
        chance = self.chance
        if callable(chance):
            chance = None if ways is None else chance(ways)
        if chance is not None and not math.isfinite(chance):
            raise UserError(f"chance of the metric {self.name} is {chance}: give a number or None")
        return Measure(self.name, self.better, self.unit, chance, self.label, self.loss)

    def __call__(self, prediction: Tensor, examples: Any) -> Tensor:
        """What it is for each task, `[task]`."""
        found, tasks = self.measure(prediction, examples), len(prediction)
        if not isinstance(found, Tensor) or found.shape != (tasks,):
            shown = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise UserError(
                f"the metric {self.name} measured {shown} of {tasks} tasks: "
                "return one number a task, [task]"
            )
        return found


@runtime_checkable
class Objective(Protocol):
    """What tasks are judged by.

    One with parameters is an `nn.Module`: they are meta-parameters of the learner that holds it,
    and of no other. It may have a `loss_measure`, which says what its loss is called, and a `kind`
    of tasks that are judged by it.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is reported; the first is what validation follows."""
        ...

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """The loss of every example, `[task, example]`."""
        ...


def _of(measure: Measure, by: Callable[[Tensor, Examples], Tensor], chance: Any = None) -> Metric:
    assert measure.better is not None
    return Metric(
        measure.name, measure.better, measure.unit, chance, by, measure.label, measure.loss
    )


def _accuracy(prediction: Tensor, examples: Examples) -> Tensor:
    return examples.mean((prediction.argmax(dim=-1) == examples.y).to(prediction.dtype))


def _one_of(ways: int) -> float:
    return 1 / ways


def _squares(prediction: Tensor, examples: Examples) -> Tensor:
    """Squared errors, `[task, example]`."""
    y = examples.y
    if prediction.shape != y.shape:
        raise UserError(
            f"the targets are {list(y.shape)} and the predictions {list(prediction.shape)}: "
            "give targets [task, example, size], whole numbers where they are classes"
        )
    return (prediction - y).square().flatten(2).mean(dim=-1)


def _mean_square(prediction: Tensor, examples: Examples) -> Tensor:
    return examples.mean(_squares(prediction, examples))


def _total(rewards: Tensor, examples: Any) -> Tensor:
    return rewards.sum(dim=1)


def area(score: Tensor, these: Tensor, those: Tensor) -> Tensor:
    """Each task's area under the ROC curve: how often one of these scores above one of those.

    A tie counts half. It is nan where a score is, as any order of those would be made up, and 0
    where there are none to compare.

    >>> area(torch.tensor([[3.0, 1.0, 2.0]]), *torch.tensor([[[1, 1, 0]], [[0, 0, 1]]]).bool())
    tensor([0.5000])
    >>> area(torch.tensor([[torch.nan, 1.0]]), *torch.tensor([[[1, 0]], [[0, 1]]]).bool())
    tensor([nan])
    """
    pairs = these.unsqueeze(2) & those.unsqueeze(1)
    gap = score.unsqueeze(2) - score.unsqueeze(1)
    above = torch.where(gap.isnan(), gap, 0.5 + 0.5 * gap.sign()).masked_fill(~pairs, 0)
    return above.sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)).clamp(min=1)


@dataclass(frozen=True)
class CrossEntropy:
    """Of logits: for targets that are classes."""

    kind: ClassVar[Kind] = "classification"
    loss_measure = Measure("loss", "lower", "nats", label="cross-entropy")
    metrics = (_of(ACCURACY, _accuracy, _one_of),)

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """Cross-entropy, `[task, example]`; padding may hold any number."""
        y = examples.y
        if y.dtype != torch.int64 or prediction.shape[:2] != y.shape:
            raise UserError(
                f"the classes are {list(y.shape)} of {y.dtype} and the predictions "
                f"{list(prediction.shape)}: give classes [task, example] of torch.int64"
            )
        if examples.weight is not None:
            inside = y.clamp(0, prediction.shape[-1] - 1)
            y = torch.where(examples.weight > 0, y, inside)
        logits, classes = prediction.flatten(0, 1), y.flatten()
        # by default torch ignores a class of -100, whose loss would then be 0
        losses = F.cross_entropy(logits, classes, reduction="none", ignore_index=_NO_CLASS)
        return losses.view(y.shape)


@dataclass(frozen=True)
class SquaredError:
    """The mean over a target's numbers: for targets that are numbers."""

    kind: ClassVar[Kind] = "regression"
    loss_measure = Measure("loss", "lower", label="squared error")
    metrics = (_of(MSE, _mean_square),)

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """Squared errors, `[task, example]`."""
        return _squares(prediction, examples)


@dataclass(frozen=True)
class Reward:
    """What an environment pays: for control tasks, whose learners know how to raise it."""

    kind: ClassVar[Kind] = "control"
    metrics = (_of(REWARD, _total),)

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """There is none of single examples."""
        raise UserError(
            "control tasks have no examples and so no loss of them: "
            "let the learner's meta_loss raise the rewards of its trial"
        )


_STANDARD: dict[Kind, Objective] = {
    "classification": CrossEntropy(),
    "regression": SquaredError(),
    "control": Reward(),
}


def standard(kind: Kind) -> Objective:
    """What tasks of a kind are judged by unless they say otherwise.

    >>> standard("regression").metrics[0].name
    'mse'
    """
    return _STANDARD[kind]


def measures(objective: Objective, ways: int | None = None) -> list[Measure]:
    """The loss and the metrics of an objective, as tables and axes name them."""
    return [getattr(objective, "loss_measure", LOSS), *(m.about(ways) for m in objective.metrics)]


@dataclass(frozen=True)
class Absent:
    """The objective of an episode from a file, whose class is not there: it only has a name."""

    name: str

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Nothing can be measured."""
        raise self._error()

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """Nothing can be lost."""
        raise self._error()

    def _error(self) -> UserError:
        return UserError(
            f"this episode is judged by {self.name}, which its file only names: give it one with "
            "dataclasses.replace(episode, objective=...), or import its module before you load it"
        )


def objective_record(objective: Objective) -> dict[str, Any]:
    """What a file says of an objective: its class, and its fields where it is a dataclass."""
    if isinstance(objective, Absent):
        return {"type": objective.name, "fields": None}
    cls = type(objective)
    fields = dataclasses.asdict(objective) if dataclasses.is_dataclass(objective) else None
    return {"type": f"{cls.__module__}:{cls.__qualname__}", "fields": fields}


def objective_of(record: dict[str, Any]) -> Objective:
    """The objective of a record, where its class is imported already; no file is run for it.

    Only a dataclass is made anew: what else an object held is not in its file.
    """
    name, fields = record["type"], record["fields"]
    if not (isinstance(name, str) and (fields is None or isinstance(fields, dict))):
        raise UserError("objective is no class and its fields")
    module, _, cls_name = name.partition(":")
    cls: Any = getattr(sys.modules.get(module), cls_name, None)
    known = isinstance(cls, type) and dataclasses.is_dataclass(cls) and hasattr(cls, "losses")
    if not known or fields is None or cls.__module__ != module:
        return Absent(name)
    made: Any = cls(**fields)
    check_objective(made)
    return made


def check_objective(objective: Any) -> None:
    """Refuse what tasks cannot be judged by."""
    name = type(objective).__name__
    if isinstance(objective, type) or not callable(getattr(objective, "losses", None)):
        shown = objective.__name__ if isinstance(objective, type) else name
        raise UserError(
            f"the objective {shown} has no losses(prediction, examples) to call: "
            "give an object of a class with losses and metrics"
        )
    metrics = getattr(objective, "metrics", None)
    if not isinstance(metrics, tuple) or not metrics:
        raise UserError(f"the objective {name} has no metrics: give it a tuple of at least one")
    for metric in metrics:
        if not isinstance(metric, Metric):
            raise UserError(f"the objective {name} has the metric {metric!r}: make it a Metric")
    if len({metric.name for metric in metrics}) < len(metrics):
        raise UserError(f"the objective {name} has two metrics of one name: name each once")
