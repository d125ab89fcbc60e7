"""Learned optimizers against tuned ones, on problems and in the inner loop of few-shot tasks.

    python -m benchmarks.optimizers --workers 12

A unit trains one rule with one seed on problems of 100 steps, keeps the snapshot that was best on
validation problems, and then descends the same new problems by it and by SGD, momentum, RMSprop
and Adam, whose rates a grid chose on the validation problems for each length by itself. `loss` is
the arithmetic mean over problems of what is descended (on digits of the whole support, not of a
minibatch), `gain` is the learned rule's lead on the same problems, with its 95% interval over them.
`wide` is the same rule on a net of 40 units in place of the 20 that it was trained on. The
few-shot units train MAML with a learned rule beside MAML and Meta-SGD, from one start and for as
many meta-steps. `moments, first order` is trained with gradients as constants, which destroys it.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.units import arguments, measure
from workbench.algorithms import (
    MAML,
    Learner,
    MAMLSettings,
    MetaSGD,
    MetaSGDSettings,
    NeuralOptimizer,
    adapt,
)
from workbench.innerloop import InnerOptimizer, LSTMRuleSettings, MomentRuleSettings
from workbench.tasks import Episode
from workbench.training import Experiment, evaluate, preset, run_of, train
from workbench.training.evaluation import interval
from workbench.training.trainer import Trainer

MARKS = (100, 200)
GRID = [a * 10.0**b for b in range(-4, 2) for a in (1, 2, 5)]
CLASSIC = {
    "SGD": InnerOptimizer(),
    "momentum": InnerOptimizer(momentum=0.9),
    "RMSprop": InnerOptimizer("rmsprop"),
    "Adam": InnerOptimizer("adam"),
}
COUNTS = {"quadratics": (256, 512), "digits": (16, 64)}  # of problems to tune on, and of new ones
RULES = {"lstm": LSTMRuleSettings(), "moments": MomentRuleSettings()}


@torch.no_grad()
def descended(learner: Learner, problems: Episode, chunk: int = 256) -> Tensor:
    """What is descended of each problem at each mark, `[problem, mark]`."""
    found = []
    for some in problems.split(chunk):
        support, at = some.support, []
        for adapted in adapt(learner.eval(), some, steps=MARKS[-1]):
            if adapted.step in MARKS:
                at.append(some.loss(learner.predict(adapted, support.x), support))
        found.append(torch.stack(at, dim=1).double().cpu())
    return torch.cat(found)


def by_rule(experiment: Experiment, optimizer: Any, rate: float) -> Learner:
    """The problems' learner with another rule; the starts are the same."""
    learner: Any = replace(experiment.learner, optimizer=optimizer, inner_rate=rate)  # type: ignore[type-var]
    return replace(experiment, learner=learner).build()[0]


_TUNED: dict[tuple[str, int], dict[str, list[float]]] = {}  # of this process: rules share them


def tuned(experiment: Experiment, problems: Episode, problem: str) -> dict[str, list[float]]:
    """The best rate of each optimizer at each length: alike for all rules of a seed."""
    if (problem, experiment.seed) in _TUNED:
        return _TUNED[problem, experiment.seed]
    chosen = _TUNED[problem, experiment.seed] = {}
    for name, optimizer in CLASSIC.items():
        means = torch.stack(
            [descended(by_rule(experiment, optimizer, r), problems).mean(dim=0) for r in GRID]
        )
        best = means.nan_to_num(nan=math.inf).argmin(dim=0)
        chosen[name] = [GRID[int(place)] for place in best]
    return chosen


def compared(experiment: Experiment, learned: Learner, problem: str) -> list[dict[str, Any]]:
    """A row for each optimizer and length: all on the same new problems."""
    family = problem.split()[0]
    tasks, (few, many) = experiment.open_tasks(), COUNTS[family]

    def problems(count: int, split: Any) -> Episode:
        drawn = tasks.sample(count, seed=7, split=split, shape=experiment.test)
        return drawn.to(experiment.device)

    new, rates = problems(many, "test"), tuned(experiment, problems(few, "validation"), problem)
    own, rows = descended(learned, new), []
    for name in ("learned", *CLASSIC):
        for i, steps in enumerate(MARKS):
            rate = rates[name][i] if name in rates else math.nan
            losses = own[:, i]
            if name in rates:
                losses = descended(by_rule(experiment, CLASSIC[name], rate), new)[:, i]
            gain = losses - own[:, i]
            rows.append(
                {
                    "optimizer": name, "steps": steps, "rate": rate,
                    "loss": float(losses.mean()),
                    "geometric": float((losses + 1e-12).log().mean().exp()),
                    "gain": float(gain.mean()),
                    "gain_ci95": interval(gain) if name in rates else math.nan,
                }
            )  # fmt: skip
    return rows


def trained(experiment: Experiment) -> Learner:
    """The best snapshot by validation."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = train(experiment, Path(folder) / "run", progress=False)
        assert outcome.run is not None
        return outcome.run.load("best")[0].to(experiment.device)


def wider(experiment: Experiment, learned: Learner) -> list[dict[str, Any]]:
    """The rows of a net of twice the width."""
    wide = replace(experiment, model=replace(experiment.model, hidden=(40,)))  # type: ignore[type-var]
    assert isinstance(learned, NeuralOptimizer)
    other = by_rule(wide, learned.settings.optimizer, learned.settings.inner_rate)
    assert isinstance(other, NeuralOptimizer)
    other.rule.load_state_dict(learned.rule.state_dict())
    return compared(wide, other.to(experiment.device), "digits wide")


def few_shot(rule: str, seed: int, *, scale: float, device: str) -> list[dict[str, Any]]:
    """MAML with the rule, and what it is to beat: all go on from one start, on the same tasks."""
    steps = {"inner_rate": 0.01, "train_steps": 3, "test_steps": 6}
    methods: dict[str, Any] = {
        "learned": MAMLSettings(optimizer=RULES[rule], **steps),
        "MAML": MAMLSettings(**steps),
        "Meta-SGD": MetaSGDSettings(**steps),
    }
    start = run_of("sinusoid-maml").load()[0]
    experiment = replace(preset("sinusoid-maml"), seed=seed, device=device)
    experiment = experiment.stretched(int(2_000 * scale))
    training = replace(
        experiment.training, tasks=10, rate=1e-3, schedule="cosine", clip=10.0, compiled="off"
    )
    rows, own = [], torch.zeros(0)
    for name, settings in methods.items():
        learner, tasks = replace(experiment, learner=settings).build()
        assert isinstance(learner, MAML | MetaSGD)
        assert isinstance(start, MAML)
        learner.model.load_state_dict(start.model.state_dict())
        trainer = Trainer(
            replace(experiment, learner=settings, training=training), built=(learner, tasks)
        )
        while not trainer.finished:
            trainer.update()
        found = evaluate(learner, tasks, experiment.test, episodes=600).values.double()
        own = found if name == "learned" else own
        for step in (3, 6):
            gain = found[:, step] - own[:, step]
            rows.append(
                {
                    "optimizer": name, "steps": step, "loss": float(found[:, step].mean()),
                    "gain": float(gain.mean()),
                    "gain_ci95": math.nan if name == "learned" else interval(gain),
                }
            )  # fmt: skip
    return rows


def work(problem: str, rule: str, seed: int, *, scale: float, device: str) -> list[dict[str, Any]]:
    """One training, and what it is worth."""
    if problem == "sinusoid":
        return few_shot(rule, seed, scale=scale, device=device)
    kind, _, order = rule.partition(", ")
    experiment = replace(preset(f"{problem}-{kind}"), seed=seed, device=device)
    if order:
        experiment = replace(experiment, learner=replace(experiment.learner, order="first"))  # type: ignore[type-var]
    experiment = experiment.stretched(max(1, int(experiment.training.iterations * scale) // 5) * 5)
    learned = trained(experiment)
    rows = [{"net": "as trained", **row} for row in compared(experiment, learned, problem)]
    if problem == "digits":
        rows += [{"net": "wide", **row} for row in wider(experiment, learned)]
    return rows


def table(frame: pd.DataFrame) -> str:
    """Markdown: the mean over seeds, and in how many of them the learned rule was below."""
    keys = ["problem", "net", "rule", "steps"]
    frame = frame.fillna({"net": "as trained"})
    lines = [
        "| problem | net | rule | steps | learned | SGD | momentum | RMSprop | Adam | others |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for values, rows in frame.groupby(keys):
        cells = {}
        for name, ones in rows.groupby("optimizer"):
            below = f" ({int((ones['gain'] > 0).sum())} of {len(ones)})"
            cells[name] = f"{ones['loss'].mean():.3g}{'' if name == 'learned' else below}"
        rest = [f"{n} {c}" for n, c in cells.items() if n not in ("learned", *CLASSIC)]
        shown = [cells.get(n, "") for n in ("learned", *CLASSIC)]
        lines.append(f"| {' | '.join(map(str, [*values, *shown, ', '.join(rest)]))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure the units that are missing, and print the table."""
    parser = arguments("optimizers", __doc__.splitlines()[0])
    chosen = parser.parse_args()
    units = [
        {"problem": problem, "rule": rule, "seed": seed,
         "scale": chosen.scale, "device": chosen.device}
        for problem in ("digits", "quadratics", "sinusoid")
        for seed in chosen.seeds  # one after the other: what was tuned is used again
        for rule in (*RULES, "moments, first order")
        if not chosen.only or problem in chosen.only or f"{problem}-{rule}" in chosen.only
        if problem != "sinusoid" or rule in RULES
    ]  # fmt: skip
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
