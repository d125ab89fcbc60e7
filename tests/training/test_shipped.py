"""The runs that ship are what data/runs/README.md says they are."""

from __future__ import annotations

import re

import pytest

from workbench.resources import resources
from workbench.training import evaluate, run_of, shipped_runs

TABLE = (resources("data") / "runs" / "README.md").read_text()


def test_the_table_names_each_run_with_its_command():
    told = set(re.findall(r"^\| `([\w-]+)` \| `workbench train \1 ", TABLE, re.MULTILINE))
    assert told == set(shipped_runs())


@pytest.mark.parametrize("name", shipped_runs())
def test_a_run_reaches_what_the_table_says(name):
    """On the very tasks of the table; other machines round differently, and no more than that."""
    said = re.search(rf"^\| `{name}` .* \| ([^|]*) \|$", TABLE, re.MULTILINE)
    told = re.findall(r"−?\d+\.\d+", said[1])
    numbers = [float(number.replace("−", "-")) for number in told]
    run = run_of(name)
    learner, tasks = run.load()
    found = evaluate(
        learner, tasks, run.experiment.test, episodes=600, every_step=name[:4] == "sinu"
    )
    if found.metric == "mse":
        for step, value in zip((1, 5, 10), numbers, strict=True):
            assert found.per_step[step] == pytest.approx(value, rel=0.01)
        return
    percent = 100 if found.metric == "accuracy" else 1
    mean, half = numbers[:2]
    assert percent * found.mean == pytest.approx(mean, abs=0.2 if percent == 100 else 0.03)
    assert percent * found.ci95 == pytest.approx(half, abs=0.06 if percent == 100 else 0.01)
