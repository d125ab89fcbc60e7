"""Checkpoints: round trips, and refusals in a sentence."""

import dataclasses
from pathlib import Path

import pytest
import torch

from workbench.algorithms import ANILSettings
from workbench.errors import UserError
from workbench.models import MLPSettings
from workbench.training import Experiment, Run, train
from workbench.training.checkpoints import (
    Checkpoint,
    load_learner,
    read_checkpoint,
    save_checkpoint,
)


def test_round_trip_keeps_bits_and_header(tmp_path: Path) -> None:
    tensors = {"learner.a": torch.rand(3, dtype=torch.float64), "random.cpu": torch.get_rng_state()}
    save_checkpoint(tmp_path / "c", Checkpoint(tensors, {"iteration": 3, "rate": 0.1}))
    found = read_checkpoint(tmp_path / "c")
    assert all(torch.equal(tensors[name], found.tensors[name]) for name in tensors)
    assert found.header == {"schema": 2, "iteration": 3, "rate": 0.1}
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\xff" * 4000])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        read_checkpoint(tmp_path / "c")


def test_a_truncated_checkpoint_is_refused(tiny: Experiment, tmp_path: Path) -> None:
    train(tiny, tmp_path / "run", progress=False)
    path = Run(tmp_path / "run").checkpoint_path("latest")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="damaged"):
        train(run=tmp_path / "run", resume=True)


def test_another_method_or_shape_is_refused(tiny: Experiment, tmp_path: Path) -> None:
    train(tiny, tmp_path / "run", progress=False)
    checkpoint, path = Run(tmp_path / "run").checkpoint()
    other = dataclasses.replace(tiny, learner=ANILSettings()).build()[0]
    with pytest.raises(UserError, match="holds the method MAML, not ANIL"):
        load_learner(other, checkpoint, path)
    wider = dataclasses.replace(tiny, model=MLPSettings(hidden=(41, 40))).build()[0]
    with pytest.raises(UserError, match=r"model\.linear\d\.\w+' of shape .* another model"):
        load_learner(wider, checkpoint, path)
    deeper = dataclasses.replace(tiny, model=MLPSettings(hidden=(40, 40, 40))).build()[0]
    with pytest.raises(UserError, match="lacks tensor 'model.linear3"):
        load_learner(deeper, checkpoint, path)


def test_load_gives_what_was_trained(tiny: Experiment, tmp_path: Path) -> None:
    outcome = train(tiny, tmp_path / "run", progress=False)
    learner, tasks = Run(tmp_path / "run").load("latest")
    assert tasks.name == "sinusoid"
    assert not learner.training
    for one, other in zip(learner.parameters(), outcome.learner.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_a_gpu_trained_is_measured_without_one(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    train(tiny, tmp_path / "run", progress=False)
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace('"cpu"', '"cuda:1"'))
    run = Run(tmp_path / "run")
    assert run.experiment.device == "cuda:1"
    assert {p.device.type for p in run.load()[0].parameters()} == {"cpu"}
    with pytest.raises(UserError, match="torch finds no GPU here"):
        train(run.experiment, tmp_path / "other", progress=False)
    assert not (tmp_path / "other").exists()
