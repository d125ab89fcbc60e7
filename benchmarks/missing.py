"""Missing values: read beside flags, or filled by mean and by iterative imputation.

    WORKBENCH_DATA=… python -m benchmarks.missing --workers 2

Each learner is trained anew for each way to bear gaps, on the same tasks in which values are
missing, a share of its own in each from none to nine tenths: `flags` (the training rows' mean in
the gap, and a flag beside it), `flagged` (what iterative imputation puts there, and a flag),
`mean` and `iterative` (the same without flags; iterative is scikit-learn's IterativeImputer, fitted
on training rows as they are). The last two are baselines: the same learner, gaps filled. So are
logistic regression on the same K examples, with the strength that is best on validation tasks, and
Fine-tuning, a network pretrained on all training classes with a new head. Values are missing at
random, or, in sets `by rule`, the likelier the more remarkable they are (in training too); the
clinic is also asked with whole groups of columns out, which no training has seen. The clinic's
tasks are of new diseases from K patients (AUROC), digits of two new classes from K drawings of each
with patches of two by two pixels out (accuracy), and `heart/HOSPITAL` of a hospital left out as its
patients are (AUROC). One training serves every test. For research only: this is no medical device.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.medicine import Judge, paired
from benchmarks.text import by_learner, trained
from benchmarks.units import Rows, arguments, measure
from workbench.algorithms.gradient.finetune import FineTuningSettings
from workbench.tasks import Episode, Shape, Tasks, open_tasks
from workbench.tasks.base import Split
from workbench.tasks.families.heart import HOSPITALS
from workbench.training import Experiment, preset
from workbench.training.evaluation import DEFAULT_SEED, test_episodes

FILLS = ("flags", "flagged", "mean", "iterative")
LEARNERS = {"Meta-SGD": "metasgd", "Prototypical": "protonet"}
REGRESSION, FINETUNING = "Regression, K", "Fine-tuning"
TASKS, TRIED, STRENGTHS = 200, 50, (0.01, 0.1, 1.0)


class Set(NamedTuple):
    """The tasks, how they lack values in training, the preset, and what is asked at which K."""

    tasks: str
    way: str
    preset: str
    queries: int
    asked: tuple[tuple[str, int], ...]  # option, K
    iterations: int


def _asked(way: str, *ks: int) -> tuple[tuple[str, int], ...]:
    """Every share at the second K, and half missing and nothing missing at others."""
    shares = [(f"{way}-{share}", ks[1]) for share in (0, 25, 50, 75, 90)]
    return (*shares, *((f"{way}-50", k) for k in (ks[0], *ks[2:])), (f"{way}-0", ks[0]))


CLINIC, DIGITS = (5, 10, 20, 40), (1, 5, 10, 20)
SETS = {
    "clinic": Set(
        *("clinic:present", "random", "clinic-missing", 40),
        (*_asked("random", *CLINIC), ("groups-50", 10)),
        800,
    ),
    "clinic, by rule": Set(
        *("clinic:present", "rule", "clinic-missing", 40), _asked("rule", *CLINIC), 800
    ),
    "digits": Set(
        *("digits:patches", "random", "digits-missing", 15), _asked("random", *DIGITS), 800
    ),
    "digits, by rule": Set(
        *("digits:patches", "rule", "digits-missing", 15), _asked("rule", *DIGITS), 800
    ),
    **{
        f"heart/{hospital}": Set(
            f"heart:leave-out/{hospital}", "", "heart", 40, (("", 5), ("", 10), ("", 20)), 300
        )
        for hospital in HOSPITALS
    },
}


@cache
def tasks_of(name: str, option: str, fill: str) -> Tasks:
    """The tasks that lack values, and what is put there."""
    options = [part for part in (option, fill.replace("flags", "")) if part]
    return open_tasks("/".join([name, *options]))


def judged(judge: Judge, asked: Set, option: str, k: int, fill: str, split: Split) -> Tensor:
    """The first metric of every task, `[task]`."""
    tasks = tasks_of(asked.tasks, option, fill)
    shape, count = Shape(2, k, asked.queries), TASKS if split == "test" else TRIED
    found = []
    for episode in test_episodes(tasks, shape, count, split, DEFAULT_SEED):
        found.append(episode.measured(judge(episode), episode.query))
    return torch.cat(found)


def by_regression(strength: float) -> Judge:
    """Scores by a logistic regression on the support."""
    from sklearn.linear_model import LogisticRegression

    def one(episode: Episode, task: int) -> Tensor:
        x, query = (part.x[task].flatten(1).numpy() for part in (episode.support, episode.query))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two hundred rounds are all
            model = LogisticRegression(C=strength, max_iter=200)
            model.fit(x, episode.support.y[task].numpy())
        score = torch.from_numpy(model.decision_function(query))
        return torch.stack([-score / 2, score / 2], dim=-1)

    def scores(episode: Episode) -> Tensor:
        return torch.stack([one(episode, task) for task in range(len(episode))])

    return scores


def plan_of(name: str, method: str, fill: str, seed: int, scale: float) -> Experiment:
    """The training of a learner with one way to fill gaps."""
    about = SETS[name]
    plan = preset(f"{about.preset}-{LEARNERS.get(method, 'protonet')}")
    if method == FINETUNING:
        learner = FineTuningSettings(inner_rate=0.1, test_steps=50)
        plan = replace(plan, learner=learner)
    options = [option for option in (about.way, fill) if option not in ("", "flags")]
    plan = replace(plan, tasks="/".join([about.tasks, *options]), seed=seed)
    plan = plan.stretched(max(4, round(about.iterations * scale)))
    training = replace(plan.training, compiled="off", validate_every=0, tasks=4)
    return replace(plan, training=training)


def work(tasks: str, method: str, fill: str, seed: int, scale: float) -> Rows:
    """One learner with one way to fill gaps and one seed: what it reaches on every test task."""
    about, rows = SETS[tasks], []
    learner = None
    if method != REGRESSION:
        learner = trained(plan_of(tasks, method, fill, seed, scale))
    for option, k in about.asked:
        note = ""
        if learner is not None:
            judge = by_learner(learner)
        else:
            split: Split = "validation"
            reached = [
                float(judged(by_regression(c), about, option, k, fill, split).mean())
                for c in STRENGTHS
            ]
            strength = STRENGTHS[int(np.argmax(reached))]
            judge, note = by_regression(strength), f"C = {strength:g}"
        values = 100 * judged(judge, about, option, k, fill, "test")
        rows.append(
            {
                "lacks": option or "as it is",
                "shots": k,
                "chosen": note,
                "values": " ".join(f"{v:.1f}" for v in values.tolist()),
            }
        )
    return rows


def table(frame: pd.DataFrame) -> str:
    """The metric by method and what lacks, and flags held against the best that fills: Markdown."""
    lines = []
    gaps = []
    for tasks, group in frame.groupby("tasks", sort=False):
        asked = list(dict.fromkeys(zip(group["lacks"], group["shots"], strict=True)))
        heads = " | ".join(f"{lacks}, K = {k}" for lacks, k in asked)
        lines += [
            *("", f"{tasks}, {'accuracy' if str(tasks).startswith('digits') else 'AUROC'} %:", ""),
            f"| method | gaps | {heads} |",
            "|---|---|" + "---|" * len(asked),
        ]
        of: dict[tuple[str, int], dict[str, Tensor]] = {one: {} for one in asked}
        for (method, fill), rows in group.groupby(["method", "fill"], sort=False):
            cells = []
            for one in asked:
                own = rows[(rows["lacks"] == one[0]) & (rows["shots"] == one[1])]
                if own.empty:
                    cells.append("—")
                    continue
                values = [
                    [float(n) for n in str(v).split()] for v in own.sort_values("seed")["values"]
                ]
                of[one][f"{method} ({fill})"] = torch.tensor(values, dtype=torch.float64)
                cells.append(f"{np.mean(values):.1f}")
            lines.append(f"| {method} | {fill} | {' | '.join(cells)} |")
        for (lacks, k), reached in of.items():
            gaps += _gaps(f"{tasks}, {lacks}, K = {k}", reached)
    return "\n".join([*lines, "", "Paired over tasks, in points:", "", *gaps])


def _gaps(what: str, of: dict[str, Tensor]) -> list[str]:
    """The best learner with flags minus the best other method, and minus itself, gaps filled."""
    ours = [m for m in of if m.endswith(("(flags)", "(flagged)")) and _name(m) in LEARNERS]
    if not ours:
        return []
    best = max(ours, key=lambda m: float(of[m].mean()))
    alone = [m for m in of if _name(m) not in LEARNERS]
    theirs = [max(alone, key=lambda m: float(of[m].mean()))] if alone else []
    own = [m for m in of if m in (f"{_name(best)} (mean)", f"{_name(best)} (iterative)")]
    return [paired(what, best, other, of) for other in (*theirs, *own)]


def _name(method: str) -> str:
    return method.partition(" (")[0]


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = arguments("missing", __doc__ or "")
    parser.add_argument("--tasks", nargs="+", default=list(SETS), choices=list(SETS))
    chosen = parser.parse_args()
    units = [
        {"tasks": tasks, "method": method, "fill": fill, "seed": seed, "scale": chosen.scale}
        for tasks in chosen.tasks
        for method in (*LEARNERS, FINETUNING, REGRESSION)
        if chosen.only is None or method in chosen.only
        for fill in FILLS
        if not (tasks.startswith("heart") and (method != "Meta-SGD" or fill == "flagged"))
        if not (method == FINETUNING and fill != "flags")
        if not (method == REGRESSION and fill == "flagged")
        for seed in (chosen.seeds[:1] if method == REGRESSION else chosen.seeds)
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
