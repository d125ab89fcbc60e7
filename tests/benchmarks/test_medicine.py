"""Diagnosis and missing values measured: what is held against what, and who is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import medicine, missing


def test_the_best_of_each_kind_are_paired_over_tasks() -> None:
    rows = [
        *(("clinic", "Meta-SGD", s, 5, f"{80 + s} {90 + s} 70") for s in (0, 1)),
        *(("clinic", "MAML", s, 5, "60 60 60") for s in (0, 1)),
        ("clinic", "Regression, K", 0, 5, "78 84 70"),
        ("clinic", "Regression, both", 0, 5, "70 70 70"),
    ]
    frame = pd.DataFrame(rows, columns=["tasks", "method", "seed", "shots", "auroc"])
    frame = frame.assign(chosen=None, accuracy=50.0, sensitivity=40.0, calibration_error=9.0)
    text = medicine.table(frame)
    # 2.5, 6.5 and 0 points apart: mean 3, and 4.303 / sqrt(3) times their deviation
    assert "- clinic, K = 5: Meta-SGD minus Regression, K +3.00 ± 8.14 over 3 tasks" in text
    assert "(+2.7 +3.3 by seed)" in text


def test_a_learner_is_held_against_itself_filled_and_against_k_alone() -> None:
    rows = [
        ("clinic", "Meta-SGD", "flags", "80 82"),
        ("clinic", "Meta-SGD", "mean", "79 80"),
        ("clinic", "Meta-SGD", "iterative", "78 81"),
        ("clinic", "Regression, K", "mean", "70 73"),
    ]
    frame = pd.DataFrame(rows, columns=["tasks", "method", "fill", "values"])
    text = missing.table(frame.assign(seed=0, lacks="random-50", shots=10))
    for other, apart in (
        ("Regression, K (mean)", "+9.50"),
        ("Meta-SGD (mean)", "+1.50"),
        ("Meta-SGD (iterative)", "+1.50"),
    ):
        assert f"clinic, random-50, K = 10: Meta-SGD (flags) minus {other} {apart}" in text


@pytest.mark.parametrize("hospital", ["va", "cleveland"])
def test_nothing_is_fitted_or_chosen_by_the_hospital_left_out(
    hospital: str, real_data: Callable[[str], Path]
) -> None:
    real_data("heart-disease/processed.va.data")
    name = f"heart:leave-out/{hospital}"
    counts = dict(
        zip(*(getattr(medicine.tasks_of(name).bank, k) for k in ("groups", "counts")), strict=True)
    )
    assert set(counts) == {"cleveland", "hungary", "switzerland", "va"}
    sizes = {"cleveland": 303, "hungary": 294, "switzerland": 123, "va": 200}
    assert len(medicine.rest_of(name)[1]) == 920 - sizes[hospital]
    for where, split, without in medicine._tried_on(name):
        assert hospital not in where
        assert split == "test"
        assert where.endswith(without)
        assert len(medicine.rest_of(name, without)[1]) == 920 - sizes[hospital] - sizes[without]
