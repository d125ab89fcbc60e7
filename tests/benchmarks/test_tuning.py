"""Tuning against presets: what is charged, and the table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.tuning import (
    BUDGET,
    SPACES,
    brief,
    experiment_of,
    halfway,
    searched,
    spent,
    table,
)
from workbench.training.tuning import space_of


@pytest.mark.parametrize("task", BUDGET)
def test_the_spaces_are_those_of_the_settings(task: str):
    experiment = experiment_of(task, 0, 100)
    assert list(space_of(experiment, SPACES[task])) == list(SPACES[task])
    assert experiment.training.validate_every == 25


def test_a_search_stays_within_its_budget(tmp_path: Path):
    experiment = brief(experiment_of("Meta-SGD on sine waves", 0, 8), 2, 0)
    space = {"training.rate": (1e-4, 1e-2)}
    study = searched(experiment, space, 20, tmp_path / "study", sampler="Random", pruner="Nop")
    assert spent(study) == 16
    assert halfway(study, 20) == study.history()["best"].iloc[0]


def test_the_table_says_scores_and_what_was_near():
    rows = [
        {"task": "Meta-SGD on sine waves", "method": "TPE, warm", "seed": seed, "score": score,
         "half": 0.5, "trials": 20, "pruned": 8, "outer_steps": 100, "seconds": 3.0,
         "near": "reptile"}
        for seed, score in enumerate((0.4, 0.6))
    ]  # fmt: skip
    text = table(pd.DataFrame(rows))
    assert "| 0.500 ± 1.271 | 0.400 0.600 | 0.500 | 20 (8) | 100 | 3 |" in text
    assert "found to be near: reptile in 2 of 2" in text
