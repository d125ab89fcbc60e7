"""LEO and Meta-SGD on the same frozen features of glyphs, 1 shot.

    python -m benchmarks.leo --workers 12

The features are those of the shipped Prototypical network, trained on the training alphabets, with
batch statistics settled on the images of these. Each unit tries a few settings of its method on a
part of the training's length, takes the one that is best on validation tasks, trains it in full,
and is judged on the same 600 test tasks (alphabets never trained on). `prototypes` are the nearest
class means of the same features, which nothing is trained for.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd
import torch
from torch import nn

from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import Learner, LEOSettings, MetaSGDSettings, PrototypicalSettings
from workbench.models import MLPSettings
from workbench.tasks import Shape, Tasks
from workbench.tasks.sampler import FewShot
from workbench.training import Experiment, TrainingSettings, evaluate, run_of
from workbench.training.comparison import sign_test
from workbench.training.evaluation import interval
from workbench.training.trainer import Trainer

METHODS = ("LEO", "Meta-SGD", "prototypes")
WAYS, SHOTS, QUERIES = (5, 20), 1, 15
ITERATIONS, TASKS = 1_200, 8
TRIED = 0.25  # of a training, to choose a setting by
# Settings and the outer rate; Meta-SGD, which is quick, has more to choose from.
GRID: dict[str, list[tuple[Any, float]]] = {
    "LEO": [
        (LEOSettings(divergence=divergence, code_rate=rate), 1e-3)
        for divergence in (1e-3, 1e-1)
        for rate in (1.0, 10.0)
    ],
    "Meta-SGD": [
        (MetaSGDSettings(inner_rate=rate, train_steps=steps, test_steps=steps), outer)
        for rate in (0.01, 0.1, 1.0)
        for steps in (1, 5)
        for outer in (1e-3, 5e-3)
    ],
    "prototypes": [(PrototypicalSettings(), 1e-3)],
}


@cache
def features() -> FewShot:
    """The glyphs as the shipped network sees them."""
    learner, tasks = run_of("glyphs-protonet").load()
    assert isinstance(tasks, FewShot)
    bank, known = tasks.bank, tasks.splits["train"].classes
    rows = torch.cat([torch.arange(int(bank.counts[c])) + bank.starts[c] for c in known])
    network: Any = copy.deepcopy(learner.embedding)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # the mean over all batches, instead of each one's
            module.track_running_stats, module.momentum = True, None
            module.register_buffer("running_mean", torch.zeros(module.num_features))
            module.register_buffer("running_var", torch.ones(module.num_features))
            module.register_buffer("num_batches_tracked", torch.tensor(0))
    with torch.no_grad():
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
        for some in rows[order].split(500):
            network.train()(bank.scaled(bank.x[some]))
        parts = [network.eval()(bank.scaled(x)) for x in bank.x.split(500)]
    x = torch.cat(parts)
    spread = x[rows].std()
    return FewShot(
        replace(bank, x=x / spread, scale=1.0), tasks.splits, name="glyphs", scheme="features"
    )


def trained(settings: Any, rate: float, ways: int, seed: int, iterations: int) -> Learner:
    """A learner of the features after so many meta-steps."""
    shape = Shape(ways, SHOTS, 5)
    training = TrainingSettings(
        iterations=iterations, tasks=TASKS, rate=rate, schedule="cosine", clip=10.0, compiled="off"
    )
    plan = Experiment("glyphs", shape, shape, MLPSettings(hidden=()), settings, training, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        learner = settings.build(plan.model, features().spec(shape))
    if next(learner.parameters(), None) is None:
        return learner  # nothing to train
    trainer = Trainer(plan, built=(learner, features()))
    while not trainer.finished:
        trainer.update()
    return learner


def work(method: str, ways: int, seed: int, scale: float) -> Rows:
    """One method with one seed: its best setting, and what it reaches on every test task."""
    tasks: Tasks = features()
    shape, iterations = Shape(ways, SHOTS, QUERIES), max(8, round(ITERATIONS * scale))

    def judged(learner: Learner, split: Any, episodes: int) -> Any:
        return evaluate(
            learner, tasks, shape, episodes=episodes, split=split, seed=5, every_step=False
        )

    found, grid = [], GRID[method]
    for setting in grid if len(grid) > 1 else []:
        learner = trained(*setting, ways, seed, round(TRIED * iterations))
        found.append(judged(learner, "validation", 200).mean)
    best = grid[max(range(len(found)), key=lambda i: found[i])] if found else grid[0]
    result = judged(trained(*best, ways, seed, iterations), "test", 600)
    hits = (result.per_task * ways * QUERIES).round().int().tolist()
    names = ("divergence", "code_rate", "inner_rate", "train_steps")
    chosen = [f"{name} {getattr(best[0], name):g}" for name in names if hasattr(best[0], name)]
    chosen.append(f"outer rate {best[1]:g}")
    return [{"chosen": ", ".join(chosen), "hits": " ".join(map(str, hits))}]


def table(frame: pd.DataFrame) -> str:
    """Accuracy, and the difference from Meta-SGD over the same tasks: Markdown."""
    lines = [
        "| ways | method | accuracy % (each seed) | minus Meta-SGD, 95% over tasks "
        "(each seed) | tasks better / worse | chosen |",
        "|---|---|---|---|---|---|",
    ]
    for ways, group in frame.groupby("ways"):
        of: dict[str, torch.Tensor] = {}
        for method, rows in group.sort_values("seed").groupby("method"):
            hits = [[int(n) for n in str(row).split()] for row in rows["hits"]]
            of[str(method)] = 100 * torch.tensor(hits, dtype=torch.float64) / (int(ways) * QUERIES)
        for method in (m for m in METHODS if m in of):
            own, each = of[method], " ".join(f"{m:.1f}" for m in of[method].mean(dim=1))
            gap = better = "—"
            if method != "Meta-SGD" and "Meta-SGD" in of:
                apart = own.mean(dim=0) - of["Meta-SGD"].mean(dim=0)
                seeds = (own.mean(dim=1) - of["Meta-SGD"].mean(dim=1)).tolist()
                gap = f"{apart.mean():+.2f} ± {interval(apart):.2f} (" + (
                    " ".join(f"{s:+.1f}" for s in seeds) + ")"
                )
                wins, losses = int((apart > 0).sum()), int((apart < 0).sum())
                better = f"{wins} / {losses}, p = {sign_test(wins, losses):.1g}"
            chosen = group[group["method"] == method]["chosen"].fillna("").unique()
            lines.append(
                f"| {ways} | {method} | {own.mean():.2f} ({each}) | {gap} | {better} | "
                f"{'; '.join(chosen)} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, and print the table."""
    chosen = arguments("leo", __doc__ or "").parse_args()
    features()  # once, so that the images are in the cache before any unit asks for them
    units = [
        {"method": method, "ways": ways, "seed": seed, "scale": chosen.scale}
        for ways in sorted(WAYS, reverse=True)  # the longest first
        for method in METHODS
        if chosen.only is None or method in chosen.only
        for seed in (chosen.seeds if method != "prototypes" else chosen.seeds[:1])
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
