"""What the contest says of what it measured, and that all in it see as much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import contest
from workbench.ranks import ranked


@pytest.fixture
def found() -> pd.DataFrame:
    """A file of results of three methods with two seeds, after 0 and 1 steps, beside a grid's."""
    rng, rows = np.random.default_rng(0), []
    for method, right in (("MAML", 50), ("ANIL", 45), ("LEO", 60)):
        unit = {"method": method, "shots": 1, "inner": 0.1, "outer": 1e-3, "scale": 1.0}
        rows.append({"part": "grid", **unit, "seed": 100, "accuracy": 50.0})
        for seed in (0, 1):
            hits = rng.integers(right - 9, right + 10, 40)
            ended: dict[str, Any] = {"bytes": 4e6, "training_seconds": 9.0, "outer_steps": 800}
            ended |= {"per_task": " ".join(map(str, hits)), "accuracy": hits.mean() / 0.75}
            for step, more in ((0, {"accuracy": 20.0}), (1, ended)):
                own = {"part": "training", **unit, "seed": seed, "step": step}
                rows.append({**own, "seconds": 0.01 * step, **more})
    return pd.DataFrame(rows)


def test_ranks_and_differences_are_over_tasks_of_the_mean_of_seeds(found: pd.DataFrame) -> None:
    text = contest.table(found)
    tasks = contest.per_task(found, 1).groupby(["task", "method"])["value"].mean().unstack()
    ranks = ranked(tasks)
    leo = list(tasks).index("LEO")
    apart = 100 * (tasks["LEO"] - tasks["MAML"]).mean()
    assert f"| {ranks.mean[leo]:.2f} | {apart:+.2f} ± " in text
    assert text.index("| LEO |") < text.index("| MAML |") < text.index("| ANIL |")
    assert f"Nemenyi's test {ranks.critical_difference:.2f}, 40 tasks" in text
    assert "800 outer steps of 4 tasks." in text
    assert "three methods or more" in contest.table(found[found["method"] != "LEO"])


def test_a_file_of_results_is_drawn(found: pd.DataFrame, tmp_path: Path) -> None:
    contest.figures(found, tmp_path)
    names = {file.name for file in tmp_path.glob("*.png")}
    wanted = ("memory", "ranks", "seconds", "steps")
    assert names == {f"contest-1-shot-{name}.png" for name in wanted}
    own = found[found["part"] == "training"]
    text = contest.against(own, "step", "inner steps").alt_text
    assert text.startswith("Accuracy by inner steps: MAML 6")


@pytest.mark.parametrize("method", contest.METHODS)
def test_all_see_the_same_number_of_images_and_can_be_built(method: str) -> None:
    for shots in contest.SHOTS:
        wanted = contest.experiment(method, shots, 0, 0.1, 0.003, 0.01)
        shape: Any = wanted.train
        seen = shape.shots if method == "Reptile" else shape.shots + shape.queries
        assert wanted.training.tasks * shape.ways * seen == 4 * 5 * (shots + 5)
    wanted.build()


def test_a_unit_gives_a_row_a_step_and_the_tasks_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "VALIDATION", 2)
    monkeypatch.setattr(contest, "TEST", 4)
    rates = {"method": "ANIL", "shots": 1, "seed": 0, "inner": 0.1, "outer": 0.003, "scale": 0.001}
    (tuned,) = contest.unit("grid", **rates)
    assert 0 <= tuned["accuracy"] <= 100
    rows = contest.unit("training", **rates)
    assert [row["step"] for row in rows] == list(range(11))
    (ended,) = [row for row in rows if "per_task" in row]
    hits = [int(n) for n in ended["per_task"].split()]
    assert sum(hits) / (4 * 75) == pytest.approx(ended["accuracy"] / 100)
    assert ended["bytes"] > 1e6
    assert rows[10]["seconds"] > rows[1]["seconds"] > rows[0]["seconds"]


def test_rates_are_those_that_the_grid_found_best(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def measure(units: list[dict[str, Any]], *_: Any, workers: int) -> pd.DataFrame:
        asked.append(units)
        return pd.DataFrame([{**unit, "accuracy": unit["inner"] - unit["outer"]} for unit in units])

    monkeypatch.setattr(contest, "measure", measure)
    monkeypatch.setattr(contest, "table", lambda frame: "")
    monkeypatch.setattr("sys.argv", ["contest", "--only", "ANIL", "LEO", "--seeds", "0", "1"])
    contest.main()
    grid, trainings = asked
    assert len(grid) == 2 * 2 * 6
    assert {(u["method"], u["inner"], u["outer"]) for u in trainings} == {
        ("ANIL", 0.3, 1e-3),
        ("LEO", 10.0, 1e-3),
    }
    assert {(u["shots"], u["seed"]) for u in trainings} == {(5, 0), (5, 1), (1, 0), (1, 1)}
