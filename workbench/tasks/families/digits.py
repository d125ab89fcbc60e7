"""Scikit-learn's handwritten digits (8x8): 5 classes to train on, 2 to validate, 3 to test.

Small, real, and always there. With so few classes a task has two or three ways.
"""

from __future__ import annotations

import torch

from workbench.randomness import permutation
from workbench.tasks.base import Shape
from workbench.tasks.sampler import ClassBank, ClassSplit, FewShot

_SPLIT_SEED = 0


def open_digits() -> FewShot:
    """The digits as few-shot tasks.

    >>> tasks = open_digits()
    >>> [len(tasks.class_names(split)) for split in ("train", "validation", "test")]
    [5, 2, 3]
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x, y = torch.from_numpy(images).to(torch.uint8), torch.from_numpy(labels)
    bank = ClassBank(
        x=x[y.argsort(stable=True)].view(-1, 1, 8, 8),
        counts=y.bincount(),
        names=tuple(str(digit) for digit in range(10)),
        scale=1 / 16,
    )
    order = permutation(torch.tensor([_SPLIT_SEED]), 10)[0].tolist()
    return FewShot(
        bank,
        {
            "train": ClassSplit.of(sorted(order[:5])),
            "validation": ClassSplit.of(sorted(order[5:7])),
            "test": ClassSplit.of(sorted(order[7:])),
        },
        name="digits",
        scheme="5-2-3",
        default_shape=Shape(ways=2, shots=1, queries=15),
    )
