"""Rivals of strategies that change are what they are said to be, and the table pairs by family."""

from __future__ import annotations

from ast import literal_eval
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch

from benchmarks import strategies
from benchmarks.strategies import METHODS, experiment_of, families, log_losses, row, table
from workbench.algorithms import Recurrent
from workbench.models import MLPSettings
from workbench.tasks import Shape
from workbench.training import Experiment


def tiny(method: str) -> Experiment:
    """Meta-trainings of a few outer steps."""
    whole = experiment_of(method, 0, 0.01)
    own = replace(whole.learner, train_steps=4, test_steps=4, batch=2)  # type: ignore[type-var]
    if method == "strategist":
        own = replace(own, watched=3, every=2, outer_rates=(0.3, 1.0), inner_rates=(1.0,))  # type: ignore[type-var]
    shape, model = Shape(1, 12, 3), MLPSettings(hidden=(5,), activation="tanh")
    return replace(whole, learner=own, train=shape, test=shape, model=model)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategies, "STEPS", 4)
    monkeypatch.setattr(strategies, "INNER", (0.05, 0.1))
    monkeypatch.setattr(strategies, "OUTER", (0.01, 0.03))


@pytest.mark.usefixtures("few")
def test_what_the_grid_chose_does_alone_what_it_did_among_others() -> None:
    experiment = tiny("recurrent")
    validation, test = (families(experiment, 3, s, 1) for s in ("validation", "test"))
    constant, schedule = strategies.fixed(experiment, validation, test)
    assert schedule["method"] == "best schedule"
    kind, _, numbers = constant["about"].partition(" ")
    inner, outer, pull = literal_eval(numbers)
    assert kind == "constant"
    own: Any = experiment.learner
    settings = replace(
        own, inner=replace(own.inner, inner_rate=inner), inner_rate=outer, proximal=pull
    )
    alone = log_losses(replace(experiment, learner=settings).build()[0].eval(), test)
    found = torch.tensor([float(loss) for loss in constant["losses"].split()])
    torch.testing.assert_close(found, alone, rtol=1e-3, atol=1e-3)


def test_all_that_is_compared_starts_from_the_same_settings() -> None:
    constants, cell = (experiment_of(m, 0, 1.0) for m in ("learned constants", "recurrent"))
    assert constants.training == cell.training
    assert constants.estimator == cell.estimator
    test = families(tiny("recurrent"), 2, "test", 0)
    one, other = (tiny(m).build()[0].eval() for m in ("learned constants", "recurrent"))
    assert isinstance(other, Recurrent)
    torch.testing.assert_close(log_losses(one, test), log_losses(other, test))


@pytest.mark.usefixtures("few")
def test_the_best_constant_strategy_is_no_worse_than_each_on_validation_families() -> None:
    experiment = tiny("strategist")
    validation, test = (families(experiment, 2, s, 1) for s in ("validation", "test"))
    learner = experiment.build()[0].eval()
    (found,) = strategies.constant_strategies(learner, validation, test)
    assert len(found["losses"].split()) == 2
    learner.choice = torch.zeros(2, 5, dtype=torch.int64)
    first = log_losses(learner, validation).mean()
    chosen = found["about"].split()
    parts = [getattr(learner.settings, part) for part in strategies.PARTS]
    places = [
        [str(entry) for entry in part].index(own) for part, own in zip(parts, chosen, strict=True)
    ]
    learner.choice = torch.tensor([places, places])
    assert log_losses(learner, validation).mean() <= first + 1e-6


def test_the_table_pairs_family_by_family() -> None:
    losses = torch.linspace(0, 1, 5)
    rows = [
        {"seed": seed, **row(method, losses + shift + 0.1 * seed, 2.0)}
        for seed in (10, 11)
        for method, shift in (("best schedule", 0.5), ("recurrent", 0.3), ("random", 0.0))
    ]
    shown = table(pd.DataFrame(rows))
    assert "| recurrent − best schedule | -0.200 ± 0.000 | -0.20 ± 0.00, -0.20 ± 0.00 |" in shown
    assert "strategist" not in shown
    assert len(METHODS) == 5
