"""What a knowledge base is worth: one trained embedding, bases filled in every way, paired.

    python -m benchmarks.knowledge glyphs-attention

(or the directory of another run of the kind).

The drawings of every character are divided in two: the tasks are drawn from one half, the bases
filled from the other, without its labels ('features', 'clusters') or with them ('labels'). The
heads (gate, scales, temperatures) learn on validation tasks, with a base of validation characters
that is then exchanged for one of the test alphabets' own drawings, or under 'labels' with one of
the training characters that stays; then 600 test tasks are judged. The embedding stays as it was
trained, so that all of them share it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from workbench.algorithms import AttentionLearner, AttentionSettings, KnowledgeBase, adapt, last
from workbench.algorithms.values import trainable
from workbench.inspection import reliability_frame
from workbench.randomness import permutation
from workbench.tasks import Episode, Examples, Shape, open_tasks
from workbench.tasks.base import Split
from workbench.tasks.sampler import FewShot
from workbench.training import run_of
from workbench.training.evaluation import interval, test_episodes

ENTRIES, SEED = 5, 2000
SIZES = (100, 300, 1000)  # of smaller bases
WAYS: dict[str, dict[str, Any]] = {
    "soft": {},
    "hard, straight through": {"attention": "gumbel", "entries": ENTRIES},
    "hard, REINFORCE": {"attention": "reinforce", "entries": ENTRIES, "draws": 2},
    "soft, evolved": {"learner": "evolutionary"},
}


def halves(tasks: FewShot) -> tuple[FewShot, dict[Split, Tensor]]:
    """Tasks of one half of every character's drawings, and by split the other half's images."""
    each = int(tasks.bank.counts.min())
    x = tasks.bank.x.unflatten(0, (-1, each))
    bank = dataclasses.replace(
        tasks.bank,
        x=x[:, : each // 2].flatten(0, 1),
        counts=torch.full((len(x),), each // 2),
    )
    splits = tasks.splits
    kept = FewShot(bank, splits, name=tasks.name, scheme=f"{tasks.scheme}, half of the drawings")
    rest: dict[Split, Tensor] = {
        split: (x[chosen.classes.unique(), each // 2 :] * tasks.bank.scale)
        for split, chosen in splits.items()
    }
    return kept, rest


@torch.no_grad()
def featured(embedder: AttentionLearner, episode: Episode) -> Episode:
    """The episode with every image replaced by its embedding, as the episode's batch gives it."""
    start = embedder.begin(episode)

    def embedded(examples: Examples, support: bool) -> Examples:
        features = embedder.embed(start, examples.x, support=support)
        return dataclasses.replace(examples, x=features)

    return dataclasses.replace(
        episode, support=embedded(episode.support, True), query=embedded(episode.query, False)
    )


def pooled(embedder: AttentionLearner, images: Tensor) -> tuple[Tensor, Tensor]:
    """The keys of `[class, drawing, ...]`, in no order, and their classes."""
    labels = torch.arange(len(images)).repeat_interleave(images.shape[1])
    order = permutation(torch.tensor([0]), len(labels))[0]
    return embedder.keys_for(images.flatten(0, 1)[order]), labels[order]


def filled(kind: str, features: Tensor, labels: Tensor) -> KnowledgeBase | None:
    """A base filled in one way."""
    if kind == "none":
        return None
    if kind == "clusters":
        return KnowledgeBase.from_clusters(features, len(features) // ENTRIES)
    if kind == "labels":
        return KnowledgeBase.from_labels(features, labels)
    return KnowledgeBase.from_features(features)


def taught(
    settings: AttentionSettings,
    base: KnowledgeBase | None,
    episodes: list[Episode],
    features: int,
    cold: Tensor,
) -> AttentionLearner:
    """A head that learned on these tasks with this base."""
    learner = AttentionLearner(nn.Identity(), features, settings, base=base)
    learner.head["cold"].data.copy_(cold)
    optimizer = torch.optim.Adam([p for _, p in trainable(learner)], 0.05)
    for episode in episodes:
        for name, gradient in learner.meta_gradient(episode).gradients.items():
            learner.get_parameter(name).grad = gradient
        optimizer.step()
    return learner.eval()


@torch.no_grad()
def judged(learner: AttentionLearner, episodes: list[Episode]) -> Tensor:
    """Each test task's accuracy."""
    found = []
    for episode in episodes:
        adapted = last(adapt(learner, episode))
        found.append(episode.measured(learner.predict(adapted, episode.query.x), episode.query))
    return torch.cat(found).double()


def row(label: str, results: dict[str, Tensor], frame: pd.DataFrame) -> dict[str, Any]:
    """One base under one attention, beside none."""
    values, gain = results[label], results[label] - results["none"]
    return {
        "base and attention": label,
        "accuracy": float(values.mean()),
        "ci95": interval(values),
        "gain": float(gain.mean()),
        "gain_ci95": interval(gain),
        "calibration_error": float(frame["error"].iloc[0]),
    }


def line(found: dict[str, Any]) -> str:
    """A row of the table, in per cent."""
    numbers = {n: 100 * v for n, v in found.items() if isinstance(v, float)}
    return (
        f"{found['base and attention']:<36}{numbers['accuracy']:7.2f} ± {numbers['ci95']:.2f}   "
        f"gain {numbers['gain']:+6.2f} ± {numbers['gain_ci95']:.2f}   "
        f"calibration error {found['calibration_error']:.3f}"
    )


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a trained run of AttentionLearner")
    parser.add_argument("--tasks", help="tasks to judge on, by default those of the run")
    parser.add_argument("--episodes", type=int, default=600, help="test tasks")
    parser.add_argument("--steps", type=int, default=40, help="meta-steps of a head")
    parser.add_argument("--figure", type=Path, help="where to draw the reliability of N(x)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    embedder, trained = run_of(chosen.run).load()
    tasks = open_tasks(chosen.tasks) if chosen.tasks else trained
    assert isinstance(embedder, AttentionLearner)
    assert isinstance(tasks, FewShot)
    embedder.eval()
    kept, rest = halves(tasks)
    shape = Shape(5, 1, 5)
    taught_on = [
        featured(embedder, kept.sample(8, seed=seed, shape=shape, split="validation"))
        for seed in range(chosen.steps)
    ]
    test = [
        featured(embedder, block)
        for block in test_episodes(kept, shape, chosen.episodes, "test", SEED)
    ]
    splits: tuple[Split, ...] = ("train", "validation", "test")
    known = {split: pooled(embedder, rest[split]) for split in splits}
    size = known["train"][0].shape[1]
    cold = embedder.head["cold"].detach()
    results: dict[str, Tensor] = {}
    frames, rows = {}, []

    def note(label: str, learner: AttentionLearner) -> None:
        results[label] = judged(learner, test)
        frames[label] = reliability_frame(learner, test)
        rows.append(row(label, results, frames[label]))
        if not chosen.json:
            print(line(rows[-1]), flush=True)

    for name, options in WAYS.items():
        for kind in ("none", "features", "clusters", "labels"):
            if kind == "none" and name != "soft":
                continue
            own = filled(kind, *known["train" if kind == "labels" else "validation"])
            learner = taught(AttentionSettings(**options), own, taught_on, size, cold)
            if kind in ("features", "clusters"):  # exchanged
                learner.know(filled(kind, *known["test"]))
            note(kind if kind == "none" else f"{kind}, {name}", learner)
            if (kind, name) == ("features", "soft"):  # and where the base holds less
                features, classes = known["test"]
                for count in SIZES:
                    learner.know(filled(kind, features[:count], classes[:count]))
                    note(f"{count} {kind}, {name}", learner)
    if chosen.figure:
        from workbench.figures import Receipt, reliability, save

        frame = frames["features, soft"]
        code = f"python -m benchmarks.knowledge {chosen.run.name} --figure {chosen.figure.name}"
        receipt = Receipt.of(frame, code=code, seed=SEED)
        save(reliability(frame), chosen.figure, receipt)
    if chosen.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
