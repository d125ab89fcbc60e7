"""TunePanel: what it shows of a study, and the processes it begins and stops."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from workbench import UserError
from workbench.training import Experiment, preset
from workbench.training.tuning import Study
from workbench.widgets import TunePanel


def brief(iterations: int) -> Experiment:
    base = preset("sinusoid-maml").stretched(iterations)
    training = dataclasses.replace(
        base.training, tasks=2, validate_every=iterations // 2, validation_tasks=4, compiled="off"
    )
    return dataclasses.replace(base, training=training)


def until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_it_begins_a_study_and_goes_on_with_it_in_the_background(tmp_path: Path):
    panel = TunePanel(tmp_path / "study", brief(4), ["learner.order"], pruner="Nop", trials=2)
    assert "0 of 2 trials: none begun" in panel.summary.value
    assert "Nothing is validated yet" in panel.drawn.value
    panel.going.click()
    until(lambda: list(panel.study.history()["state"]) == ["finished"] * 2)
    panel.look()
    assert "2 of 2 trials: 2 finished. Best validation mean squared error" in panel.summary.value
    assert panel.drawn.value.lstrip().startswith("<?xml")
    assert "learner.order" in panel.table.value
    panel.view.value = "importance"
    assert "<svg" in panel.drawn.value or "needs two finished trials" in panel.drawn.value
    panel.close()


def test_stop_ends_a_trial_that_can_be_gone_on_with(tmp_path: Path):
    panel = TunePanel(tmp_path / "study", brief(100_000), trials=1)
    panel.going.click()
    until(lambda: panel.alive and (Study(tmp_path / "study").trial(1) / "lock").exists())
    until(lambda: panel.stopping.click() is None and not panel.alive)
    assert list(panel.study.history()["state"]) == ["interrupted"]
    panel.trials.value = 3
    panel.close()


def test_a_mistake_is_said_in_the_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    panel = TunePanel(tmp_path / "study", brief(4), trials=1)

    def fails() -> None:
        raise UserError("the disk is full: free some space")

    monkeypatch.setattr(panel, "look", fails)
    panel.view.value = "slices"
    assert "the disk is full" in panel.problem.value
    panel.close()
