"""MAML's own settings: learned through its outer steps, by evolution, and from a grid.

    python -m benchmarks.meta_optimised --workers 16 --seeds 10 11 12 13 14

Families of sine waves, a meta-training of 50 outer steps for each. `grid` tries 25 pairs of inner
and outer rate on eight validation families, all 200 meta-trainings stacked in one call: a rival
that is quick. From a tenth of the grid's best rates, `exact` learns the same two settings, like for
like, through windows of 25 outer steps, at a fifth of the grid's outer steps; `exact, by tensor and
step` learns 19 settings at half of them. From ten times too large rates there are `exact`, at half
of the grid's count, and `evolution` at three times it, where a member's outer steps count as any
other. `loss` is the geometric mean over 32 test families, which nothing was chosen on, of the
squared error after 50 outer steps; `ratio` is that to the grid's on the same families, with its 95%
interval over them (`no worse` where that reaches down to 1). `seconds` are those of the search
alone. The families of seed 0 were met when steps and rates of the search were chosen: begin at 10.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.func import functional_call

from benchmarks.units import arguments, measure
from workbench.algorithms import Evolution, MetaOptimised, Truncated
from workbench.algorithms.estimators.base import Estimator
from workbench.measures import half_width
from workbench.tasks import Episode, Split
from workbench.training import Experiment, preset, train
from workbench.training.trainer import Diverged

INNER = (0.003, 0.01, 0.03, 0.1, 0.3)
OUTER = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
TRIED, TESTED, STEPS, WINDOW, TASKS = 8, 32, 50, 25, 2
COUNT = len(INNER) * len(OUTER) * TRIED * STEPS  # the grid's outer steps
Rows = list[dict[str, Any]]
# What is learned from each kind of start, and at what part of the grid's count of outer steps.
SEARCHES: dict[str, dict[str, float]] = {
    "a tenth": {"grid": 0, "exact": 0.2, "exact, by tensor and step": 0.5},
    "ten times": {"grid": 0, "exact": 0.5, "evolution": 3},
}


def experiment_of(
    seed: int, rates: tuple[float, float], steps: float, estimator: Estimator, learned: str = "one"
) -> Experiment:
    """A training from these rates that takes so many outer steps in all."""
    base: Any = preset("sines-meta-optimised")
    members = estimator.population + 1 if isinstance(estimator, Evolution) else 1
    each = TASKS * members * (estimator.window or STEPS)
    inner = replace(base.learner.inner, inner_rate=rates[0])
    training = replace(
        base.training, iterations=max(1, round(steps / each)), tasks=TASKS,
        rate=0.3 if estimator.window else 0.2, validate_every=0, diagnose_every=0, log_every=1,
    )  # fmt: skip
    learner = replace(base.learner, inner=inner, inner_rate=rates[1], rates=learned)
    return replace(base, learner=learner, training=training, estimator=estimator, seed=seed)


def families(experiment: Experiment, count: int, split: Split, seed: int) -> Episode:
    """New families of a split."""
    return experiment.open_tasks().sample(count, seed=seed, split=split, shape=experiment.test)


@torch.no_grad()
def by_rates(learner: MetaOptimised, rates: Tensor, episode: Episode) -> Tensor:
    """Log losses `[pair, family]` under pairs of inner and outer rate, all in one call."""
    count, pairs = len(episode), len(rates)
    many = episode[torch.arange(count).repeat(pairs)]
    inner, outer = rates.log().repeat_interleave(count, dim=0).unbind(1)
    stacked = {"free.inner_rate": inner, "free.outer_rate": outer}
    found: Tensor = functional_call(learner, stacked, (many,))
    return found.unflatten(0, (pairs, count))


def searched(experiment: Experiment) -> tuple[MetaOptimised | None, str, float, int]:
    """What is learned (None where it diverged), where that was, the seconds and outer steps."""
    began = time.perf_counter()
    learner: Any = None
    try:
        learner, said = train(experiment, progress=False).learner, ""
    except Diverged as error:
        said = str(error).split(":")[0]
    estimator: Any = experiment.estimator
    members = estimator.population + 1 if isinstance(estimator, Evolution) else 1
    made = experiment.training.iterations * TASKS * members * (estimator.window or STEPS)
    return learner, said, time.perf_counter() - began, made


def work(start: str, method: str, seed: int, *, scale: float, device: str) -> Rows:
    """What a method finds from one kind of start; of the grid also where the others start."""
    torch.manual_seed(seed)
    plain = experiment_of(seed, (0.01, 0.01), 1, Truncated(WINDOW))
    learner: Any = plain.build()[0].to(device)
    validation = families(plain, TRIED, "validation", seed).to(device)
    test = families(plain, TESTED, "test", seed).to(device)
    pairs = torch.cartesian_prod(torch.tensor(INNER), torch.tensor(OUTER)).to(device)
    began = time.perf_counter()
    tried = by_rates(learner, pairs, validation).mean(dim=1)
    seconds = time.perf_counter() - began
    best = pairs[int(tried.argmin())]
    own = by_rates(learner, best.unsqueeze(0), test)[0]
    factor = 0.1 if start == "a tenth" else 10.0
    rates = (float(best[0]) * factor, float(best[1]) * factor)

    def row(method: str, losses: Tensor, **more: Any) -> dict[str, Any]:
        away = losses - own
        half = half_width(float(away.std()), len(away))
        return {
            "method": method, "loss": float(losses.mean().exp()),
            "ratio": float(away.mean().exp()), "low": float((away.mean() - half).exp()),
            "high": float((away.mean() + half).exp()), **more,
        }  # fmt: skip

    def of(inner: float, outer: float) -> dict[str, float]:
        return {"inner_rate": inner, "outer_rate": outer}

    if method == "grid":
        begun = by_rates(learner, torch.tensor([rates], device=device), test)[0]
        none = {"outer_steps": 0, "seconds": 0.0, "said": ""}
        grid = {"outer_steps": COUNT, "seconds": seconds, "said": ""}
        return [
            row("grid", own, **of(*best.tolist()), **grid),
            row("start", begun, **of(*rates), **none),
        ]
    steps = scale * COUNT * SEARCHES[start][method]
    estimator: Estimator = Truncated(WINDOW)
    if method == "evolution":
        estimator = Evolution(population=4, sigma=0.3)
    each = "step" if method.endswith("by tensor and step") else "one"
    experiment = replace(experiment_of(seed, rates, steps, estimator, each), device=device)
    found, said, spent, made = searched(experiment)
    about = {"outer_steps": made, "seconds": spent, "said": said}
    if found is None:
        return [row(method, torch.full_like(own, math.nan), **about)]
    with torch.no_grad():
        losses = found.train()(test)
    learned = [float(found.free[n].detach().exp().mean()) for n in ("inner_rate", "outer_rate")]
    return [row(method, losses, **of(*learned), **about)]


def table(frame: pd.DataFrame) -> str:
    """Markdown: over seeds, the loss and its ratio to the grid's, outer steps and seconds."""
    lines = [
        "| start | method | loss | ratio to the grid's, by seed | no worse in | outer steps | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for (start, method), rows in frame.groupby(["start", "method"], sort=False):
        told = rows[rows["ratio"].notna()]
        lost = len(rows) - len(told)
        ratios = " ".join(f"{ratio:.2f}" for ratio in told["ratio"])
        loss = f"{math.exp(told['loss'].map(math.log).mean()):.3f}" if len(told) else ""
        diverged = f" ({lost} diverged)" if lost else ""
        good = int((told["low"] <= 1).sum())
        lines.append(
            f"| {start} | {method} | {loss} | {ratios}{diverged} | {good} of {len(rows)} | "
            f"{rows['outer_steps'].mean():,.0f} | {rows['seconds'].mean():.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure the units that are missing, and print the table."""
    parser = arguments("meta_optimised", __doc__.splitlines()[0])
    chosen = parser.parse_args()
    units = [
        {
            "start": start, "method": method, "seed": seed, "scale": chosen.scale,
            "device": chosen.device,
        }
        for seed in chosen.seeds
        for start, methods in SEARCHES.items()
        for method in methods
        if not chosen.only or method in chosen.only
    ]  # fmt: skip
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
