"""Diagnosis: a new hospital, and new diseases of a generated clinic, from 5, 10 and 20 patients.

    WORKBENCH_DATA=… python -m benchmarks.medicine --workers 2

For research only: this is no medical device. Every method is judged on the same 200 test tasks of
each set at each K. `heart/HOSPITAL` is the hospital left out, and all else is learned from the
other three; `clinic` asks whether a disease is there that no training task asked about; K counts
patients, whichever way they are diagnosed. `Regression, K` is logistic regression on the K
patients, `rest` on up to 1,000 training patients (of other hospitals, or asked about other
diseases), `both` on both, with the K weighted; all read values beside flags as the learners do, and
strength and weight are chosen by tasks of the training hospitals in turn left out, and by the
clinic's validation diseases.
`Fine-tuning` is a network pretrained on all training patients with a new head. Nothing of the
meta-learners was chosen by a hospital left out. AUROC is the area under the ROC curve, sensitivity
that at 90% specificity, and calibration error the mean distance of stated chance and share ill.

For orientation (published accuracy by other splits, with all of a hospital's training data):
Cleveland, Hungary, Switzerland, Long Beach, pooled .783 .764 .750 .644; each by its own .746 .746
.725 .702; federated averaging .731 .719 .650 .640.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.text import by_learner, trained
from benchmarks.units import Rows, arguments, measure
from workbench.measures import half_width
from workbench.randomness import permutation
from workbench.tasks import Episode, Shape, open_tasks
from workbench.tasks.base import Split
from workbench.tasks.families.heart import HOSPITALS
from workbench.tasks.medicine import Patients
from workbench.training import Experiment, preset
from workbench.training.evaluation import DEFAULT_SEED, test_episodes

REGRESSIONS = ("Regression, K", "Regression, rest", "Regression, both")
BASELINES = (*REGRESSIONS, "Fine-tuning")
METHODS = {
    "Meta-SGD": "metasgd",
    "MAML": "maml",
    "Prototypical": "protonet",
    "Fine-tuning": "finetune",
}
SETS = {
    "clinic": "clinic:present",
    **{f"heart/{hospital}": f"heart:leave-out/{hospital}" for hospital in HOSPITALS},
}
SHOTS, QUERIES, TASKS, TRIED, REST = (5, 10, 20), 40, 200, 20, 1_000
STRENGTHS, WEIGHTS = (0.01, 0.1, 1.0), (1.0, 10.0, 50.0, 200.0)
METRICS = ("auroc", "accuracy", "sensitivity", "calibration_error")

Judge = Callable[[Episode], Tensor]  # scores [task, example, class] of an episode's queries


@cache
def tasks_of(name: str) -> Patients:
    """The tasks of a name."""
    found = open_tasks(name)
    assert isinstance(found, Patients)
    return found


def judged(judge: Judge, name: str, shots: int, split: Split, count: int) -> dict[str, Tensor]:
    """Each metric of every task, `[task]`."""
    tasks, found = tasks_of(name), []
    for episode in test_episodes(tasks, Shape(2, shots, QUERIES), count, split, DEFAULT_SEED):
        scores = judge(episode)
        found.append([m(scores, episode.query) for m in tasks.objective.metrics])
    columns = [torch.cat(values) for values in zip(*found, strict=True)]
    return dict(zip(METRICS, columns, strict=True))


# ---- logistic regression ------------------------------------------------------------------------


@cache
def rest_of(name: str, without: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Patients of the training split, but those of one place: inputs, and who is ill."""
    tasks = tasks_of(name)
    bank, x, y = tasks.bank, [], []
    for row in tasks.splits["train"].classes.tolist():
        if bank.groups[row] == without:
            continue
        start, count = int(bank.starts[row]), int(bank.counts[row])
        x.append(bank.x[start : start + count].numpy())
        y.append(np.full(count, row % 2))
    order = permutation(torch.tensor([0]), sum(map(len, y)))[0, :REST].numpy()
    return np.concatenate(x)[order], np.concatenate(y)[order]


def by_regression(
    method: str, name: str, strength: float, weight: float, without: str = ""
) -> Judge:
    """Scores by a logistic regression of this strength; the K patients weigh so much each."""
    from sklearn.linear_model import LogisticRegression

    rest_x, rest_y = rest_of(name, without)

    def fitted(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> LogisticRegression:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two hundred rounds are all
            return LogisticRegression(C=strength, max_iter=200).fit(x, y, weights)

    alone = fitted(rest_x, rest_y, np.ones(len(rest_y))) if method.endswith("rest") else None

    def one(episode: Episode, task: int) -> Tensor:
        model = alone
        if model is None:
            x, y = episode.support.x[task].numpy(), episode.support.y[task].numpy()
            weights = np.full(len(y), weight)
            if method.endswith("both"):
                x, y = np.concatenate([rest_x, x]), np.concatenate([rest_y, y])
                weights = np.concatenate([np.ones(len(rest_y)), weights])
            model = fitted(x, y, weights)
        score = torch.from_numpy(model.decision_function(episode.query.x[task].numpy()))
        return torch.stack([-score / 2, score / 2], dim=-1)

    def scores(episode: Episode) -> Tensor:
        return torch.stack([one(episode, task) for task in range(len(episode))])

    return scores


def chosen(method: str, name: str, shots: int) -> tuple[float, float]:
    """Strength and weight that are best by AUROC where they may be tried."""
    weights = WEIGHTS if method.endswith("both") else (1.0,)
    grid = list(product(STRENGTHS, weights))
    reached = [
        np.mean(
            [
                float(
                    judged(by_regression(method, name, *one, without), where, shots, split, TRIED)[
                        "auroc"
                    ].mean()
                )
                for where, split, without in _tried_on(name)
            ]
        )
        for one in grid
    ]
    return grid[int(np.argmax(reached))]


def _tried_on(name: str) -> Iterator[tuple[str, Split, str]]:
    """Tasks on which a regression may be tried, and the place that it then may not know."""
    if name.startswith("clinic"):
        yield name, "validation", ""
        return
    for hospital in HOSPITALS:
        if not name.endswith(hospital):
            yield f"heart:leave-out/{hospital}", "test", hospital


# ---- what is trained ----------------------------------------------------------------------------


def plan_of(tasks: str, method: str, seed: int, scale: float) -> Experiment:
    """The preset's training on these tasks."""
    plan = preset(f"{tasks.partition('/')[0]}-{METHODS[method]}")
    plan = plan.stretched(max(4, round(plan.training.iterations * scale)))
    training = replace(plan.training, compiled="off", validate_every=0)
    return replace(plan, tasks=SETS[tasks], seed=seed, training=training)


def work(tasks: str, method: str, seed: int, scale: float) -> Rows:
    """One method with one seed: what it reaches on every test task at each K."""
    name, rows = SETS[tasks], []
    learner = trained(plan_of(tasks, method, seed, scale)) if method in METHODS else None
    for shots in SHOTS:
        note = ""
        if learner is not None:
            judge = by_learner(learner)
        else:
            strength, weight = chosen(method, name, shots)
            judge = by_regression(method, name, strength, weight)
            note = f"C = {strength:g}" + (
                f", K weigh {weight:g}" if method.endswith("both") else ""
            )
        found = judged(judge, name, shots, "test", TASKS)
        rows.append(
            {
                "shots": shots,
                "chosen": note,
                **{m: round(100 * float(found[m].mean()), 2) for m in METRICS[1:]},
                "auroc": " ".join(f"{100 * v:.1f}" for v in found["auroc"].tolist()),
            }
        )
    return rows


def table(frame: pd.DataFrame) -> str:
    """Every metric by method, and the best meta-learner minus the best baseline: Markdown."""
    lines = [
        "| tasks | K | method | AUROC % (each seed) | accuracy % | sensitivity % | "
        "calibration error % | chosen |",
        "|---|---|---|---|---|---|---|---|",
    ]
    gaps: list[str] = []
    for (tasks, shots), group in frame.groupby(["tasks", "shots"], sort=False):
        of: dict[str, Tensor] = {}
        for method in (m for m in (*METHODS, *REGRESSIONS) if m in set(group["method"])):
            rows = group[group["method"] == method].sort_values("seed")
            values = [[float(n) for n in str(row).split()] for row in rows["auroc"]]
            of[method] = torch.tensor(values, dtype=torch.float64)
            each = " ".join(f"{mean:.1f}" for mean in of[method].mean(dim=1))
            more = " | ".join(f"{rows[m].mean():.1f}" for m in METRICS[1:])
            notes = "; ".join(rows["chosen"].fillna("").unique())
            mean = of[method].mean()
            lines.append(
                f"| {tasks} | {shots} | {method} | {mean:.2f} ({each}) | {more} | {notes} |"
            )
        gaps.append(gap(f"{tasks}, K = {shots}", of))
    note = (
        "Tasks of one hospital share its patients, and four hospitals are few: an interval over a "
        "hospital's tasks says how sure the mean is of that hospital, and nothing of a fifth one."
    )
    return "\n".join([*lines, "", "AUROC, paired:", "", *filter(None, gaps), "", note])


def gap(what: str, of: dict[str, Tensor]) -> str:
    """The best meta-learner minus the best baseline, both by their mean, over the same tasks."""
    ours, theirs = (
        max(
            (m for m in of if (m in BASELINES) == base),
            key=lambda m: float(of[m].mean()),
            default="",
        )
        for base in (False, True)
    )
    if not ours or not theirs:
        return ""
    return paired(what, ours, theirs, of)


def paired(what: str, ours: str, theirs: str, of: dict[str, Tensor]) -> str:
    """One method minus another: the mean over tasks and seeds, and the interval over tasks."""
    apart = of[ours].mean(dim=0) - of[theirs].mean(dim=0)
    seeds = of[ours].mean(dim=1) - of[theirs].mean()
    half = half_width(float(apart.std()), len(apart))
    return (
        f"- {what}: {ours} minus {theirs} {apart.mean():+.2f} ± {half:.2f} over {len(apart)} "
        f"tasks, seeds averaged ({' '.join(f'{s:+.1f}' for s in seeds)} by seed)"
    )


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = arguments("medicine", __doc__ or "")
    parser.add_argument("--tasks", nargs="+", default=list(SETS), choices=list(SETS))
    asked = parser.parse_args()
    units = [
        {"tasks": tasks, "method": method, "seed": seed, "scale": asked.scale}
        for tasks in asked.tasks
        for method in (*REGRESSIONS, *METHODS)
        if asked.only is None or method in asked.only
        for seed in (asked.seeds if method in METHODS else asked.seeds[:1])
    ]
    print(table(measure(units, work, asked.out, workers=asked.workers)))


if __name__ == "__main__":
    main()
