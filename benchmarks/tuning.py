"""Tuned settings against presets, at an equal number of outer steps in all.

    python -m benchmarks.tuning --workers 6

MAML on glyphs (a Conv4 of 16 filters, 8 tasks a meta-batch) and Meta-SGD on sine waves, each with
a budget of outer steps for all that is trained. `preset` spends all of it on one training at the
preset's settings. `random search` and `TPE, pruned` spend it on trials of a twentieth, as many as
go in: pruned trials make room for others. They seek inner and outer rate, and whether inner rates
are learned a layer (glyphs) or the outer rate falls (sine waves). `TPE, warm` starts on sine
waves from two earlier studies of half the budget each, which it is not charged for: one of
Reptile's sine waves, one of digits. `score` is on 400 test tasks, which tuning never saw: the
accuracy in %, or the mean squared error, of the checkpoint that validated best. `half` is the
best validation when half of the budget was spent.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.units import Rows, arguments, measure
from workbench.measures import half_width
from workbench.training import Experiment, Run, evaluate, preset, train
from workbench.training.tuning import Study, tune

TRIALS, TESTED, TEST_SEED = 20, 400, 91
BUDGET = {"MAML on glyphs": 1_200, "Meta-SGD on sine waves": 16_000}
RATES = {"learner.inner_rate": (1e-3, 1.0), "training.rate": (1e-4, 3e-2)}
SPACES: dict[str, dict[str, Any]] = {
    "MAML on glyphs": RATES | {"learner.rates": ["none", "layer"]},
    "Meta-SGD on sine waves": RATES | {"training.schedule": ["constant", "cosine"]},
}
METHODS = {
    "random search": {"sampler": "Random", "pruner": "Nop"},
    "TPE, pruned": {"sampler": "TPE", "pruner": "Median"},
    "TPE, warm": {"sampler": "TPE", "pruner": "Median"},
}
STARTUP: dict[str, Any] = {
    "TPE": {"sampler_options": {"n_startup_trials": 6}, "pruner_options": {"n_startup_trials": 4}},
    "Random": {},
}


def experiment_of(task: str, seed: int, steps: int) -> Experiment:
    """The preset over so many outer steps, validated four times."""
    base = preset("glyphs-maml" if "glyphs" in task else "sinusoid-metasgd").stretched(steps)
    if "glyphs" in task:
        base = replace(base, model=replace(base.model, filters=16))
    return brief(base, 8 if "glyphs" in task else 25, seed)


def brief(base: Experiment, tasks: int, seed: int) -> Experiment:
    """Without what is only looked at."""
    training = replace(
        base.training, tasks=tasks, tasks_per_chunk=0, threads=1, compiled="off", diagnose_every=0,
        validate_every=max(1, base.training.iterations // 4), validation_tasks=40,
    )  # fmt: skip
    return replace(base, training=training, seed=seed)


def scored(run: Run) -> float:
    """What a run's best checkpoint reaches on test tasks."""
    learner, tasks = run.load("best")
    shape = run.experiment.test
    found = evaluate(
        learner, tasks, shape, episodes=TESTED, split="test", seed=TEST_SEED, every_step=False
    )
    return found.mean * tasks.measure(shape).factor


def spent(study: Study) -> int:
    """Outer steps of all trials so far."""
    return int(study.history()["outer_steps"].sum())


def searched(
    experiment: Experiment, space: Any, budget: int, folder: Path, **settings: Any
) -> Study:
    """A study that goes on for as long as another trial surely fits into the budget."""
    longest = experiment.training.iterations
    study = tune(experiment, space, folder, trials=1, progress=False, **settings)
    while spent(study) + longest <= budget:
        trials = study.settings.trials + 1
        study = tune(directory=folder, resume=True, trials=trials, progress=False)
    return study


def halfway(study: Study, budget: int) -> float:
    """The best validation when half of the budget was spent."""
    history = study.history()
    early = history[history["outer_steps"].cumsum() <= budget / 2]
    return float(early["best"].iloc[-1] * study.measure.factor)


def earlier(seed: int, budget: int, folder: Path) -> list[Path]:
    """Studies of other tasks, of half the budget each."""
    length = max(5, budget // TRIALS)
    sines = experiment_of("Meta-SGD on sine waves", seed + 100, length)
    digits = replace(preset("digits-maml"), learner=sines.learner).stretched(length)
    others = {"reptile": replace(sines, tasks="sinusoid:reptile"), "digits": brief(digits, 8, seed)}
    space = SPACES["Meta-SGD on sine waves"]
    for name, one in others.items():
        how = METHODS["TPE, pruned"] | STARTUP["TPE"]
        searched(one, space, budget // 2, folder / name, **how)
    return [folder / name for name in others]


def work(task: str, method: str, seed: int, *, scale: float) -> Rows:
    """One method's score."""
    budget = max(100, round(scale * BUDGET[task]))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if method == "preset":
            whole = experiment_of(task, seed, budget)
            outcome = train(whole, folder / "run", progress=False)
            assert outcome.run is not None
            assert outcome.best is not None
            factor = outcome.tasks.measure(whole.test).factor
            found = {"score": scored(outcome.run), "validation": outcome.best.value * factor}
            spent_on = {"trials": 1, "pruned": 0, "outer_steps": budget, "seconds": _since(began)}
            return [found | spent_on]
        experiment = experiment_of(task, seed, max(5, budget // TRIALS))
        how: dict[str, Any] = METHODS[method] | STARTUP[METHODS[method]["sampler"]]
        if method == "TPE, warm":
            how["warm"] = earlier(seed, budget, folder)
            began = time.perf_counter()
        study = searched(experiment, SPACES[task], budget, folder / "study", **how)
        history = study.history()
        near = study.asked().user_attrs.get("near", "")
        values = history.set_index("trial").loc[int(study.best.directory.name)]
        found = {
            "score": scored(study.best),
            "validation": float(history["best"].iloc[-1] * study.measure.factor),
            "half": halfway(study, budget),
            "trials": len(history),
            "pruned": int((history["state"] == "pruned").sum()),
            "outer_steps": spent(study),
            "seconds": _since(began),
            "near": Path(near).name,
            "settings": ", ".join(f"{name} {_word(values[name])}" for name in study.space),
        }
        return [found]


def _since(began: float) -> float:
    return time.perf_counter() - began


def _word(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def table(frame: pd.DataFrame) -> str:
    """Markdown: scores by seed, and their mean with its interval over seeds."""
    lines = [
        "| task | method | score on test tasks | by seed | validation at half | trials (pruned) | "
        "outer steps | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (task, method), rows in frame.groupby(["task", "method"], sort=False):
        scores = rows["score"]
        digits = 1 if "glyphs" in str(task) else 3
        half = half_width(float(scores.std()), len(scores)) if len(scores) > 1 else 0.0
        by_seed = " ".join(f"{score:.{digits}f}" for score in scores)
        early = rows["half"].mean() if "half" in rows else float("nan")
        told = "" if pd.isna(early) else f"{early:.{digits}f}"
        pruned = rows["pruned"].mean()
        lines.append(
            f"| {task} | {method} | {scores.mean():.{digits}f} ± {half:.{digits}f} | {by_seed} | "
            f"{told} | {rows['trials'].mean():.0f} ({pruned:.0f}) | "
            f"{rows['outer_steps'].mean():,.0f} | {rows['seconds'].mean():.0f} |"
        )
    if "near" in frame and frame["near"].notna().any():
        near = frame["near"].dropna()
        named = [name for name in near if name]
        told = ", ".join(f"{name} in {named.count(name)}" for name in dict.fromkeys(named))
        if told:
            lines.append(f"\nThe earlier study that was found to be near: {told} of {len(named)}.")
    return "\n".join(lines)


def main() -> None:
    """Measure the units that are missing, and print the table."""
    parser = arguments("tuning", __doc__.splitlines()[0])
    chosen = parser.parse_args()
    units = [
        {"task": task, "method": method, "seed": seed, "scale": chosen.scale}
        for seed in chosen.seeds
        for task in BUDGET
        for method in ("preset", *METHODS)
        if not (method == "TPE, warm" and "glyphs" in task)
        if not chosen.only or method in chosen.only
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
