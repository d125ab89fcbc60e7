"""Checkpoints: round trips, and refusals in a sentence."""

import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
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


def test_one_bit_is_enough_to_refuse(tiny: Experiment, tmp_path: Path) -> None:
    train(tiny, tmp_path / "run", progress=False)
    path = Run(tmp_path / "run").checkpoint_path("latest")
    content = path.read_bytes()
    chance = random.Random(0)
    for place in chance.sample(range(len(content)), 300):
        changed = bytearray(content)
        changed[place] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(UserError, match="damaged|newer"):
            read_checkpoint(path)


def test_a_checkpoint_from_before_checksums_is_read(tmp_path: Path) -> None:
    tensors = {"learner.a": torch.rand(3)}
    metadata = {"workbench": json.dumps({"schema": 1, "method": "MAML"})}
    (tmp_path / "c").write_bytes(safetensors.torch.save(tensors, metadata))
    found = read_checkpoint(tmp_path / "c")
    assert torch.equal(found.tensors["learner.a"], tensors["learner.a"])
    assert found.header == {"schema": 1, "method": "MAML"}


def without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda found: found.pop(name)


def instead(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda found: found.update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *((without(name), f"lacks '{name}'") for name in ("method", "optimizer", "path", "best")),
        (instead(threads=0), "'0' for 'threads', not a whole number from 1"),
        (instead(path="fast"), "'fast' for 'path', not eager, compiled or captured"),
        (instead(iteration=2.5), "'2.5' for 'iteration'"),
        (instead(seconds=float("nan")), "'nan' for 'seconds'"),
        (instead(best={"value": 1.0}), "for 'best', not a validation"),
        (instead(schedule={"step": 5}), "the schedule in .* is not what torch"),
        (instead(optimizer={"class": "Adam", "plain": {}, "groups": []}), "the optimizer in"),
    ],
)
def test_a_header_that_no_training_can_go_on_from_is_refused(
    tiny: Experiment, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    train(tiny, tmp_path / "run", progress=False)
    checkpoint, _ = Run(tmp_path / "run").checkpoint("latest")
    header = dict(checkpoint.header)
    change(header)
    refused(tmp_path / "run", Checkpoint(checkpoint.tensors, header), message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("optimizer.0.exp_avg"), r"lacks tensor 'optimizer\.0\.exp_avg'"),
        (instead(**{"optimizer.9.exp_avg": torch.zeros(3)}), "has an unknown tensor 'optimizer.9"),
        (instead(**{"optimizer.0.exp_avg": torch.zeros(3)}), "exp_avg' of shape"),
        (without("loss_sum"), "lacks tensor 'training.loss_sum'"),
        (without("random.cpu"), "lacks tensor 'random.cpu'"),
        (instead(**{"random.cpu": torch.zeros(9, dtype=torch.uint8)}), "random.cpu' of shape"),
    ],
)
def test_tensors_that_no_training_can_go_on_from_are_refused(
    tiny: Experiment, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    train(tiny, tmp_path / "run", progress=False)
    checkpoint, _ = Run(tmp_path / "run").checkpoint("latest")
    tensors = dict(checkpoint.tensors)
    change(tensors)
    refused(tmp_path / "run", Checkpoint(tensors, checkpoint.header), message)


def refused(run: Path, checkpoint: Checkpoint, message: str) -> None:
    save_checkpoint(Run(run).checkpoint_path("latest"), checkpoint)
    with pytest.raises(UserError, match=message) as error:
        train(run=run, resume=True, progress=False)
    assert "\n" not in str(error.value)


def test_a_run_on_a_gpu_is_not_resumed_without_one(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    train(tiny, tmp_path / "run", progress=False)
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace('"cpu"', '"cuda"'))
    with pytest.raises(UserError, match="resume it where there is one"):
        train(run=tmp_path / "run", resume=True, progress=False)
    assert Run(tmp_path / "run").status().state == "finished"
