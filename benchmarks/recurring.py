"""What a task memory is worth on tasks that return, beside the meta-learned start alone.

    python -m benchmarks.recurring sinusoid-maml
    python -m benchmarks.recurring glyphs-maml

A stream of visits to ten families is remembered, by memories of several sizes. Then new visits to
the same families are adapted to from theta and from what each memory retrieves. For every task:
the loss on the query after each step, and the steps until it is as low as theta's is in the end
(none: one more than the last). All is paired over the same tasks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.algorithms import MAML, TaskMemory, TaskMemorySettings, adapt
from workbench.tasks import Episode, Shape, Tasks, open_tasks
from workbench.training import run_of
from workbench.training.evaluation import interval

SIZES = (0, 2, 5, 10, 20)
CHUNK = 20


@torch.no_grad()
def losses(learner: TaskMemory, tasks: Episode, steps: int) -> Tensor:
    """The query loss of each task after 0, 1, 2 ... steps: `[task, step]`."""
    found = []
    for some in tasks.split(CHUNK):
        query = some.query
        path = adapt(learner, some, steps=steps)
        rows = [some.loss(learner.predict(a, query.x), query) for a in path]
        found.append(torch.stack(rows, dim=1))
    return torch.cat(found).double()


def first(curves: Tensor, target: Tensor) -> Tensor:
    """The first step of each task whose loss is as low as its target."""
    reached = curves <= target.unsqueeze(1)
    step = reached.to(torch.int64).argmax(dim=1)
    return torch.where(reached.any(dim=1), step, curves.shape[1]).double()


def measured(run: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """A row a size of the memory."""
    theta, trained = run_of(run).load()
    assert isinstance(theta, MAML)
    tasks: Tasks = open_tasks("recurring:glyphs" if trained.kind == "classification" else
                              "recurring:sinusoid")  # fmt: skip
    own = run_of(run).experiment.test
    shape = Shape(own.ways, chosen.shots or own.shots, min(own.queries, 15))
    stream = tasks.sample(chosen.stream, seed=1, split="test", shape=shape)
    test = tasks.sample(chosen.episodes, seed=2, split="test", shape=shape)
    rows: list[dict[str, Any]] = []
    base = torch.zeros(0)
    for size in SIZES:
        settings = TaskMemorySettings(
            inner_rate=chosen.rate or theta.settings.inner_rate,
            test_steps=chosen.steps,
            slots=max(size, 1),
            attention="hard",
            familiar=chosen.familiar,
        )
        learner = TaskMemory(theta.model, settings).eval()
        written = learner.update(stream, steps=chosen.remember) if size else []
        curves = losses(learner, test, chosen.steps)
        if not size:
            base = curves
        target = base[:, -1]
        gain = first(curves, target) - first(base, target)
        rows.append(
            {
                "slots": size,
                "filled": learner.filled,
                "evictions": sum(w.evicted for w in written),
                "recognised": sum(w.recognised for w in written),
                "start": float(curves[:, 0].mean()),
                "end": float(curves[:, -1].mean()),
                "steps": float(first(curves, target).mean()),
                "steps_gain": float(gain.mean()),
                "steps_gain_ci95": interval(gain),
                "start_gain": float((curves - base)[:, 0].mean()),
                "start_gain_ci95": interval((curves - base)[:, 0]),
            }
        )
    return rows


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description="Measure what a task memory is worth.")
    parser.add_argument("run", type=Path, help="directory of a trained run of MAML")
    parser.add_argument("--episodes", type=int, default=600, help="new visits that are judged")
    parser.add_argument("--stream", type=int, default=100, help="visits that are remembered")
    parser.add_argument("--steps", type=int, default=10, help="inner steps from a start")
    parser.add_argument("--remember", type=int, default=100, help="inner steps before remembering")
    parser.add_argument("--familiar", type=float, default=0.3, help="loss below which one is known")
    parser.add_argument("--rate", type=float, help="inner rate, by default the run's")
    parser.add_argument("--shots", type=int, help="support examples, by default the run's")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    rows = measured(chosen.run, chosen)
    if chosen.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(
            f"{row['slots']:3} slots, {row['filled']:2} filled, {row['evictions']:3} evictions, "
            f"{row['recognised']:3} recognised: loss {row['start']:.3f} at first "
            f"({row['start_gain']:+.3f} ± {row['start_gain_ci95']:.3f}), {row['end']:.3f} in the "
            f"end; steps to theta's last loss {row['steps']:.2f} "
            f"({row['steps_gain']:+.2f} ± {row['steps_gain_ci95']:.2f})"
        )


if __name__ == "__main__":
    main()
