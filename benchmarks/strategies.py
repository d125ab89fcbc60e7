"""Strategies of a meta-training that change as it goes: set by a cell, picked by a policy.

    python -m benchmarks.strategies --workers 16 --seeds 20 21 22 23 24

Families of sine waves, 50 outer steps of MAML for each. `fixed` tries, on 16 validation families,
stacked, every combination of three inner rates, three outer rates, three schedules of the outer
rate (constant, linear, cosine) and two strengths of the pull to the start: the best constant and
the best schedule. `learned constants` and `recurrent` start from the same settings (inner rate 0.1,
outer rate 0.03, pull 0.001) and are trained the same way, inner rates by tensor and step; the cell
moves all of these by one factor that changes as it goes. `strategist` is the trained policy and
`random` the same untrained, which picks all alike; `best constant strategy` is the best of all that
the policy may pick, kept throughout, chosen on the validation families. Test families are fresh
for each seed. `loss` is the geometric mean over 64 of them of the squared error; differences are of
its logarithm, family by family, with the 95% interval over families, and over seeds.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor
from torch.func import functional_call

from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import (
    Adapted,
    Learner,
    MetaOptimisedSettings,
    Strategist,
    adapt,
    last,
)
from workbench.algorithms.levels.meta_optimised import MetaOptimised, Setting
from workbench.algorithms.levels.strategist import PARTS
from workbench.innerloop import Rate
from workbench.measures import half_width
from workbench.tasks import Episode, Split
from workbench.training import Experiment, preset, train

TRIED, TESTED, STEPS = 16, 64, 50
INNER, OUTER, PULLS = (0.03, 0.1, 0.3), (0.01, 0.03, 0.1), (1e-6, 1e-2)
METHODS = ("fixed", "learned constants", "recurrent", "strategist", "best constant strategy")
PAIRS = (
    ("learned constants", "best schedule"), ("recurrent", "best schedule"),
    ("recurrent", "learned constants"), ("strategist", "random"),
    ("strategist", "best constant strategy"), ("strategist", "best schedule"),
)  # fmt: skip
Schedule = Literal["constant", "linear", "cosine"]
SCHEDULES: tuple[Schedule, ...] = ("constant", "linear", "cosine")


class Scheduled(MetaOptimised):
    """Learned constants whose outer rate falls to 0 by a schedule."""

    schedule: Schedule = "constant"

    def rates_after(self, adapted: Adapted) -> dict[str, Rate]:
        done = adapted.step / STEPS
        left = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
        return {n: r * left[self.schedule] for n, r in super().rates_after(adapted).items()}


def experiment_of(method: str, seed: int, scale: float) -> Experiment:
    """What is trained."""
    name = "sines-meta-strategist" if method == "strategist" else "sines-meta-recurrent"
    base: Any = preset(name)
    learner = base.learner
    if method == "learned constants":
        names = ("inner", "inner_rate", "learned", "rates", "proximal")
        learner = MetaOptimisedSettings(**{name: getattr(learner, name) for name in names})
    iterations = max(2, round(base.training.iterations * scale))
    training = replace(
        base.training, iterations=iterations, validate_every=0, diagnose_every=0, log_every=10
    )
    return replace(base, learner=learner, training=training, seed=seed)


def families(experiment: Experiment, count: int, split: Split, seed: int) -> Episode:
    """New families of a split."""
    return experiment.open_tasks().sample(count, seed=seed, split=split, shape=experiment.test)


@torch.no_grad()
def log_losses(learner: Learner, episode: Episode) -> Tensor:
    """The log of each family's query loss after its meta-training, `[family]`."""
    query, end = episode.query, last(adapt(learner, episode))
    found = episode.loss(learner.predict(end, query.x, query.weight), query).log()
    return torch.nan_to_num(found, nan=10.0, posinf=10.0)


@torch.no_grad()
def fixed(experiment: Experiment, validation: Episode, test: Episode) -> Rows:
    """The best constant and the best schedule of the grid."""
    base: Any = experiment.learner
    built: Any = experiment.build()[0]  # so that families start as they do for all others
    names: tuple[Setting, ...] = ("inner_rate", "outer_rate", "proximal")
    settings = MetaOptimisedSettings(
        inner=base.inner, learned=names, proximal=1e-3, batch=base.batch,
        train_steps=base.train_steps, test_steps=base.test_steps,
    )  # fmt: skip
    learner = Scheduled(built.model.requires_grad_(), built.nested, settings)
    grid = torch.tensor(list(itertools.product(INNER, OUTER, PULLS)))

    def under(pairs: Tensor, episode: Episode) -> Tensor:
        many = episode[torch.arange(len(episode)).repeat(len(pairs))]
        columns = pairs.log().repeat_interleave(len(episode), dim=0).unbind(1)
        stacked = {f"free.{n}": column for n, column in zip(names, columns, strict=True)}
        found: Tensor = functional_call(learner, stacked, (many,))
        return torch.nan_to_num(found, nan=10.0, posinf=10.0).unflatten(0, (len(pairs), -1))

    began, tried = time.perf_counter(), []
    for schedule in SCHEDULES:
        learner.schedule = schedule
        tried.append(under(grid, validation).mean(dim=1))
    seconds, rows = time.perf_counter() - began, []
    for name, known in (("best constant", tried[:1]), ("best schedule", tried)):
        found = torch.stack(known)
        kind, at = divmod(int(found.argmin()), len(grid))
        learner.schedule = SCHEDULES[kind]
        losses = under(grid[at : at + 1], test)[0]
        about = f"{SCHEDULES[kind]} {grid[at].tolist()}"
        rows.append(row(name, losses, seconds, about))
    return rows


class Given(Strategist):
    """Keeps to the strategy that it is given for each family."""

    choice: Tensor

    def pick(self, out: Tensor, adapted: Adapted, episode: Episode) -> Tensor:
        return self.choice


def constant_strategies(learner: Any, validation: Episode, test: Episode) -> Rows:
    """The best of all that the policy may pick."""
    began = time.perf_counter()
    learner.__class__ = Given
    sizes = [range(len(getattr(learner.settings, part))) for part in PARTS]
    every = torch.tensor(list(itertools.product(*sizes)))
    tried = []
    for some in every.split(16):
        learner.choice = some.repeat_interleave(len(validation), dim=0)
        many = validation[torch.arange(len(validation)).repeat(len(some))]
        tried.append(log_losses(learner, many).unflatten(0, (len(some), -1)).mean(dim=1))
    best = every[int(torch.cat(tried).argmin())]
    seconds = time.perf_counter() - began
    learner.choice = best.expand(len(test), -1)
    picked = zip(PARTS, best.tolist(), strict=True)
    about = " ".join(str(getattr(learner.settings, part)[i]) for part, i in picked)
    return [row("best constant strategy", log_losses(learner, test), seconds, about)]


def row(method: str, losses: Tensor, seconds: float, about: str = "") -> dict[str, Any]:
    """What a method came to on the test families."""
    each = " ".join(f"{value:.5f}" for value in losses.tolist())
    loss = float(losses.mean().exp())
    return {"method": method, "loss": loss, "seconds": seconds, "about": about, "losses": each}


def work(what: str, seed: int, scale: float) -> Rows:
    """One method with one seed."""
    torch.manual_seed(seed)
    experiment = experiment_of("strategist" if "strateg" in what else what, seed, scale)
    validation = families(experiment, TRIED, "validation", seed)
    test = families(experiment, TESTED, "test", seed)
    if what == "fixed":
        return fixed(experiment, validation, test)
    if what == "best constant strategy":
        return constant_strategies(experiment.build()[0].eval(), validation, test)
    began = time.perf_counter()
    learner = train(experiment, progress=False).learner
    seconds = time.perf_counter() - began
    rows = [row(what, log_losses(learner.eval(), test), seconds)]
    if what == "strategist":
        untrained = experiment.build()[0].train()  # in training it draws
        rows.append(row("random", log_losses(untrained, test), 0.0))
    return rows


def differences(frame: pd.DataFrame, one: str, other: str) -> list[tuple[float, float]]:
    """For each seed, how much less the log loss of one method is, and half its interval."""
    found = []
    for _, rows in frame.groupby("seed"):
        losses = {
            name: torch.tensor([float(v) for v in own["losses"].iloc[0].split()])
            for name, own in rows.groupby("method")
        }
        if one in losses and other in losses:
            away = losses[one] - losses[other]
            found.append((float(away.mean()), half_width(float(away.std()), len(away))))
    return found


def seeds_apart(found: list[tuple[float, float]]) -> tuple[str, str]:
    """Two cells of a table: the mean of the seeds' differences with its interval, and each."""
    means = torch.tensor([mean for mean, _ in found])
    half = half_width(float(means.std()), len(means)) if len(means) > 1 else math.nan
    each = ", ".join(f"{mean:+.2f} ± {own:.2f}" for mean, own in found)
    return f"{float(means.mean()):+.3f} ± {half:.3f}", each


def table(frame: pd.DataFrame) -> str:
    """Markdown: each method's loss, and differences of its logarithm, seed by seed."""
    lines = ["| method | loss | by seed | s | seeds |", "|---|---|---|---|---|"]
    for method, rows in frame.groupby("method", sort=False):
        loss = math.exp(rows["loss"].map(math.log).mean())
        each = " ".join(f"{value:.3f}" for value in rows["loss"])
        seconds = rows["seconds"].mean()
        lines.append(f"| {method} | {loss:.3f} | {each} | {seconds:.0f} | {len(rows)} |")
    lines += ["", "| difference of log losses | mean over seeds | by seed |", "|---|---|---|"]
    for one, other in PAIRS:
        found = differences(frame, one, other)
        if found:
            lines.append(f"| {one} − {other} | {' | '.join(seeds_apart(found))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure the units that are missing, and print the table."""
    parser = arguments("strategies", __doc__.splitlines()[0])
    chosen = parser.parse_args()
    units = [
        {"what": what, "seed": seed, "scale": chosen.scale}
        for seed in chosen.seeds
        for what in METHODS
        if not chosen.only or what in chosen.only
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
