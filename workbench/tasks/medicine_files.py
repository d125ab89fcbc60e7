"""Files of patients as they come: the four hospitals of UCI's heart-disease data.

A file has fourteen columns with `?` for a missing value, with or without a line of names. Two
things in it are not what they seem, and are put right here:

- A copy of Cleveland's file goes round in other codes (chest pain from 0 to 3 and not from 1 to 4,
  most choices in another order, gaps filled by codes of their own) in which a target of 1 means
  that there is *no* disease. It is known by its chest pain of 0 and translated.
- Where cholesterol or blood pressure is 0 it was not measured.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.errors import UserError
from workbench.tasks.tables import Column
from workbench.tasks.text_files import read_text

NAMES = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg"),
    *("thalach", "exang", "oldpeak", "slope", "ca", "thal", "target"),
)
_NO_YES = ("no", "yes")
# Centres and scales are round numbers, fixed beforehand: no hospital's own are looked at.
COLUMNS = (
    Column("age", "years", 55, 10, group="history"),
    Column("sex", choices=("female", "male"), group="history"),
    Column(
        "chest pain",
        choices=("typical angina", "atypical angina", "non-anginal", "none"),
        group="history",
    ),
    Column("blood pressure", "mm Hg", 130, 20, group="examination"),
    Column("cholesterol", "mg/dl", 240, 60, group="blood"),
    Column("fasting sugar > 120 mg/dl", choices=_NO_YES, group="blood"),
    Column("resting ECG", choices=("normal", "ST-T change", "hypertrophy"), group="examination"),
    Column("highest heart rate", "per min", 140, 25, group="exercise"),
    Column("angina by exercise", choices=_NO_YES, group="exercise"),
    Column("ST depression", "mm", 1, 1, group="exercise"),
    Column("ST slope", choices=("rising", "flat", "falling"), group="exercise"),
    Column("vessels coloured", "of 3", 0.7, 1, group="imaging"),
    Column("thallium scan", choices=("normal", "fixed defect", "reversible"), group="imaging"),
)
# What the codes of the files become: numbers from 0 in the order of the choices.
_CODES = {
    "sex": (0, 1),
    "cp": (1, 2, 3, 4),
    "fbs": (0, 1),
    "restecg": (0, 1, 2),
    "exang": (0, 1),
    "slope": (1, 2, 3),
    "ca": (0, 1, 2, 3),
    "thal": (3, 6, 7),
    "target": (0, 1, 2, 3, 4),
}
# Of the copy in other codes, by its code: the one of the other files, or None for a gap.
_OTHER: dict[str, dict[float, float | None]] = {
    "cp": {0: 4, 1: 2, 2: 3, 3: 1},
    "restecg": {0: 2, 1: 0, 2: 1},
    "slope": {0: 3, 1: 2, 2: 1},
    "ca": {0: 0, 1: 1, 2: 2, 3: 3, 4: None},
    "thal": {0: None, 1: 6, 2: 3, 3: 7},
    "target": {0: 1, 1: 0},
}
_UNMEASURED = ("trestbps", "chol")  # where they are 0
_CURE = "run `workbench data fetch heart`, or get the file again"


def read_hospital(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A hospital's patients `[row, column]` as `COLUMNS` have them, NaN for a gap, and who is ill.

    What is not such a table is refused in a sentence.
    """
    lines = [row for row in csv.reader(io.StringIO(read_text(path, _CURE))) if row]
    headed = bool(lines) and tuple(word.strip() for word in lines[0]) == NAMES
    table = np.full((len(lines) - headed, len(NAMES)), np.nan)
    for number, row in enumerate(lines[headed:]):
        if len(row) != len(NAMES):
            raise UserError(
                f"row {number + 1 + headed} of {path} has {len(row)} values and not "
                f"{len(NAMES)}, with commas between: {_CURE}"
            )
        for place, word in enumerate(row):
            if word.strip() == "?":
                continue
            try:
                table[number, place] = float(word)
            except ValueError:
                raise UserError(
                    f"row {number + 1 + headed} of {path} has the {NAMES[place]} "
                    f"'{word.strip()[:20]}', which is no number and no ?: {_CURE}"
                ) from None
    if not len(table):
        raise UserError(f"{path} has no patients: {_CURE}")
    of = {name: table[:, place] for place, name in enumerate(NAMES)}
    if bool((of["cp"] == 0).any()):
        _translate(of, path)
    for name in _UNMEASURED:
        of[name][of[name] == 0] = np.nan
    for name, codes in _CODES.items():
        known = ~np.isnan(of[name])
        wrong = of[name][known & ~np.isin(of[name], codes)]
        if len(wrong):
            raise UserError(
                f"{path} has the {name} {wrong[0]:g}, which is none of "
                f"{', '.join(map(str, codes))}: {_CURE}"
            )
        of[name][known] = np.searchsorted(codes, of[name][known])
    if np.isnan(of["target"]).any():
        raise UserError(f"{path} does not say of every patient who is ill: {_CURE}")
    ill = of["target"] > 0
    for word, count in (("without", int((~ill).sum())), ("with", int(ill.sum()))):
        if count < 2:
            raise UserError(
                f"{path} has {count} patients {word} the disease, and both kinds must be "
                f"told apart: {_CURE}"
            )
    return table[:, :-1], ill


def _translate(of: dict[str, NDArray[np.float64]], path: Path) -> None:
    """From the codes of the copy that goes round to those of the other files, in place."""
    for name, codes in _OTHER.items():
        before = of[name].copy()
        known = ~np.isnan(before)
        if not np.isin(before[known], list(codes)).all():
            raise UserError(f"{path} has a {name} in codes of two kinds: {_CURE}")
        for code, meant in codes.items():
            of[name][before == code] = np.nan if meant is None else meant
