"""Generated parameters: GAIL-Meta beside other starts, and beside its generator without adversary.

    python -m benchmarks.generators --workers 15 --seeds 0 1 2 3 4

Sine waves (10 points; all 481 weights of a small net are made) and 5-way 1-shot glyphs (the last
layer, over the frozen features of `benchmarks.leo`). Each unit trains a method at two outer rates
for a part of the time, takes the one that is better on validation tasks, and trains it in full.
Its start, without a step and after 1 and 5, is judged on 600 test tasks, with the inner rate that
is best on validation tasks for so many steps. `random` is a fresh initialisation and `averaged` the
mean of what GAIL-Meta generates for 300 training tasks; `squared error` (on glyphs cross-entropy)
is the same generator trained by the query loss itself. Curves are the query loss of what is
generated in training, which GAIL-Meta's generator never sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import torch

from benchmarks.leo import features
from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import (
    GAIL,
    MAML,
    Adversarial,
    Exact,
    GAILSettings,
    Learner,
    MAMLSettings,
)
from workbench.innerloop import weights_of
from workbench.inspection import compute, varied
from workbench.models import MLPSettings
from workbench.tasks import Shape, Tasks, open_tasks
from workbench.training import Experiment, TrainingSettings, evaluate
from workbench.training.trainer import Trainer

METHODS = ("GAIL-Meta", "squared error", "MAML")
STEPS = (0, 1, 5)
OUTER = (5e-4, 2e-3)
TRIED = 0.25  # of a training, to choose the outer rate by
CURVE = 20  # points
_SINE, _GLYPH = Shape(1, 10, 20), Shape(5, 1, 5)
_TASKS: dict[str, Callable[[], Tasks]] = {
    "sines": lambda: open_tasks("sinusoid:maml"),
    "glyphs": features,
}
_RATES = {"sines": (0.003, 0.01, 0.03, 0.1), "glyphs": (0.03, 0.1, 0.3, 1.0)}


def plan(method: str, domain: str, seed: int, rate: float, iterations: int) -> Experiment:
    """What is trained."""
    sines = domain == "sines"
    gail = GAILSettings(expert_rate=0.02 if sines else 0.3)
    maml = MAMLSettings(inner_rate=0.03 if sines else 0.3, train_steps=1)
    estimators = {"GAIL-Meta": Adversarial(speed=2.0), "squared error": Exact(), "MAML": None}
    return Experiment(
        tasks="sinusoid:maml" if sines else "glyphs",
        train=_SINE if sines else _GLYPH,
        test=Shape(1, 10, 100) if sines else Shape(5, 1, 15),
        model=MLPSettings(hidden=(20, 20), activation="tanh") if sines else MLPSettings(hidden=()),
        learner=maml if method == "MAML" else gail,
        training=TrainingSettings(
            iterations=iterations, tasks=64 if sines else 16, rate=rate, schedule="linear",
            clip=10.0, compiled="off",
        ),
        seed=seed,
        estimator=estimators[method],
    )  # fmt: skip


def built(experiment: Experiment, domain: str) -> Learner:
    """The learner as its seed initialises it."""
    spec = _TASKS[domain]().spec(experiment.train)
    with torch.random.fork_rng():
        torch.manual_seed(experiment.seed)
        learner: Learner = experiment.learner.build(experiment.model, spec)
    learner.estimator = experiment.estimator or learner.estimator
    return learner


def trained(experiment: Experiment, domain: str) -> tuple[Learner, Rows]:
    """A learner after its training, and the curve of it."""
    trainer = Trainer(experiment, built=(built(experiment, domain), _TASKS[domain]()))
    every, curve = max(1, experiment.training.iterations // CURVE), []
    while not trainer.finished:
        trainer.update()
        if trainer.iteration % every == 0:
            row = trainer.row()
            curve.append({"what": "curve", "at": trainer.iteration, "value": row["loss"]})
    return trainer.learner.eval(), curve


def judged(start: Learner, name: str, domain: str, shape: Shape) -> Rows:
    """A start after 0, 1 and 5 steps, each at the rate that validation chooses."""
    tasks = _TASKS[domain]()

    def values(rate: float, split: Any, episodes: int) -> torch.Tensor:
        one = varied(start, inner_rate=rate, test_steps=max(STEPS))
        return evaluate(one, tasks, shape, episodes=episodes, split=split, seed=5).values

    sign = tasks.measure(shape).sign
    tried = {rate: values(rate, "validation", 200).mean(dim=0) for rate in _RATES[domain]}
    rows = []
    for steps in STEPS:
        rate = max(
            tried, key=lambda r: float(sign * torch.nan_to_num(tried[r], sign * -1e9)[steps])
        )
        found = values(rate, "test", 600)[:, steps]
        rows.append({"what": name, "at": steps, "value": float(found.mean()), "inner_rate": rate})
    return rows


def others(learner: GAIL, experiment: Experiment, domain: str) -> Rows:
    """The same net from a fresh start, and from the mean of what is generated."""
    rows = []
    episode = _TASKS[domain]().sample(300, seed=9, split="train", shape=experiment.train)
    with torch.no_grad():
        mean = {n: w.mean(dim=0) for n, w in weights_of(learner.begin(episode).values).items()}
    for name, weights in (("random", {}), ("averaged", mean)):
        fresh = replace(experiment, learner=MAMLSettings(), estimator=None)
        start = built(fresh, domain)
        assert isinstance(start, MAML)
        start.model.load_state_dict(weights, strict=False)
        rows += judged(start.eval(), name, domain, experiment.test)
    return rows


def diversity(learner: GAIL, experiment: Experiment, domain: str) -> Rows:
    """How far the samples of one task are apart, over 50 test tasks."""
    episode = _TASKS[domain]().sample(50, seed=5, split="test", shape=experiment.test)
    frames = [compute("samples", learner, episode, [learner.begin(episode)], t) for t in range(50)]
    mean = pd.concat(frames)[["weights", "predictions", "loss"]].mean()
    return [{"what": f"samples: {name}", "at": 0, "value": value} for name, value in mean.items()]


def work(method: str, domain: str, seed: int, scale: float) -> Rows:
    """One method with one seed."""
    iterations = max(CURVE, round((2_500 if domain == "sines" else 1_500) * scale))
    test, tasks = plan(method, domain, seed, 1e-3, 1).test, _TASKS[domain]()
    sign, tried = tasks.measure(test).sign, {}
    for rate in OUTER:
        learner, _ = trained(plan(method, domain, seed, rate, round(TRIED * iterations)), domain)
        one = varied(learner, test_steps=int(method == "MAML"))
        found = evaluate(one, tasks, test, episodes=200, split="validation", seed=5).mean
        tried[rate] = sign * found
    experiment = plan(method, domain, seed, max(tried, key=lambda r: tried[r]), iterations)
    learner, rows = trained(experiment, domain)
    rows += judged(learner, method, domain, experiment.test)
    if isinstance(learner, GAIL):
        rows += diversity(learner, experiment, domain)
        if method == "GAIL-Meta":
            rows += others(learner, experiment, domain)
    return [{**row, "outer_rate": experiment.training.rate} for row in rows]


def table(frame: pd.DataFrame) -> str:
    """Every start by steps, the samples, and where curves went: Markdown."""
    pieces = []
    for domain, group in frame.groupby("domain", sort=False):
        factor, unit = (1, "mean squared error") if domain == "sines" else (100, "accuracy %")
        starts = ["GAIL-Meta", "squared error", "MAML", "averaged", "random"]
        pieces += [
            f"{domain}: {unit}, mean over seeds (each seed)\n",
            "| start | " + " | ".join(f"{k} steps" for k in STEPS) + " |\n|---|---|---|---|",
        ]
        for name in (s for s in starts if s in set(group["what"])):
            cells = []
            for steps in STEPS:
                own = group[(group["what"] == name) & (group["at"] == steps)].sort_values("seed")
                each = factor * own["value"]
                cells.append(f"{each.mean():.3g} ({' '.join(f'{v:.3g}' for v in each)})")
            pieces.append(f"| {name} | " + " | ".join(cells) + " |")
        pieces.append(f"\n| generator | {' | '.join(_SAID.values())} |\n|---|---|---|---|---|")
        for method, rows in group.groupby("method"):
            of = [rows[rows["what"] == what]["value"].mean() for what in list(_SAID)[:3]]
            if pd.isna(of[0]):
                continue
            curves = rows[rows["what"] == "curve"]
            went = []
            for part in (0.25, 0.5, 1.0):
                at = [c[c["at"] <= part * c["at"].max()]["value"].iloc[-1]
                      for _, c in curves.groupby("seed")]  # fmt: skip
                went.append(" ".join(f"{v:.2f}" for v in at))
            numbers = " | ".join(f"{value:.3g}" for value in of)
            pieces.append(f"| {method} | {numbers} | {' / '.join(went)} |")
        pieces.append("")
    return "\n".join(pieces)


_SAID = {
    "samples: weights": "samples of a task: distance of weights from their mean",
    "samples: predictions": "of predictions",
    "samples: loss": "query loss of a sample",
    "curve": "query loss in training at a quarter / half / the end (each seed)",
}


def main() -> None:
    """Measure what is missing, and print the table."""
    chosen = arguments("generators", __doc__ or "").parse_args()
    features()  # once, so that the images are in the cache before any unit asks for them
    units = [
        {"method": method, "domain": domain, "seed": seed, "scale": chosen.scale}
        for domain in _TASKS
        for method in METHODS
        if chosen.only is None or method in chosen.only
        for seed in chosen.seeds
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
