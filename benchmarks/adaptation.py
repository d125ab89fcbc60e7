"""Robots and a reacher by MAML-RL: what adapting brings above not adapting, and above pretraining.

    python -m benchmarks.adaptation --workers 2

The reacher (`reacher-fomaml`, goals that are not seen) is set beside one policy pretrained on all
goals, which is adapted to the same test tasks by the same steps. HalfCheetah (forwards or
backwards, 20 tasks x 10 trajectories x 100 moves a batch, needs the extra `mujoco`) is set beside
itself unadapted. Every difference is paired by task: the same goals, and the same seeds of the
trajectories. The grid, which RL² learns, is in `trials_rl2`. Seconds are of one core,
of the training alone.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pandas as pd
from torch import Tensor

from benchmarks.units import Rows, arguments, measure
from workbench.tasks import Shape
from workbench.training import Experiment, evaluate, preset
from workbench.training.evaluation import interval
from workbench.training.execution import keep_freed_memory
from workbench.training.trainer import Trainer

STEPS = 3
_CHEETAH = Shape(ways=6, shots=10, queries=0)


def plan(world: str) -> Experiment:
    """The training of the policy that adapts."""
    base = preset("reacher-fomaml")
    if world == "reacher":
        return base
    training = replace(base.training, iterations=600)
    return replace(
        base, tasks="cheetah:direction", train=_CHEETAH, test=_CHEETAH, training=training
    )


TASKS = {"reacher": 200, "cheetah": 40}  # test tasks


def returns(plan: Experiment, tasks: int) -> tuple[Tensor, float]:
    """Of a training, what its policy brings before and after each step, `[task, step]`; seconds."""
    trainer = Trainer(plan)
    started = time.process_time()
    while not trainer.finished:
        trainer.update()
    seconds = time.process_time() - started
    trainer.learner.eval()
    found = evaluate(
        trainer.learner, trainer.tasks, plan.test, episodes=tasks, steps=STEPS, seed=23
    )
    return found.values, seconds


def work(world: str, seed: int, scale: float) -> Rows:
    """One training, or two, with one seed: means over test tasks and the paired differences."""
    keep_freed_memory()
    base = replace(plan(world), seed=seed)
    base = base.stretched(max(5, round(base.training.iterations * scale)))
    found, seconds = returns(base, TASKS[world])
    row: dict[str, Any] = {f"return_{k}": float(found[:, k].mean()) for k in range(STEPS + 1)}
    row |= _paired("above_start", found - found[:, :1])
    if world == "reacher":
        learner = preset("reacher-pretrained").learner
        other, more = returns(replace(base, learner=learner), TASKS[world])
        row |= {f"pretrained_{k}": float(other[:, k].mean()) for k in range(STEPS + 1)}
        row |= _paired("above_pretrained", found - other)
        seconds += more
    return [row | {"tasks": len(found), "seconds": round(seconds)}]


def _paired(name: str, apart: Tensor) -> dict[str, float]:
    """Mean differences after each step, and half their 95% intervals over tasks."""
    each = {f"{name}_{k}": float(apart[:, k].mean()) for k in range(STEPS + 1)}
    return each | {f"{name}_{k}_ci95": interval(apart[:, k]) for k in range(STEPS + 1)}


def table(frame: pd.DataFrame) -> str:
    """Means over seeds, and every seed's paired difference after 1 and 3 steps: Markdown."""
    lines = [
        "| tasks | return after 0, 1, 2, 3 steps | above itself unadapted, after 1 and 3 steps | "
        "pretrained, after 0, 1, 2, 3 steps | above it, after 1 and 3 steps | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for world, rows in frame.groupby("world", sort=False):
        rows = rows.sort_values("seed")
        cells = [
            _means(rows, "return"), _differences(rows, "above_start"),
            _means(rows, "pretrained"), _differences(rows, "above_pretrained"),
        ]  # fmt: skip
        lines.append(f"| {world} | {' | '.join(cells)} | {rows['seconds'].mean():.0f} |")
    return "\n".join(lines)


def _means(rows: pd.DataFrame, name: str) -> str:
    if f"{name}_0" not in rows or rows[f"{name}_0"].isna().all():
        return "—"
    return ", ".join(f"{rows[f'{name}_{k}'].mean():.1f}" for k in range(STEPS + 1))


def _differences(rows: pd.DataFrame, name: str) -> str:
    if f"{name}_0" not in rows or rows[f"{name}_0"].isna().all():
        return "—"
    return "; ".join(
        ", ".join(
            f"{row[f'{name}_{k}']:+.1f} ± {row[f'{name}_{k}_ci95']:.1f}"
            for _, row in rows.iterrows()
        )
        for k in (1, STEPS)
    )


def main() -> None:
    """Measure what is missing, and print the table."""
    chosen = arguments("adaptation", __doc__ or "").parse_args()
    units = [
        {"world": world, "seed": seed, "scale": chosen.scale}
        for world in TASKS
        if chosen.only is None or world in chosen.only
        for seed in chosen.seeds
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
