"""The benchmark of rules by the book: its units, and its table."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks import acting
from workbench.measures import half_width


def test_a_unit_is_a_rule_on_one_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "TRIALS", 20)
    (row,) = acting.work("bandit", 10, 5, "knows the best arm", seed=0)
    (again,) = acting.work("bandit", 10, 5, "knows the best arm", seed=0)
    (other,) = acting.work("bandit", 10, 5, "knows the best arm", seed=1)
    assert row["total"] == again["total"] != other["total"]
    assert row["trials"] == 20
    (random,) = acting.work("mdp", 1, 5, "random", seed=0)
    (known,) = acting.work("mdp", 1, 5, "knows the MDP", seed=0)
    assert known["total"] > random["total"]


def test_the_table_holds_means_over_seeds_beside_what_was_published() -> None:
    unit = {"tasks": "mdp", "moves": 10, "actions": 5, "trials": 600, "seconds": 1.0}
    rows = [
        {**unit, "method": "PSRL", "seed": seed, "total": total, "sd": 20.0}
        for seed, total in enumerate((130.0, 134.0))
    ]
    rows.append({**unit, "method": "greedy", "seed": 0, "total": 150.0, "sd": 20.0})
    lines = acting.table(pd.DataFrame(rows)).splitlines()
    half = f"{half_width(20.0, 1200):.1f}"
    assert f"| mdp | 10 | 5 | PSRL | 1,200 | 132.0 ± {half} | 138.1 |" in lines
    assert any(line.startswith("| mdp | 10 | 5 | greedy | 600 | 150.0 ± ") for line in lines)
    assert "| mdp | 10 | 5 | RL² | | | 156.2 |" in lines


def test_every_published_rule_is_measured() -> None:
    for (tasks, _, _), published in acting.PUBLISHED.items():
        rules = {"bandit": acting.BANDITS, "mdp": acting.MDPS}[tasks]
        assert {*published} <= {name.split(",")[0] for name in rules}
