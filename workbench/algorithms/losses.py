"""Losses and metrics of a batch of tasks. Targets that are whole numbers are classes."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from workbench.tasks.episode import Examples


def per_example_loss(prediction: Tensor, examples: Examples) -> Tensor:
    """Cross-entropy of logits, or squared error of numbers: `[task, example]`."""
    if examples.y.is_floating_point():
        return (prediction - examples.y).square().flatten(2).mean(dim=-1)
    return F.cross_entropy(prediction.flatten(0, 1), examples.y.flatten(), reduction="none").view(
        examples.y.shape
    )


def example_loss(prediction: Tensor, examples: Examples) -> Tensor:
    """Each task's mean loss over the examples that count: `[task]`."""
    return examples.mean(per_example_loss(prediction, examples))


def metric(prediction: Tensor, examples: Examples) -> Tensor:
    """Each task's accuracy (classes) or mean squared error (numbers): `[task]`."""
    if examples.y.is_floating_point():
        return example_loss(prediction, examples)
    return examples.mean((prediction.argmax(dim=-1) == examples.y).to(prediction.dtype))
