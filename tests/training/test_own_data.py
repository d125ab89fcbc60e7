"""Runs on your own data: what they keep, resume from, and refuse."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.kills import difference
from workbench import UserError
from workbench.algorithms import MAMLSettings
from workbench.models import MLPSettings
from workbench.tasks import Shape, Tasks, in_memory, open_tasks, tasks_from
from workbench.training import (
    Experiment,
    Run,
    TrainingSettings,
    evaluate,
    start_in_background,
    train,
)

SHAPE = Shape(2, 2, 4)


def own(seed: int = 0) -> Tasks:
    draws = np.random.default_rng(seed)
    y = np.arange(240) % 12
    return tasks_from(draws.normal(size=(240, 3)) + y[:, None], y, name="mine")


def experiment(tasks: Any, iterations: int = 12, **changes: Any) -> Experiment:
    training = TrainingSettings(
        iterations=iterations, tasks=2, compiled="off", log_every=2, validate_every=6,
        validation_tasks=4, checkpoint_seconds=0,
    )  # fmt: skip
    model, learner = MLPSettings(hidden=(8,)), MAMLSettings(test_steps=2)
    made = Experiment(tasks, SHAPE, SHAPE, model, learner, training)
    return dataclasses.replace(made, **changes)


def test_an_experiment_takes_the_tasks_themselves() -> None:
    tasks = own()
    one = experiment(tasks)
    assert one.tasks == f"mine:{tasks.scheme}"
    assert one.open_tasks() is dataclasses.replace(one, seed=3).open_tasks() is tasks
    assert Experiment.from_record(one.to_record()) == one
    outcome = train(one, progress=False)
    assert outcome.state == "finished"
    assert outcome.tasks is tasks


def test_an_experiment_holds_what_memory_alone_has() -> None:
    one = experiment(own())
    gc.collect()
    assert one.open_tasks().kind == "classification"


def test_a_run_keeps_the_data_and_needs_no_others(tmp_path: Path) -> None:
    tasks = own()
    outcome = train(experiment(tasks), tmp_path / "run", progress=False)
    before = evaluate(outcome.learner, tasks, SHAPE, episodes=6)
    record = json.loads((tmp_path / "run" / "data.json").read_text())
    assert record == {"tasks": f"mine:{tasks.scheme}", "sha256": tasks.sha256}  # type: ignore[attr-defined]
    name = f"mine:{tasks.scheme}"
    del tasks, outcome
    gc.collect()
    assert in_memory(name) is None
    run = Run.open(tmp_path / "run")
    assert run.experiment.tasks == name
    learner, kept = run.load("latest")
    after = evaluate(learner, kept, SHAPE, episodes=6)
    assert torch.equal(before.values, after.values)
    assert run.experiment.open_tasks() is kept
    with pytest.raises(UserError, match="holds another experiment"):
        train(experiment(own(seed=1)), run, resume=True, progress=False)


def test_a_copy_that_is_gone_or_damaged_is_said(tmp_path: Path) -> None:
    run = train(experiment(own()), tmp_path / "run", progress=False).run
    assert run is not None
    gc.collect()
    (copy,) = (tmp_path / "run" / "files").iterdir()
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    with pytest.raises(UserError, match=r"\.tasks is damaged"):
        run.load()
    copy.unlink()
    with pytest.raises(UserError, match="data that were in memory and are not here"):
        run.load()


@pytest.mark.timeout(300)
def test_a_child_process_that_is_killed_and_resumed(tmp_path: Path) -> None:
    one = experiment(own(), 300)
    whole = train(one, tmp_path / "whole", progress=False).run
    run = start_in_background(one, tmp_path / "run")
    deadline = time.monotonic() + 120
    while not run.checkpoint_path("latest").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    owner = run.status().process
    if owner is not None:
        os.kill(owner, signal.SIGKILL)
        while run.status().process is not None:
            time.sleep(0.02)
        assert run.status().state in ("killed", "finished")
    command = [sys.executable, "-m", "workbench.training", str(run.directory)]
    subprocess.run(command, check=True, timeout=120)  # another process, which holds no data
    assert run.status().state == "finished"
    assert whole is not None
    assert difference(whole, run) == ""


def pictures(folder: Path) -> Path:
    for c in range(6):
        (folder / str(c)).mkdir(parents=True)
        for i in range(8):
            Image.new("L", (4, 4), 20 * c + i).save(folder / str(c) / f"{i}.png")
    return folder


def test_changed_data_are_refused(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures")
    one = experiment(f"folder:{folder}?size=4")
    run = train(one, tmp_path / "run", progress=False).run
    assert run is not None
    assert not (run.directory / "files").exists()  # the name opens them again
    run.load()
    Image.new("L", (4, 4), 255).save(folder / "0" / "0.png")
    for ask in (run.load, lambda: train(run=run, resume=True, progress=False)):
        with pytest.raises(UserError, match="not those that .*run was begun with: restore") as said:
            ask()
        assert "\n" not in str(said.value)
    (run.directory / "data.json").write_text("[]")
    with pytest.raises(UserError, match=r"data\.json is damaged"):
        run.load()


def test_a_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.tasks import own_data

    calls = []
    read = own_data.read
    monkeypatch.setattr(own_data, "read", lambda *a: calls.append(a) or read(*a))
    train(experiment(f"folder:{pictures(tmp_path / 'p')}?size=4"), tmp_path / "run", progress=False)
    assert len(calls) == 1


def test_tasks_that_cannot_be_kept_are_refused_before_a_file_is_written(tmp_path: Path) -> None:
    class Mine(type(open_tasks("sinusoid"))):  # type: ignore[misc]
        pass

    waves = open_tasks("sinusoid")
    mine = Mine("waves", "mine", waves.family)  # type: ignore[attr-defined]
    shapes = {"train": Shape(1, 5, 5), "test": Shape(1, 5, 5)}
    one = dataclasses.replace(experiment(mine), **shapes)
    assert train(one, progress=False).state == "finished"  # in memory they serve
    with pytest.raises(UserError, match=r"cannot keep Mine.* tasks/waves\.py"):
        train(one, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
