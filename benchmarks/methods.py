"""Every memory method and MAML: as long a training for each, then the same 600 tasks.

    python -m benchmarks.methods OUT --minutes 6 [--ways 5 20] [--episodes 600]

All share one embedding (Conv4 of 32 filters, stride 2) and learn from tasks of 1 to 5 shots of
Omniglot's background alphabets, for as many minutes of one core each; a tenth of them is spent on
finding how many iterations the rest has room for. Each is then tested with 1 and with 5 shots,
paired with MAML task by task. In OUT stay the runs (a run that is finished is not trained again),
a table as CSV and LaTeX, and a figure a setting.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workbench.figures import ColumnWidth, Receipt, Style, comparison, latex_table, save
from workbench.inspection import comparison_frame
from workbench.models import Conv4Settings
from workbench.tasks import Shape
from workbench.training import Experiment, Run, evaluate, preset, train
from workbench.training.comparison import comparable, paired
from workbench.training.evaluation import Evaluation

TASKS = "omniglot:background-only"
METHODS = {
    "MAML": "maml",
    "Matching": "matching",
    "Prototypical": "protonet",
    "MetaNet": "metanet",
    "attention": "attention",
    "MANN": "mann",
    "SNAIL": "snail",
}
SHOTS, QUERIES = (1, 5), 5
VALIDATIONS = 6


def experiment(method: str, ways: int) -> Experiment:
    """The method's preset with the embedding, tasks and schedule that all share."""
    own = preset(f"omniglot-{METHODS[method]}")
    learner: Any = own.learner
    if method == "MAML" and ways > 5:  # as its paper has it for 20 ways
        learner = replace(learner, inner_rate=0.1, train_steps=5, test_steps=5)
    if method == "SNAIL":  # reaches back over the longest task
        learner = replace(learner, filters=64, length=32 if ways * SHOTS[1] < 32 else 128)
    return replace(
        own,
        tasks=TASKS,
        train=Shape(ways, SHOTS, 1 if method == "MANN" else QUERIES),
        test=Shape(ways, 1, QUERIES),
        model=Conv4Settings(filters=32, pooling="stride"),
        learner=learner,
        training=replace(
            own.training,
            tasks=8 if ways <= 5 else 4,
            optimizer="Adam",
            rate=1e-3,
            schedule="cosine",
            clip=10.0,
            tasks_per_chunk=0,
            threads=1,
            validation_tasks=100,
        ),
    )


def trained(method: str, ways: int, out: Path, minutes: float) -> Run:
    """A finished run of so many minutes."""
    directory = out / f"{METHODS[method]}-{ways}"
    if (directory / "config.json").exists():
        run = Run.open(directory)
        if run.status().state == "finished":
            return run
        train(run=run, resume=True)
        return run
    wanted = experiment(method, ways)
    unjudged = replace(wanted, training=replace(wanted.training, validate_every=0))
    tried = train(unjudged, minutes=minutes / 10, progress=False)
    iterations = max(VALIDATIONS, 9 * tried.iteration)
    lasting = replace(wanted.training, validate_every=1, iterations=VALIDATIONS)
    wanted = replace(wanted, training=lasting).stretched(iterations)
    train(wanted, directory)
    return Run.open(directory)


def judged(runs: dict[str, Run], shape: Shape, episodes: int) -> dict[str, Evaluation]:
    """Every run on the same test tasks."""
    found = {}
    for name, run in runs.items():
        learner, tasks = run.load()
        found[name] = evaluate(learner, tasks, shape, episodes=episodes, every_step=False)
    return found


def rows(runs: dict[str, Run], results: dict[str, Evaluation], shape: Shape) -> pd.DataFrame:
    """Accuracy, the paired difference from MAML, what it cost: a row a method."""
    found = paired(list(runs.values()), comparable(list(runs.values())), list(results.values()))
    of = {group.runs[0]: group.name for group in found.groups}
    maml = of[str(runs["MAML"].directory)]
    rows = []
    for name, run in runs.items():
        own = of[str(run.directory)]
        result = results[name]
        row = {
            "ways": shape.ways,
            "shots": shape.shots,
            "method": name,
            "accuracy": 100 * result.mean,
            "ci95": 100 * result.ci95,
        }
        for pair in found.pairs:
            if {pair.first, pair.second} == {own, maml}:
                sign = 100 if pair.first == own else -100
                row |= {
                    "minus_maml": sign * pair.difference,
                    "minus_maml_ci95": 100 * pair.ci95,
                    "sign_p": pair.sign_p,
                }
        metrics = run.metrics()
        row |= {
            "iterations": metrics[-1]["iteration"],
            "train_minutes": metrics[-1]["seconds"] / 60,
            "seconds_per_episode": result.seconds / len(result.values),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Train what is missing, judge, print a table, and write it with its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="directory of the runs, the table and the figures")
    parser.add_argument("--minutes", type=float, default=6.0, help="of training a method")
    parser.add_argument("--ways", type=int, nargs="+", default=[5, 20], help="classes of a task")
    parser.add_argument("--episodes", type=int, default=600, help="test tasks")
    parser.add_argument("--only-train", action="store_true", help="leave judging for another time")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    pieces = []
    for ways in chosen.ways:
        runs = {name: trained(name, ways, chosen.out, chosen.minutes) for name in METHODS}
        if chosen.only_train:
            continue
        for shots in SHOTS:
            shape = Shape(ways, shots, QUERIES)
            results = judged(runs, shape, chosen.episodes)
            pieces.append(rows(runs, results, shape))
            print(pieces[-1].round(3).to_string(index=False), flush=True)
            frame = comparison_frame(results)
            code = f"python -m benchmarks.methods {chosen.out.name} --minutes {chosen.minutes}"
            figure = comparison(frame, reference="MAML", style=Style(ColumnWidth.DOUBLE))
            for suffix in ("pdf", "png"):
                file = chosen.out / f"{ways}-way-{shots}-shot.{suffix}"
                save(figure, file, Receipt.of(frame, code=code, seed=1000))
    if pieces:
        table = pd.concat(pieces, ignore_index=True)
        table.to_csv(chosen.out / "methods.csv", index=False)
        (chosen.out / "methods.tex").write_text(latex_table(table))


if __name__ == "__main__":
    main()
