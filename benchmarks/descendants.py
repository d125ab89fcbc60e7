"""MAML's descendants against MAML: the same outer steps and tasks, paired over 600 test tasks.

    python -m benchmarks.descendants --workers 16

MAML, Meta-SGD, MAML++ and ALFA take five inner steps of plain gradient descent on 20-way 1-shot
tasks of Omniglot's background alphabets and of the built-in glyphs, by one net (an MLP of 256, 64
with batch normalisation), one outer optimizer (Adam, falling as a cosine) and as many outer steps.
The inner and the outer rate are MAML's best of a grid on validation tasks, tried at half that
length with a seed of its own; the others start from its inner rate and use its outer rate, so that
what tuning there is favours MAML. A unit is one training of one core; `right` has its right answers
on each of the test tasks, out of 100. The mean over seeds is paired task by task; the interval is
over tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pandas as pd
import torch

from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import (
    ALFASettings,
    MAMLPlusPlusSettings,
    MAMLSettings,
    MetaSGDSettings,
)
from workbench.models import MLPSettings
from workbench.tasks import Shape
from workbench.training import Experiment, evaluate, preset, train
from workbench.training.evaluation import interval

TASKS = {"omniglot": "omniglot:background-only", "glyphs": "glyphs"}
METHODS: dict[str, Any] = {
    "MAML": MAMLSettings(),
    "Meta-SGD": MetaSGDSettings(),
    "MAML++": MAMLPlusPlusSettings(),
    "ALFA": ALFASettings(),
}
INNER, OUTER = (0.03, 0.1, 0.3), (1e-3, 3e-3)
TUNING_SEED = 100
WAYS, QUERIES, STEPS, ITERATIONS = 20, 5, 5, 2_000


def experiment(
    method: str, tasks: str, seed: int, inner: float, outer: float, scale: float
) -> Experiment:
    """The method as all are trained."""
    base = preset("glyphs-maml")
    learner = replace(METHODS[method], inner_rate=inner, train_steps=STEPS, test_steps=STEPS)
    training = replace(
        base.training,
        iterations=max(10, round(ITERATIONS * scale)),
        tasks=4,
        rate=outer,
        schedule="cosine",
        clip=10.0,
        tasks_per_chunk=0,
        threads=1,
        compiled="off",
        validate_every=0,
    )
    return replace(
        base,
        tasks=TASKS[tasks],
        train=Shape(WAYS, 1, 2),
        test=Shape(WAYS, 1, QUERIES),
        model=MLPSettings(hidden=(256, 64), norm=True),
        learner=learner,
        training=training,
        seed=seed,
    )


def tune(tasks: str, inner: float, outer: float, scale: float) -> Rows:
    """How MAML does on validation tasks by these rates."""
    wanted = experiment("MAML", tasks, TUNING_SEED, inner, outer, scale / 2)
    outcome = train(wanted, progress=False)
    found = evaluate(
        outcome.learner, outcome.tasks, wanted.test, split="validation", every_step=False
    )
    return [{"accuracy": 100 * found.mean, "seconds": outcome.seconds}]


def work(method: str, tasks: str, seed: int, inner: float, outer: float, scale: float) -> Rows:
    """What a training comes to on the test tasks."""
    wanted = experiment(method, tasks, seed, inner, outer, scale)
    outcome = train(wanted, progress=False)
    found = evaluate(outcome.learner, outcome.tasks, wanted.test, every_step=False)
    right = (found.per_task * WAYS * QUERIES).round().int().tolist()
    return [
        {
            "accuracy": 100 * found.mean,
            "outer_steps": wanted.training.iterations,
            "seconds": outcome.seconds,
            "right": " ".join(map(str, right)),
        }
    ]


def unit(part: str, **unit: Any) -> Rows:
    """A unit of the grid or of the comparison."""
    return tune(**unit) if part == "grid" else work(**unit)


def table(frame: pd.DataFrame) -> str:
    """Accuracies, and the paired differences from MAML, as Markdown."""
    lines = [
        "| tasks | method | seeds | inner, outer rate | accuracy, mean ± sd of seeds (%) "
        "| minus MAML, paired (95% over tasks) | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    trained = frame[frame["part"] == "training"]
    for tasks in trained["tasks"].unique():
        own = trained[trained["tasks"] == tasks]
        for method in [m for m in METHODS if m in set(own["method"])]:
            rows = own[own["method"] == method]
            same = own[(own["method"] == "MAML") & own["seed"].isin(rows["seed"])]
            away = _of_tasks(rows["right"].tolist()) - _of_tasks(same["right"].tolist())
            said = f"{away.mean():+.2f} ± {interval(away):.2f}" if method != "MAML" else ""
            lines.append(
                f"| {tasks} | {method} | {len(rows)} "
                f"| {rows['inner'].iloc[0]:g}, {rows['outer'].iloc[0]:g} "
                f"| {rows['accuracy'].mean():.2f} ± {rows['accuracy'].std():.2f} | {said} "
                f"| {rows['seconds'].mean():.0f} |"
            )
    return "\n".join([*lines, "", f"{trained['outer_steps'].iloc[0]:,.0f} outer steps."])


def _of_tasks(right: Sequence[str]) -> torch.Tensor:
    """The accuracy on each task in percent, the mean over seeds."""
    counts = torch.tensor([[int(n) for n in of.split()] for of in right], dtype=torch.float64)
    return counts.mean(dim=0) * 100 / (WAYS * QUERIES)


def main() -> None:
    """Measure what is missing: the grid first, then the comparison by its best rates."""
    chosen = arguments("descendants", __doc__.splitlines()[0]).parse_args()
    grid = [
        {"part": "grid", "tasks": t, "inner": i, "outer": o, "scale": chosen.scale}
        for t, i, o in product(TASKS, INNER, OUTER)
    ]
    frame = measure(grid, unit, chosen.out, workers=chosen.workers)
    units = []
    for tasks in TASKS:
        tried = frame[(frame["part"] == "grid") & (frame["tasks"] == tasks)]
        best = tried.loc[tried["accuracy"].idxmax()]
        units += [
            {
                "part": "training",
                "method": method,
                "tasks": tasks,
                "seed": seed,
                "inner": float(best["inner"]),
                "outer": float(best["outer"]),
                "scale": chosen.scale,
            }
            for seed, method in product(chosen.seeds, chosen.only or METHODS)
        ]
    print(table(measure(units, unit, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
