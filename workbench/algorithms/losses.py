"""Losses and metrics of a batch of tasks. Targets that are whole numbers are classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.tasks.episode import Examples


def per_example_loss(prediction: Tensor, examples: Examples) -> Tensor:
    """Cross-entropy of logits, or squared error of numbers: `[task, example]`."""
    y = examples.y
    if y.is_floating_point():
        if prediction.shape != y.shape:
            raise UserError(
                f"the targets are {list(y.shape)} and the predictions {list(prediction.shape)}: "
                "give targets [task, example, size], whole numbers where they are classes"
            )
        return (prediction - y).square().flatten(2).mean(dim=-1)
    if y.dtype != torch.int64 or prediction.shape[:2] != y.shape:
        raise UserError(
            f"the classes are {list(y.shape)} of {y.dtype} and the predictions "
            f"{list(prediction.shape)}: give classes [task, example] of torch.int64"
        )
    return F.cross_entropy(prediction.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)


def example_loss(prediction: Tensor, examples: Examples) -> Tensor:
    """Each task's mean loss over the examples that count: `[task]`."""
    return examples.mean(per_example_loss(prediction, examples))


def metric(prediction: Tensor, examples: Examples) -> Tensor:
    """Each task's accuracy (classes) or mean squared error (numbers): `[task]`."""
    if examples.y.is_floating_point():
        return example_loss(prediction, examples)
    return examples.mean((prediction.argmax(dim=-1) == examples.y).to(prediction.dtype))
