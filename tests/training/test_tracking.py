"""Trackers: told what a run writes, and nothing of the run changes by it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.errors import UserError
from workbench.training import Experiment, Run, train


@pytest.fixture
def eager(tiny: Experiment) -> Experiment:
    training = dataclasses.replace(tiny.training, compiled="off")
    return dataclasses.replace(tiny, training=training)


def bits(run: Run) -> tuple[object, ...]:
    """All that is the same in two equal trainings."""
    checkpoint, _ = run.checkpoint("latest")
    rows = [{**row, "seconds": 0} for row in run.metrics()]
    tensors = {name: tensor.tolist() for name, tensor in checkpoint.tensors.items()}
    return rows, tensors, (run.directory / "config.json").read_bytes()


def test_tensorboard_is_told_what_the_run_writes(eager: Experiment, tmp_path: Path) -> None:
    """Stopped and gone on with, its curves are those of a training that was not watched."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(eager, tmp_path / "plain", progress=False)
    run = Run.create(eager, tmp_path / "run")
    train(run=run, progress=False, tracker="tensorboard", watch=lambda row: "later")
    assert run.status().state == "paused"
    train(run=run, resume=True, progress=False, tracker="tensorboard")
    assert bits(run) == bits(Run(tmp_path / "plain"))
    told = EventAccumulator(str(run.directory / "tensorboard"))
    told.Reload()
    for split, name in (("validation", "mse"), ("train", "loss"), ("train", "gradient_norm")):
        rows = [row for row in run.metrics() if row["split"] == split]
        curve = told.Scalars(f"{split}/{name}")
        assert [scalar.step for scalar in curve] == [row["iteration"] for row in rows]
        assert [scalar.value for scalar in curve] == pytest.approx([row[name] for row in rows])


def test_mlflow_is_told_in_a_file_store(eager: Experiment, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    place = tmp_path / "store"
    train(eager, tmp_path / "plain", progress=False)
    run = Run.create(eager, tmp_path / "run")
    train(run=run, progress=False, tracker=f"mlflow:{place}", watch=lambda row: "later")
    train(run=run, resume=True, progress=False, tracker=f"mlflow:{place}")
    assert bits(run) == bits(Run(tmp_path / "plain"))
    client = MlflowClient(tracking_uri=place.as_uri())
    group = client.get_experiment_by_name("sinusoid:maml")
    assert group is not None
    (found,) = client.search_runs([group.experiment_id])
    assert (found.info.run_name, found.info.status) == ("run", "FINISHED")
    assert found.data.params["learner.inner_rate"] == "0.01"
    rows = [row for row in run.metrics() if row["split"] == "validation"]
    curve = client.get_metric_history(found.info.run_id, "validation/mse")
    assert {m.step: m.value for m in curve} == {row["iteration"]: row["mse"] for row in rows}


@pytest.mark.parametrize(
    ("tracker", "said"),
    [
        ("tensorbord", "did you mean 'tensorboard'"),
        ("mlflow:http://127.0.0.1:5000", "which is no folder: only files are written"),
        ("mlflow", r"needs mlflow, which is missing: pip install 'metalearning-workbench\[track"),
    ],
)
def test_a_mistake_is_a_sentence(
    eager: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: str, said: str
) -> None:
    monkeypatch.setattr("workbench.training.tracking.find_spec", lambda name: None)
    with pytest.raises(UserError, match=said):
        train(eager, tmp_path / "run", progress=False, tracker=tracker)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="follows a run directory"):
        train(eager, progress=False, tracker="tensorboard")


def test_what_is_not_asked_for_is_not_imported() -> None:
    heavy = ["mlflow", "tensorboard", "distributed", "dask"]
    code = (
        "import sys; from workbench.training import preset, train; "
        "train(preset('sinusoid-maml').stretched(1), progress=False); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
