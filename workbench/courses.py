"""What a run wrote while it trained, as frames: its curves, its diagnostics, its adaptations.

For those who train, and for those who only look, such as JupyterLab's server, which loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.errors import UserError
from workbench.files import measured
from workbench.measures import marked, measured_in, noted, warned

Rows = Iterable[Mapping[str, Any]]

# As rows of a run call them, and as axes and readers do.
QUANTITIES = {
    "gradient_norm": "meta-gradient norm",
    "signal_to_noise": "signal to noise",
    "agreement": "agreement of tasks",
    "second_order": "second-order part (%)",
    "update": "update over weights",
}


def metrics_frame(source: Path | str | Rows) -> pd.DataFrame:
    """Training and validation by outer step: a row a measurement.

    source  a run's directory, its metrics.jsonl, or the rows themselves

    iteration  after how many outer steps
    split      train or validation
    metric     loss (training), and the tasks' own metric (validation); training's loss counts as
               mse where validation measures that, for it is the same
    value      the mean over tasks
    low, high  its 95% interval over tasks; missing for training
    seconds    since the training began, where it was written down

    >>> frame = metrics_frame([{"iteration": 5, "split": "train", "loss": 0.5},
    ...     {"iteration": 5, "split": "validation", "accuracy": 0.75, "ci95": 0.25}])
    >>> frame[["metric", "value", "low"]].values.tolist()
    [['loss', 0.5, nan], ['accuracy', 0.75, 0.5]]
    """
    rows = [row for row in rows_of(source) if row.get("split") in ("train", "validation")]
    measures = {measure.name: measure for row in rows if (measure := measured_in(row)) is not None}
    of_loss = next((name for name, measure in measures.items() if measure.loss), "loss")
    found = []
    for row in rows:
        train, measure = row.get("split") == "train", measured_in(row)
        if measure is None:
            continue
        name = measure.name
        value, half = row[name], row.get("ci95")
        known = value is not None and half is not None
        found.append(
            {
                "iteration": int(row["iteration"]),
                "split": "train" if train else "validation",
                "metric": of_loss if train else name,
                "value": value,
                "low": value - half if known else None,
                "high": value + half if known else None,
                "seconds": row.get("seconds"),
            }
        )
    if not found:
        raise UserError("nothing has been measured yet: let the run reach its first logged row")
    numbers = dict.fromkeys(("value", "low", "high", "seconds"), "float64")
    validations = [row for row in rows if row.get("split") == "validation"]
    ended = str(validations[-1].get("diverged", "")) if validations else ""
    frame = marked(pd.DataFrame(found).astype(numbers), {"": ended})
    frame = warned(frame, next((str(row["notice"]) for row in rows if "notice" in row), ""))
    return noted(frame, measures.values())


def diagnostics_frame(source: Path | str | Rows) -> pd.DataFrame:
    """What a training was like inside, along it: a row a quantity and outer step.

    source  a run's directory, its metrics.jsonl, or the rows themselves

    iteration  after how many outer steps
    quantity   meta-gradient norm, signal to noise (over tasks), agreement of tasks (the mean cosine
               of two tasks' meta-gradients), second-order part (the norm of what the Hessians
               give over that of the meta-gradient, in %), update over weights (how far the outer
               step moved the meta-parameters, by their norm)
    value      on training tasks drawn for this alone; missing where it was not finite
    seconds    since the training began

    >>> rows = [{"iteration": 500, "split": "diagnostics", "agreement": 0.5, "seconds": 2.0}]
    >>> diagnostics_frame(rows)[["iteration", "value"]].values.tolist()
    [[500.0, 0.5]]
    """
    found = [
        (row["iteration"], words, 100 * value if name == "second_order" and value else value,
         row.get("seconds"))
        for row in rows_of(source)
        if row.get("split") == "diagnostics"
        for name, words in QUANTITIES.items()
        if name in row
        for value in [row[name]]
    ]  # fmt: skip
    frame = pd.DataFrame(found, columns=["iteration", "quantity", "value", "seconds"])
    return frame.astype({"iteration": "int64", "value": "float64", "seconds": "float64"})


def progress_frame(source: Path | str | Rows) -> pd.DataFrame:
    """The adaptation from the start as it was at each validation: a row a metric and inner step.

    source  as for `diagnostics_frame`

    iteration  after how many outer steps
    step       after how many inner steps; move where it is by moves (control)
    metric     the tasks' own
    value      its mean over validation tasks
    low, high  its 95% interval over tasks
    """
    found, measures = [], {}
    for row in rows_of(source):
        measure = measured_in(row)
        if row.get("split") != "adaptation" or measure is None:
            continue
        measures[measure.name] = measure
        axis = "move" if "move" in row else "step"
        value, half = row[measure.name], row.get("ci95")
        known = value is not None and half is not None
        found.append(
            {
                "iteration": row["iteration"],
                axis: row[axis],
                "metric": measure.name,
                "value": value,
                "low": value - half if known else None,
                "high": value + half if known else None,
            }
        )
    columns = ["iteration", "step", "metric", "value", "low", "high"]
    frame = pd.DataFrame(found) if found else pd.DataFrame(columns=columns)
    return noted(
        frame.astype(dict.fromkeys(("value", "low", "high"), "float64")), measures.values()
    )


def rows_of(source: Path | str | Rows) -> list[Mapping[str, Any]]:
    """The rows of a run: of its directory, of its metrics.jsonl, or as they are given."""
    return [*(_read(Path(source)) if isinstance(source, (Path, str)) else source)]


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
