"""Nets proposed for a family: by an adversary's verdict, by the loss itself, or with random units.

    python -m benchmarks.proposed --workers 16 --seeds 10 11 12 13 14

Families of sine waves. A generator makes the start of a net of two times 24 hidden units for each
family from 16 of its tasks; 24 units are there, each tanh, relu or sine. `adversary` sees nothing
but the verdict of a discriminator of learning curves; `loss` is the same generator, which descends
the validation loss itself; with `random` structures of equal size it is told which units there are
and makes the start alone. All are trained as long. `loss 0` and `loss 5` are the geometric means
over 64 fresh test families of the squared error on validation tasks, after MAML's two inner
steps, before and after five outer steps on the family; `plain` is the mean before any inner step,
so that what two steps bring can be seen. Differences are of logarithms, family by family, over
seeds with their 95% interval.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.strategies import differences, families, seeds_apart
from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import Adversarial, Exact, Proposer, adapt
from workbench.innerloop import weights_of
from workbench.tasks import Episode
from workbench.training import Experiment, preset, train

METHODS = ("adversary", "loss", "adversary, random", "loss, random")
PAIRS = (
    ("adversary", "adversary, random"), ("loss", "loss, random"), ("adversary", "loss"),
)  # fmt: skip
TESTED = 64


def experiment_of(method: str, seed: int, scale: float) -> Experiment:
    """What is trained."""
    base: Any = preset("sines-meta-proposer")
    training = replace(
        base.training, iterations=max(2, round(base.training.iterations * scale)), validate_every=0
    )
    structure = "random" if method.endswith("random") else "generated"
    estimator = Exact() if method.startswith("loss") else Adversarial(speed=2.0)
    learner = replace(base.learner, structure=structure)
    return replace(base, learner=learner, training=training, estimator=estimator, seed=seed)


@torch.no_grad()
def log_losses(learner: Proposer, episode: Episode) -> dict[str, Tensor]:
    """The log of each family's loss, `[family]`: without an outer step and after all of them."""
    found, query = {}, episode.query
    for adapted in adapt(learner, episode):
        if adapted.step in (0, learner.steps(episode)):
            predicted = learner.predict(adapted, query.x, query.weight)
            found[f"loss {adapted.step}"] = episode.loss(predicted, query).log()
    start = learner.begin(episode)
    mix = {n: start.values[f"carried.{n}"] for n in learner.mixes}
    curves = learner.curves(weights_of(start.values) | mix, episode)
    found["plain"] = curves[..., 0].exp().mean(dim=1).log()
    return found


def work(method: str, seed: int, scale: float) -> Rows:
    """One method with one seed."""
    torch.manual_seed(seed)
    experiment = experiment_of(method, seed, scale)
    began = time.perf_counter()
    learner: Any = train(experiment, progress=False).learner
    seconds = time.perf_counter() - began
    test = families(experiment, TESTED, "test", seed)
    mix = torch.cat([m for n, m in learner.generated(test).items() if n.endswith(".mix")], dim=1)
    kinds = " ".join(f"{share:.2f}" for share in (mix.sum(dim=(0, 1)) / mix.sum()).tolist())
    return [
        {
            "what": what, "loss": float(losses.mean().exp()), "seconds": seconds, "kinds": kinds,
            "losses": " ".join(f"{value:.5f}" for value in losses.tolist()),
        }
        for what, losses in log_losses(learner.eval(), test).items()
    ]  # fmt: skip


def table(frame: pd.DataFrame) -> str:
    """Markdown: each method's losses, and differences of their logarithms, seed by seed."""
    names = ("plain", "loss 0", "loss 5")
    lines = [
        f"| method | {' | '.join(names)} | tanh, relu, sine | s | seeds |",
        "|---|" + "---|" * 6,
    ]
    for method, rows in frame.groupby("method", sort=False):
        means = [
            f"{math.exp(rows[rows['what'] == name]['loss'].map(math.log).mean()):.3f}"
            for name in names
        ]
        seeds, kinds = rows["seed"].nunique(), rows["kinds"].iloc[0]
        seconds = rows["seconds"].mean()
        lines.append(f"| {method} | {' | '.join(means)} | {kinds} | {seconds:.0f} | {seeds} |")
    lines += [
        "",
        "| difference of log losses | at | mean over seeds | by seed |",
        "|---|---|---|---|",
    ]
    for one, other in PAIRS:
        for name in names[1:]:
            found = differences(frame[frame["what"] == name], one, other)
            if found:
                lines.append(f"| {one} − {other} | {name} | {' | '.join(seeds_apart(found))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure the units that are missing, and print the table."""
    parser = arguments("proposed", __doc__.splitlines()[0])
    chosen = parser.parse_args()
    units = [
        {"method": method, "seed": seed, "scale": chosen.scale}
        for seed in chosen.seeds
        for method in METHODS
        if not chosen.only or method in chosen.only
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
