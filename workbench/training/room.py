"""What does not fit into this machine's memory is refused before it is begun."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from workbench.errors import UserError
from workbench.tasks import Shape, Tasks
from workbench.tasks.base import bounds

# How torch's allocators and its arithmetic of sizes say it (on the CPU there is no class for it).
_SAID = ("can't allocate memory", "not enough memory", "overflow", "numel", "invalid size")
_COPIES = 4  # of a model's parameters in training: themselves, gradients, an optimizer's two


def check_bytes(needed: float, what: str, cure: str) -> None:
    """Refuses what needs more memory than this machine has.

    >>> check_bytes(8.0, "a number", "none")
    """
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > found:
        raise UserError(
            f"{what} would need {needed / 1e9:.3g} GB and this machine has {found / 1e9:.3g}: "
            f"ask for {cure}"
        )


def check_room(tasks: Tasks, shape: Shape, count: int, what: str) -> None:
    """Refuses tasks of which not even `count` fit into memory."""
    spec = tasks.spec(shape)
    ways = 1 if spec.kind == "regression" else bounds(shape.ways)[1]
    examples = ways * (bounds(shape.shots)[1] + shape.queries)
    numbers = count * examples * (math.prod(spec.input_shape) + 1)
    sizes = f"{bounds(shape.shots)[1]} shots and {shape.queries} queries"
    check_bytes(4.0 * numbers, f"{what} of {count} tasks with {sizes}", "fewer or smaller tasks")


def check_model(learner: nn.Module) -> None:
    """Refuses a learner that could not be trained for its size; it may be on the device `meta`."""
    size = sum(p.numel() * p.element_size() for p in learner.parameters())
    check_bytes(float(_COPIES * size), "the training of this model", "a smaller model")


@contextmanager
def fitting(what: str, cure: str) -> Iterator[None]:
    """Says in a sentence that memory has run out."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, OverflowError, RuntimeError) as error:
        if type(error) is RuntimeError and not any(word in str(error) for word in _SAID):
            raise
        raise UserError(f"the memory is not enough for {what}: {cure}") from error
