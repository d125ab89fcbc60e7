"""The implicit meta-gradient: towards the unrolled one, what it keeps, and a training by it.

    python -m benchmarks.implicit --workers 16

First a quadratic whose meta-gradient has a closed form (8 tasks of least squares in 20 dimensions,
30 examples, proximal strength 0.5, float64): the relative error of each gradient after K inner
steps, and the most bytes that autograd holds for it. Then sine waves (`sinusoid-imaml`): strength,
inner steps and conjugate-gradient steps are the best of a grid on validation tasks at a quarter of
the length; beside it MAML and one pretrained network by as many outer steps. 600 test tasks of 5
points. A unit is one training of one core.

![Error by inner steps](results/implicit.png)
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.lines import keep, lines
from benchmarks.longpath import kept_bytes
from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import MAML, Estimator, Exact, Implicit, MAMLSettings
from workbench.tasks import Episode, Examples
from workbench.training import Experiment, evaluate, preset, train

ESTIMATORS: dict[str, Estimator] = {
    "unrolled": Exact(),
    "conjugate gradients, 5": Implicit(5),
    "conjugate gradients, 20": Implicit(20),
    "Neumann, 20": Implicit(20, "neumann"),
    "Neumann, 100": Implicit(100, "neumann"),
    "exact solve": Implicit(solver="exact"),
}
STEPS = (1, 2, 5, 10, 20, 50, 100, 200)
TASKS, EXAMPLES, SIZE, STRENGTH = 8, 30, 20, 0.5

METHODS = {"iMAML": "sinusoid-imaml", "MAML": "sinusoid-maml", "pretrained": "sinusoid-finetune"}
ITERATIONS, TUNING_SEED = 4_000, 100
GRID = list(product((0.5, 1.0, 2.0, 4.0), (16, 32), (5,)))  # strength, inner steps, solver's steps


def quadratic(seed: int) -> tuple[nn.Linear, Episode, float]:
    """A linear model, least squares for it, and the inner rate 1 / the largest curvature."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    x, query, truth = draw(TASKS, EXAMPLES, SIZE), draw(TASKS, EXAMPLES, SIZE), draw(TASKS, SIZE, 1)
    y = x @ truth + 0.3 * draw(TASKS, EXAMPLES, 1)
    model = nn.Linear(SIZE, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(draw(1, SIZE))
    largest = float(torch.linalg.eigvalsh(_curvature(x)).max())
    episode = Episode(Examples(x, y), Examples(query, query @ truth), torch.arange(TASKS))
    return model, episode, 1 / largest


def _curvature(x: Tensor) -> Tensor:
    return 2 * x.mT @ x / EXAMPLES + STRENGTH * torch.eye(SIZE, dtype=x.dtype)


def closed_form(model: nn.Linear, episode: Episode) -> Tensor:
    """The meta-gradient at the very minimum of the inner problem."""
    support, query, theta = episode.support, episode.query, model.weight.T
    right = 2 * support.x.mT @ support.y / EXAMPLES + STRENGTH * theta
    found = torch.linalg.solve(_curvature(support.x), right)
    loss = (query.x @ found - query.y).square().mean()
    return torch.autograd.grad(loss, model.weight)[0]


def approach(method: str, seed: int) -> Rows:
    """Error and bytes of an estimator on the quadratic, by inner steps."""
    model, episode, rate = quadratic(seed)
    wanted, rows = closed_form(model, episode), []
    for steps in STEPS:
        learner = MAML(
            model, MAMLSettings(inner_rate=rate, train_steps=steps, proximal=STRENGTH)
        ).double()
        learner.estimator = ESTIMATORS[method]
        found = learner.meta_gradient(episode).gradients["model.weight"]
        error = float((found - wanted).norm() / wanted.norm())
        rows.append({"steps": steps, "error": error, "bytes": kept_bytes(learner, episode)})
    return rows


def experiment(method: str, seed: int, scale: float, best: tuple[float, int, int]) -> Experiment:
    """A training on sine waves by as many outer steps as the others."""
    base = preset(METHODS[method])
    if method == "iMAML":
        strength, steps, iterations = best
        learner: Any = replace(
            base.learner,  # type: ignore[type-var]
            proximal=strength,
            train_steps=steps,
            test_steps=steps,
        )
        base = replace(base, learner=learner, estimator=Implicit(iterations))
    training = replace(
        base.training,
        iterations=max(10, round(ITERATIONS * scale)),
        schedule="cosine",
        validate_every=0,
        compiled="off",
        threads=1,
    )
    return replace(base, training=training, seed=seed)


def tune(strength: float, steps: int, iterations: int, scale: float) -> Rows:
    """How iMAML does on validation tasks by these settings."""
    wanted = experiment("iMAML", TUNING_SEED, scale / 4, (strength, steps, iterations))
    outcome = train(wanted, progress=False)
    found = evaluate(
        outcome.learner, outcome.tasks, wanted.test, split="validation", every_step=False
    )
    return [{"error": found.mean, "seconds": outcome.seconds}]


def work(method: str, seed: int, scale: float, best: tuple[float, int, int]) -> Rows:
    """The squared error of a training on the test tasks."""
    wanted = experiment(method, seed, scale, best)
    outcome = train(wanted, progress=False)
    found = evaluate(outcome.learner, outcome.tasks, wanted.test, every_step=False)
    return [
        {
            "error": found.mean,
            "ci95": found.ci95,
            "outer_steps": wanted.training.iterations,
            "seconds": outcome.seconds,
            "strength": best[0],
            "steps": wanted.learner.test_steps,  # type: ignore[attr-defined]
        }
    ]


def unit(part: str, **unit: Any) -> Rows:
    """A unit of any of the three parts."""
    return {"quadratic": approach, "grid": tune, "training": work}[part](**unit)


def table(frame: pd.DataFrame) -> str:
    """Errors by inner steps, bytes, and what the trainings came to, as Markdown."""
    shown = (1, 5, 20, 50, 200)
    text = [
        f"| gradient of the quadratic | {' | '.join(f'K = {k}' for k in shown)} "
        "| kept at K = 1 | at K = 200 |",
        "|---" * (len(shown) + 3) + "|",
    ]
    found = frame[frame["part"] == "quadratic"]
    for method in [m for m in ESTIMATORS if m in set(found["method"])]:
        rows = found[found["method"] == method].groupby("steps")[["error", "bytes"]].median()
        errors = " | ".join(f"{rows['error'][k]:.1e}" for k in shown)
        kept = " | ".join(f"{rows['bytes'][k] / 1e3:,.0f} kB" for k in (1, 200))
        text.append(f"| {method} | {errors} | {kept} |")
    trained = frame[frame["part"] == "training"]
    if len(trained):
        best = trained[trained["method"] == "iMAML"].iloc[0]
        text += [
            "",
            f"| sine waves, {trained['outer_steps'].iloc[0]:,.0f} outer steps | inner steps "
            "| squared error, mean ± sd of seeds | interval over tasks | seconds |",
            "|---|---|---|---|---|",
        ]
        for method in [m for m in METHODS if m in set(trained["method"])]:
            rows = trained[trained["method"] == method]
            text.append(
                f"| {method} | {rows['steps'].iloc[0]:.0f} | {rows['error'].mean():.3f} "
                f"± {rows['error'].std():.3f} | ± {rows['ci95'].mean():.3f} "
                f"| {rows['seconds'].mean():.0f} |"
            )
        text += ["", f"The grid chose strength {best['strength']:g}."]
    return "\n".join(text)


def main() -> None:
    """Measure what is missing, print the tables and draw the errors."""
    chosen = arguments("implicit", __doc__.splitlines()[0]).parse_args()
    units: list[dict[str, Any]] = [
        {"part": "quadratic", "method": method, "seed": seed}
        for seed, method in product(chosen.seeds, ESTIMATORS)
    ]
    names = ("strength", "steps", "iterations")
    units += [
        {"part": "grid", **dict(zip(names, of, strict=True)), "scale": chosen.scale} for of in GRID
    ]
    frame = measure(units, unit, chosen.out, workers=chosen.workers)
    tried = frame[frame["part"] == "grid"].dropna(subset="error")
    row = tried.loc[tried["error"].idxmin()]
    best = (float(row["strength"]), int(row["steps"]), int(row["iterations"]))
    units = [
        {"part": "training", "method": method, "seed": seed, "scale": chosen.scale, "best": best}
        for seed, method in product(chosen.seeds, METHODS)
    ]
    frame = measure(units, unit, chosen.out, workers=chosen.workers)
    print(table(frame))
    shown = frame[frame["part"] == "quadratic"].astype({"steps": int})
    plot = lines(shown, x="steps", y="error", across="inner steps", along="relative error")
    keep(plot, chosen.out, shown, "implicit")


if __name__ == "__main__":
    main()
