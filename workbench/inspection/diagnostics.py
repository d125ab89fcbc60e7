"""Diagnostics of a training: what its meta-gradient is like now, and how that went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.capabilities import Unrolls
from workbench.inspection.agreement import signal_of, task_gradients
from workbench.inspection.gradients import anatomy, reaches_back
from workbench.inspection.layers import dots, ratio
from workbench.inspection.results import rows_of
from workbench.measures import measured_in, noted
from workbench.tasks.episode import Episode

Rows = Iterable[Mapping[str, Any]]

# As rows of a run call them, and as axes and readers do.
QUANTITIES = {
    "gradient_norm": "meta-gradient norm",
    "signal_to_noise": "signal to noise",
    "agreement": "agreement of tasks",
    "second_order": "second-order part (%)",
    "update": "update over weights",
}


def diagnosed(learner: Learner, episode: Episode) -> dict[str, float]:
    """What the meta-gradient is like on some tasks; the second order only of methods that have one.

    gradient_norm    of the mean over the tasks
    signal_to_noise  its norm over the spread of the tasks' own, `ratio` of `signal_frame`
    agreement        the mean cosine between two tasks' meta-gradients
    second_order     the norm of what the Hessians give (`Anatomy.correction`) over that of the
                     exact meta-gradient, as in `anatomy_frame`

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> sorted(diagnosed(MAML(MLP(1, 1)), open_tasks("sinusoid").sample(3, seed=0)))
    ['agreement', 'gradient_norm', 'second_order', 'signal_to_noise']
    """
    gradients = task_gradients(learner, episode)
    common = signal_of(gradients, list(gradients[0]))
    found = {
        "gradient_norm": common["signal"],
        "signal_to_noise": common["ratio"],
        "agreement": common["cosine"],
    }
    if isinstance(learner, Unrolls):
        path = list(adapt(learner, episode))
        if len(path) > 1 and reaches_back(learner, episode, path):
            parts = anatomy(learner, episode, path)
            above, below = (dots(g, g, list(g)) ** 0.5 for g in (parts.correction, parts.full))
            found["second_order"] = ratio(above, below)
    return found


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
