"""Evolution beside MAML on sine waves: what it reaches, what it costs, and where it is needed.

    python -m benchmarks.evolution --workers 14

Five points, five inner steps in training. A unit is one method with one seed, judged on the same
600 test tasks after 5 inner steps. An evaluation is one task's adaptation; MAML also goes back
through it.

start      from a fresh network: MAML (inner rate by a grid on validation tasks) and evolution
           strategies on all 1,761 weights (spread and outer rate by a grid) beside searches of a
           code of 32 numbers and a rate for each tensor, along principal or random directions
cosine     between the exact gradient of a task and that of n pairs, on all weights and on the
           genome; their spread is 0.01, and curvature within it limits what many pairs see
quantised  inner steps that end on a grid of 1/16, which have no derivative
rescue     six rates of a MAML network, from ten times the best single rate of a grid
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import (
    CMAESSettings,
    Estimator,
    Evolution,
    Exact,
    GeneticSettings,
    Learner,
    MAMLSettings,
    ReptileSettings,
    StrategiesSettings,
)
from workbench.innerloop import QuantisedOptimizer
from workbench.inspection import varied
from workbench.tasks import Shape
from workbench.training import Experiment, TrainingSettings, evaluate, preset
from workbench.training.comparison import sign_test
from workbench.training.evaluation import interval
from workbench.training.trainer import Trainer

TASKS, STEPS, CODE = 25, 5, 32
TRIED = 0.2  # of a training, to choose by
PAIRS = (4, 16, 64, 256, 1024, 4096)
_SINE = preset("sinusoid-maml")
_ADAM = TrainingSettings(tasks=TASKS, compiled="off", validate_every=0, diagnose_every=0)
_WHOLE = replace(_ADAM, optimizer="SGD", rate=1.0)  # a generation an outer step
_INNER: dict[str, Any] = {"train_steps": STEPS, "test_steps": STEPS}
_GRID = QuantisedOptimizer(grid=1 / 16)
_RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)

Plan = tuple[Any, TrainingSettings, Estimator | None]


def evolved(method: str, **more: Any) -> Plan:
    """A search as its name says."""
    own = {**_INNER, **more}
    if method == "genetic":
        return GeneticSettings(**own), _WHOLE, None
    if method == "evolution strategies":
        return StrategiesSettings(**own), replace(_ADAM, rate=0.03), Evolution(16, 0.3)
    return CMAESSettings(**own), _WHOLE, None


SEARCHES = ("genetic", "CMA-ES", "evolution strategies")
# Of each method what validation chooses from, and the outer steps of its training.
START: dict[str, tuple[list[Plan], int]] = {
    "MAML": (
        [(MAMLSettings(**_INNER, inner_rate=rate), _ADAM, None) for rate in (0.01, 0.03)],
        6_000,
    ),
    "strategies, all weights": (
        [
            (MAMLSettings(**_INNER), replace(_ADAM, rate=rate), Evolution(32, sigma))
            for sigma in (0.02, 0.1)
            for rate in (1e-3, 1e-2)
        ],
        700,
    ),
    **{name: ([evolved(name, code=CODE)], 2_000) for name in SEARCHES},
    "CMA-ES, random code": ([evolved("CMA-ES", code=CODE, directions="random")], 2_000),
    "CMA-ES, rates alone": ([evolved("CMA-ES", code=0)], 1_000),
}
QUANTISED: dict[str, tuple[list[Plan], int]] = {
    "MAML": ([(MAMLSettings(**_INNER, optimizer=_GRID, inner_rate=0.03), _ADAM, None)], 100),
    "first-order MAML": (
        [(MAMLSettings(**_INNER, optimizer=_GRID, inner_rate=0.03, order="first"), _ADAM, None)],
        100,
    ),
    "Reptile": (
        [
            (
                ReptileSettings(**_INNER, optimizer=_GRID, inner_rate=rate, batch=5),
                replace(_WHOLE, rate=0.1, schedule="linear"),
                None,
            )
            for rate in (0.01, 0.03)
        ],
        6_000,
    ),
    **{
        name: ([evolved(name, code=CODE, inner_rate=0.03, optimizer=_GRID)], 1_500)
        for name in SEARCHES
    },
}
RESCUE = (*SEARCHES, "exact gradient", "exact gradient, clipped")


def experiment(plan: Plan, iterations: int, seed: int) -> Experiment:
    """What is trained."""
    settings, training, estimator = plan
    return replace(
        _SINE,
        train=Shape(ways=1, shots=5, queries=10),
        learner=settings,
        training=replace(training, iterations=iterations),
        estimator=estimator,
        seed=seed,
    )


def evaluations(plan: Plan, learner: Any) -> int:
    """Adaptations in an outer step."""
    members = getattr(learner, "members", None)
    if members is not None:
        return TASKS * (len(members) + 1)
    return TASKS * (plan[2].population + 1 if isinstance(plan[2], Evolution) else 1)


def trained(
    plan: Plan, iterations: int, seed: int, began: Callable[[Learner], None] | None = None
) -> tuple[Trainer, float]:
    """A training to its end, or until its loss is no number, and its seconds of one core."""
    clock = time.process_time()
    own = experiment(plan, iterations, seed)
    built = own.build()
    if began is not None:
        began(built[0])
    trainer = Trainer(own, built=built)
    while not trainer.finished:
        trainer.update()
        if not bool(torch.isfinite(trainer.loss_sum)):
            break
    return trainer, time.process_time() - clock


def judged(learner: Learner, split: Any, tasks: int) -> Tensor:
    """Every task's squared error after the inner steps."""
    shape = Shape(ways=1, shots=5, queries=100)
    found = evaluate(learner, _SINE.open_tasks(), shape, episodes=tasks, split=split, seed=5)
    return found.values[:, -1]


def told(method_of: Plan, trainer: Trainer, seconds: float) -> dict[str, Any]:
    """A row of what a training came to."""
    found = judged(trainer.learner.eval(), "test", 600)
    return {
        "evaluations": trainer.iteration * evaluations(method_of, trainer.learner),
        "seconds": round(seconds, 1),
        "value": float(found.mean()),
        "per_task": " ".join(f"{v:.4g}" for v in found.tolist()),
    }


def compared(method: str, seed: int, scale: float, table: Any) -> Rows:
    """One method's training, at what validation chooses."""
    grid, iterations = table[method]
    iterations = max(10, round(iterations * scale))
    tried = []
    for plan in grid if len(grid) > 1 else []:
        found = trained(plan, max(5, round(TRIED * iterations)), seed)[0].learner.eval()
        tried.append(float(torch.nan_to_num(judged(found, "validation", 200), 1e9).mean()))
    best = grid[tried.index(min(tried))] if tried else grid[0]
    trainer, seconds = trained(best, iterations, seed)
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in trainer.parameters.values()))  # type: ignore[union-attr]
    chosen = f"inner {getattr(best[0], 'inner_rate', 0):g}, outer {best[1].rate:g}"
    if isinstance(best[2], Evolution):
        chosen += f", spread {best[2].sigma:g}"
    return [{**told(best, trainer, seconds), "gradient": norm, "chosen": chosen}]


def cosines(method: str, seed: int, scale: float) -> Rows:
    """The mean cosine over tasks, at a fresh start."""
    plan = START["MAML" if method == "all weights" else "evolution strategies"][0][0]
    own = experiment(plan, 10, seed)
    trainer = Trainer(own)  # whose directions are principal
    learner: Any = trainer.learner
    size, rows = sum(p.numel() for p in trainer.parameters.values()), []
    tasks = own.open_tasks().sample(max(2, round(20 * scale)), seed=seed, shape=own.train)
    for pairs in (p for p in PAIRS if p * scale <= 4096 * scale):
        found = []
        for one in tasks.split(1):
            exact, estimate = (
                torch.cat([g.flatten() for g in by(learner, one)[0].gradients.values()])
                for by in (Exact(), Evolution(2 * pairs, 0.01))
            )
            found.append(float(torch.cosine_similarity(exact, estimate, dim=0)))
        theory = math.sqrt(pairs / (pairs + size + 1))
        mean = sum(found) / len(found)
        rows.append({"at": pairs, "value": mean, "theory": theory, "weights": size})
    return rows


def rescue(method: str, seed: int, scale: float) -> Rows:
    """Rates from ten times the best, on a network that MAML made."""
    maml, _ = trained(START["MAML"][0][0], max(50, round(1_500 * scale)), seed)
    network = copy.deepcopy(maml.learner.model.state_dict())  # type: ignore[union-attr, operator]
    by_rate = {
        rate: judged(varied(maml.learner.eval(), inner_rate=rate), "validation", 200).mean()
        for rate in _RATES
    }
    best = min(by_rate, key=lambda rate: float(torch.nan_to_num(by_rate[rate], 1e9)))
    grid = judged(varied(maml.learner, inner_rate=best), "test", 600)
    start = judged(varied(maml.learner, inner_rate=10 * best), "test", 600)
    more = {"code": 0, "inner_rate": 10 * best}
    if method in SEARCHES:
        plan = evolved(method, **more)
    else:
        clip = 1.0 if method.endswith("clipped") else None
        plan = (
            StrategiesSettings(**_INNER, **more),
            replace(_ADAM, rate=0.03, clip=clip),
            Exact(),
        )
    iterations = max(10, round((600 if method in SEARCHES else 2_000) * scale))
    trainer, seconds = trained(
        plan,
        iterations,
        seed,
        lambda learner: learner.model.load_state_dict(network),  # type: ignore[union-attr, operator, arg-type, return-value]
    )
    return [
        {
            **told(plan, trainer, seconds),
            "grid": float(grid.mean()),
            "start": float(start.mean()),
            "steps": trainer.iteration,
            "chosen": f"best rate of the grid {best:g}",
        }
    ]


def work(part: str, method: str, seed: int, scale: float) -> Rows:
    """One method with one seed."""
    if part == "cosine":
        return cosines(method, seed, scale)
    if part == "rescue":
        return rescue(method, seed, scale)
    return compared(method, seed, scale, START if part == "start" else QUANTISED)


PARTS = {
    "start": tuple(START),
    "quantised": tuple(QUANTISED),
    "rescue": RESCUE,
    "cosine": ("all weights", "genome"),
}


def table(frame: pd.DataFrame) -> str:
    """What each method reached and cost, part by part: Markdown."""
    pieces = []
    for part in ("start", "quantised"):
        rows = frame[frame["part"] == part]
        if rows.empty:
            continue
        tasks = {
            str(name): torch.tensor(
                [[float(v) for v in str(row).split()] for row in own.sort_values("seed").per_task]
            ).double()
            for name, own in rows.groupby("method")
        }
        pieces.append(
            f"{part}: mean squared error after {STEPS} steps, 600 test tasks\n\n"
            "| method | error (each seed) | minus MAML, 95% over tasks | tasks better / worse | "
            "evaluations | seconds of a core | chosen |\n|---|---|---|---|---|---|---|"
        )
        for name in (m for m in PARTS[part] if m in tasks):
            own, cells = rows[rows["method"] == name], tasks[name]
            each = " ".join(f"{v:.2f}" for v in cells.mean(dim=1))
            gap = better = "—"
            if name != "MAML" and "MAML" in tasks:
                apart = cells.mean(dim=0) - tasks["MAML"].mean(dim=0)
                wins, losses = int((apart < 0).sum()), int((apart > 0).sum())
                gap = f"{apart.mean():+.2f} ± {interval(apart):.2f}"
                better = f"{wins} / {losses}, p = {sign_test(wins, losses):.1g}"
            pieces.append(
                f"| {name} | {cells.mean():.2f} ({each}) | {gap} | {better} | "
                f"{own['evaluations'].mean():,.0f} | {own['seconds'].mean():.0f} | "
                f"{'; '.join(own['chosen'].unique())} |"
            )
        pieces.append("")
    rows = frame[frame["part"] == "rescue"]
    if not rows.empty:
        pieces.append(
            "rescue: mean squared error after 5 steps, each seed\n\n| method | best of the grid | "
            "at ten times its rate | reached | outer steps made | seconds |\n"
            "|---|---|---|---|---|---|"
        )
        for name in (m for m in RESCUE if m in set(rows["method"])):
            own = rows[rows["method"] == name].sort_values("seed")
            cells = [
                " ".join(f"{v:.3g}" for v in own[column]) for column in ("grid", "start", "value")
            ]
            steps = " ".join(f"{v:.0f}" for v in own["steps"])
            pieces.append(
                f"| {name} | {' | '.join(cells)} | {steps} | {own['seconds'].mean():.0f} |"
            )
        pieces.append("")
    rows = frame[frame["part"] == "cosine"]
    if not rows.empty:
        pieces.append(
            "cosine to the exact gradient of a task, mean over tasks and seeds (theory)\n\n"
            f"| pairs | {' | '.join(PARTS['cosine'])} |\n|---|---|---|"
        )
        for pairs, group in rows.groupby("at"):
            cells = []
            for name in PARTS["cosine"]:
                own = group[group["method"] == name]
                cells.append(f"{own['value'].mean():.2f} ({own['theory'].mean():.2f})")
            pieces.append(f"| {pairs:.0f} | {' | '.join(cells)} |")
    return "\n".join(pieces)


def main() -> None:
    """Measure what is missing, and print the table."""
    chosen = arguments("evolution", __doc__ or "").parse_args()
    units = [
        {"part": part, "method": method, "seed": seed, "scale": chosen.scale}
        for part, methods in PARTS.items()
        for method in methods
        if chosen.only is None or method in chosen.only
        for seed in chosen.seeds
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
