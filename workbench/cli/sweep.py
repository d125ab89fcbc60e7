"""workbench sweep: many trainings from one file, and what they reach."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.cli.parsing import command, note, parse, say, say_json
from workbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.training import Sweep


@command
def sweep(arguments: list[str]) -> int:
    """Train the units of a file, or go on with them, and say what they reach."""
    from workbench.training.crews import crew_for
    from workbench.training.evaluation import DEFAULT_SEED
    from workbench.training.sweeps import by_group, gathered
    from workbench.training.sweeps import sweep as run_sweep

    failed: list[str] = []

    def form(
        file: Path,
        /,
        *,
        folder: Path | None = None,
        workers: int = 1,
        dask: str | None = None,
        tracker: str | None = None,
        episodes: int = 600,
        split: Literal["train", "validation", "test"] = "test",
        seed: int = DEFAULT_SEED,
        inductive: bool = False,
        figure: Path | None = None,
        json: bool = False,
    ) -> None:
        """Train many, each in a run of its own, and measure them on new tasks. What is trained
        already is left as it is, so that the same line goes on with what is missing.

        Args:
            file: a TOML file that says what to train, or a sweep's folder, to go on with it
            folder: the sweep's folder; runs/NAME if none, after the file's name
            workers: processes that train, and then measure, side by side
            dask: address of a dask scheduler whose workers do it instead, in the same folder
            tracker: tensorboard, mlflow, or either with a colon and a folder: writes metrics there
            episodes: number of tasks on which units are measured; 0 for none
            split: which classes those tasks are made of
            seed: which tasks are drawn
            inductive: normalise the query by the support's statistics
            figure: a PDF, SVG or PNG to draw the results into
            json: one JSON object on standard output
        """
        try:
            made = run_sweep(file, folder, workers=workers, dask=dask, tracker=tracker)
        except KeyboardInterrupt:
            note(f"go on with the same line: workbench sweep {' '.join(arguments)}")
            raise
        states = made.states()
        failed.extend(_lost(states))
        if "finished" not in set(states["state"]):
            raise UserError(f"no unit of {made.directory} has finished: {'; '.join(failed)}")
        if episodes == 0:
            say_json(_record(made)) if json else say(str(made.directory))
            return
        asked: dict[str, Any] = {"episodes": episodes, "split": split, "seed": seed}
        if inductive:
            asked["inductive"] = True
        with crew_for(workers, dask) as crew:
            units = gathered(made, **asked, crew=crew)
        groups = by_group(units)
        if figure is not None:
            _draw(groups, figure, made, asked)
        if json:
            table = units.drop(columns="per_task")
            groups["per_seed"] = groups["per_seed"].map(list)
            results = {"units": _rows(table), "groups": _rows(groups), "episodes": episodes}
            say_json(_record(made) | results)
            return
        say(f"{made.directory}: {groups['metric'].iloc[0]} on {episodes:,} tasks")
        for line in _lines(groups):
            say(f"  {line}")

    parse(form, arguments, "sweep")
    for line in failed:
        note(line)
    return 2 if failed else 0


def _lost(states: pd.DataFrame) -> list[str]:
    """A line for each unit that has no result, and why."""
    bad = states[states["state"] != "finished"]
    return [
        f"{unit} {state}: {reason}"
        for unit, state, reason in zip(bad["unit"], bad["state"], bad["reason"], strict=True)
    ]


def _lines(groups: pd.DataFrame) -> list[str]:
    """A line a group: its mean with intervals over tasks and over seeds."""
    from workbench.measures import diverged_in, measure_in, notice_in

    measure = measure_in(groups, str(groups["metric"].iloc[0]))
    lines = []
    for row in groups.to_dict("records"):
        count, name = row["seeds"], row["group"] or "all"
        if not math.isfinite(row["mean"]):
            lines.append(f"{name}: no mean over {count} seeds")
            continue
        line = f"{name}: {measure.said(row['mean'], row['ci95_tasks'])} over tasks"
        if count > 1:
            line += f", {measure.said(row['mean'], row['ci95_seeds'])} over {count} seeds"
        lines.append(line)
    lines += [f"{unit}: {said}" for unit, said in diverged_in(groups).items()]
    return lines + list(filter(None, [notice_in(groups)]))


def _record(made: Sweep) -> dict[str, object]:
    return {"sweep": str(made.directory), "states": _rows(made.states())}


def _rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    found: list[dict[str, object]] = frame.astype(object).to_dict("records")
    return found


def _draw(groups: pd.DataFrame, path: Path, made: Sweep, asked: dict[str, Any]) -> None:
    from workbench.figures import Receipt, save, sweep_results

    how = "".join(f", {name}={value!r}" for name, value in asked.items())
    code = (
        "from workbench.figures import sweep_results\n"
        "from workbench.training import by_group, gathered\n\n"
        f"groups = by_group(gathered({str(made.directory)!r}{how}))\n"
        "plot = sweep_results(groups)"
    )
    save(sweep_results(groups), path, Receipt.of(groups, code=code, seed=asked["seed"]))
    note(str(path))
