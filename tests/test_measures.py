"""What frames and rows say of their measures, and what is read where they say nothing."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.figures.summary import interval as figures_interval
from workbench.files import measured
from workbench.inspection import metrics_frame, stacked
from workbench.inspection.packing import pack, unpack
from workbench.measures import ACCURACY, LOSS, Measure, measure_in, noted, records
from workbench.training.evaluation import interval
from workbench.wire import to_wire

MINE = Measure("regret", "lower", "h", 3.5, "hours lost")


def test_a_frame_keeps_what_was_noted_of_it() -> None:
    frame = noted(pd.DataFrame({"step": [0, 1], "regret": [3.0, 1.0]}), [MINE])
    again = unpack(*pack(frame))
    for one in (frame, frame[frame["step"] == 1], frame.assign(x=0), again):
        assert measure_in(one, "regret") == MINE
    assert MINE.axis == "hours lost (h)"
    assert to_wire(frame)["measures"] == {"regret": MINE.to_record()}
    both = stacked({"a": frame, "b": noted(pd.DataFrame({"accuracy": [0.5]}), [ACCURACY])})
    assert list(records(both)) == ["regret", "accuracy"]


def test_a_frame_that_says_nothing_has_the_standard_ones() -> None:
    frame = pd.DataFrame({"loss": [1.0], "accuracy": [0.5], "other": [2.0]})
    assert list(records(frame)) == ["accuracy", "loss"]
    assert measure_in(frame, "accuracy") == ACCURACY
    assert measure_in(frame, "other").better is None


def test_a_run_of_before_is_read_by_standard_names() -> None:
    rows = [
        {"iteration": 1, "split": "train", "loss": 1.0},
        {"iteration": 1, "split": "validation", "reward": 2.0, "ci95": 0.5, "best": True},
    ]
    frame = metrics_frame(rows)
    assert frame["metric"].tolist() == ["loss", "reward"]
    assert measure_in(frame, "loss") == LOSS


@pytest.mark.parametrize(
    "change",
    [
        {"better": "up"},
        {"unit": 3},
        {"chance": "half"},
        {"chance": math.inf},
        {"more": 1},
        {"loss": 1},
    ],
)
def test_a_row_whose_measure_is_none_is_damaged(change: dict[str, object]) -> None:
    row = {"iteration": 1, "split": "validation", "regret": 2.0, "measure": MINE.to_record()}
    assert measured(json.dumps(row).encode() + b"\n") == ([row], [])
    row["measure"] = MINE.to_record() | change
    assert measured(json.dumps(row).encode() + b"\n") == ([], [1])


def test_figures_and_tables_have_one_interval() -> None:
    values = np.random.default_rng(0).normal(size=50)
    low, high = figures_interval(values)
    half = interval(torch.tensor(values))
    assert (high - low) / 2 == pytest.approx(half, rel=1e-12)
    n, t = len(values), 2.0095752371292397  # Student's t of 49 degrees of freedom, from a table
    assert half == pytest.approx(t * values.std(ddof=1) / n**0.5, rel=1e-9)
