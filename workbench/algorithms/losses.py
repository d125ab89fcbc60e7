"""Losses and metrics of a batch of tasks. Targets that are whole numbers are classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.tasks.episode import Episode, Examples

_NO_CLASS = -(2**62)


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
    if examples.weight is not None:  # padding may hold any number
        inside = y.clamp(0, prediction.shape[-1] - 1)
        y = torch.where(examples.weight > 0, y, inside)
    logits, classes = prediction.flatten(0, 1), y.flatten()
    # by default torch ignores a class of -100, whose loss would then be 0
    losses = F.cross_entropy(logits, classes, reduction="none", ignore_index=_NO_CLASS)
    return losses.view(y.shape)


def check_outputs(prediction: Tensor, episode: Episode) -> None:
    """Refuse a model with fewer outputs than the tasks have classes."""
    ways = episode.check().classes
    if ways > prediction.shape[-1]:
        raise UserError(
            f"the model tells {prediction.shape[-1]} classes apart and the tasks have {ways} "
            "ways: give it more outputs or ask for fewer ways"
        )


def example_loss(prediction: Tensor, examples: Examples) -> Tensor:
    """Each task's mean loss over the examples that count: `[task]`."""
    return examples.mean(per_example_loss(prediction, examples))


def metric(prediction: Tensor, examples: Examples) -> Tensor:
    """Each task's accuracy (classes) or mean squared error (numbers): `[task]`."""
    if examples.y.is_floating_point():
        return example_loss(prediction, examples)
    return examples.mean((prediction.argmax(dim=-1) == examples.y).to(prediction.dtype))
