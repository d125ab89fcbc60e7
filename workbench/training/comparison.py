"""Comparison: methods on identical test tasks, paired task by task."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.measures import Measure
from workbench.ranks import Ranks, ranked
from workbench.tasks.base import Shape, Split
from workbench.training.evaluation import DEFAULT_SEED, Evaluation, evaluate, interval
from workbench.training.experiment import Experiment
from workbench.training.runs import Run
from workbench.training.shipped import beside, name_of


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that are equal but for their seed, called by the first of them."""

    name: str
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    evaluations: tuple[Evaluation, ...]

    @property
    def per_task(self) -> Tensor:
        """Each task's metric, the mean over seeds; NaN where one of them diverged."""
        return torch.stack([e.per_task for e in self.evaluations]).mean(dim=0)

    @property
    def diverged(self) -> str:
        """How many tasks diverged, where, and the cure; empty where none did."""
        said = [(e.diverged, seed) for e, seed in zip(self.evaluations, self.seeds, strict=True)]
        several = len(self.seeds) > 1
        return "; ".join(f"{t} (seed {seed})" if several else t for t, seed in said if t)

    def to_record(self) -> dict[str, Any]:
        """Plain data for JSON, with the spread over seeds and over tasks."""
        means = torch.tensor([e.mean for e in self.evaluations], dtype=torch.float64)
        return {
            "name": self.name,
            "learner": self.evaluations[0].learner,
            "runs": list(self.runs),
            "seeds": list(self.seeds),
            "transductive": self.evaluations[0].transductive,
            "mean": float(means.mean()),
            "ci95_tasks": interval(self.per_task),
            "sd_tasks": float(self.per_task.std()),
            "means_of_seeds": means.tolist(),
            "sd_seeds": float(means.std()) if len(means) > 1 else None,
            "ci95_seeds": interval(means) if len(means) > 1 else None,
            "diverged": self.diverged or None,
        }


@dataclass(frozen=True)
class Pair:
    """How the first group differs from the second on the same tasks.

    difference  the mean over tasks of first minus second, with its paired 95% interval; NaN where
                one of them diverged on a task
    wins        tasks on which the first is better, or alone did not diverge; losses, ties alike
    sign_p      two-sided p-value of the sign test over wins and losses (exact binomial)
    """

    first: str
    second: str
    difference: float
    ci95: float
    wins: int
    losses: int
    ties: int
    sign_p: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Groups of runs, best first, and every pair of them."""

    measure: Measure
    tasks: str
    episodes_sha256: str
    groups: tuple[Group, ...]
    pairs: tuple[Pair, ...]

    @property
    def metric(self) -> str:
        """The name of what was measured."""
        return self.measure.name

    @property
    def ranks(self) -> Ranks | None:
        """The groups' ranks over tasks, in their order; None where there are only two."""
        if len(self.groups) < 3:
            return None
        return ranked(self.measure.sign * torch.stack([g.per_task for g in self.groups], dim=1))

    def to_record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        first = self.groups[0].evaluations[0]
        about = first.to_record()
        kept = (
            *("better", "unit", "chance", "scheme", "split", "ways", "shots", "queries"),
            *("episodes", "seed"),
        )
        return {
            "metric": self.metric,
            "tasks": self.tasks,
            **{name: about[name] for name in kept},
            "episodes_sha256": self.episodes_sha256,
            "groups": [group.to_record() for group in self.groups],
            "pairs": [dataclasses.asdict(pair) for pair in self.pairs],
            "ranks": dataclasses.asdict(ranks) if (ranks := self.ranks) else None,
            **({"notice": first.notice} if first.notice else {}),
        }


def compare(
    runs: Sequence[Run | Path | str],
    *,
    episodes: int = 600,
    split: Split = "test",
    seed: int = DEFAULT_SEED,
    shape: Shape | None = None,
    inductive: bool | None = None,
) -> Comparison:
    """Evaluate runs, or those in directories, and compare them pair by pair; of a sweep all units.

    Each is tested in its own test shape, or all in `shape`; baselines on those of the first trained
    run. What they were trained on may differ; that they are tested on the same tasks is told by the
    hash of the episodes. Runs equal but for their seed form one group, compared by its mean.
    """
    from workbench.training.sweeps import runs_of  # which most who import this do without

    opened = beside([unit for run in runs for unit in runs_of(run)])
    experiments = comparable(opened)
    results: list[Evaluation] = []
    for run, experiment in zip(opened, experiments, strict=True):
        learner, tasks = run.load()
        results.append(
            evaluate(
                learner,
                tasks,
                shape or experiment.test,
                episodes=episodes,
                split=split,
                seed=seed,
                inductive=inductive,
                every_step=False,
            )
        )
        _check_same_tasks(opened, results)  # before the next run takes its time
    return paired(opened, experiments, results)


def comparable(runs: Sequence[Run]) -> list[Experiment]:
    """The runs' experiments; refused where they cannot be compared."""
    if len(runs) < 2:
        raise UserError("a comparison needs at least two runs")
    places = [run.directory.resolve() for run in runs]
    for run, place in zip(runs, places, strict=True):
        if places.count(place) > 1:
            raise UserError(f"{run.directory} is named twice: name each run once")
    return [run.experiment for run in runs]


def _check_same_tasks(runs: Sequence[Run], results: Sequence[Evaluation]) -> None:
    """Refuses evaluations whose episodes are not the same ones, whatever their tasks' names."""
    first = results[0]
    for run, result in zip(runs, results, strict=False):
        if result.episodes_sha256 != first.episodes_sha256:
            raise UserError(
                f"{runs[0].directory} and {run.directory} are tested on different tasks "
                f"({_about(first)}; {_about(result)}): compare runs with the same test tasks"
            )
        if result.measure != first.measure:
            raise UserError(
                f"{runs[0].directory} is measured by {first.metric} and {run.directory} by "
                f"{result.metric}: compare runs whose tasks have the same objective"
            )


def _about(result: Evaluation) -> str:
    """The test tasks of an evaluation in a few words."""
    sizes = {"ways": result.ways, "shots": result.shots, "queries": result.queries}
    words = [f"{size} {name}" for name, size in sizes.items() if size is not None]
    return ", ".join([f"{result.tasks}:{result.scheme}", *words])


def paired(
    runs: Sequence[Run], experiments: Sequence[Experiment], results: Sequence[Evaluation]
) -> Comparison:
    """The comparison of evaluations that were made on the same tasks."""
    _check_same_tasks(runs, results)
    members: dict[str, list[int]] = {}
    for i, experiment in enumerate(experiments):
        key = str(dataclasses.replace(experiment, seed=0).to_record())
        members.setdefault(key, []).append(i)
    groups = []
    for found in members.values():
        groups.append(
            Group(
                name=name_of(runs[found[0]]),
                runs=tuple(name_of(runs[i]) for i in found),
                seeds=tuple(experiments[i].seed for i in found),
                evaluations=tuple(results[i] for i in found),
            )
        )
    measure = results[0].measure
    groups.sort(key=partial(_worth, sign=measure.sign), reverse=True)
    return Comparison(
        measure=measure,
        tasks=results[0].tasks,
        episodes_sha256=results[0].episodes_sha256,
        groups=tuple(groups),
        pairs=tuple(_pair(a, b, measure.sign) for a, b in combinations(groups, 2)),
    )


def _worth(group: Group, sign: int) -> tuple[int, float]:
    """By which groups are sorted: on how many tasks one did not diverge, then its mean."""
    finite = group.per_task[group.per_task.isfinite()]
    return len(finite), sign * float(finite.mean()) if len(finite) else 0.0


def _pair(first: Group, second: Group, sign: int) -> Pair:
    ours, theirs = first.per_task, second.per_task
    difference = ours - theirs
    better = (sign * difference).nan_to_num(0.0)
    better += ours.isfinite().to(better) - theirs.isfinite().to(better)  # what diverged is worse
    wins, losses = int((better > 0).sum()), int((better < 0).sum())
    return Pair(
        first=first.name,
        second=second.name,
        difference=float(difference.mean()),
        ci95=interval(difference),
        wins=wins,
        losses=losses,
        ties=len(difference) - wins - losses,
        sign_p=sign_test(wins, losses),
    )


def sign_test(wins: int, losses: int) -> float:
    """Two-sided p-value of so many wins and losses were both equally likely.

    >>> sign_test(5, 0)
    0.0625
    """
    n, fewer = wins + losses, min(wins, losses)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return float(min(1.0, tail / 2 ** (n - 1))) if n else 1.0
