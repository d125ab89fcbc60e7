"""What every contender computes: one second-order MAML meta-gradient of a stated problem.

A problem is plain torch: a model with seeded weights and a batch of tasks. Every process that
builds the problem of a name gets the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn import functional as F


@dataclass(frozen=True)
class Problem:
    """Adapt `model` by `steps` gradient steps on each task's support; judge it on the query.

    Data are `[task, example, ...]`; targets that are whole numbers are classes.
    """

    model: nn.Sequential
    support: tuple[Tensor, Tensor]
    query: tuple[Tensor, Tensor]
    rate: float
    steps: int

    def tasks(self) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Each task's support inputs and targets, query inputs and targets."""
        return list(zip(*self.support, *self.query, strict=True))


def loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of numbers, cross-entropy of classes."""
    if target.is_floating_point():
        return F.mse_loss(prediction, target)
    return F.cross_entropy(prediction, target)


def make(work: str, steps: int) -> Problem:
    """The problem of a name: `sinusoid`, `conv-1` or `conv-15` (queries a class)."""
    torch.manual_seed(0)
    if work == "sinusoid":
        return sinusoid(steps)
    return conv4(steps, tasks=16, queries=int(work.removeprefix("conv-")))


def exact(work: str, steps: int) -> Problem:
    """The same in float64 for a check, with five tasks: torch convolves float64 very slowly."""
    problem = cast(make(work, steps), torch.float64)
    (sx, sy), (qx, qy) = problem.support, problem.query
    return replace(problem, support=(sx[:5], sy[:5]), query=(qx[:5], qy[:5]))


def sinusoid(steps: int, tasks: int = 25, examples: int = 10) -> Problem:
    """MAML's regression: a 1-40-40-1 MLP, 25 sine waves, 10 support and 10 query points."""
    model = nn.Sequential(
        nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1)
    )
    amplitude = torch.rand(tasks, 1, 1) * 4.9 + 0.1
    phase = torch.rand(tasks, 1, 1) * math.pi

    def points() -> tuple[Tensor, Tensor]:
        x = torch.rand(tasks, examples, 1) * 10 - 5
        return x, amplitude * torch.sin(x - phase)

    return Problem(model, points(), points(), rate=0.01, steps=steps)


def conv4(steps: int, tasks: int, queries: int, filters: int = 64, ways: int = 5) -> Problem:
    """Five-way one-shot classification of 28x28 images by four blocks with max-pooling.

    Batch normalisation uses the batch's own statistics. The images are noise: they cost what
    images cost.
    """
    layers: list[nn.Module] = []
    for channels in (1, filters, filters, filters):
        layers += [
            nn.Conv2d(channels, filters, 3, padding=1),
            nn.BatchNorm2d(filters, track_running_stats=False),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(filters, ways))

    def images(each: int) -> tuple[Tensor, Tensor]:
        y = torch.arange(ways).repeat_interleave(each).expand(tasks, -1).contiguous()
        return torch.randn(tasks, ways * each, 1, 28, 28), y

    return Problem(model, images(1), images(queries), rate=0.4, steps=steps)


def cast(problem: Problem, dtype: torch.dtype) -> Problem:
    """The problem in another precision, from the same numbers."""

    def data(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, y = pair
        return x.to(dtype), y.to(dtype) if y.is_floating_point() else y

    model = problem.model.to(dtype)
    return Problem(model, data(problem.support), data(problem.query), problem.rate, problem.steps)


def reference(problem: Problem) -> Tensor:
    """The meta-gradient as one vector, by `torch.func` and one task at a time: the oracle."""

    def task_loss(start: dict[str, Tensor], *task: Tensor) -> Tensor:
        return adapted_loss(problem, start, *task)

    start = {name: p.detach() for name, p in problem.model.named_parameters()}
    total = [grad(task_loss)(start, *task) for task in problem.tasks()]
    return flat([sum(g[name] for g in total) / len(total) for name in start])


def adapted_loss(
    problem: Problem, start: dict[str, Tensor], sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor
) -> Tensor:
    """One task's query loss after adapting, written with `torch.func` alone."""

    def support_loss(p: dict[str, Tensor]) -> Tensor:
        return loss(functional_call(problem.model, p, (sx,)), sy)

    fast = start
    for _ in range(problem.steps):
        gradient = grad(support_loss)(fast)
        fast = {name: p - problem.rate * gradient[name] for name, p in fast.items()}
    return loss(functional_call(problem.model, fast, (qx,)), qy)


def flat(tensors: list[Tensor]) -> Tensor:
    """Tensors in the order of the model's parameters as one float64 vector."""
    return torch.cat([t.detach().double().flatten() for t in tensors])
