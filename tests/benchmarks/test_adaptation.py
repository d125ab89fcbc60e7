"""The benchmark of adaptation: differences are of the same tasks, and every seed is said."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from benchmarks import adaptation
from workbench.training import Experiment


def test_differences_are_paired_by_task(monkeypatch: pytest.MonkeyPatch) -> None:
    luck = 10 * torch.randn(50, 1)  # of a task, whoever acts in it

    def returns(plan: Experiment, tasks: int) -> tuple[torch.Tensor, float]:
        steps = torch.arange(4.0) if plan.learner.train_steps else torch.zeros(4)
        return luck + steps, 1.0

    monkeypatch.setattr(adaptation, "returns", returns)
    (row,) = adaptation.work("reacher", 0, 0.01)
    for k in range(4):
        assert row[f"above_pretrained_{k}"] == pytest.approx(k, abs=1e-4)
        assert row[f"above_start_{k}"] == pytest.approx(k, abs=1e-4)
        assert row[f"above_start_{k}_ci95"] == pytest.approx(0, abs=1e-4)
    assert row["seconds"] == 2
    (alone,) = adaptation.work("cheetah", 0, 0.01)
    assert "pretrained_0" not in alone
    rows = [
        {"world": w, "seed": s, **r}
        for w, r in (("reacher", row), ("cheetah", alone))
        for s in (0, 1)
    ]
    text = adaptation.table(pd.DataFrame(rows))
    assert "| +1.0 ± 0.0, +1.0 ± 0.0; +3.0 ± 0.0, +3.0 ± 0.0 |" in text
    assert text.splitlines()[-1].count("—") == 2


def test_the_cheetah_is_the_reduced_protocol() -> None:
    plan = adaptation.plan("cheetah")
    assert (plan.training.tasks, plan.train.shots, plan.tasks) == (20, 10, "cheetah:direction")
