"""Scikit-learn's tables of patients: breast cancer (present or absent) and diabetes (a number).

Breast cancer: 569 lumps, ten measures of their cells' nuclei, each as mean, error and worst; what
is malignant is present. Diabetes: 442 patients, and how far the disease was a year later, a number
to predict. Both are small, real, and always there. They have one source each, so a task is K
patients of a split that shares none with another (three fifths train, one fifth each validates and
tests); tasks differ more where each lacks groups of columns of its own
(`breast-cancer:patients/groups-50`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from workbench.randomness import permutation
from workbench.tasks.bank import ClassBank
from workbench.tasks.base import SPLITS, Shape
from workbench.tasks.medicine import FINDINGS, NOTICE, Patients
from workbench.tasks.sampler import ClassSplit
from workbench.tasks.tables import Column, Rows, encoded

_SPLIT_SEED = 0
_FIFTHS = (3, 1, 1)  # of the patients, by split
_DIABETES = (
    Column("age", "years", group="history"),
    Column("sex", choices=("first", "second"), group="history"),  # which is which is not told
    Column("body mass index", "kg/m²", group="examination"),
    Column("blood pressure", "mm Hg", group="examination"),
    Column("cholesterol", "mg/dl", group="blood"),
    Column("LDL", "mg/dl", group="blood"),
    Column("HDL", "mg/dl", group="blood"),
    Column("cholesterol / HDL", group="blood"),
    Column("log triglycerides", group="blood"),
    Column("sugar", "mg/dl", group="blood"),
)


def open_breast_cancer() -> Patients:
    """Malignant or not, from K lumps.

    >>> tasks = open_breast_cancer()
    >>> tasks.bank.names[:2], int(tasks.bank.counts.sum())
    (('train/absent', 'train/present'), 569)
    """
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    names = [str(name) for name in found.feature_names]
    measures = [
        " ".join(w for w in n.split() if w not in ("mean", "error", "worst")) for n in names
    ]
    columns = _scaled(
        [Column(name, group=of) for name, of in zip(names, measures, strict=True)], found.data
    )
    x, ill = encoded(found.data, columns), torch.from_numpy(found.target == 0)
    rows = [part[ill[part] == kind] for part in _parts(len(x)) for kind in (False, True)]
    bank = ClassBank(
        x=x[torch.cat(rows)],
        counts=torch.tensor([len(own) for own in rows]),
        names=tuple(f"{split}/{kind}" for split in SPLITS for kind in FINDINGS),
        groups=tuple(split for split in SPLITS for _ in FINDINGS),
    )
    return Patients(
        bank,
        {split: ClassSplit.of([2 * k, 2 * k + 1]) for k, split in enumerate(SPLITS)},
        name="breast-cancer",
        scheme="patients",
        columns=columns,
        default_shape=Shape(ways=2, shots=10, queries=40),
    )


def open_diabetes() -> Rows:
    """How far diabetes is a year later, in deviations, from K patients.

    >>> open_diabetes().sample(2, seed=0).support.y.shape
    torch.Size([2, 10, 1])
    """
    from sklearn.datasets import load_diabetes

    table, target = load_diabetes(return_X_y=True, scaled=False)
    table[:, 1] -= 1  # sexes are 1 and 2
    columns, rows = _scaled(_DIABETES, table), _parts(len(table))
    numbers = torch.from_numpy((target - target.mean()) / target.std()).float().unsqueeze(1)
    bank = ClassBank(
        x=encoded(table, columns)[torch.cat(rows)],
        counts=torch.tensor([len(own) for own in rows]),
        names=SPLITS,
        targets=numbers[torch.cat(rows)],
    )
    return Rows(
        bank,
        {split: ClassSplit.of([k]) for k, split in enumerate(SPLITS)},
        name="diabetes",
        scheme="patients",
        columns=columns,
        notice=NOTICE,
        default_shape=Shape(ways=1, shots=10, queries=40),
    )


def _scaled(columns: list[Column] | tuple[Column, ...], table: np.ndarray) -> list[Column]:
    """Columns with the centre and scale of the training rows; choices stay as they are."""

    train = table[_parts(len(table))[0].numpy()]
    return [
        one if one.choices else replace(one, centre=float(own.mean()), scale=float(own.std()))
        for one, own in zip(columns, train.T, strict=True)
    ]


def _parts(count: int) -> list[Tensor]:
    """The rows of each split."""
    order = permutation(torch.tensor([_SPLIT_SEED]), count)[0]
    ends = [count * sum(_FIFTHS[:k]) // sum(_FIFTHS) for k in range(len(_FIFTHS) + 1)]
    return [order[a:b].sort().values for a, b in zip(ends, ends[1:], strict=False)]
