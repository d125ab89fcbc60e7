"""What the units of a sweep reach on test tasks: a frame of units, and one of groups of seeds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import UserError
from workbench.measures import (
    diverged_in,
    half_width,
    marked,
    measure_in,
    noted,
    notice_in,
    records,
    warned,
)
from workbench.tasks.base import Split
from workbench.training.crews import Crew
from workbench.training.evaluation import DEFAULT_SEED
from workbench.training.spreading import evaluate_run
from workbench.training.sweeps.folder import Sweep

if TYPE_CHECKING:
    import pandas as pd


def gathered(
    sweep: Sweep | Path | str,
    *,
    episodes: int = 600,
    split: Split = "test",
    seed: int = DEFAULT_SEED,
    inductive: bool | None = None,
    crew: Crew | None = None,
) -> pd.DataFrame:
    """Every unit's result on new tasks, each in its own test shape: a row a unit.

    crew  processes that measure, where it is not to be this one

    unit, group  its name, and that of those equal but for their seed
    state        how its training ended; what has not finished has no result
    seed         of its training
    ...          the settings that tell groups apart, by their dotted names
    metric       what was measured
    mean, ci95   over tasks, with half the width of its 95% interval
    per_task     each task's metric, an array
    """
    import pandas as pd

    sweep = sweep if isinstance(sweep, Sweep) else Sweep.open(sweep)
    rows: list[dict[str, Any]] = []
    ended: dict[str, str] = {}
    measure, notice = None, ""
    states = sweep.states()
    for unit, group, state in zip(states["unit"], states["group"], states["state"], strict=True):
        run = sweep.run(unit)
        row = {"unit": unit, "group": group, "state": state, "seed": run.experiment.seed}
        row |= {name: _cell(value) for name, value in sweep.units[unit]["settings"].items()}
        row |= {"metric": "", "mean": math.nan, "ci95": math.nan, "per_task": np.empty(0)}
        rows.append(row)
        if state != "finished":
            continue
        result = evaluate_run(
            run,
            episodes=episodes,
            split=split,
            seed=seed,
            inductive=inductive,
            every_step=False,
            crew=crew,
        )
        measure, notice = measure or result.measure, notice or result.notice
        if result.measure != measure:
            raise UserError(
                f"the units of {sweep.directory} are measured by {measure.name} and by "
                f"{result.metric}: evaluate them one by one, for no table holds both"
            )
        row |= {"metric": result.metric, "mean": result.mean, "ci95": result.ci95}
        row["per_task"] = result.per_task.numpy()
        ended[unit] = result.diverged
    if measure is None:
        raise UserError(f"no unit of {sweep.directory} has finished: go on with the sweep")
    frame = warned(marked(pd.DataFrame(rows), ended), notice)
    frame["metric"] = measure.name
    return noted(frame, [measure])


def by_group(units: pd.DataFrame) -> pd.DataFrame:
    """The results of units that are equal but for their seed, together: a row a group.

    units  as `gathered` makes them

    group       its name
    ...         the settings that tell groups apart
    metric      what was measured
    seeds       how many of its units have finished
    mean        over them and over tasks; missing where one of them diverged on a task
    ci95_tasks  half the width of its 95% interval over tasks, of each the mean over seeds
    ci95_seeds  that over seeds; missing where there is one
    per_seed    each seed's mean, an array
    """
    import pandas as pd

    known = ["unit", "group", "state", "seed", "metric", "mean", "ci95", "per_task"]
    settings = [name for name in units if name not in known]
    (name,) = records(units)
    rows = []
    for group, of in units.groupby("group", sort=False):
        own = of[of["state"] == "finished"]
        tasks = np.stack(list(own["per_task"])).mean(axis=0) if len(own) else np.empty(0)
        seeds = own["mean"].to_numpy(dtype=float)
        rows.append(
            {
                "group": group,
                **{setting: of[setting].iloc[0] for setting in settings},
                "metric": name,
                "seeds": len(own),
                "mean": float(seeds.mean()) if len(own) else math.nan,
                "ci95_tasks": _half(tasks),
                "ci95_seeds": _half(seeds),
                "per_seed": seeds,
            }
        )
    frame = warned(marked(pd.DataFrame(rows), diverged_in(units)), notice_in(units))
    return noted(frame, [measure_in(units, name)])


def _half(values: np.ndarray) -> float:
    if len(values) < 2:
        return math.nan
    return half_width(float(values.std(ddof=1)), len(values))


def _cell(value: Any) -> Any:
    """A setting as a cell of a table holds it."""
    return value if isinstance(value, int | float | str) or value is None else str(value)
