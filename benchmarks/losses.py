"""Learned losses against the tasks' own, descended from the same starts.

    python -m benchmarks.losses --workers 12 --seeds 0 1 2 3 4

`one sine`: ML3's protocol. The loss is trained on a single sine wave, 500 meta-steps, each a
window of ten of the 100 inner steps from a start drawn anew, and descended on ten other waves for
100 steps of size 0.001; `own loss` is the squared error at the same rate, `own loss, tuned` at the
best of a grid on ten validation waves. (Trained on one or on ten inner steps alone, it overshoots
on other waves.) `digits`, `confused` and `glyphs`: classification where four in ten support labels
are wrong; in `confused` always those of the next digit, which a loss can learn from other tasks. On
digits every start is drawn, and cross-entropy has its rate and number of steps from a grid on
validation tasks; on glyphs the start is learned too, and MAML and Meta-SGD learn theirs by
cross-entropy for as many meta-steps. `value` is the squared error or the accuracy on the query,
`gain` by how much the learned loss is better on the same test tasks, with its 95% interval over
them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.optimizers import by_rule, trained
from benchmarks.units import arguments, measure
from workbench.algorithms import (
    Learner,
    MAMLSettings,
    MetaSGDSettings,
    NeuralOptimizerSettings,
    adapt,
)
from workbench.innerloop import InnerOptimizer
from workbench.randomness import fold
from workbench.tasks import Episode, Split
from workbench.training import Experiment, evaluate, preset
from workbench.training.evaluation import interval

GRID = [a * 10.0**b for b in range(-3, 1) for a in (1, 2, 5)]
STEPS, WAVES, META_STEPS = 100, 10, 500
Rows = list[dict[str, Any]]


@torch.no_grad()
def path_of(learner: Learner, episode: Episode, steps: int) -> Tensor:
    """The metric on the query after each step, `[task, step]`."""
    query = episode.query
    path = adapt(learner.eval(), episode, steps=steps)
    found = [episode.measured(learner.predict(a, query.x, query.weight), query) for a in path]
    return torch.stack(found, dim=1).double().cpu()


def rows_of(found: dict[str, tuple[Tensor, float, int]], sign: int) -> Rows:
    """A row for each loss: what it reached on each task, its rate and its number of steps."""
    own = found["learned"][0]
    rows: Rows = []
    for name, (values, rate, steps) in found.items():
        gain = sign * (own - values)
        rows.append(
            {
                "loss": name, "rate": rate, "steps": steps, "value": float(values.mean()),
                "ci95": interval(values), "gain": float(gain.mean()),
                "gain_ci95": math.nan if name == "learned" else interval(gain),
            }
        )  # fmt: skip
    return rows


def plain(experiment: Experiment) -> Experiment:
    """The same starts, descending the tasks' own loss."""
    rate = experiment.learner.inner_rate  # type: ignore[attr-defined]
    return replace(experiment, learner=NeuralOptimizerSettings(inner_rate=rate, floor=1e-10))


def one_sine(seed: int, scale: float, device: str) -> Rows:
    """ML3's own protocol."""
    experiment = replace(preset("sinusoid-ml3"), seed=seed, device=device)
    learner, tasks = experiment.build()

    def waves(split: Split, count: int) -> Episode:
        return tasks.sample(count, seed=seed, split=split, shape=experiment.test).to(device)

    wave = waves("train", 1)
    optimizer = torch.optim.Adam([p for p in learner.parameters() if p.requires_grad], 1e-3)
    learner.train()
    carried, windows = None, STEPS // experiment.estimator.window  # type: ignore[union-attr]
    for step in range(int(META_STEPS * scale)):
        trajectory, window = divmod(step, windows)
        anew = replace(wave, seed=fold(wave.seed, trajectory))  # another start
        found, carried = learner.estimator(learner, anew, carried if window else None)
        for name, gradient in found.gradients.items():
            learner.get_parameter(name).grad = gradient
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 10.0)
        optimizer.step()
    new, known = waves("test", WAVES), waves("validation", WAVES)
    sgd, rate = InnerOptimizer(), experiment.learner.inner_rate  # type: ignore[attr-defined]
    tried = [path_of(by_rule(plain(experiment), sgd, r), known, STEPS)[:, -1].mean() for r in GRID]
    best = GRID[int(torch.stack(tried).nan_to_num(nan=math.inf).argmin())]
    return rows_of(
        {
            "learned": (path_of(learner, new, STEPS)[:, -1], rate, STEPS),
            **{
                name: (path_of(by_rule(plain(experiment), sgd, r), new, STEPS)[:, -1], r, STEPS)
                for name, r in (("own loss", rate), ("own loss, tuned", best))
            },
        },
        sign=-1,
    )


def wrong_digits(seed: int, scale: float, device: str, name: str = "digits-ml3") -> Rows:
    """Drawn starts, cross-entropy tuned by a grid of rates and all numbers of steps."""
    experiment = replace(preset(name), seed=seed, device=device)
    experiment = experiment.stretched(int(experiment.training.iterations * scale))
    learner, tasks = trained(experiment), experiment.open_tasks()
    steps = experiment.learner.test_steps  # type: ignore[attr-defined]

    def path(one: Learner, split: Split, count: int, long: int) -> Tensor:
        found = evaluate(one, tasks, experiment.test, episodes=count, split=split, steps=long)
        return found.values.double()

    best = (-math.inf, 0.0, 0)
    for rate in GRID:
        means = path(
            by_rule(plain(experiment), InnerOptimizer(), rate), "validation", 50, 8 * steps
        )
        value, place = means.mean(dim=0).max(dim=0)
        best = max(best, (float(value), rate, int(place)))
    _, rate, long = best
    own = by_rule(plain(experiment), InnerOptimizer(), rate)
    used = experiment.learner.inner_rate  # type: ignore[attr-defined]
    return rows_of(
        {
            "learned": (path(learner, "test", 600, steps)[:, -1], used, steps),
            "own loss, tuned": (path(own, "test", 600, long)[:, -1], rate, long),
        },
        sign=1,
    )


def noisy_glyphs(seed: int, scale: float, device: str) -> Rows:
    """Learned starts, each method for as many meta-steps."""
    experiment = replace(preset("glyphs-ml3"), seed=seed, device=device)
    experiment = experiment.stretched(int(experiment.training.iterations * scale))
    own: Any = experiment.learner
    same = {n: getattr(own, n) for n in ("inner_rate", "train_steps", "test_steps")}
    methods = {"learned": own, "MAML": MAMLSettings(**same), "Meta-SGD": MetaSGDSettings(**same)}
    found = {}
    for name, settings in methods.items():
        learner = trained(replace(experiment, learner=settings))
        result = evaluate(learner, experiment.open_tasks(), experiment.test, episodes=600)
        found[name] = (result.per_task.double(), own.inner_rate, own.test_steps)
    return rows_of(found, sign=1)


PROBLEMS = {
    "one sine": one_sine,
    "digits": wrong_digits,
    "confused": partial(wrong_digits, name="confused-ml3"),
    "glyphs": noisy_glyphs,
}


def work(problem: str, seed: int, *, scale: float, device: str) -> Rows:
    """One training, and what it is worth."""
    return PROBLEMS[problem](seed, scale, device)


def table(frame: pd.DataFrame) -> str:
    """Markdown: the mean over seeds, and in how many of them the learned loss was better."""
    lines = [
        "| problem | loss | value | gain of the learned loss | better in |",
        "|---|---|---|---|---|",
    ]
    for (problem, loss), rows in frame.groupby(["problem", "loss"], sort=False):
        value = f"{rows['value'].mean():.4g}"
        if loss == "learned":
            lines.append(f"| {problem} | {loss} | {value} | | |")
            continue
        spread = rows["gain"].std()
        better = int((rows["gain"] - rows["gain_ci95"] > 0).sum())
        lines.append(
            f"| {problem} | {loss} | {value} | {rows['gain'].mean():+.4g} (spread over seeds "
            f"{spread:.2g}) | {better} of {len(rows)}, interval above 0 |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure the units that are missing, and print the table."""
    parser = arguments("losses", __doc__.splitlines()[0])
    chosen = parser.parse_args()
    units = [
        {"problem": problem, "seed": seed, "scale": chosen.scale, "device": chosen.device}
        for problem in reversed(PROBLEMS)
        for seed in chosen.seeds
        if not chosen.only or problem in chosen.only
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
