"""The comparison of searched nets: its table, and that `vmap` computes the same net."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import torch

from benchmarks.architectures import OURS, Whole, chosen, experiment_of, plain, table
from workbench.algorithms import ArchitectureSearch
from workbench.models import MixedSettings
from workbench.training import Trainer


def test_what_is_compared_is_of_equal_size():
    search = experiment_of("glyphs", 0, 0.01, "cpu")
    one, other = (plain(search, a).build()[0] for a in ("relu relu relu", "tanh gauss identity"))
    sizes = [sum(p.numel() for p in learner.model.parameters()) for learner in (one, other)]
    assert sizes[0] == sizes[1]
    learner: Any = Trainer(search).learner
    assert isinstance(learner, ArchitectureSearch)
    learner.eval()
    found = chosen(learner, search)
    assert len(found) == 300
    assert all(len(architecture.split()) == 3 for architecture in found)


def test_the_net_behind_a_forward_of_its_own_is_the_same():
    torch.manual_seed(0)
    whole = Whole(MixedSettings(layers=1, width=4), (1, 28, 28)).double()
    x = torch.randn(6, 1, 28, 28).double()
    torch.testing.assert_close(whole(x), whole.net(x))


def test_the_table_pairs_over_tasks():
    def row(method: str, seed: int, accuracies: list[float], **more: Any) -> dict[str, Any]:
        mean = sum(accuracies) / len(accuracies)
        about = {"tasks": "glyphs", "part": "search", "seed": seed, "seconds": 1.0, **more}
        return {"method": method, "accuracy": mean, "per_task": json.dumps(accuracies), **about}

    frame = pd.DataFrame(
        [
            row(OURS, 0, [0.5, 0.7], share=0.9, different=2),
            row("random", 0, [0.4, 0.6]),
            row(OURS, 1, [0.6, 0.8], share=0.7, different=4),
            row("random", 1, [0.7, 0.9]),
            {"tasks": "glyphs", "part": "cost", "seed": 0, "method": "one plain net", "ms": 12.0},
        ]
    )
    text = table(frame)
    assert "| glyphs | random | 65.0 ± 21.2 over 2 seeds | +0.0 ± 0.0 (1 of 2 seeds) | 1 |" in text
    assert "2 tasks" not in text.splitlines()[0]
    assert "chose 3.0 architectures a seed, 80% of them the most frequent one" in text
    assert "in ms of one core: one plain net 12" in text
