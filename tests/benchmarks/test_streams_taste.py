"""The benchmarks of streams and taste: what a unit gives, and what their tables say."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks import streams, taste


def test_a_stream_is_judged_by_each_variant_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "DOMAINS", {5: 2})
    monkeypatch.setattr(streams, "LOOKED_AT", 1)
    monkeypatch.setattr(streams, "REHEARSED", (1.0,))
    rows = streams.work("streams:turned", "Pretrained", 0, 0.002)
    names = ["Pretrained, means", "Pretrained", "Replay 1", "Replay 5"]
    assert [row["learner"] for row in rows] == names
    assert all(len(row["accuracy"].split()) == 2 for row in rows)
    frame = pd.DataFrame(rows).assign(tasks="streams:turned", seed=0)
    better = frame.iloc[:1].assign(learner="OML", accuracy="1.0 0.9")
    text = streams.table(pd.concat([frame, better]))
    assert "| streams:turned | 5 | OML | 95.0 (95.0) |" in text
    assert "- streams:turned, 5 stages: OML minus" in text


def test_people_are_judged_once_each_by_every_baseline() -> None:
    people = 200
    rows = []
    for method in ("Film means", "Biases"):
        (row,) = taste.work("taste:rank", method, 5, 0, 1.0)
        assert len(row["mae"].split()) == people
        rows.append({"tasks": "taste:rank", "shots": 5, "method": method, "seed": 0, **row})
    mean, bias = (pd.Series(row["mae"].split()).astype(float).mean() for row in (rows[0], rows[1]))
    assert bias < mean
    ours = {**rows[1], "method": "MeLU", "mae": " ".join(["0.1"] * people)}
    text = taste.table(pd.DataFrame([*rows, ours]))
    assert "- taste:rank, K = 5, MAE: MeLU against Biases +" in text
