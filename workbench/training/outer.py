"""The outer optimizer and its rate's schedule: torch's own, tried out before they are trusted."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.training.experiment import TrainingSettings, optimizer_class, schedule_class

Schedule = torch.optim.lr_scheduler.LRScheduler
_FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.Adagrad)
# What torch's classes raise at an option that does not suit them, at once or at the first step.
_REFUSALS = (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AssertionError)


def make_optimizer(
    settings: TrainingSettings, parameters: Sequence[Tensor], paces: Sequence[float]
) -> torch.optim.Optimizer:
    """The outer optimizer; the fused form where there is one, which is far quicker when small.

    `paces` are factors of the rate: parameters of one pace are a group.
    """
    groups: list[Any] = [
        {"params": [p for p, own in zip(parameters, paces, strict=True) if own == pace],
         "lr": settings.rate * pace}
        for pace in dict.fromkeys(paces)
    ]  # fmt: skip
    cls = optimizer_class(settings.optimizer)
    with _suiting("training.options", cls):
        options = _typed(cls, settings.options)
        if cls in _FUSED and not (options.get("foreach") or options.get("differentiable")):
            options.setdefault("fused", True)
        return cls(groups, lr=settings.rate, **options)  # type: ignore[call-arg]


def make_schedule(settings: TrainingSettings, optimizer: torch.optim.Optimizer) -> Schedule:
    """The outer rate by outer step."""
    cls, total = schedule_class(settings.schedule), settings.iterations
    factors = {
        "constant": lambda i: 1.0,
        "linear": lambda i: 1 - i / total,
        "cosine": lambda i: 0.5 * (1 + math.cos(math.pi * i / total)),
        "halve": lambda i: 0.5 ** (i * settings.halvings // total),
    }
    if cls is None:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, factors[settings.schedule])
    with _suiting("training.schedule_options", cls):
        schedule = cls(optimizer, **_typed(cls, settings.schedule_options))
        json.dumps(schedule.state_dict(), allow_nan=False)
        steps = getattr(schedule, "total_steps", total)
        if steps < total:
            raise ValueError(f"{steps} steps are fewer than training.iterations, {total}")
    return schedule


class Regulariser:
    """What holds the meta-parameters beside the meta-loss: two terms of it, and a projection.

    meta-loss + penalty/2 |theta|^2 + proximal/2 |theta - theta_0|^2, theta_0 where training began;
    theta <- norm * theta / |theta| after every outer step, where a norm is given.

    >>> theta = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> theta.grad = torch.zeros(2)
    >>> held = Regulariser(TrainingSettings(penalty=0.5, norm=1.0), [theta])
    >>> held.add_gradients(), held.project(), theta.grad, theta
    (None, None, tensor([1.5000, 2.0000]), tensor([0.6000, 0.8000], requires_grad=True))
    """

    def __init__(self, settings: TrainingSettings, parameters: Sequence[Tensor]) -> None:
        self.settings, self.parameters = settings, parameters
        self.start = [p.detach().clone() for p in parameters] if settings.proximal else []

    @torch.no_grad()
    def add_gradients(self) -> None:
        """The terms' gradients, to those of the meta-loss."""
        penalty, pull = self.settings.penalty, self.settings.proximal
        for i, p in enumerate(self.parameters if penalty or pull else ()):
            assert p.grad is not None
            away = penalty * p + (pull * (p - self.start[i]) if pull else 0)
            p.grad = p.grad + away

    @torch.no_grad()
    def project(self) -> None:
        """Bring the meta-parameters, all together, to the norm that is given."""
        if self.settings.norm is not None:
            norm = torch.stack([p.norm() for p in self.parameters]).norm()
            for p in self.parameters:
                p.mul_(self.settings.norm / norm.clamp(min=1e-12))


def stand_ins(
    settings: TrainingSettings,
    parameters: Iterable[Tensor],
    paces: Sequence[float],
    *,
    stepped: bool = True,
) -> tuple[torch.optim.Optimizer, Schedule]:
    """Optimizer and schedule of parameters like these, after a step: what torch refuses shows."""
    own = [torch.zeros_like(p).requires_grad_() for p in parameters]
    optimizer = make_optimizer(settings, own, paces)
    schedule = make_schedule(settings, optimizer)
    if stepped:
        for parameter in own:
            parameter.grad = torch.zeros_like(parameter)
        with _suiting("training.options", type(optimizer)):
            optimizer.step()
        with _suiting("training.schedule_options", type(schedule)):
            schedule.step()
    return optimizer, schedule


@contextmanager
def _suiting(where: str, cls: type) -> Iterator[None]:
    try:
        yield
    except _REFUSALS as error:
        said = " ".join(str(error).split())
        raise UserError(
            f"{where} do not suit {cls.__name__} ({type(error).__name__}: {said}): change them"
        ) from None


def _typed(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the class declares them: 1.0 is True for a switch, 5.0 is 5 for a number."""
    declared = inspect.signature(cls).parameters
    found = dict(options)
    for name, value in options.items():
        annotation = declared[name].annotation if name in declared else None
        kinds = {annotation} if isinstance(annotation, type) else set(str(annotation).split(" | "))
        if kinds & {bool, "bool"} and value in (0, 1):
            found[name] = bool(value)
        elif kinds & {int, "int"} and "float" not in kinds and float(value).is_integer():
            found[name] = int(value)
    return found
