"""Reversed gradients against learning from the source domain alone.

    python -m benchmarks.domains --workers 16

From scratch, as Ganin et al. have it, on two moons turned by 35 degrees: one random network a task,
inner rate and strength chosen on validation tasks for either method (the source-only network has
the target's labels of validation tasks to choose its rate by, too). And from a meta-learned start
on moons and on glyphs under a new pen: without reversal, with it in the inner steps, and with it
in the meta-loss as well; the strength is the best of three on validation tasks. The same test tasks
for all; a difference is over tasks, paired, within a seed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import torch

from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import DomainAdversarialSettings
from workbench.innerloop import InnerOptimizer
from workbench.models import MLPSettings
from workbench.randomness import Seeded
from workbench.tasks import Shape, open_tasks
from workbench.training import evaluate, preset, train
from workbench.training.evaluation import interval

STRENGTHS = (0.3, 1.0, 3.0)
RATES = (0.03, 0.1, 0.3)
STEPS = 1_500  # of a network from scratch
METHODS = {
    "source only": {"reversal": 0.0, "meta_reversal": 0.0},
    **{f"reversal {s:g}": {"reversal": s, "meta_reversal": 0.0} for s in STRENGTHS},
    **{f"and in the meta-loss {s:g}": {"reversal": 1.0, "meta_reversal": s} for s in STRENGTHS},
}


def scratch(reversal: float, rate: float, seed: int, scale: float) -> Rows:
    """Random networks on moons, by one rate and strength."""
    tasks, shape = open_tasks("moons:turned"), Shape(ways=2, shots=100, queries=100)
    settings = DomainAdversarialSettings(
        inner_rate=rate,
        test_steps=round(scale * STEPS),
        order="first",
        optimizer=InnerOptimizer("sgd", momentum=0.9),
        reversal=reversal,
    )
    with Seeded(seed):
        learner = settings.build(MLPSettings(hidden=(32,)), tasks.spec(shape))
    found = {
        split: evaluate(learner, tasks, shape, episodes=n, split=split, every_step=False).per_task
        for split, n in (("validation", 50), ("test", 100))
    }
    return [_row(found["validation"], found["test"])]


def meta_learned(family: str, method: str, seed: int, scale: float, device: str) -> Rows:
    """A start learned for tasks of a family, judged on new ones."""
    wanted = replace(preset(f"{family}-reversal"), seed=seed, device=device)
    wanted = replace(wanted, learner=replace(wanted.learner, **METHODS[method]))  # type: ignore[arg-type]
    training = replace(wanted.training, compiled="off" if device != "cpu" else "auto")
    wanted = replace(wanted, training=training)
    outcome = train(wanted.stretched(round(scale * training.iterations)), progress=False)
    found = {
        split: evaluate(
            outcome.learner, outcome.tasks, wanted.test, episodes=n, split=split, every_step=False
        ).per_task
        for split, n in (("validation", 300), ("test", 600))
    }
    return [_row(found["validation"], found["test"])]


def work(part: str, method: str, seed: int, scale: float, device: str, **more: Any) -> Rows:
    """One unit."""
    if part == "scratch":
        return scratch(more["reversal"], more["rate"], seed, scale)
    return meta_learned(part, method, seed, scale, device)


def _row(validation: torch.Tensor, test: torch.Tensor) -> dict[str, Any]:
    return {
        "validation": validation.mean().item(),
        "accuracy": test.mean().item(),
        "per_task": " ".join(f"{value:.4g}" for value in test.tolist()),
    }


def table(frame: pd.DataFrame) -> str:
    """A line a method of each part, at its best setting by validation in the mean over seeds."""
    lines = [
        "| tasks | method | setting | accuracy, % | of the worst seed | minus source only |",
        "|---|---|---|---|---|---|",
    ]
    frame = frame.fillna({"rate": 0.0, "reversal": 0.0})
    frame["kind"] = frame["method"].str.replace(r" [\d.]+$", "", regex=True)
    for part, of_part in frame.groupby("part", sort=False):
        chosen = {kind: _best(rows) for kind, rows in of_part.groupby("kind", sort=False)}
        base = chosen["source only"].set_index("seed")
        for kind, rows in chosen.items():
            own = rows.set_index("seed")
            setting = own["method"].iloc[0].removeprefix(kind).strip()
            if part == "scratch":
                setting += f" rate {own['rate'].iloc[0]:g}"
            gain = "" if kind == "source only" else _gain(own, base)
            accuracy = 100 * own["accuracy"]
            spread = f" ± {accuracy.std():.1f}" if len(accuracy) > 1 else " (one seed)"
            lines.append(
                f"| {part} | {kind} | {setting} | {accuracy.mean():.1f}{spread} "
                f"| {accuracy.min():.1f} | {gain} |"
            )
    return "\n".join(lines)


def _best(rows: pd.DataFrame) -> pd.DataFrame:
    settings = rows.groupby(["method", "rate"])["validation"].mean()
    method, rate = settings.idxmax()
    return rows[(rows["method"] == method) & (rows["rate"] == rate)]


def _gain(own: pd.DataFrame, base: pd.DataFrame) -> str:
    """The mean paired difference of every seed, with its interval over tasks: all of them."""
    found = []
    for seed in own.index:
        one, other = (
            torch.tensor([float(v) for v in rows.loc[seed, "per_task"].split()])
            for rows in (own, base)
        )
        gain = 100 * (one - other)
        found.append((gain.mean().item(), interval(gain)))
    return ", ".join(f"{mean:+.1f} ± {ci:.1f}" for mean, ci in found)


def main() -> None:
    parser = arguments("domains", __doc__.splitlines()[0])
    chosen = parser.parse_args()
    common = {"scale": chosen.scale, "device": chosen.device}
    units: list[dict[str, Any]] = [
        {"part": part, "method": method, "seed": seed, **common}
        for part in ("glyphs", "moons")
        for method in METHODS
        for seed in chosen.seeds
    ]
    units += [
        {
            "part": "scratch",
            "method": "source only" if not strength else f"reversal {strength:g}",
            "reversal": strength,
            "rate": rate,
            "seed": seed,
            **common,
        }
        for strength in (0.0, *STRENGTHS)
        for rate in RATES
        for seed in chosen.seeds
    ]
    if chosen.only:
        units = [unit for unit in units if unit["part"] in chosen.only]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
