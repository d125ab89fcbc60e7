"""Training tasks out of images whose labels nobody knows: each image is a class of its own.

An image is told apart from others by its warped copies (as in Hsu, Levine and Finn, 2019, and
Khodadadeh, Bölöni and Shah, 2019). Validation and test tasks stay what they were.
"""

from __future__ import annotations

import torch

from workbench.randomness import permutation
from workbench.tasks.base import Split
from workbench.tasks.sampler import ClassBank, ClassSplit, FewShot

IMAGES, COPIES = 2_500, 8  # images that become classes, and drawings that each then has
_SEED = 5


def without_labels(tasks: FewShot) -> FewShot:
    """The same tasks, but those of the training split know no label.

    >>> from workbench.tasks import open_tasks
    >>> tasks = open_tasks("glyphs:unlabelled")
    >>> len(tasks.class_names("train")), tasks.class_names("test")[0].split("/")[1]
    (2500, '01')
    """
    bank, train = tasks.bank, tasks.splits["train"]
    starts = bank.starts[train.classes.unique()]
    counts = bank.counts[train.classes.unique()]
    rows = torch.cat([s + torch.arange(int(n)) for s, n in zip(starts, counts, strict=True)])
    chosen = rows[permutation(torch.tensor([_SEED]), len(rows))[0][:IMAGES]]
    whole = ClassBank(
        x=torch.cat([bank.x, bank.x[chosen].repeat_interleave(COPIES, dim=0)]),
        counts=torch.cat([bank.counts, torch.full((len(chosen),), COPIES)]),
        names=(*bank.names, *(f"image {int(row)}" for row in chosen)),
        groups=(*bank.groups, *("images" for _ in chosen)),
        scale=bank.scale,
    )
    first = len(bank.names)
    own = ClassSplit.of(list(range(first, first + len(chosen))))
    splits: dict[Split, ClassSplit] = {**tasks.splits, "train": own}
    return FewShot(
        whole,
        splits,
        name=tasks.name,
        scheme="unlabelled" if tasks.name == "glyphs" else f"{tasks.scheme}/unlabelled",
        warped_training=True,
    )
