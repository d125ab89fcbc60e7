"""A third level trains, is evaluated and goes on as every other method."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from benchmarks.kills import difference
from workbench.algorithms import PPO, Evolution, MetaOptimised, Truncated
from workbench.algorithms.estimators.base import Estimator
from workbench.errors import UserError
from workbench.models import MLPSettings
from workbench.tasks import Shape
from workbench.training import Experiment, Run, Trainer, evaluate, preset, train


class Crash(BaseException):
    """As sudden as a power cut."""


@pytest.fixture
def tiny_levels() -> Experiment:
    """Two families at a time, five outer steps each."""
    base = preset("sines-meta-optimised")
    training = dataclasses.replace(
        base.training,
        iterations=7,
        tasks=2,
        log_every=2,
        validate_every=3,
        validation_tasks=2,
        diagnose_every=0,
        checkpoint_seconds=0.0,
    )
    learner = dataclasses.replace(base.learner, train_steps=5, test_steps=4, batch=3)  # type: ignore[type-var]
    return dataclasses.replace(
        base,
        train=Shape(1, 12, 4),
        test=Shape(1, 12, 6),
        model=MLPSettings(hidden=(5,), activation="tanh"),
        learner=learner,
        training=training,
        estimator=Truncated(window=2),  # three windows, the last of one step
    )


@pytest.mark.parametrize("chunk", [0, 1])
@pytest.mark.parametrize("estimator", [Truncated(window=2), Evolution(population=4)])
def test_it_goes_on_in_the_middle_of_a_meta_training_with_the_same_bits(
    tiny_levels: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    estimator: Estimator,
    chunk: int,
) -> None:
    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
    training = dataclasses.replace(tiny_levels.training, tasks_per_chunk=chunk)
    experiment = dataclasses.replace(tiny_levels, training=training, estimator=estimator)
    train(experiment, tmp_path / "whole", progress=False)
    update = Trainer.update

    def failing(self: Trainer) -> None:
        if self.iteration == 5:  # two windows into the second trajectory
            monkeypatch.setattr(Trainer, "update", update)
            raise Crash
        update(self)

    monkeypatch.setattr(Trainer, "update", failing)
    with pytest.raises(Crash):
        train(experiment, tmp_path / "killed", progress=False)
    carried = Run(tmp_path / "killed").checkpoint("latest")[0].header["carried"]
    assert carried == (4 if estimator.window else None)
    train(run=tmp_path / "killed", resume=True, progress=False)
    assert difference(Run(tmp_path / "whole"), Run(tmp_path / "killed")) == ""


@pytest.mark.parametrize(
    ("name", "changes", "carried"),
    [
        ("sines-meta-recurrent", {"every": 2, "batch": 3}, 4),
        ("sines-meta-strategist", {"every": 2, "batch": 2, "watched": 3}, 1),
        ("sines-meta-proposer", {}, None),
    ],
)
def test_the_others_go_on_in_the_middle_with_the_same_bits(
    tiny_levels: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    changes: dict[str, int],
    carried: int | None,
) -> None:
    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
    base = preset(name)
    steps = 0 if name.endswith("proposer") else 5
    learner = dataclasses.replace(base.learner, train_steps=steps, test_steps=4, **changes)  # type: ignore[type-var]
    estimator = base.estimator
    if isinstance(estimator, PPO):
        estimator = PPO(epochs=4, minibatches=1)
    elif isinstance(estimator, Truncated):
        estimator = Truncated(window=2)
    model = base.model if steps == 0 else tiny_levels.model
    training = dataclasses.replace(tiny_levels.training, rate=1e-3)
    experiment = dataclasses.replace(
        tiny_levels, learner=learner, estimator=estimator, model=model, training=training
    )
    train(experiment, tmp_path / "whole", progress=False)
    update = Trainer.update

    def failing(self: Trainer) -> None:
        if self.iteration == 5:  # in the middle of the second batch of families
            monkeypatch.setattr(Trainer, "update", update)
            raise Crash
        update(self)

    monkeypatch.setattr(Trainer, "update", failing)
    with pytest.raises(Crash):
        train(experiment, tmp_path / "killed", progress=False)
    assert Run(tmp_path / "killed").checkpoint("latest")[0].header["carried"] == carried
    train(run=tmp_path / "killed", resume=True, progress=False)
    assert difference(Run(tmp_path / "whole"), Run(tmp_path / "killed")) == ""


def test_a_run_keeps_what_it_needs_to_be_evaluated_on_new_families(
    tiny_levels: Experiment, tmp_path: Path
) -> None:
    outcome = train(tiny_levels, tmp_path / "run", progress=False)
    learner, tasks = Run(tmp_path / "run").load("latest")
    found = evaluate(learner, tasks, tiny_levels.test, episodes=3)
    again = evaluate(outcome.learner, outcome.tasks, tiny_levels.test, episodes=3)
    assert (found.metric, len(found.per_step), found.axis) == ("mse", 5, "step")
    assert torch.equal(found.values, again.values)
    assert Experiment.from_record(tiny_levels.to_record()) == tiny_levels


def test_it_learns_rates_that_are_better_than_those_it_starts_from() -> None:
    base = preset("sines-meta-optimised")
    training = dataclasses.replace(
        base.training, iterations=10, tasks=2, rate=0.5, validate_every=0, schedule="constant"
    )
    experiment = dataclasses.replace(
        base,
        train=Shape(1, 40, 8),
        test=Shape(1, 40, 8),
        learner=dataclasses.replace(base.learner, train_steps=20, test_steps=20),  # type: ignore[type-var]
        training=training,
    )
    before, tasks = experiment.build()
    after = train(experiment, progress=False).learner
    assert isinstance(after, MetaOptimised)
    assert after.free["outer_rate"] > before.free["outer_rate"] + 1  # type: ignore[operator]
    one, other = (evaluate(own, tasks, experiment.test, episodes=8) for own in (before, after))
    assert other.values[:, -1].log().mean() < one.values[:, -1].log().mean() - 0.1


def test_another_method_says_what_it_does_not_suit(tiny_levels: Experiment) -> None:
    plain = dataclasses.replace(tiny_levels, tasks="sinusoid")
    with pytest.raises(UserError, match="choose families, such as 'families:sines'"):
        plain.build()
