"""What the benchmarks of MAML's descendants say of what they measured, at next to no length."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks import descendants, implicit, longpath
from benchmarks.lines import keep, lines
from workbench.algorithms import Implicit


def test_differences_are_paired_task_by_task_over_the_mean_of_seeds() -> None:
    row = {"part": "training", "tasks": "glyphs", "inner": 0.1, "outer": 1e-3}
    more = {"outer_steps": 10, "seconds": 1.0}
    right = {("MAML", 0): "50 60", ("MAML", 1): "52 58", ("ALFA", 0): "55 64", ("ALFA", 1): "53 62"}
    frame = pd.DataFrame(
        {**row, **more, "method": m, "seed": s, "accuracy": 50.0, "right": of}
        for (m, s), of in right.items()
    )
    text = descendants.table(frame)
    assert "+3.50 ± 6.35" in text  # 3 and 4 points: 12.706 / sqrt(2) * sd
    assert "10 outer steps." in text
    assert "| MAML | 2 |" in text


def test_the_quadratic_is_solved_to_the_closed_form() -> None:
    _, episode, rate = implicit.quadratic(0)
    curvature = torch.linalg.eigvalsh(implicit._curvature(episode.support.x))
    assert float(1 / rate) == pytest.approx(float(curvature.max()))
    rows = {m: {r["steps"]: r for r in implicit.approach(m, 0)} for m in implicit.ESTIMATORS}
    assert rows["unrolled"][200]["error"] < 1e-7
    assert rows["conjugate gradients, 20"][200]["error"] < 1e-7
    assert rows["exact solve"][50]["error"] < rows["exact solve"][20]["error"] < 0.1
    assert rows["Neumann, 100"][200]["error"] < 1e-3
    for method, estimator in implicit.ESTIMATORS.items():
        grown = rows[method][200]["bytes"] / rows[method][1]["bytes"]
        assert grown == 1 if isinstance(estimator, Implicit) else grown > 50


def test_a_remedy_is_measured_and_drawn(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rows = pd.DataFrame(longpath.work("first order", 0, 0.001)).assign(method="first order", seed=0)
    text = longpath.table(rows)
    assert "| first order |" in text
    assert "1 of 1" in text
    shown = rows[rows["quantity"] == "norm at the start"]
    assert shown["value"].nunique() == 1  # no Jacobian between the steps
    plot = lines(shown, x="step", y="value", across="inner step", along="norm")
    keep(plot, tmp_path / "some.csv", shown, "longpath")
    assert (tmp_path / "some.png").stat().st_size > 1000
