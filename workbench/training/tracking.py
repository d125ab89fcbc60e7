"""Trackers: what a run writes of its metrics, also written where TensorBoard or MLflow look.

They only listen: a training is the same with and without them. Neither is imported before it is
asked for, and both write into folders; nothing goes over a network.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from workbench.errors import UserError, nearest
from workbench.files import writing
from workbench.training.record import flattened
from workbench.training.runs import Run


class Tracker(Protocol):
    """Is given every row of a run's metrics."""

    def row(self, row: Mapping[str, Any]) -> None:
        """One more row."""

    def close(self) -> None:
        """There will be no more of them."""


def check_tracker(asked: str | None, run: object) -> None:
    """Refuses a tracker that there is not, or that has nothing to follow.

    >>> check_tracker("tensorbord", "runs/mine")
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: tracker is 'tensorbord': did you mean 'tensorboard'?
    """
    if asked is None:
        return
    name, _, place = asked.partition(":")
    if name not in _KINDS:
        raise UserError(f"tracker is '{asked}': {nearest(name, list(_KINDS))}")
    if "://" in place:
        raise UserError(f"tracker is '{asked}', which is no folder: only files are written")
    if run is None:
        raise UserError(f"the tracker {name} follows a run directory: train in one")
    if find_spec(name) is None:
        raise UserError(
            f"the tracker needs {name}, which is missing: "
            "pip install 'metalearning-workbench[trackers]'"
        )


@contextmanager
def tracking(asked: str | None, run: Run | None, iteration: int) -> Iterator[Tracker | None]:
    """The tracker that is asked for: tensorboard, mlflow, or either with a colon and a folder.

    Without one TensorBoard's events lie in the run, and MLflow's store in the folder mlruns. The
    run goes on from an outer step; what was told of later ones is told again.

    >>> with tracking(None, None, 0) as tracker:
    ...     tracker
    """
    if asked is None or run is None:
        yield None
        return
    name, _, place = asked.partition(":")
    tracker = _KINDS[name](run, Path(place) if place else None, iteration)
    try:
        yield tracker
    finally:
        tracker.close()


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """What of a row is a measurement, called by what it was measured on.

    >>> _numbers({"iteration": 5, "split": "validation", "mse": 0.5, "best": True, "ci95": None})
    {'validation/mse': 0.5}
    >>> _numbers({"iteration": 5, "split": "adaptation", "step": 2, "mse": 0.5})
    {'adaptation/step 2/mse': 0.5}
    """
    axis = next((name for name in ("step", "move") if name in row), "iteration")
    place = "" if axis == "iteration" else f"{axis} {row[axis]}/"
    return {
        f"{row.get('split', 'train')}/{place}{name}": float(value)
        for name, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
        if name not in ("iteration", axis)
    }


class _TensorBoard:
    """Scalars in an event file, in the run's folder `tensorboard` or one of the run's name."""

    def __init__(self, run: Run, place: Path | None, iteration: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.place = run.directory / "tensorboard" if place is None else place / _name(run)
        with writing(self.place):
            # what was written of later steps, before the run was killed, is not to be shown
            self.writer = SummaryWriter(str(self.place), purge_step=iteration + 1)

    def row(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        with writing(self.place):
            for name, value in _numbers(row).items():
                self.writer.add_scalar(name, value, row["iteration"])

    def close(self) -> None:
        """There will be no more of them."""
        with writing(self.place):
            self.writer.close()


class _MLflow:
    """A run in a file store, in the experiment of its tasks; a resumed one goes on with its own."""

    def __init__(self, run: Run, place: Path | None, iteration: int) -> None:
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # without which it wants a data base
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # without which it calls home
        from mlflow.entities import Metric
        from mlflow.tracking import MlflowClient

        self.metric = Metric
        self.place = (Path("mlruns") if place is None else place).resolve()
        with writing(self.place):
            self.place.mkdir(parents=True, exist_ok=True)
            self.client = MlflowClient(tracking_uri=self.place.as_uri())
            self.id = self._run(run)

    def _run(self, run: Run) -> str:
        """The run of this directory, begun where there is none."""
        tasks, directory = run.experiment.tasks, str(run.directory.resolve())
        known = self.client.get_experiment_by_name(tasks)
        group = self.client.create_experiment(tasks) if known is None else known.experiment_id
        key = hashlib.sha256(directory.encode()).hexdigest()
        for one in self.client.search_runs([group], f"tags.key = '{key}'"):
            self.client.update_run(one.info.run_id, status="RUNNING")
            return str(one.info.run_id)
        tags = {"directory": directory, "key": key}
        made = self.client.create_run(group, tags=tags, run_name=_name(run))
        for name, value in flattened(run.experiment.to_record()):
            self.client.log_param(made.info.run_id, name, value)
        return str(made.info.run_id)

    def row(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        at = int(1000 * row.get("seconds", 0))
        found = [
            self.metric(name, value, at, row["iteration"]) for name, value in _numbers(row).items()
        ]
        with writing(self.place):
            self.client.log_batch(self.id, metrics=found)

    def close(self) -> None:
        """There will be no more of them."""
        with writing(self.place):
            self.client.set_terminated(self.id)


_KINDS: dict[str, Callable[[Run, Path | None, int], Tracker]] = {
    "tensorboard": _TensorBoard,
    "mlflow": _MLflow,
}


def _name(run: Run) -> str:
    return run.directory.resolve().name
