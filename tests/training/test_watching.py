"""Diagnostics and adaptations along a training: what they say, and that nothing else changes."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from tests.algorithms.cases import CASES
from workbench.algorithms.base import adapt
from workbench.algorithms.values import trainable
from workbench.inspection import (
    anatomy_frame,
    diagnosed,
    diagnostics_frame,
    metrics_frame,
    progress_frame,
)
from workbench.randomness import spawn
from workbench.training import Experiment, Trainer, preset, train
from workbench.training.watching import diagnostics


def watched(experiment: Experiment, every: int, **more: object) -> Experiment:
    settings = dataclasses.replace(experiment.training, diagnose_every=every, **more)
    return dataclasses.replace(experiment, training=settings)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("sinusoid-maml", {}),
        ("sinusoid-maml", {"tasks_per_chunk": 2}),
        pytest.param("sinusoid-maml", {"compiled": "on"}, marks=pytest.mark.slow),
        ("sinusoid-reptile", {}),
        ("sinusoid-taskmemory", {}),
        ("digits-maml", {}),
        ("bandit-rl2", {}),
    ],
    ids=str,
)
def test_a_training_that_is_watched_ends_with_the_same_bits(
    name: str, more: dict[str, object]
) -> None:
    settings = {"tasks": 4, "validation_tasks": 4, "validate_every": 5, **more}
    base = preset(name).stretched(12)
    torch.manual_seed(0)
    without = train(watched(base, 0, **settings), progress=False)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    found = train(watched(base, 3, **settings), progress=False)
    assert torch.equal(torch.rand(1), drawn)  # nor does it draw from the process's generator
    for key, tensor in without.learner.state_dict().items():
        assert torch.equal(found.learner.state_dict()[key], tensor), key
    kept = [
        row | {"seconds": 0} for row in found.metrics if row["split"] in ("train", "validation")
    ]
    assert kept == [row | {"seconds": 0} for row in without.metrics]
    diagnoses = [row for row in found.metrics if row["split"] == "diagnostics"]
    assert [row["iteration"] for row in diagnoses] == [3, 6, 9, 12]
    assert all(row["update"] > 0 and row["tasks"] == 4 for row in diagnoses)
    assert {row["iteration"] for row in found.metrics if row["split"] == "adaptation"} == {
        5,
        10,
        12,
    }


def test_what_is_recorded_is_what_its_definition_says(tiny: Experiment) -> None:
    """By the formulas, of gradients that are taken one by one."""
    experiment = dataclasses.replace(watched(tiny, 7), dtype="float64")
    trainer = Trainer(experiment)
    for _ in range(6):
        trainer.update()
    before = torch.cat([p.detach().flatten().clone() for _, p in trainable(trainer.learner)])
    trainer.update()
    after = torch.cat([p.detach().flatten() for _, p in trainable(trainer.learner)])
    row = diagnostics(trainer)
    episode = trainer.tasks.sample(
        4, seed=spawn(experiment.seed, 2, 7), split="train", shape=experiment.train
    ).to(dtype=torch.float64)
    found = [trainer.learner.meta_gradient(episode[k : k + 1]).gradients for k in range(4)]
    each = torch.stack([torch.cat([g.flatten() for g in one.values()]) for one in found])
    mean = each.mean(dim=0)
    noise = ((each - mean).square().sum() / 3).sqrt()
    unit = each / each.norm(dim=1, keepdim=True)
    cosines = (unit @ unit.T)[tuple(torch.triu_indices(4, 4, 1))]
    assert row["gradient_norm"] == pytest.approx(float(mean.norm()))
    assert row["signal_to_noise"] == pytest.approx(float(mean.norm() / noise))
    assert row["agreement"] == pytest.approx(float(cosines.mean()))
    assert row["update"] == pytest.approx(float((after - before).norm() / before.norm()))
    first = dataclasses.replace(trainer.learner.settings, order="first")
    whole = trainer.learner.meta_gradient(episode).gradients
    object.__setattr__(trainer.learner, "settings", first)
    part = trainer.learner.meta_gradient(episode).gradients
    left_out = sum(float((whole[n] - part[n]).square().sum()) for n in whole) ** 0.5
    size = sum(float(whole[n].square().sum()) for n in whole) ** 0.5
    assert row["second_order"] == pytest.approx(left_out / size)
    path = list(adapt(trainer.learner, episode))
    frame = anatomy_frame(trainer.learner, episode, path).query("layer == 'all'")
    norms = frame.set_index("term")["norm"]  # the same number as in the views
    assert row["second_order"] == pytest.approx(norms["second order"] / norms["full"])


@pytest.mark.parametrize("name", CASES)
def test_every_learner_can_be_diagnosed(name: str) -> None:
    case = CASES[name]
    found = diagnosed(case.build().double(), case.episode())
    assert {"gradient_norm", "signal_to_noise", "agreement"} <= found.keys()
    assert all(math.isfinite(value) for value in found.values())


def test_a_resumed_training_writes_the_same_diagnostics(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.training.test_resume import Crash, crash_at

    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
    experiment = watched(tiny, 4, checkpoint_seconds=0.0)
    whole = train(experiment, tmp_path / "whole", progress=False)
    crash_at(monkeypatch, 13)
    with pytest.raises(Crash):
        train(experiment, tmp_path / "killed", progress=False)
    killed = train(run=tmp_path / "killed", resume=True, progress=False)
    assert [row | {"seconds": 0} for row in killed.metrics] == [
        row | {"seconds": 0} for row in whole.metrics
    ]


def test_frames_of_a_run(tiny: Experiment, tmp_path: Path) -> None:
    train(watched(tiny, 10), tmp_path / "run", progress=False)
    frame = diagnostics_frame(tmp_path / "run")
    assert frame["iteration"].unique().tolist() == [10, 20, 30]
    assert frame["quantity"].nunique() == 5
    progress = progress_frame(tmp_path / "run")
    assert progress.groupby("iteration").size().to_dict() == {10: 11, 20: 11, 30: 11}
    assert (progress["low"] < progress["value"]).all()
    assert set(metrics_frame(tmp_path / "run")["split"]) == {"train", "validation"}
    off = train(watched(tiny, 0), progress=False)
    assert diagnostics_frame(off.metrics).empty
    assert progress_frame(off.metrics).empty
