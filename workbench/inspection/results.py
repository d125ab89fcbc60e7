"""Frames of results: what a run wrote while it trained, and what evaluations measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from torch import Tensor

from workbench.errors import UserError
from workbench.files import measured

_METRICS = ("accuracy", "mse", "reward")


class Measured(Protocol):
    """What is asked of an evaluation: its metric, `[task, step]` of it, and which tasks."""

    @property
    def axis(self) -> str:
        """Whether values are by step or, of control tasks, by move."""

    @property
    def metric(self) -> str:
        """Accuracy, mse or reward."""

    @property
    def values(self) -> Tensor:
        """Each task's metric after 0, 1, 2 ... inner steps, or moves."""

    @property
    def episodes_sha256(self) -> str:
        """A fingerprint of the tasks."""


Results = Mapping[str, Measured | Sequence[Measured]]


def comparison_frame(results: Results) -> pd.DataFrame:
    """Each test task's result under each method: a row a method, seed and task.

    results  evaluations by the method's name; several for a method trained with several seeds

    method  its name
    seed    which of its evaluations, counted from 0
    task    which test task, the same for every method
    metric  accuracy, mse or reward
    value   the metric after the last inner step, or move
    """
    frame = evaluation_frame(results)
    axis = "move" if "move" in frame else "step"
    last = frame.groupby(["method", "seed"])[axis].transform("max")
    name = next(name for name in _METRICS if name in frame)
    kept = frame.loc[frame[axis] == last, ["method", "seed", "task"]].reset_index(drop=True)
    values = frame.loc[frame[axis] == last, name].to_numpy()
    return kept.assign(metric=name, value=values)


def evaluation_frame(results: Results) -> pd.DataFrame:
    """Each test task's result after every inner step: a row a method, seed, task and step.

    That of a control task after every move, by whatever step it was made.

    results  as for `comparison_frame`

    method, seed, task  as in `comparison_frame`
    step                after how many inner steps; or
    move                for control: after how many moves
    part                query; trial for control tasks
    accuracy            for classification, a fraction; or
    mse                 for regression; or
    reward              for control: the sum of the rewards so far
    """
    pieces: list[pd.DataFrame] = []
    first: Measured | None = None
    for method, found in results.items():
        for seed, result in enumerate(found if isinstance(found, Sequence) else [found]):
            first = first or result
            if result.episodes_sha256 != first.episodes_sha256:
                raise UserError(
                    f"'{method}' was evaluated on other tasks than '{next(iter(results))}': "
                    "evaluate all with the same tasks, split, shape, episodes and seed"
                )
            tasks, steps = result.values.shape
            pieces.append(
                pd.DataFrame(
                    {
                        "method": method,
                        "seed": seed,
                        "task": [task for task in range(tasks) for _ in range(steps)],
                        result.axis: [*range(steps)] * tasks,
                        "part": "trial" if result.metric == "reward" else "query",
                        result.metric: result.values.flatten().tolist(),
                    }
                )
            )
    if not pieces:
        raise UserError("there is nothing to compare: pass evaluations by their methods' names")
    return pd.concat(pieces, ignore_index=True)


def metrics_frame(source: Path | str | Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Training and validation by iteration: a row a measurement.

    source  a run's directory, its metrics.jsonl, or the rows themselves

    iteration  after how many outer steps
    split      train or validation
    metric     loss (training), accuracy, mse or reward (validation); training's loss counts as
               mse where validation measures that, for it is the same
    value      the mean over tasks
    low, high  its 95% interval over tasks; missing for training
    seconds    since the training began, where it was written down

    >>> frame = metrics_frame([{"iteration": 5, "split": "train", "loss": 0.5},
    ...     {"iteration": 5, "split": "validation", "accuracy": 0.75, "ci95": 0.25}])
    >>> frame[["metric", "value", "low"]].values.tolist()
    [['loss', 0.5, nan], ['accuracy', 0.75, 0.5]]
    """
    rows = _read(Path(source)) if isinstance(source, (Path, str)) else list(source)
    squared = any("mse" in row for row in rows)
    found = []
    for row in rows:
        train = row.get("split") == "train"
        names = ("loss",) if train else _METRICS
        name = next((name for name in names if name in row), None)
        if name is None:
            continue
        value, half = row[name], row.get("ci95")
        known = value is not None and half is not None
        found.append(
            {
                "iteration": int(row["iteration"]),
                "split": "train" if train else "validation",
                "metric": "mse" if train and squared else name,
                "value": value,
                "low": value - half if known else None,
                "high": value + half if known else None,
                "seconds": row.get("seconds"),
            }
        )
    if not found:
        raise UserError("nothing has been measured yet: let the run reach its first logged row")
    numbers = dict.fromkeys(("value", "low", "high", "seconds"), "float64")
    return pd.DataFrame(found).astype(numbers)


def stacked(frames: Mapping[Any, pd.DataFrame], column: str = "method") -> pd.DataFrame:
    """Frames of several methods (or seeds) as one, told apart by a column.

    >>> one = pd.DataFrame({"x": [1.0]})
    >>> stacked({"MAML": one, "Reptile": one})["method"].tolist()
    ['MAML', 'Reptile']
    """
    pieces = [frame.assign(**{column: name}) for name, frame in frames.items()]
    return pd.concat(pieces, ignore_index=True)


def _read(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a run's metrics; the last may be half written."""
    path = path / "metrics.jsonl" if path.is_dir() else path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}: name a run's directory"
        ) from error
    rows, damaged = measured(content)
    if damaged:
        raise UserError(
            f"{path} holds no JSON in line {damaged[0]} that is a row of metrics: "
            "restore it, or cut that line"
        )
    return rows
