"""What is not finite is said in training, evaluation and comparison, and never averaged away."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from workbench.algorithms import MAML, MAMLSettings
from workbench.cli import main
from workbench.errors import UserError
from workbench.figures import draw
from workbench.inspection import metrics_frame
from workbench.measures import diverged_in
from workbench.models import MLP
from workbench.session.following import Followed
from workbench.tasks import Shape, open_tasks
from workbench.training import Experiment, Run, compare, evaluate, resume_in_background, train
from workbench.training.comparison import paired


def wild(tiny: Experiment, rate: float = 5.0) -> Experiment:
    """Trains, for a single step is bearable; ten of them in validation are not."""
    return dataclasses.replace(
        tiny, learner=dataclasses.replace(tiny.learner, inner_rate=rate, test_steps=30)
    )


def test_a_training_whose_validations_diverge_ends_as_such(
    tiny: Experiment, tmp_path: Path
) -> None:
    calm = dataclasses.replace(tiny.training, rate=1e-9)
    experiment = dataclasses.replace(wild(tiny), training=calm)
    outcome = train(experiment, tmp_path / "run", progress=False)
    run = Run(tmp_path / "run")
    assert outcome.state == run.status().state == "diverged"
    assert "4 of 4 tasks diverged, the first at inner step" in outcome.reason
    assert outcome.reason.endswith("lower the inner rate")
    row = [row for row in run.metrics() if row["split"] == "validation"][-1]
    assert (row["mse"], row["ci95"], row["diverged"][:6]) == (None, None, "4 of 4")
    one = Followed(run)
    one.look()
    assert (one.summary()["state"], one.summary()["diverged"]) == (
        "diverged",
        row["diverged"],
    )
    with pytest.raises(UserError, match="to the same end: start a new one with others"):
        train(run=run, resume=True, progress=False)
    resume_in_background(run)
    assert run.status().state == "diverged"  # and another process did not go on either
    learner, tasks = run.load()
    assert not evaluate(learner, tasks, tiny.test, episodes=4, steps=0).diverged


def test_one_finite_validation_is_enough_to_finish(tiny: Experiment, tmp_path: Path) -> None:
    outcome = train(tiny, progress=False)
    assert (outcome.state, outcome.reason) == ("finished", "all outer steps done")


def test_the_command_line_says_it_in_one_sentence(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    run = str(tmp_path / "run")
    flags = ["--iterations", "2", "--learner.inner-rate", "5", "--training.rate", "1e-9"]
    assert main(["train", "sinusoid-maml", *flags, "--run", run]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1].startswith(f"workbench: {run} diverged: no validation was")
    assert main(["evaluate", run, "--episodes", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].strip().startswith("20 of 20 tasks diverged, the first at inner step")
    assert not any("inf" in line or "nan" in line for line in lines[:-1])
    assert lines[1].startswith("  after   0 steps  mse ")  # what is finite is still there
    frame = metrics_frame(run)
    assert "tasks diverged, the first at inner step" in diverged_in(frame)[""]
    assert "tasks diverged" in draw("training", frame).alt_text
    assert main(["evaluate", run, "--episodes", "20", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["mean"], record["diverged"]["tasks"]) == (None, 20)
    assert record["per_step"][0] is not None


def test_the_accuracy_of_weights_that_are_nan_is_none() -> None:
    torch.manual_seed(0)
    learner = MAML(MLP(64, 2, hidden=(8,)), MAMLSettings(inner_rate=1e30))
    found = evaluate(learner, open_tasks("digits"), Shape(2, 1, 5), episodes=4, steps=6)
    assert max(found.ended.lengths) <= 6
    assert math.isnan(found.mean)
    assert found.per_task.isnan().all()
    assert torch.isfinite(found.values[:, 0]).all()
    last_only = evaluate(
        learner, open_tasks("digits"), Shape(2, 1, 5), episodes=4, steps=6, every_step=False
    )
    assert last_only.ended.lengths == found.ended.lengths


def test_some_tasks_diverge_and_the_others_do_not_stand_for_all(tiny: Experiment) -> None:
    learner, tasks = tiny.build()

    class One(type(tasks)):  # type: ignore[misc]
        def sample(self, *args, **options):  # type: ignore[no-untyped-def]
            episode = super().sample(*args, **options)
            episode.support.x[1] *= 1e15
            return episode

    tasks.__class__ = One
    found = evaluate(learner, tasks, tiny.test, episodes=6)
    assert found.diverged.startswith("task 2 diverged at inner step")
    assert found.about_divergence()["tasks"] == 1  # type: ignore[index]
    assert math.isnan(found.mean)
    assert math.isnan(found.ci95)
    assert int(found.per_task.isnan().sum()) == 1


def test_a_comparison_puts_what_diverged_last_and_gives_no_mean(
    tiny: Experiment, tmp_path: Path
) -> None:
    for name, experiment in {"good": tiny, "wild": wild(tiny)}.items():
        train(experiment, tmp_path / name, progress=False)
    runs = [Run(tmp_path / name) for name in ("wild", "good")]
    result = compare(runs, episodes=10)
    good, bad = result.groups
    assert "10 of 10 tasks diverged" in bad.diverged
    assert not good.diverged
    (pair,) = result.pairs
    assert math.isnan(pair.difference)
    assert (pair.wins, pair.losses, pair.ties) == (10, 0, 0)
    record = result.to_record()["groups"]
    assert [group["diverged"] for group in record] == [None, bad.diverged]
    same = paired([runs[0]] * 2, [tiny, wild(tiny)], list(bad.evaluations * 2))
    assert same.pairs[0].ties == 10
