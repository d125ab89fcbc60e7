"""Taste: the first 5, 10 and 20 ratings of a new person, on known films and on new ones.

    WORKBENCH_DATA=… python -m benchmarks.taste --workers 2

Every method is judged on the same people, each once, none of whom took part in training, and on the
same 100 (or all) of their later ratings; MovieLens's small release of October 2016, and made-up
tastes of rank 3. `movielens:films` asks about films alone that were first rated after the half of
all ratings, of which training saw none. `Film means` are shrunk to the mean of all; `Biases` are
those of films and people by regularised least squares; `Factorisation` adds factors by alternating
least squares, a new person's folded in; `Nearest films` weighs what was said of the support's films
by their likeness, beside the biases; `Pretrained` is the meta-learners' network trained on all
training people at once and fine-tuned. Strengths, ranks and the number of inner steps are chosen on
validation people by the mean absolute error. nDCG is of the five films that are ranked first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import Learner, adapt
from workbench.tasks import Episode, Shape, open_tasks
from workbench.tasks.base import Split, task_seeds
from workbench.tasks.taste import Taste
from workbench.training import Experiment, preset
from workbench.training.evaluation import DEFAULT_SEED, interval
from workbench.training.trainer import Trainer

METHODS = {"MeLU": "melu", "MAML": "maml", "Pretrained": "finetune"}
BASELINES = ("Film means", "Biases", "Factorisation", "Nearest films")
SETS = {"movielens:people": (5, 10, 20), "movielens:films": (5, 20), "taste:rank": (5, 20)}
QUERIES, MOST_STEPS, ROUNDS = 100, 6, 10
METRICS = {"mae": ("MAE", -1), "rmse": ("RMSE", -1), "ndcg5": ("nDCG@5", 1)}  # name, better

Array = NDArray[np.float64]
Judge = Callable[[Episode], Array]  # stars [person, query] of an episode


def everyone(tasks: Taste, split: Split, shots: int) -> Episode:
    """The tasks of all people of a split who gave enough ratings, each once."""
    shape = Shape(1, shots, QUERIES)
    who = tasks.persons(split, shape)
    return tasks.of(who, task_seeds(len(who), DEFAULT_SEED, split), split, shape)


def measured(tasks: Taste, stars: Array | Tensor, episode: Episode) -> list[Tensor]:
    """Every metric of every person."""
    found = torch.as_tensor(stars).to(episode.query.y).reshape(episode.query.y.shape)
    return [metric(found, episode.query) for metric in tasks.objective.metrics]


# ---- baselines ----------------------------------------------------------------------------------


class Known:
    """The ratings of those who train, as arrays."""

    def __init__(self, tasks: Taste) -> None:
        given = tasks.ratings
        who = np.repeat(np.arange(len(given.counts)), given.counts.numpy())
        film = given.film.numpy()
        own = np.isin(who, tasks.people["train"].numpy()) & ~given.new.numpy()[film]
        self.person, self.film = who[own], film[own]
        self.stars = given.stars.numpy()[own].astype(np.float64)
        self.people, self.films = len(given.counts), len(given.titles)
        self.mean = float(self.stars.mean())

    def biases(self, of_film: float, of_person: float) -> tuple[Array, Array]:
        """Those of films and of people, by alternating regularised least squares."""
        film, person = np.zeros(self.films), np.zeros(self.people)
        films = np.bincount(self.film, minlength=self.films) + of_film
        people = np.bincount(self.person, minlength=self.people) + of_person
        for _ in range(ROUNDS):
            left = self.stars - self.mean - person[self.person]
            film = np.bincount(self.film, left, self.films) / films
            left = self.stars - self.mean - film[self.film]
            person = np.bincount(self.person, left, self.people) / people
        return film, person


def support_of(episode: Episode) -> tuple[NDArray[np.int64], Array, NDArray[np.int64]]:
    """The support's films and stars, and the query's films (any where it only pads)."""
    films = episode.info["support_index"].numpy()
    return films, episode.support.y[..., 0].numpy().astype(float), _queried(episode)


def _queried(episode: Episode) -> NDArray[np.int64]:
    found: NDArray[np.int64] = episode.info["query_index"].clamp(min=0).numpy()
    return found


def film_means(known: Known, strength: float) -> Judge:
    """Each film's mean, shrunk to that of all."""
    apart = np.bincount(known.film, known.stars - known.mean, known.films)
    means = known.mean + apart / (np.bincount(known.film, minlength=known.films) + strength)
    return lambda episode: means[_queried(episode)]


def biases(known: Known, of_film: float, of_person: float) -> Judge:
    """Film's and person's."""
    film, _ = known.biases(of_film, 8.0)

    def stars(episode: Episode) -> Array:
        rated, given, asked = support_of(episode)
        own = (given - known.mean - film[rated]).sum(axis=1) / (rated.shape[1] + of_person)
        found: Array = known.mean + film[asked] + own[:, None]
        return found

    return stars


@cache
def factors_of(known: Known, rank: int, strength: float) -> tuple[Array, Array]:
    """Biases and factors of films, by alternating least squares of what the biases leave."""
    film, person = known.biases(4.0, 8.0)
    left = known.stars - known.mean - film[known.film] - person[known.person]
    factors = np.random.default_rng(0).normal(0, 0.1, (known.films, rank))
    people = np.zeros((known.people, rank))
    sides = [_groups(known.person, known.people), _groups(known.film, known.films)]
    ridge = strength * np.eye(rank)
    for _ in range(ROUNDS):
        for own, other, groups, index in (
            (people, factors, sides[0], known.film),
            (factors, people, sides[1], known.person),
        ):
            for row, ratings in groups:
                seen = other[index[ratings]]
                own[row] = np.linalg.solve(seen.T @ seen + ridge, seen.T @ left[ratings])
    seen_once = np.bincount(known.film, minlength=known.films) > 0
    return film, factors * seen_once[:, None]


def factorisation(known: Known, rank: int, strength: float, of_person: float) -> Judge:
    """Biases and factors; a new person's are folded in by ridge regression."""
    film, factors = factors_of(known, rank, strength)
    fold = np.diag([*[strength] * rank, of_person])

    def stars(episode: Episode) -> Array:
        rated, given, asked = support_of(episode)
        found = []
        for films, said, queries in zip(rated, given, asked, strict=True):
            seen = np.column_stack([factors[films], np.ones(len(films))])
            apart = said - known.mean - film[films]
            own = np.linalg.solve(seen.T @ seen + fold, seen.T @ apart)
            found.append(known.mean + film[queries] + factors[queries] @ own[:-1] + own[-1])
        return np.stack(found)

    return stars


def _groups(index: NDArray[np.int64], count: int) -> list[tuple[int, NDArray[np.int64]]]:
    order = np.argsort(index, kind="stable")
    ends = np.bincount(index, minlength=count).cumsum()
    parts = np.split(order, ends[:-1])
    return [(row, part) for row, part in enumerate(parts) if len(part)]


def nearest_films(known: Known, shrunk: float, held: float, of_person: float) -> Judge:
    """What was said of the support's films beyond the biases, by their likeness to each other."""
    film, person = known.biases(4.0, 8.0)
    left = np.zeros((known.people, known.films), dtype=np.float32)
    left[known.person, known.film] = (
        known.stars - known.mean - film[known.film] - person[known.person]
    )
    size = np.sqrt((left**2).sum(axis=0))

    def stars(episode: Episode) -> Array:
        rated, given, asked = support_of(episode)
        found = []
        for films, said, queries in zip(rated, given, asked, strict=True):
            own = (said - known.mean - film[films]).sum() / (len(films) + of_person)
            apart = said - known.mean - film[films] - own
            alike = left[:, queries].T @ left[:, films]
            alike /= np.outer(size[queries], size[films]) + shrunk
            moved = alike @ apart / (np.abs(alike).sum(axis=1) + held)
            found.append(known.mean + film[queries] + own + moved)
        return np.stack(found).astype(np.float64)

    return stars


GRIDS: dict[str, tuple[Callable[..., Judge], tuple[tuple[float, ...], ...]]] = {
    "Film means": (film_means, ((2.0, 5.0, 10.0, 20.0),)),
    "Biases": (biases, ((2.0, 4.0, 8.0), (4.0, 8.0, 12.0, 16.0, 24.0))),
    "Factorisation": (factorisation, ((2, 4, 8), (5.0, 10.0, 20.0), (8.0, 12.0, 16.0))),
    "Nearest films": (nearest_films, ((2.0, 10.0), (0.3, 1.0, 3.0), (8.0, 12.0, 16.0))),
}


def by_baseline(tasks: Taste, method: str, shots: int) -> tuple[list[Tensor], str]:
    """Its metrics on the people tested, with the settings best on validation."""
    known, (make, grid) = Known(tasks), GRIDS[method]
    validation, test = everyone(tasks, "validation", shots), everyone(tasks, "test", shots)
    best, chosen, judge = np.inf, (), None
    for settings in product(*grid):
        trial = make(known, *settings)
        error = float(measured(tasks, trial(validation), validation)[0].mean())
        if error < best:
            best, chosen, judge = error, settings, trial
    assert judge is not None
    return measured(tasks, judge(test), test), ", ".join(f"{value:g}" for value in chosen)


# ---- what is trained ----------------------------------------------------------------------------


def plan_of(tasks: str, method: str, shots: int, seed: int, scale: float) -> Experiment:
    """The preset's training for so many ratings."""
    plan = preset(f"{tasks.split(':')[0]}-{METHODS[method]}")
    plan = plan.stretched(max(4, round(plan.training.iterations * scale)))
    training = replace(plan.training, compiled="off", validate_every=0)
    shape = replace(plan.train, shots=shots)
    return replace(plan, tasks=tasks, train=shape, seed=seed, training=training)


def trained(plan: Experiment) -> Learner:
    """The learner after its training."""
    trainer = Trainer(plan)
    while not trainer.finished:
        trainer.update()
    return trainer.learner.eval()


def by_learner(learner: Learner, tasks: Taste, shots: int) -> tuple[list[Tensor], str]:
    """The metrics on the people tested, after the number of steps best on validation."""
    validated = [
        float(found[0].mean()) for found in after_each(learner, tasks, "validation", shots)
    ]
    steps = int(np.argmin(validated))
    return after_each(learner, tasks, "test", shots)[steps], f"{steps} steps"


@torch.no_grad()
def after_each(learner: Learner, tasks: Taste, split: Split, shots: int) -> list[list[Tensor]]:
    """The metrics of every person after each inner step."""
    found: list[list[Tensor]] = [[] for _ in range(MOST_STEPS + 1)]
    for part in everyone(tasks, split, shots).split(25):
        for step, adapted in enumerate(adapt(learner, part, steps=MOST_STEPS)):
            stars = learner.predict(adapted, part.query.x, part.query.weight)
            found[step].append(torch.stack(measured(tasks, stars, part)))
    return [list(torch.cat(values, dim=1)) for values in found]


def work(tasks: str, method: str, shots: int, seed: int, scale: float) -> Rows:
    """One method with one seed: what it reaches on every person who is tested."""
    family = open_tasks(tasks)
    assert isinstance(family, Taste)
    if method in METHODS:
        learner = trained(plan_of(tasks, method, shots, seed, scale))
        found, chosen = by_learner(learner, family, shots)
    else:
        found, chosen = by_baseline(family, method, shots)
    values = {
        name: " ".join(f"{value:.4f}" for value in of.tolist())
        for name, of in zip(METRICS, found, strict=True)
    }
    return [{"chosen": chosen, **values}]


def table(frame: pd.DataFrame) -> str:
    """Each metric by method, and the best meta-learner against the best baseline: Markdown."""
    heads = " | ".join(label for label, _ in METRICS.values())
    lines = [
        f"| tasks | K | method | {heads} | people | chosen |",
        "|---|---|---|---|---|---|---|---|",
    ]
    gaps = []
    for (tasks, shots), group in frame.groupby(["tasks", "shots"], sort=False):
        of: dict[str, dict[str, Tensor]] = {}
        for method, rows in group.groupby("method", sort=False):
            own = rows.sort_values("seed")
            of[str(method)] = {
                name: torch.tensor([[float(v) for v in row.split()] for row in own[name]]).double()
                for name in METRICS
            }
        for method in sorted(of, key=lambda m: float(of[m]["mae"].mean())):
            values = " | ".join(
                f"{(100 if name == 'ndcg5' else 1) * v.mean():.{1 if name == 'ndcg5' else 3}f}"
                for name, v in of[method].items()
            )
            chosen = "; ".join(dict.fromkeys(group[group["method"] == method]["chosen"]))
            people = of[method]["mae"].shape[1]
            lines.append(f"| {tasks} | {shots} | {method} | {values} | {people} | {chosen} |")
        gaps += [_gap(f"{tasks}, K = {shots}", name, of) for name in METRICS]
    said = (
        "The best meta-learner against the best baseline, paired over people (above 0 is better):"
    )
    return "\n".join([*lines, "", said, "", *filter(None, gaps)])


def _gap(where: str, metric: str, of: dict[str, dict[str, Tensor]]) -> str:
    label, better = METRICS[metric]
    scores = {method: better * values[metric] for method, values in of.items()}

    def best(methods: list[str]) -> str:
        return max(methods, key=lambda method: float(scores[method].mean()), default="")

    ours = best([m for m in scores if m in ("MeLU", "MAML")])
    theirs = best([m for m in scores if m in (*BASELINES, "Pretrained")])
    if not ours or not theirs:
        return ""
    by_seed = scores[ours].mean(dim=1) - scores[theirs].mean()
    apart = scores[ours].mean(dim=0) - scores[theirs].mean(dim=0)  # of each person
    size, unit = (100, " points") if metric == "ndcg5" else (1, "")
    return (
        f"- {where}, {label}: {ours} against {theirs} {size * apart.mean():+.4f} ± "
        f"{size * interval(apart):.4f}{unit} over {apart.numel()} people "
        f"({' '.join(f'{size * s:+.4f}' for s in by_seed.tolist())} by seed)"
    )


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = arguments("taste", __doc__ or "")
    parser.add_argument("--tasks", nargs="+", default=list(SETS), choices=list(SETS))
    chosen = parser.parse_args()
    units = [
        {"tasks": tasks, "method": method, "shots": shots, "seed": seed, "scale": chosen.scale}
        for tasks in chosen.tasks
        for shots in SETS[tasks]
        for method in (*METHODS, *BASELINES)
        if chosen.only is None or method in chosen.only
        for seed in (chosen.seeds if method in METHODS else chosen.seeds[:1])
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
