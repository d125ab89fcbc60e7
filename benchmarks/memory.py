"""Memory methods beside MAML: seconds to adapt, to search a base, to read for a whole batch.

    python -m benchmarks.memory [--rounds 7] [--json FILE]

Adapting to one 5-way 1-shot task of 28x28 images, in evaluation, with the same Conv4-64 (stride 2)
under every method; times do not depend on what the weights are. The contenders take turns, the
order reversed from round to round, so that a drift of the machine's speed meets all of them alike.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from workbench.algorithms import (
    AttentionSettings,
    KnowledgeBase,
    Learner,
    MANNSettings,
    MatchingSettings,
    MetaNetSettings,
    PrototypicalSettings,
    SNAILSettings,
    adapt,
    last,
)
from workbench.algorithms.memory import attention as attend
from workbench.models import Conv4Settings
from workbench.tasks import Episode, Shape, open_tasks
from workbench.training import preset

TARGET = 0.1  # of MAML's time


def learners(episode: Episode) -> dict[str, Learner]:
    """MAML as its preset has it, and every memory method around the same net."""
    spec = open_tasks("glyphs").spec(Shape(5, 1))
    model = Conv4Settings(pooling="stride")
    settings: dict[str, Any] = {
        "MAML": preset("glyphs-maml").learner,
        "Matching": MatchingSettings(),
        "Prototypical": PrototypicalSettings(),
        "MetaNet": MetaNetSettings(),
        "attention, base of 1,000": AttentionSettings(),
        "MANN": MANNSettings(),
        "SNAIL": SNAILSettings(length=8),
    }
    torch.manual_seed(0)
    found = {name: one.build(model, spec).eval() for name, one in settings.items()}
    attentive = found["attention, base of 1,000"]
    attentive.know(KnowledgeBase.from_features(torch.randn(1_000, attentive.features)))
    return found


def turns(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each contender, a sample a round."""
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    calls = {}
    for name, call in contenders.items():
        call()
        start = time.perf_counter()
        call()
        calls[name] = max(1, round(0.1 / (time.perf_counter() - start)))
    for round_ in range(rounds):
        names = list(contenders)
        for name in names if round_ % 2 == 0 else reversed(names):
            start = time.perf_counter()
            for _ in range(calls[name]):
                contenders[name]()
            samples[name].append(1000 * (time.perf_counter() - start) / calls[name])
    return samples


@torch.no_grad()
def adapting(rounds: int) -> dict[str, list[float]]:
    """Milliseconds to adapt to one task, without its queries."""
    episode = open_tasks("glyphs").sample(1, seed=0, split="test", shape=Shape(5, 1, 1))

    def adapted(learner: Learner) -> Callable[[], object]:
        return lambda: last(adapt(learner, episode))

    return turns({n: adapted(one) for n, one in learners(episode).items()}, rounds)


@torch.no_grad()
def searching(rounds: int, entries: int = 100_000, width: int = 64) -> dict[str, list[float]]:
    """Milliseconds to find the 5 nearest of so many entries, exactly."""
    base = KnowledgeBase.from_features(torch.randn(entries, width))
    one, many = torch.randn(1, width), torch.randn(256, width)
    return turns(
        {"1 query": lambda: base.search(one, 5), "256 queries": lambda: base.search(many, 5)},
        rounds,
    )


@torch.no_grad()
def reading(rounds: int, tasks: int = 32) -> dict[str, list[float]]:
    """Milliseconds to read a base of 1,000 for a meta-batch: at once, and task by task."""
    keys, queries = torch.randn(1_000, 64), torch.randn(tasks, 30, 64)
    contents = nn.functional.normalize(torch.randn(1_000, 64), dim=-1)

    def read(some: torch.Tensor) -> torch.Tensor:
        return attend.soft(some @ keys.T / 0.1) @ contents

    return turns(
        {
            "one batched operation": lambda: read(queries),
            "task by task": lambda: [read(one) for one in queries],
        },
        rounds,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure memory methods beside MAML.")
    parser.add_argument("--rounds", type=int, default=7, help="timed samples of each contender")
    parser.add_argument("--json", type=Path, help="a file for every sample")
    chosen = parser.parse_args()
    found = {
        "adapting to one 5-way 1-shot task": adapting(chosen.rounds),
        "the 5 nearest of 100,000 entries of 64 numbers": searching(chosen.rounds),
        "reading 1,000 entries for 32 tasks of 30 inputs": reading(chosen.rounds),
    }
    for title, samples in found.items():
        print(title)
        for name, values in samples.items():
            line = f"  {name:<28}{median(values):10.3f} ms"
            if "MAML" in samples:
                ratio = median(values) / median(samples["MAML"])
                met = "" if name == "MAML" else f", {'met' if ratio < TARGET else 'NOT MET'}"
                line += f"   {ratio:.3f} of MAML{met}"
            print(line)
    if chosen.json:
        chosen.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
