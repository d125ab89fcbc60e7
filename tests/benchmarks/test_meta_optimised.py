"""The stacked grid is an honest rival: each of its pairs is what it would be alone."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import torch

from benchmarks.meta_optimised import COUNT, STEPS, TASKS, WINDOW, by_rates, experiment_of, table
from workbench.algorithms import Evolution, Truncated
from workbench.tasks import Shape


def test_a_pair_of_the_grid_is_what_it_is_alone() -> None:
    whole = experiment_of(0, (0.01, 0.01), 1, Truncated(WINDOW))
    own = replace(whole.learner, train_steps=3)  # type: ignore[type-var]
    experiment = replace(whole, learner=own, train=Shape(1, 12, 3), test=Shape(1, 12, 3))
    learner, tasks = experiment.build()
    episode = tasks.sample(2, seed=0, shape=experiment.test)
    pairs = torch.tensor([[0.02, 0.003], [0.1, 0.03], [0.01, 0.01]])
    found = by_rates(learner, pairs, episode)  # type: ignore[arg-type]
    assert found.shape == (3, 2)
    for pair, losses in zip(pairs, found, strict=True):
        with torch.no_grad():
            for name, rate in zip(("inner_rate", "outer_rate"), pair, strict=True):
                learner.free[name].fill_(float(rate.log()))  # type: ignore[operator]
            torch.testing.assert_close(learner(episode), losses, rtol=1e-4, atol=1e-5)


def test_outer_steps_are_counted_alike() -> None:
    exact = experiment_of(0, (0.01, 0.01), COUNT / 5, Truncated(WINDOW))
    assert exact.training.iterations * TASKS * WINDOW == COUNT / 5
    evolved = experiment_of(0, (0.01, 0.01), COUNT * 3, Evolution(population=4))
    assert abs(evolved.training.iterations * TASKS * 5 * STEPS / COUNT - 3) < 0.1


def test_the_table_says_what_diverged() -> None:
    row = {"start": "ten times", "outer_steps": 100, "seconds": 1.0, "inner_rate": 0.1}
    told = {"loss": 2.0, "ratio": 1.0, "low": 0.9, "high": 1.1}
    none = dict.fromkeys(told, float("nan"))
    frame = pd.DataFrame(
        [
            {**row, "method": "evolution", "seed": 0, **told},
            {**row, "method": "evolution", "seed": 1, **told, "low": 1.05},
            {**row, "method": "exact", "seed": 0, **none},
        ]
    )
    shown = table(frame)
    assert "| ten times | evolution | 2.000 | 1.00 1.00 | 1 of 2 | 100 | 1 |" in shown
    assert "| ten times | exact |  |  (1 diverged) | 0 of 1 |" in shown
