"""MAML-RL on 2D navigation: the return after 0 to 3 gradient steps.

    python -m benchmarks.navigation
    python -m benchmarks.navigation --only "first order" pretrained --scale 2

Finn et al. (2017), section 5.3: goals in the plane that are not seen, 20 tasks x 20 trajectories of
at most 100 moves a batch. A unit is a preset trained with one seed by PPO's outer step (five epochs
a batch), of the preset's length times `length`; `pretrained` learned one policy for all goals, with
no inner step in training. Each is then adapted to 200 test goals that no training and no choice of
settings saw by the same steps, 0.1 and then 0.04 long (half of the first in the paper), each of 20
trajectories. Intervals are over the goals of all seeds; `spread` is the standard deviation over
seeds after the last step. Seconds are those that training took of one core. Published, by a trust
region after 500 batches: -40.4, -11.7, -3.3, -3.2.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pandas as pd

from benchmarks.units import Rows, arguments, measure
from workbench.measures import half_width
from workbench.training import evaluate, preset, train

METHODS = {
    "second order": "navigation-maml",
    "first order": "navigation-fomaml",
    "pretrained": "navigation-pretrained",
    "ANIL": "navigation-anil",
    "Reptile": "navigation-reptile",
    "trust region": "navigation-maml-trpo",
}
USUAL = ("second order", "first order", "pretrained")
STEPS, GOALS = 3, 200


def work(method: str, seed: int, *, scale: float, device: str) -> Rows:
    """One training, and what its policy returns after each step."""
    experiment = replace(preset(METHODS[method]), seed=seed, device=device)
    if scale != 1:
        experiment = experiment.stretched(round(experiment.training.iterations * scale))
    training = replace(experiment.training, validate_every=0)
    started = time.process_time()
    outcome = train(replace(experiment, training=training), progress=False)
    seconds, learner = time.process_time() - started, outcome.learner
    tasks: Any = experiment.open_tasks()
    found = evaluate(learner, tasks, experiment.test, episodes=GOALS, steps=STEPS, seed=23)
    returns = {f"return_{k}": float(found.values[:, k].mean()) for k in range(STEPS + 1)}
    spreads = {f"sd_{k}": float(found.values[:, k].std()) for k in range(STEPS + 1)}
    deviation = float(learner.get_parameter("model.deviation.logarithm").detach().exp().mean())
    return [{**returns, **spreads, "goals": GOALS, "deviation": deviation, "seconds": seconds}]


def table(frame: pd.DataFrame) -> str:
    """Markdown: means over goals and seeds with their intervals."""
    lines = [
        "| method | length | seeds | " + " | ".join(f"after {k}" for k in range(STEPS + 1))
        + " | spread | seconds |",
        "|" + "---|" * (STEPS + 6),
    ]  # fmt: skip
    for (method, scale), rows in frame.groupby(["method", "scale"], sort=False):
        cells = []
        for k in range(STEPS + 1):
            half = half_width(float(rows[f"sd_{k}"].pow(2).mean() ** 0.5), int(rows["goals"].sum()))
            cells.append(f"{rows[f'return_{k}'].mean():.1f} ± {half:.1f}")
        spread = rows[f"return_{STEPS}"].std()
        lines.append(
            f"| {method} | {scale:g} | {len(rows)} | {' | '.join(cells)} | {spread:.1f} "
            f"| {rows['seconds'].mean():.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure the units that are missing, and print the table."""
    chosen = arguments("navigation", (__doc__ or "").splitlines()[0]).parse_args()
    units = [
        {"method": method, "seed": seed, "scale": chosen.scale, "device": chosen.device}
        for seed in chosen.seeds
        for method in chosen.only or USUAL
        if method in METHODS
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
