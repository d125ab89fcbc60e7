"""Heart disease over four hospitals: a hospital is a task, and one is left out.

Detrano et al. (1989), International application of a new probability algorithm for the diagnosis of
coronary artery disease; 920 patients of Cleveland, Hungary, Switzerland and Long Beach. A task is K
diagnosed patients of a hospital. Values are missing as they are: Hungary, Switzerland and Long
Beach lack nearly all of some columns. Validation is of the hospitals that train, since there is no
fifth; nothing is said by it of the one left out.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

from workbench.errors import UserError, nearest
from workbench.tasks import data
from workbench.tasks.bank import ClassBank
from workbench.tasks.base import Shape
from workbench.tasks.medicine import FINDINGS, Patients
from workbench.tasks.medicine_files import COLUMNS, read_hospital
from workbench.tasks.sampler import ClassSplit
from workbench.tasks.tables import encoded
from workbench.tasks.text_files import Stamp

HOSPITALS = {
    "cleveland": "processed.cleveland.data",
    "hungary": "processed.hungarian.data",
    "switzerland": "processed.switzerland.data",
    "va": "processed.va.data",
}
_DEFAULT = "hungary"  # left out unless another is named


def open_heart(options: list[str]) -> Patients:
    """The hospital that is named tests, by default Hungary's, and the other three train."""
    if len(options) > 1:
        raise UserError(
            f"heart leaves out one hospital and was given {len(options)}: name one of "
            f"{', '.join(HOSPITALS)}"
        )
    tested = options[0] if options else _DEFAULT
    if tested not in HOSPITALS:
        raise UserError(f"heart has no hospital '{tested}': {nearest(tested, list(HOSPITALS))}")
    paths = [data.require("heart", f"heart-disease/{name}") for name in HOSPITALS.values()]
    bank = _bank(tuple(Stamp.of(path) for path in paths))
    rest, own = (
        ClassSplit.of([row for row, of in enumerate(bank.groups) if (of == tested) == left])
        for left in (False, True)
    )
    return Patients(
        bank,
        {"train": rest, "validation": rest, "test": own},
        name="heart",
        scheme="/".join(["leave-out", *options]),
        default_shape=Shape(ways=2, shots=10, queries=40),
        columns=COLUMNS,
        shared=True,
    )


@functools.lru_cache(maxsize=1)
def _bank(stamps: tuple[Stamp, ...]) -> ClassBank:
    """Every patient by hospital and finding."""
    tables, ill = zip(*(read_hospital(stamp.path) for stamp in stamps), strict=True)
    kinds = [
        table[sick == found]
        for table, sick in zip(tables, ill, strict=True)
        for found in (False, True)
    ]
    return ClassBank(
        x=encoded(np.concatenate(kinds), COLUMNS),
        counts=torch.tensor([len(rows) for rows in kinds]),
        names=tuple(f"{hospital}/{found}" for hospital in HOSPITALS for found in FINDINGS),
        groups=tuple(hospital for hospital in HOSPITALS for _ in FINDINGS),
    )
