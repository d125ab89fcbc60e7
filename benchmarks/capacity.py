"""What a memory's size and what else it holds do to accuracy, for the runs of benchmarks.methods.

    python -m benchmarks.capacity OUT [--mann RUN] [--episodes 600]

shots        support examples of each of 5 classes that are remembered, for every method
slots        of MANN's memory, which was trained with 128, on tasks of 5 ways and 5 shots
distractors  classes that are remembered beside the 5 that are asked about: accuracy among all
             that are remembered, and among the 5 alone, where nothing is lost to the greater
             choice and what is lost is interference
time         how often an item's class has come when MANN answers, of 10 times

The same queries stand at every place. In OUT stay a CSV and a figure each.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from benchmarks.methods import METHODS, QUERIES
from workbench.algorithms import MANN, adapt, last
from workbench.algorithms.base import Learner
from workbench.figures import Receipt, save, trend
from workbench.inspection import recall_frame
from workbench.tasks import Episode, Examples, Shape
from workbench.training import Run
from workbench.training.evaluation import interval, test_episodes

ASKED = 5  # classes that are asked about
SHOTS = (1, 2, 3, 5, 10)
SLOTS = (4, 8, 16, 32, 64, 128)
DISTRACTORS = (0, 5, 10, 15)
SEED, CHUNK = 1000, 10

Change = Callable[[Learner, Episode, int], Episode]  # what stands in memory at a place


def remembered(_: Learner, episode: Episode, shots: int) -> Episode:
    """The first shots of every class."""
    support = episode.support
    # how often the class of each example has come before it
    came = torch.stack([(support.y == c).cumsum(dim=1) - 1 for c in range(ASKED)], dim=2)
    nth = came.gather(2, support.y.unsqueeze(2)).squeeze(2)
    return replace(episode, support=part(support, nth < shots))


def resized(learner: Learner, episode: Episode, slots: int) -> Episode:
    """The same task for a learner with so many slots."""
    assert isinstance(learner, MANN)
    learner.settings = replace(learner.settings, slots=slots)
    return episode


def distracted(_: Learner, episode: Episode, more: int) -> Episode:
    """The classes that are asked about, and so many more."""
    support, query = episode.support, episode.query
    return replace(
        episode,
        support=part(support, support.y < ASKED + more),
        query=part(query, query.y < ASKED),
    )


def part(examples: Examples, kept: Tensor) -> Examples:
    """The examples that are kept, as many of every task."""
    index = kept.nonzero()[:, 1].unflatten(0, (len(kept), -1))
    task = torch.arange(len(kept)).unsqueeze(1)
    return Examples(examples.x[task, index], examples.y[task, index])


@torch.no_grad()
def measured(
    runs: dict[str, Run],
    shape: Shape,
    by: str,
    places: Sequence[int],
    change: Change,
    episodes: int,
) -> pd.DataFrame:
    """Accuracy at every place: a row a method, place and task.

    accuracy      among all classes that are remembered
    of the asked  among those that are asked about
    """
    pieces = []
    for name, run in runs.items():
        learner, tasks = run.load()
        learner.eval()
        for place in places:
            of_all, of_asked = [], []
            for block in test_episodes(tasks, shape, episodes, "test", SEED):
                for some in block.split(CHUNK):
                    task = change(learner, some, place)
                    logits = learner.predict(last(adapt(learner, task)), task.query.x)
                    of_all.append(task.measured(logits, task.query))
                    of_asked.append(task.measured(logits[..., :ASKED], task.query))
            accuracy = torch.cat(of_all).double()
            columns = {by: place, "accuracy": accuracy, "of the asked": torch.cat(of_asked)}
            pieces.append(pd.DataFrame({"method": name, "task": range(len(accuracy)), **columns}))
    return pd.concat(pieces, ignore_index=True)


def main() -> None:
    """Measure what there are runs for, print, and write it with its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="directory that benchmarks.methods wrote")
    parser.add_argument("--episodes", type=int, default=600, help="test tasks")
    parser.add_argument("--mann", type=Path, help="a longer run of MANN, for tasks of 5 ways")
    chosen = parser.parse_args()
    torch.set_num_threads(1)

    def written(frame: pd.DataFrame, by: str) -> None:
        frame.to_csv(chosen.out / f"{by}.csv", index=False)
        longer = f" --mann {chosen.mann.name}" if chosen.mann else ""
        code = f"python -m benchmarks.capacity {chosen.out.name}{longer}"
        for suffix in ("pdf", "png"):
            receipt = Receipt.of(frame, code=code, seed=SEED)
            save(trend(frame, by=by), chosen.out / f"{by}.{suffix}", receipt)
        keys = ["method", by] if "method" in frame else [by]
        groups = frame.groupby(keys, sort=False)
        said = 100 * groups[[n for n in ("accuracy", "of the asked") if n in frame]].mean()
        said["ci95"] = [100 * interval(torch.tensor(g.to_numpy())) for _, g in groups["accuracy"]]
        print(said.round(2).to_string(), flush=True)

    def runs(ways: int) -> dict[str, Run]:
        return {n: Run.open(chosen.out / f"{file}-{ways}") for n, file in METHODS.items()}

    few = runs(ASKED)
    if chosen.mann:
        few["MANN"] = Run.open(chosen.mann)
    mann = {"MANN": few["MANN"]}
    many = ASKED + DISTRACTORS[-1]
    parts: list[tuple[str, dict[str, Run], Shape, Sequence[int], Change]] = [
        ("shots", few, Shape(ASKED, SHOTS[-1], QUERIES), SHOTS, remembered),
        ("slots", mann, Shape(ASKED, 5, QUERIES), SLOTS, resized),
        ("distractors", runs(many), Shape(many, 1, QUERIES), DISTRACTORS, distracted),
    ]
    for by, some, shape, places, change in parts:
        written(measured(some, shape, by, places, change, chosen.episodes), by)
    learner, tasks = mann["MANN"].load()
    sequences = test_episodes(tasks, Shape(ASKED, 10, 1), chosen.episodes, "test", SEED)
    written(recall_frame(learner.eval(), sequences), "time")


if __name__ == "__main__":
    main()
