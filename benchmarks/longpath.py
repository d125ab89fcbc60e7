"""The meta-gradient through 100 inner steps, and what keeps it from exploding.

    python -m benchmarks.longpath --workers 16

MAML on sine waves (`sinusoid-maml`: 5 points, an MLP of 40, 40) with 100 inner steps of rate 0.05
in training and test. A norm is that of a task's meta-gradient on its way back, at the value after a
step (the inspection `flow`), for the task of 25 in which it is largest, before any training.
Remedies: first order; only the last 10 steps exact (truncated); no task's gradient longer than 1 on
its way back through a step (the estimator Clipped); the finished meta-gradient clipped at 10. Steps
that are rematerialised change no number, only what is kept. The squared error is that of 600 test
tasks after 100 steps, over those that are finite. A unit is one training of one core.

![Norms of the meta-gradient](results/longpath.png)
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import product
from typing import Any

import pandas as pd
import torch

from benchmarks.lines import keep, lines
from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import Clipped, Learner, MAMLSettings, adapt
from workbench.errors import UserError
from workbench.inspection import flow_frame
from workbench.tasks import Episode
from workbench.training import Experiment, evaluate, preset
from workbench.training.trainer import Trainer

K, RATE, ITERATIONS, SHOWN = 100, 0.05, 500, 5
_MAML = MAMLSettings(inner_rate=RATE, train_steps=K, test_steps=K)
REMEDIES: dict[str, dict[str, Any]] = {
    "none": {},
    "first order": {"order": "first"},
    "truncated": {"order": "truncated", "truncate": 10},
    "clipped on its way": {"estimator": Clipped(1.0)},
    "clipped at its end": {"clip": 10.0},
    "rematerialised": {"rematerialise": True},
}
# What the flow of gradients is called, where a remedy changes it.
ORDERS = {"first order": "first", "truncated": "truncated", "clipped on its way": "clipped"}


def experiment(method: str, seed: int, scale: float) -> Experiment:
    """The training of a remedy."""
    base, own = preset("sinusoid-maml"), dict(REMEDIES[method])
    estimator, clip = own.pop("estimator", None), own.pop("clip", None)
    training = replace(
        base.training,
        iterations=max(2, round(ITERATIONS * scale)),
        clip=clip,
        schedule="cosine",
        validate_every=0,
        compiled="off",
        tasks_per_chunk=25,
    )
    return replace(
        base, learner=replace(_MAML, **own), estimator=estimator, training=training, seed=seed
    )


def work(method: str, seed: int, scale: float) -> Rows:
    """Norms at the start and after training, what training took, and what it came to."""
    trainer = Trainer(experiment(method, seed, scale))
    learner, shape = trainer.learner, trainer.experiment.train
    episode = trainer.tasks.sample(25, seed=9, split="validation", shape=shape)
    rows = _norms(method, learner, episode, "start")
    rows.append({"quantity": "MB kept", "value": kept_bytes(learner, episode) / 1e6})
    norms, started = [], time.process_time()
    while not trainer.finished:
        trainer.update()
        squares = [p.grad.square().sum() for p in trainer.parameters.values()]  # type: ignore[union-attr]
        norms.append(float(torch.stack(squares).sum().sqrt()))
        if not all(bool(p.isfinite().all()) for p in trainer.parameters.values()):
            rows.append({"quantity": "outer step that was not finite", "value": len(norms)})
            return rows
    seconds = (time.process_time() - started) / len(norms)
    found = evaluate(learner, trainer.tasks, trainer.experiment.test, every_step=False).per_task
    good = found[found.isfinite()]
    quantities = {
        "seconds an outer step": seconds,
        "median of the meta-gradient": float(torch.tensor(norms).median()),
        "largest meta-gradient": max(norms),
        "test error": float(good.mean()),
        "median test error": float(good.median()),
        "test tasks not finite": len(found) - len(good),
    }
    rows += [{"quantity": name, "value": value} for name, value in quantities.items()]
    return rows + _norms(method, learner, episode, "end")


def _norms(method: str, learner: Learner, episode: Episode, phase: str) -> Rows:
    """The largest norm among the tasks at every few steps."""
    with torch.no_grad():
        path = list(adapt(learner, episode, steps=K))
    try:
        frame = flow_frame(learner, episode, path)
    except UserError:  # the adaptation itself is not finite
        return []
    order = ORDERS.get(method, "second")
    own = frame[(frame["layer"] == "all") & (frame["order"] == order)]
    most = own.groupby("step")["norm"].max()
    return [
        {"quantity": f"norm at the {phase}", "step": int(step), "value": float(most[step])}
        for step in range(0, K + 1, SHOWN)
    ]


def kept_bytes(learner: Learner, episode: Episode) -> int:
    """The most bytes that autograd holds for one meta-gradient."""

    class Kept:
        now = most = 0

        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor, self.size = tensor, tensor.numel() * tensor.element_size()
            Kept.now += self.size
            Kept.most = max(Kept.most, Kept.now)

        def __del__(self) -> None:
            Kept.now -= self.size

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        learner.meta_gradient(episode)
    return Kept.most


COLUMNS = (
    "MB kept",
    "seconds an outer step",
    "median of the meta-gradient",
    "largest meta-gradient",
    "test error",
    "median test error",
)


def table(frame: pd.DataFrame) -> str:
    """What each remedy did, as Markdown: medians over seeds, the error with its range."""
    heads = ["norm at step 100", "at step 0", *COLUMNS, "finished"]
    lines = [f"| remedy | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for method in [m for m in REMEDIES if m in set(frame["method"])]:
        rows = frame[frame["method"] == method]
        start = rows[rows["quantity"] == "norm at the start"]
        cells = [f"{start[start['step'] == k]['value'].median():.3g}" for k in (K, 0)]
        for name in COLUMNS:
            values = rows[rows["quantity"] == name]["value"]
            cell = f"{values.median():.3g}" if len(values) else "–"
            if "error" in name and len(values) > 1:
                cell += f" ({values.min():.3g} to {values.max():.3g})"
            cells.append(cell)
        seeds = rows["seed"].nunique()
        lost = int((rows["quantity"] == "outer step that was not finite").sum())
        cells.append(f"{seeds - lost} of {seeds}")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, print the table and draw the norms."""
    chosen = arguments("longpath", __doc__.splitlines()[0]).parse_args()
    units = [
        {"method": method, "seed": seed, "scale": chosen.scale}
        for seed, method in product(chosen.seeds, chosen.only or REMEDIES)
    ]
    frame = measure(units, work, chosen.out, workers=chosen.workers)
    print(table(frame))
    shown = frame[frame["quantity"] == "norm at the start"]
    shown = shown[~shown["method"].isin(["rematerialised", "clipped at its end"])]
    plot = lines(
        shown, x="step", y="value", across="inner step", along="largest meta-gradient of 25 tasks"
    )
    keep(plot, chosen.out, shown, "longpath")


if __name__ == "__main__":
    main()
