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
    said = re.search(rf"^\| `{name}` .* \| ([^|]*) \|$", TABLE, re.MULTILINE)
    numbers = [float(number) for number in re.findall(r"\d+\.\d+", said[1])]
    run = run_of(name)
    learner, tasks = run.load()
    found = evaluate(
        learner, tasks, run.experiment.test, episodes=100, every_step=name[:4] == "sinu"
    )
    if found.metric == "mse":
        for step, value in zip((1, 5, 10), numbers, strict=True):
            assert found.per_step[step] == pytest.approx(value, rel=0.35)
    elif found.metric == "accuracy":
        assert found.mean == pytest.approx(numbers[0] / 100, abs=0.03)
    else:
        assert found.mean == pytest.approx(numbers[0], abs=1.0)
