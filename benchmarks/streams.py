"""Streams: classes come one after the other, 15 drawings each, and then all are asked.

    WORKBENCH_DATA=… python -m benchmarks.streams --workers 2

Characters of alphabets that took no part in training, streams of 10, 50 and 100 classes, 5 drawings
of each asked; and scikit-learn's digits in five domains, permuted or turned, 5 images of each digit
and domain. No example is seen twice, but for what is kept: `Replay 1` and `Replay 5` keep so many
of each class (or of each domain). They and `Pretrained` are one network trained to tell all
training classes apart; `Pretrained, means` keeps the mean embedding of each class. `From nothing`
is the network as it is drawn, all of whose layers learn (on the first few streams alone, since it
takes long). OML, ANML and prototypes are trained on streams of 20 classes with 5 drawings each.
How large an update is, is chosen on validation streams of the same length. Forgetting and transfer
are means over the classes of the first streams.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import (
    Learner,
    Prototypical,
    PrototypicalSettings,
    Rehearsal,
    RehearsalSettings,
    StreamPrototypes,
    adapt,
    last,
)
from workbench.algorithms.continual.inspections import accuracies, transfer
from workbench.randomness import Seeded, spawn
from workbench.tasks import Episode, Shape, Tasks, open_tasks
from workbench.tasks.base import Split
from workbench.training import Experiment, preset
from workbench.training.evaluation import DEFAULT_SEED, interval
from workbench.training.trainer import Trainer

METHODS = {"OML": "oml", "ANML": "anml", "Prototypes": "stream-prototypes"}
BASELINES = ("From nothing", "Pretrained", "Replay 1", "Replay 5", "Pretrained, means")
SETS = {
    "omniglot:background-only": ("omniglot", tuple(METHODS)),
    "glyphs:alphabets": ("glyphs", tuple(METHODS)),
    "streams:permuted": ("permuted", ("OML", "Prototypes")),
    "streams:turned": ("turned", ("OML", "Prototypes")),
}
CHARACTERS = {10: 20, 50: 15, 100: 6}  # classes of a stream, and how many streams are tested
DOMAINS = {5: 20}
FEW, LOOKED_AT = 2, 3  # streams: from nothing; with a matrix
LONGEST_FROM_NOTHING = 50
RATES = (0.3, 1.0, 3.0)  # times the rate of training
REHEARSED = (0.1, 1.0, 10.0, 100.0)  # times 0.01
ITERATIONS = {"OML": 600, "ANML": 400, "Prototypes": 1500, "Pretrained": 2000}


def lengths_of(tasks: str) -> dict[int, int]:
    """The lengths of streams that are tested, and how many of each."""
    return DOMAINS if tasks.startswith("streams") else CHARACTERS


def shape_of(tasks: str, length: int) -> Shape:
    """The shape of streams of this length."""
    return Shape(10, 5, 5) if tasks.startswith("streams") else Shape(length, 15, 5)


def streams(tasks: Tasks, shape: Shape, split: Split, count: int) -> list[Episode]:
    """So many streams, one by one; more begin with the same ones."""
    return [
        tasks.sample(1, seed=spawn(DEFAULT_SEED, place), split=split, shape=shape)
        for place in range(count)
    ]


def plan_of(tasks: str, method: str, seed: int, scale: float) -> Experiment:
    """The preset's training, as long as it is measured here."""
    kind = METHODS.get(method, "rehearsal")
    plan = preset(f"{SETS[tasks][0]}-{kind}")
    iterations = ITERATIONS.get(method, 1)
    if not tasks.startswith("omniglot"):
        iterations = round(iterations / 2)
    plan = plan.stretched(max(4, round(iterations * scale)))
    training = replace(plan.training, validate_every=0, diagnose_every=0)
    if method == "Prototypes":  # the order plays no part: all of a support is read at once
        plan = replace(plan, learner=PrototypicalSettings())
    if kind != "rehearsal":
        plan = replace(plan, tasks=tasks)
    return replace(plan, seed=seed, training=training)


def trained(plan: Experiment) -> Learner:
    """The learner after its training."""
    trainer = Trainer(plan)
    while not trainer.finished:
        trainer.update()
    return trainer.learner.eval()


@torch.no_grad()
def reached(learner: Learner, episodes: list[Episode]) -> Tensor:
    """The accuracy on all that is asked after each stream."""
    found = []
    for episode in episodes:
        end = last(adapt(learner, episode))
        found.append(episode.measured(learner.predict(end, episode.query.x), episode.query))
    return torch.cat(found).double()


def best_rate(learner: Learner, episodes: list[Episode]) -> float:
    """The size of an update that is best on validation streams; it is then the learner's."""
    if not hasattr(learner.settings, "inner_rate"):
        return 0.0
    start = learner.settings
    free = {"free_rate": start.inner_rate} if getattr(start, "free", ()) else {}
    best, chosen = -1.0, start
    for factor in REHEARSED if isinstance(learner, Rehearsal) else RATES:
        changed = {name: factor * value for name, value in free.items()}
        rate = factor * start.inner_rate
        learner.settings = replace(start, inner_rate=rate, **changed)
        accuracy = float(reached(learner, episodes).mean())
        if accuracy > best:
            best, chosen = accuracy, learner.settings
    learner.settings = chosen
    return float(chosen.inner_rate)


def variants(tasks: str, method: str, seed: int, scale: float) -> dict[str, Learner]:
    """What is judged of one training, by name."""
    plan = plan_of(tasks, method, seed, scale)
    if method == "Prototypes":
        learner = trained(plan)
        assert isinstance(learner, Prototypical)
        return {method: StreamPrototypes(learner.embedding).eval()}
    if method in METHODS:
        return {method: trained(plan)}
    if method == "From nothing":
        family = plan.open_tasks()
        body = plan.model.build(family.spec(plan.train).input_shape, None)
        layers = tuple(dict.fromkeys(name.split(".")[0] for name, _ in body.named_parameters()))
        settings = RehearsalSettings(inner_rate=0.01, free=layers)
        with Seeded(seed):
            return {method: settings.build(plan.model, family.spec(plan.train)).eval()}
    learner = trained(plan)
    assert isinstance(learner, Rehearsal)
    spec = plan.open_tasks().spec(plan.train)
    found: dict[str, Learner] = {"Pretrained, means": StreamPrototypes(learner.body).eval()}
    for name, kept in (("Pretrained", 0), ("Replay 1", 1), ("Replay 5", 5)):
        other = Rehearsal(learner.body, spec, RehearsalSettings(inner_rate=0.01, kept=kept))
        found[name] = other.eval()
    return found


def work(tasks: str, method: str, seed: int, scale: float) -> Rows:
    """One training with one seed: what it reaches on every test stream of each length."""
    family, rows = open_tasks(tasks), []
    for name, learner in variants(tasks, method, seed, scale).items():
        settings = learner.settings
        for length, count in lengths_of(tasks).items():
            nothing = method == "From nothing"
            if nothing and length > LONGEST_FROM_NOTHING:
                continue
            shape = shape_of(tasks, length)
            learner.settings = settings
            tried = 1 if nothing or length > LONGEST_FROM_NOTHING else 2
            rate = best_rate(learner, streams(family, shape, "validation", tried))
            episodes = streams(family, shape, "test", FEW if nothing else count)
            row = {"learner": name, "length": length, "rate": rate}
            accuracy = reached(learner, episodes)
            row["accuracy"] = " ".join(f"{value:.4f}" for value in accuracy.tolist())
            if length <= LONGEST_FROM_NOTHING and not nothing:
                row |= summary(learner, episodes[:LOOKED_AT])
            rows.append(row)
    return rows


@torch.no_grad()
def summary(learner: Learner, episodes: list[Episode]) -> dict[str, float]:
    """Forgetting and transfer, the mean over streams and stages."""
    found: dict[str, list[float]] = {"forgetting": [], "backward": [], "forward": []}
    for episode in episodes:
        told = transfer(accuracies(learner, episode, list(adapt(learner, episode)), 0))
        for name, values in found.items():
            own = told[name][1:] if name == "forward" else told[name][:-1]
            values.append(float(own.mean()))
    return {name: round(sum(values) / len(values), 4) for name, values in found.items()}


def table(frame: pd.DataFrame) -> str:
    """Accuracy at the end of streams, forgetting and transfer: Markdown."""
    lines = [
        "| tasks | stages | method | accuracy % (each seed) | forgetting | backward | forward |",
        "|---|---|---|---|---|---|---|",
    ]
    gaps = []
    for (tasks, length), group in frame.groupby(["tasks", "length"], sort=False):
        of: dict[str, list[Tensor]] = {}
        for learner, rows in group.groupby("learner", sort=False):
            of[str(learner)] = [
                100 * torch.tensor([float(v) for v in cell.split()]).double()
                for cell in rows.sort_values("seed")["accuracy"]
            ]
        for learner in sorted(of, key=lambda name: -float(torch.cat(of[name]).mean())):
            rows = group[group["learner"] == learner]
            seeds = ", ".join(f"{float(one.mean()):.1f}" for one in of[learner])
            told = " | ".join(
                f"{100 * rows[name].mean():.1f}" if rows[name].notna().any() else ""
                for name in ("forgetting", "backward", "forward")
            )
            mean = float(torch.cat(of[learner]).mean())
            lines.append(f"| {tasks} | {length} | {learner} | {mean:.1f} ({seeds}) | {told} |")
        gaps.append(_gap(f"{tasks}, {length} stages", of))
    said = "The best meta-learner minus the best baseline, paired over streams and seeds (points):"
    return "\n".join([*lines, "", said, "", *filter(None, gaps)])


def _gap(where: str, of: dict[str, list[Tensor]]) -> str:
    def best(methods: list[str]) -> str:
        return max(methods, key=lambda name: float(torch.cat(of[name]).mean()), default="")

    ours, theirs = best([m for m in of if m in METHODS]), best([m for m in of if m in BASELINES])
    if not ours or not theirs:
        return ""
    pairs = list(zip(of[ours], of[theirs], strict=False))
    apart = torch.stack([one[: len(two)] - two[: len(one)] for one, two in pairs])
    by_seed = " ".join(f"{value:+.1f}" for value in apart.mean(dim=1).tolist())
    over = apart.mean(dim=0)  # of each stream, over seeds
    return (
        f"- {where}: {ours} minus {theirs} {over.mean():+.2f} ± {interval(over):.2f} over "
        f"{len(over)} streams ({by_seed} by seed)"
    )


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = arguments("streams", __doc__ or "")
    parser.add_argument("--tasks", nargs="+", default=list(SETS), choices=list(SETS))
    chosen = parser.parse_args()
    units = [
        {"tasks": tasks, "method": method, "seed": seed, "scale": chosen.scale}
        for tasks in chosen.tasks
        for method in (*SETS[tasks][1], "Pretrained", "From nothing")
        if chosen.only is None or method in chosen.only
        for seed in (chosen.seeds if method != "From nothing" else chosen.seeds[:1])
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
