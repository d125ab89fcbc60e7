"""Frames of results: what a run wrote while it trained, and what evaluations measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd
from torch import Tensor

from workbench.errors import UserError
from workbench.measures import (
    Measure,
    diverged_in,
    marked,
    measure_in,
    noted,
    notice_in,
    records,
    warned,
)


class Measured(Protocol):
    """What is asked of an evaluation: its measure, `[task, step]` of it, and which tasks."""

    @property
    def axis(self) -> str:
        """Whether values are by step or, of control tasks, by move."""

    @property
    def measure(self) -> Measure:
        """What the metric is."""

    @property
    def part(self) -> str:
        """What it was measured on."""

    @property
    def values(self) -> Tensor:
        """Each task's metric after 0, 1, 2 ... inner steps, or moves."""

    @property
    def diverged(self) -> str:
        """How many tasks diverged, where, and the cure; empty where none did."""

    @property
    def episodes_sha256(self) -> str:
        """A fingerprint of the tasks."""

    @property
    def notice(self) -> str:
        """A sentence that stands in every result of the tasks; empty where there is none."""


Results = Mapping[str, Measured | Sequence[Measured]]


def comparison_frame(results: Results) -> pd.DataFrame:
    """Each test task's result under each method: a row a method, seed and task.

    results  evaluations by the method's name; several for a method trained with several seeds

    method  its name
    seed    which of its evaluations, counted from 0
    task    which test task, the same for every method
    metric  the name of what was measured: accuracy, mse, reward, or one of your own
    value   the metric after the last inner step, or move
    """
    frame = evaluation_frame(results)
    axis = "move" if "move" in frame else "step"
    last = frame.groupby(["method", "seed"])[axis].transform("max")
    (name,) = records(frame)
    kept = frame.loc[frame[axis] == last, ["method", "seed", "task"]].reset_index(drop=True)
    values = frame.loc[frame[axis] == last, name].to_numpy()
    made = marked(kept.assign(metric=name, value=values), diverged_in(frame))
    made = warned(made, notice_in(frame))
    return noted(made, [measure_in(frame, name)])


def evaluation_frame(results: Results) -> pd.DataFrame:
    """Each test task's result after every inner step: a row a method, seed, task and step.

    That of a control task after every move, by whatever step it was made.

    results  as for `comparison_frame`

    method, seed, task  as in `comparison_frame`
    step                after how many inner steps; or
    move                for control: after how many moves
    part                query; trial for control tasks
    ...                 the metric by its name: accuracy for classification, as a fraction, mse for
                        regression, reward (the sum so far) for control, or one of your own
    """
    pieces: list[pd.DataFrame] = []
    first: Measured | None = None
    ended: dict[str, str] = {}
    for method, found in results.items():
        several = found if isinstance(found, Sequence) else [found]
        ended[method] = "; ".join(filter(None, (result.diverged for result in several)))
        for seed, result in enumerate(several):
            first = first or result
            if result.episodes_sha256 != first.episodes_sha256:
                raise UserError(
                    f"'{method}' was evaluated on other tasks than '{next(iter(results))}': "
                    "evaluate all with the same tasks, split, shape, episodes and seed"
                )
            if result.measure != first.measure:
                raise UserError(
                    f"'{method}' was measured by {result.measure.name} and "
                    f"'{next(iter(results))}' by {first.measure.name}: evaluate all on tasks "
                    "with the same objective"
                )
            tasks, steps = result.values.shape
            pieces.append(
                pd.DataFrame(
                    {
                        "method": method,
                        "seed": seed,
                        "task": [task for task in range(tasks) for _ in range(steps)],
                        result.axis: [*range(steps)] * tasks,
                        "part": result.part,
                        result.measure.name: result.values.flatten().tolist(),
                    }
                )
            )
    if first is None:
        raise UserError("there is nothing to compare: pass evaluations by their methods' names")
    made = warned(marked(pd.concat(pieces, ignore_index=True), ended), first.notice)
    return noted(made, [first.measure])


def seeds_frame(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Trainings of several seeds as one: rows as in `metrics_frame`, at steps that all have.

    value      the mean over seeds
    low, high  its 95% interval over seeds, by Student's t

    >>> from workbench.inspection import metrics_frame
    >>> row = {"iteration": 5, "split": "train"}
    >>> one, other = (metrics_frame([{**row, "loss": loss}]) for loss in (1, 3))
    >>> seeds_frame([one, other])[["value", "high"]].round(1).values.tolist()
    [[2.0, 14.7]]
    """
    from scipy.special import stdtrit

    count = len(frames)
    if count < 2:
        raise UserError("a band over seeds needs at least two of them")
    every = pd.concat(frames)
    groups = every.groupby(["split", "metric", "iteration"], sort=False)
    found = groups.agg(value=("value", "mean"), spread=("value", "std"), count=("value", "count"))
    found["seconds"] = groups["seconds"].mean()
    found = found[found["count"] == count].reset_index()
    half = stdtrit(count - 1, 0.975) * found["spread"] / count**0.5
    found = found.assign(low=found["value"] - half, high=found["value"] + half)
    measures = [measure_in(frames[0], name) for name in records(frames[0])]
    columns = ["iteration", "split", "metric", "value", "low", "high", "seconds"]
    made = warned(found[columns].sort_values("iteration", kind="stable"), notice_in(frames[0]))
    return noted(made, measures)


def stacked(frames: Mapping[Any, pd.DataFrame], column: str = "method") -> pd.DataFrame:
    """Frames of several methods (or seeds) as one, told apart by a column.

    >>> one = pd.DataFrame({"x": [1.0]})
    >>> stacked({"MAML": one, "Reptile": one})["method"].tolist()
    ['MAML', 'Reptile']
    """
    pieces = [frame.assign(**{column: name}) for name, frame in frames.items()]
    measures = {n: measure_in(frame, n) for frame in frames.values() for n in records(frame)}
    ended = {str(name): "; ".join(diverged_in(frame).values()) for name, frame in frames.items()}
    made = marked(pd.concat(pieces, ignore_index=True), ended)
    notices = filter(None, map(notice_in, frames.values()))
    return noted(warned(made, next(notices, "")), measures.values())
