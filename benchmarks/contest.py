"""Everything that adapts by optimisation, in one comparison: glyphs, 5-way, 1 and 5 shots.

    python -m benchmarks.contest --workers 16
    python -m benchmarks.contest --figures benchmarks/results

All have one net (Conv4 of 32 filters, stride 2), the same meta-batches (4 tasks, 5 queries a class)
and as many outer steps, so that they see equally many images: pre-training for fine-tuning takes a
meta-batch's images as one task of 20 classes, and Reptile the queries as more shots. Seconds are
not held equal; they stand beside. The outer rate and the first size of an inner step are the best
of six pairs on 100 validation tasks, tried on a quarter of the length with a seed of its own; after
how many inner steps a method is judged is chosen by validation as well. 600 test tasks, the same
for all; a task on which a method diverged has no right answer. Ranks are those of a task's mean
over seeds, so that intervals, Friedman's and Nemenyi's tests are over tasks, and what seeds do is
told beside them. Memory is the most that autograd keeps for a meta-batch, seconds are of one core.
A unit is one training of one core.

![Mean ranks, 5 shots](results/contest-5-shot-ranks.png)
![Accuracy by inner steps, 5 shots](results/contest-5-shot-steps.png)
![Accuracy by seconds, 5 shots](results/contest-5-shot-seconds.png)
![Accuracy by memory, 5 shots](results/contest-5-shot-memory.png)
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.longpath import kept_bytes
from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import (
    ALFASettings,
    ANILSettings,
    BOILSettings,
    FineTuningSettings,
    GAILSettings,
    Implicit,
    Learner,
    LEOSettings,
    MAMLPlusPlusSettings,
    MAMLSettings,
    MetaSGDSettings,
    ReptileSettings,
    adapt,
)
from workbench.figures import ColumnWidth, Plot, Receipt, Style, critical_difference, save
from workbench.figures.axes import dress
from workbench.figures.style import drawing
from workbench.models import Conv4Settings
from workbench.ranks import ranked
from workbench.tasks import Shape, Tasks, open_tasks
from workbench.training import Experiment, TrainingSettings, evaluate, train
from workbench.training.evaluation import interval

# Inner steps: of training, and the most that validation may choose from.
_FIVE: dict[str, Any] = {"train_steps": 5, "test_steps": 10}
# Those whose meta-gradients take longest first, so that no long unit is left for the end.
METHODS: dict[str, Any] = {
    "iMAML": MAMLSettings(train_steps=10, test_steps=10, proximal=2.0),
    "MAML": MAMLSettings(**_FIVE),
    "BOIL": BOILSettings(**_FIVE),
    "Meta-SGD": MetaSGDSettings(**_FIVE),
    "ALFA": ALFASettings(**_FIVE),
    "MAML++": MAMLPlusPlusSettings(**_FIVE),
    "First-order MAML": MAMLSettings(order="first", **_FIVE),
    "ANIL": ANILSettings(**_FIVE),
    "Reptile": ReptileSettings(test_steps=20),
    "GAIL-Meta": GAILSettings(test_steps=10),
    "LEO": LEOSettings(),
    "Fine-tuning": FineTuningSettings(test_steps=20),
    "Fine-tuning, cosine": FineTuningSettings(head="cosine", test_steps=20),
}
INNER = {"Reptile": (1e-3, 3e-3, 1e-2), "LEO": (0.1, 1.0, 10.0)}
OUTER = {"Reptile": (0.3, 1.0)}
_INNER, _OUTER = (0.03, 0.1, 0.3), (1e-3, 3e-3)
SHOTS = (5, 1)
WAYS, QUERIES, TASKS, ITERATIONS = 5, 15, 4, 800
_WIDE = Style(ColumnWidth.DOUBLE)
VALIDATION, TEST, TUNING_SEED, TIMED = 100, 600, 100, 20


def experiment(
    method: str, shots: int, seed: int, inner: float, outer: float, scale: float
) -> Experiment:
    """The training of a method."""
    learner, shape, tasks = METHODS[method], Shape(WAYS, shots, 5), TASKS
    first = {"LEO": ("code_rate",), "GAIL-Meta": ("inner_rate", "expert_rate")}
    learner = replace(learner, **dict.fromkeys(first.get(method, ("inner_rate",)), inner))
    reptile = method == "Reptile"
    if reptile:  # which knows no queries
        shape = Shape(WAYS, shots + 5, 1)
    elif method.startswith("Fine-tuning"):
        shape, tasks = Shape(WAYS * TASKS, shots, 5), 1
    training = TrainingSettings(
        iterations=max(10, round(ITERATIONS * scale)),
        tasks=tasks,
        optimizer="SGD" if reptile else "Adam",
        rate=outer,
        schedule="linear" if reptile else "cosine",
        clip=None if reptile else 10.0,
        compiled="off",
        validate_every=0,
        diagnose_every=0,
    )
    return Experiment(
        tasks="glyphs",
        train=shape,
        test=Shape(WAYS, shots, QUERIES),
        model=Conv4Settings(filters=32, pooling="stride"),
        learner=learner,
        training=training,
        seed=seed,
        estimator=Implicit(iterations=5) if method == "iMAML" else None,
    )


def judged(learner: Learner, wanted: Experiment, split: Any, episodes: int) -> torch.Tensor:
    """Which share of its queries a task has right after each step, `[task, step]`."""
    found = evaluate(learner, wanted.open_tasks(), wanted.test, split=split, episodes=episodes)
    return found.values.nan_to_num(0.0)


def tune(**unit: Any) -> Rows:
    """What validation says of a pair of rates."""
    wanted = experiment(**{**unit, "scale": unit["scale"] / 4})
    learner = train(wanted, progress=False).learner
    values = judged(learner, wanted, "validation", VALIDATION).mean(dim=0)
    return [{"accuracy": 100 * float(values.max())}]


def work(**unit: Any) -> Rows:
    """A training: after each inner step, and once more of the step by which it is judged."""
    wanted, started = experiment(**unit), time.process_time()
    outcome = train(wanted, progress=False)
    trained, learner = time.process_time() - started, outcome.learner
    best = int(judged(learner, wanted, "validation", VALIDATION).mean(dim=0).argmax())
    values = judged(learner, wanted, "test", TEST)
    took = seconds(learner, outcome.tasks, wanted.test, values.shape[1] - 1)
    rows: Rows = [
        {"step": step, "accuracy": 100 * float(mean), "seconds": took[step]}
        for step, mean in enumerate(values.mean(dim=0))
    ]
    batch = outcome.tasks.sample(
        wanted.training.tasks, seed=9, split="validation", shape=wanted.train
    )
    rows[best] |= {
        "bytes": kept_bytes(learner.train(), batch),
        "training_seconds": trained,
        "outer_steps": wanted.training.iterations,
        "per_task": " ".join(map(str, (values[:, best] * WAYS * QUERIES).round().int().tolist())),
    }
    return rows


@torch.no_grad()
def seconds(learner: Learner, tasks: Tasks, shape: Shape, steps: int) -> list[float]:
    """Until an adaptation to one task has come to each of its steps, the median of some tasks."""
    learner.eval()
    found = []
    for seed in range(TIMED + 1):
        episode, at = tasks.sample(1, seed=seed, split="test", shape=shape), []
        started = time.process_time()
        for _ in adapt(learner, episode, steps=steps):
            at.append(time.process_time() - started)
        found.append(at)
    return torch.tensor(found[1:]).median(dim=0).values.tolist()  # the first is not warm


def unit(part: str, **unit: Any) -> Rows:
    """A unit of the grid or of the comparison."""
    return tune(**unit) if part == "grid" else work(**unit)


def per_task(frame: pd.DataFrame, shots: int) -> pd.DataFrame:
    """Each test task's accuracy, a fraction, as `workbench.inspection.comparison_frame` has it."""
    rows = frame[frame["shots"] == shots].dropna(subset="per_task")
    pieces = []
    for method in [m for m in METHODS if m in set(rows["method"])]:
        for _, row in rows[rows["method"] == method].sort_values("seed").iterrows():
            value = pd.Series(str(row["per_task"]).split()).astype(float) / (WAYS * QUERIES)
            piece = {"method": method, "seed": row["seed"], "task": value.index, "value": value}
            pieces.append(pd.DataFrame(piece))
    return pd.concat(pieces, ignore_index=True).assign(metric="accuracy")


def table(frame: pd.DataFrame) -> str:
    """Accuracies, ranks, paired differences and what they cost, best first: Markdown."""
    pieces, frame = [], frame[frame["part"] == "training"]
    for shots in sorted(frame["shots"].unique()):
        own = per_task(frame, shots)
        if own["method"].nunique() < 3:
            pieces.append(f"{shots}-shot: ranks are of three methods or more.")
            continue
        tasks = 100 * own.groupby(["task", "method"])["value"].mean().unstack()
        ranks = ranked(tasks)
        rank = dict(zip(tasks.columns, ranks.mean, strict=True))
        ended = frame[frame["shots"] == shots].dropna(subset="per_task").sort_values("seed")
        lines = [
            f"| {shots}-shot | accuracy % (each seed) | after steps "
            "| mean rank | minus MAML, paired, 95% over tasks | ms to adapt | MB kept "
            "| training s | inner, outer rate |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for method in sorted(rank, key=lambda m: rank[m]):
            rows, gap = ended[ended["method"] == method], "—"
            if method != "MAML" and "MAML" in tasks:
                apart = torch.tensor((tasks[method] - tasks["MAML"]).to_numpy())
                gap = f"{apart.mean():+.2f} ± {interval(apart):.2f}"
            cells = [
                f"{tasks[method].mean():.2f} ({' '.join(f'{a:.1f}' for a in rows['accuracy'])})",
                " ".join(f"{step:.0f}" for step in rows["step"]),
                f"{rank[method]:.2f}",
                gap,
                f"{1e3 * rows['seconds'].mean():.1f}",
                f"{rows['bytes'].mean() / 1e6:.1f}",
                f"{rows['training_seconds'].mean():.0f}",
                f"{rows['inner'].iloc[0]:g}, {rows['outer'].iloc[0]:g}",
            ]
            lines.append(f"| {method} | {' | '.join(cells)} |")
        alike = [", ".join(tasks.columns[i] for i in group) for group in ranks.alike()]
        pieces += [
            "\n".join(lines),
            f"Friedman's chi-squared {ranks.friedman_chi2:.0f}, p {_small(ranks.friedman_p)}; "
            f"critical difference of Nemenyi's test {ranks.critical_difference:.2f}, "
            f"{ranks.tasks} tasks. "
            f"Not apart: {'; '.join(alike) or 'none'}.",
        ]
    steps = frame["outer_steps"].max()
    return "\n\n".join([*pieces, f"{steps:,.0f} outer steps of {TASKS} tasks."])


def _small(p: float) -> str:
    return f"= {p:.1g}" if p > 1e-99 else "< 1e-99"


def against(frame: pd.DataFrame, x: str, across: str, *, log: bool = False) -> Plot:
    """Accuracy by what it costs: a line over inner steps, a mark where a method is judged.

    The upright bar of a mark is from the worst seed to the best.
    """
    ended = frame.dropna(subset="per_task")
    with drawing(_WIDE, _WIDE.height(0.6)) as plot:
        axes, said = plot.subplots(), []
        for index, method in enumerate(METHODS):
            rows, colour = ended[ended["method"] == method], _WIDE.look(index)[0]
            if rows.empty:
                continue
            if x != "bytes":
                line = frame[frame["method"] == method].groupby("step")[[x, "accuracy"]].mean()
                line = line[line[x] > 0] if log else line
                dashes = "-" if index < 8 else "--"  # of as many colours as there are
                axes.plot(line[x], line["accuracy"], dashes, color=colour, lw=0.9)
            at, mean, marker = rows[x].mean(), rows["accuracy"].mean(), _WIDE.look(index)[1]
            axes.plot([at, at], [rows["accuracy"].min(), rows["accuracy"].max()], color=colour)
            axes.plot(at, mean, marker, color=colour, mew=0, label=method, zorder=4)
            said.append(f"{method} {mean:.1f}% at {at:.3g}")
        axes.set_xlabel(across)
        axes.set_ylabel("accuracy (%)")
        dress(axes.xaxis, log=log, whole=not log)
        dress(axes.yaxis)
        plot.key(axes)
        plot.alt_text = f"Accuracy by {across}: {', '.join(said)}."
    return plot


def figures(frame: pd.DataFrame, folder: Path) -> None:
    """Accuracy against steps, seconds and memory, and the critical-difference diagram."""
    frame = frame[frame["part"] == "training"]
    frame = frame.assign(seconds=1e3 * frame["seconds"], bytes=frame["bytes"] / 1e6)
    for shots in sorted(frame["shots"].unique()):
        own, tasks = frame[frame["shots"] == shots], per_task(frame, shots)
        plots = {
            "steps": (against(own, "step", "inner steps"), own),
            "seconds": (against(own, "seconds", "ms to adapt to a task", log=True), own),
            "memory": (against(own, "bytes", "MB kept for a meta-gradient", log=True), own),
            "ranks": (critical_difference(tasks), tasks),
        }
        for name, (plot, data) in plots.items():
            code = f"python -m benchmarks.contest --figures {folder}"
            file = folder / f"contest-{shots}-shot-{name}.png"
            print(save(plot, file, Receipt.of(data, code=code, seed=0)), plot.alt_text, sep=": ")


def main() -> None:
    """Measure what is missing, the grid first, and print the table; or draw what there is."""
    parser = arguments("contest", __doc__ or "")
    parser.add_argument("--shots", type=int, nargs="+", default=list(SHOTS), choices=SHOTS)
    parser.add_argument("--figures", type=Path, help="draw the results into this folder, no more")
    chosen = parser.parse_args()
    if chosen.figures is not None:
        figures(pd.read_csv(chosen.out), chosen.figures)
        return
    open_tasks("glyphs")  # once, so that the images are in the cache before any unit asks for them
    pairs = [
        (shots, method)
        for shots, method in product(chosen.shots, METHODS)
        if chosen.only is None or method in chosen.only
    ]
    grid = [
        *({"part": "grid", "method": method, "shots": shots, "seed": TUNING_SEED}
          | {"inner": inner, "outer": outer, "scale": chosen.scale}
          for shots, method in pairs
          for inner, outer in product(INNER.get(method, _INNER), OUTER.get(method, _OUTER))),
    ]  # fmt: skip
    frame = measure(grid, unit, chosen.out, workers=chosen.workers)
    units = []
    for (shots, method), seed in product(pairs, chosen.seeds):
        tried = frame[(frame["part"] == "grid") & (frame["scale"] == chosen.scale)]
        tried = tried[(tried["method"] == method) & (tried["shots"] == shots)]
        if tried.empty:  # all of them failed, as was said
            continue
        best = tried.loc[tried["accuracy"].idxmax()]
        rates = {"inner": float(best["inner"]), "outer": float(best["outer"])}
        own = {"part": "training", "method": method, "shots": shots, "seed": seed}
        units.append({**own, **rates, "scale": chosen.scale})
    frame = measure(units, unit, chosen.out, workers=chosen.workers)
    print(table(frame))


if __name__ == "__main__":
    main()
