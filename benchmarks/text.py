"""Texts: intents of CLINC150 and sentiment in new languages, 1 and 5 examples a class.

    WORKBENCH_DATA=… python -m benchmarks.text --workers 2

Every method is judged on the same 600 test tasks of each set, with classes, domains or languages
that it was not trained on. `TF-IDF, means` is the nearest class mean by cosine, and `TF-IDF,
regression` a logistic regression on the same K examples, over words, pairs of words and
characters' n-grams, weighted by how rare they are in the training classes; which of these, and the
regression's strength, is chosen on 200 validation tasks. `Fine-tuning` is the encoder pretrained on
all training classes with a new head. The others are trained as their presets say. One training
serves both K. Of CLINC150 `auroc` is that of sentences in scope against sentences out of scope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import Learner, adapt, last
from workbench.tasks import Episode, Shape, open_tasks
from workbench.tasks.base import Split, bounds
from workbench.tasks.text import Texts, decoded
from workbench.training import Experiment, preset
from workbench.training.evaluation import DEFAULT_SEED, interval, test_episodes
from workbench.training.trainer import Trainer

BASELINES = ("TF-IDF, means", "TF-IDF, regression", "Fine-tuning")
METHODS = {
    "Prototypical": "protonet",
    "Matching": "matching",
    "MAML": "maml",
    "Reptile": "reptile",
    "Fine-tuning": "finetune",
}
SETS = {"clinc150:intents": "clinc150", "clinc150:domains": "clinc150", "afrisenti": "afrisenti"}
SHOTS, QUERIES, TASKS, TRIED = (1, 5), 15, 600, 200

Judge = Callable[[Episode], Tensor]  # scores [task, example, way] of an episode's queries


@cache
def tasks_of(name: str) -> Texts:
    """The tasks that methods are judged on: of CLINC150 with sentences out of scope."""
    found = open_tasks(f"{name}/none" if name.startswith("clinc150") else name)
    assert isinstance(found, Texts)
    return found


def judged(judge: Judge, name: str, shots: int, split: Split, count: int) -> list[Tensor]:
    """Every metric of every task, `[task]`, in the order of the objective's."""
    tasks = tasks_of(name)
    shape = Shape(tasks.default_shape.ways, shots, QUERIES)
    found = []
    for episode in test_episodes(tasks, shape, count, split, DEFAULT_SEED):
        scores = judge(episode)
        found.append([m(scores, episode.query) for m in tasks.objective.metrics])
    return [torch.cat(values) for values in zip(*found, strict=True)]


# ---- baselines on the K examples alone ----------------------------------------------------------


@cache
def features(name: str) -> dict[str, Callable[[Sequence[str]], Any]]:
    """TF-IDF of every text, and of the sentences out of scope, by kind; rarity is of training's."""
    from scipy import sparse
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    tasks = tasks_of(name)
    known = tasks.splits["train"].classes
    rows = torch.cat(
        [torch.arange(int(tasks.bank.counts[c])) + tasks.bank.starts[c] for c in known]
    )
    texts = [decoded(row) for row in tasks.bank.x]
    found: dict[str, Callable[[Sequence[str]], Any]] = {}
    for kind, analyzer, sizes in (("words", "word", (1, 2)), ("characters", "char_wb", (2, 5))):
        hashing = HashingVectorizer(
            analyzer=analyzer,
            ngram_range=sizes,
            n_features=2**20,
            alternate_sign=False,
            norm=None,
            token_pattern=r"(?u)\S+" if analyzer == "word" else None,
        )
        counts = hashing.transform(texts)
        rarity = TfidfTransformer(sublinear_tf=True).fit(counts[rows.numpy()])
        found[kind] = partial(_transformed, hashing, rarity)
    words, characters = found["words"], found["characters"]
    found["both"] = lambda some: sparse.hstack([words(some), characters(some)])
    return found


def _transformed(hashing: Any, rarity: Any, texts: Sequence[str]) -> Any:
    return rarity.transform(hashing.transform(texts))


def by_tfidf(name: str, method: str, kind: str, strength: float) -> Judge:
    """Scores by nearest class means, or by a logistic regression of this strength."""
    transform = features(name)[kind]

    def scores(episode: Episode) -> Tensor:
        return torch.stack([one(episode, task) for task in range(len(episode))])

    def one(episode: Episode, task: int) -> Tensor:
        support, query = (
            transform([decoded(row) for row in part.x[task]]).tocsr()
            for part in (episode.support, episode.query)
        )
        used = np.unique(support.indices)  # elsewhere all weights stay 0
        support, query = support[:, used].toarray(), query[:, used].toarray()
        y = episode.support.y[task].numpy()
        if method == "TF-IDF, means":
            means = np.stack([support[y == way].mean(axis=0) for way in range(episode.ways or 0)])
            lengths = np.linalg.norm(means, axis=1, keepdims=True)
            found = query @ (means / np.maximum(lengths, 1e-12)).T
        else:
            from sklearn.linear_model import LogisticRegression

            fitted = LogisticRegression(C=strength, max_iter=200).fit(support, y)
            found = query @ fitted.coef_.T + fitted.intercept_
        return torch.from_numpy(found)

    return scores


def chosen_baseline(name: str, method: str, shots: int) -> tuple[str, float]:
    """The features and the strength that are best on validation tasks."""
    strengths = (1.0, 10.0, 100.0) if method == "TF-IDF, regression" else (0.0,)
    grid = [(kind, strength) for kind in features(name) for strength in strengths]
    accuracy = [
        float(judged(by_tfidf(name, method, *one), name, shots, "validation", TRIED)[0].mean())
        for one in grid
    ]
    return grid[int(np.argmax(accuracy))]


# ---- what is trained ----------------------------------------------------------------------------


def plan_of(name: str, method: str, seed: int, scale: float) -> Experiment:
    """The preset's training on these tasks."""
    plan = preset(f"{SETS[name]}-{METHODS[method]}")
    plan = plan.stretched(max(4, round(plan.training.iterations * scale)))
    training = replace(plan.training, compiled="off", validate_every=0)
    return replace(plan, tasks=name, seed=seed, training=training)


def trained(plan: Experiment) -> Learner:
    """The learner after its training."""
    trainer = Trainer(plan)
    while not trainer.finished:
        trainer.update()
    return trainer.learner.eval()


def by_learner(learner: Learner) -> Judge:
    """Scores after adapting to the support."""

    @torch.no_grad()
    def scores(episode: Episode) -> Tensor:
        found = [
            learner.predict(last(adapt(learner, part)), part.query.x, part.query.weight)
            for part in episode.split(10)
        ]
        return torch.cat(found)

    return scores


def work(tasks: str, method: str, seed: int, scale: float) -> Rows:
    """One method with one seed: what it reaches on every test task at each K."""
    learner = trained(plan_of(tasks, method, seed, scale)) if method in METHODS else None
    rows = []
    for shots in SHOTS:
        note = ""
        if learner is not None:
            judge = by_learner(learner)
        else:
            kind, strength = chosen_baseline(tasks, method, shots)
            judge = by_tfidf(tasks, method, kind, strength)
            note = f"{kind}, C = {strength:g}" if strength else kind
        accuracy, *more = judged(judge, tasks, shots, "test", TASKS)
        asked = bounds(tasks_of(tasks).default_shape.ways)[1] * QUERIES
        hits = (accuracy * asked).round().int()
        rows.append(
            {
                "shots": shots,
                "chosen": note,
                "auroc": round(100 * float(more[0].mean()), 2) if more else None,
                "hits": " ".join(map(str, hits.tolist())),
            }
        )
    return rows


def table(frame: pd.DataFrame) -> str:
    """Accuracy by method, and the best meta-learner minus the best baseline: Markdown."""
    lines = [
        "| tasks | K | method | accuracy % (each seed) | AUROC % out of scope | chosen |",
        "|---|---|---|---|---|---|",
    ]
    gaps = []
    for (tasks, shots), group in frame.groupby(["tasks", "shots"], sort=False):
        ways = 5 if str(tasks).startswith("clinc150") else 3
        of: dict[str, Tensor] = {}
        for method in (m for m in (*METHODS, *BASELINES[:2]) if m in set(group["method"])):
            rows = group[group["method"] == method].sort_values("seed")
            hits = [[int(n) for n in str(row).split()] for row in rows["hits"]]
            of[method] = 100 * torch.tensor(hits, dtype=torch.float64) / (ways * QUERIES)
            each = " ".join(f"{mean:.1f}" for mean in of[method].mean(dim=1))
            none = "—" if rows["auroc"].isna().any() else f"{rows['auroc'].mean():.1f}"
            notes = "; ".join(rows["chosen"].fillna("").unique())
            lines.append(
                f"| {tasks} | {shots} | {method} | {of[method].mean():.2f} ({each}) | {none} | "
                f"{notes} |"
            )
        gaps.append(_gap(str(tasks), int(shots), of))
    return "\n".join([*lines, "", *filter(None, gaps)])


def _gap(tasks: str, shots: int, of: dict[str, Tensor]) -> str:
    """The best meta-learner minus the best baseline, both by their mean, over the same tasks."""
    ours = _best([m for m in of if m not in BASELINES], of)
    theirs = _best([m for m in of if m in BASELINES], of)
    if not ours or not theirs:
        return ""
    apart = of[ours].mean(dim=0) - of[theirs].mean(dim=0)
    fewest = min(len(of[ours]), len(of[theirs]))
    seeds = of[ours][:fewest].mean(dim=1) - of[theirs][:fewest].mean(dim=1)
    return (
        f"- {tasks}, K = {shots}: {ours} minus {theirs} {apart.mean():+.2f} ± "
        f"{interval(apart):.2f} over {apart.numel()} tasks "
        f"({' '.join(f'{s:+.1f}' for s in seeds)} by seed)"
    )


def _best(methods: Sequence[str], of: dict[str, Tensor]) -> str:
    return max(methods, key=lambda method: float(of[method].mean()), default="")


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = arguments("text", __doc__ or "")
    parser.add_argument("--tasks", nargs="+", default=list(SETS), choices=list(SETS))
    chosen = parser.parse_args()
    units = [
        {"tasks": tasks, "method": method, "seed": seed, "scale": chosen.scale}
        for tasks in chosen.tasks
        for method in (*BASELINES[:2], *METHODS)
        if chosen.only is None or method in chosen.only
        for seed in (chosen.seeds if method in METHODS else chosen.seeds[:1])
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
