"""Memory frames: what they say is what the learner did."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.algorithms.cases import CASES
from workbench.errors import UserError
from workbench.figures import trend
from workbench.inspection import (
    KINDS,
    Tape,
    memory_frame,
    recall_frame,
    reliability_frame,
    slot_frame,
    usage_frame,
)


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def recorded(name: str):
    learner, episode = CASES[name].build().eval(), CASES[name].episode()
    return learner, episode, Tape.record(learner, episode)


def test_reads_are_those_of_the_learner_by_head():
    learner, episode, tape = recorded("MANN")
    frame = memory_frame(learner, episode, tape, task=1)
    assert frame["head"].unique().tolist() == ["head 1", "head 2"]
    assert frame["step"].unique().tolist() == [1, 2, 3, 4, 5, 6]  # as it was after every step
    for (step, head), rows in frame.groupby(["step", "head"]):
        with torch.no_grad():
            reads = learner.reads(tape[step], episode.query.x)
        table = rows.pivot(index="query", columns="entry", values="value")
        np.testing.assert_allclose(table, reads[head][1][:, table.columns])
    assert frame["label"].tolist()[:10] == [int(episode.query.y[1, 0])] * 10


def test_slots_say_which_example_wrote_when():
    learner, episode, tape = recorded("MANN")
    frame = slot_frame(learner, episode, tape, task=2)
    for step, rows in frame.groupby("step"):
        item = int(tape[step].seen["item"][2])
        assert rows["example"].unique().tolist() == [item]
        assert rows["class"].unique().tolist() == [int(episode.support.y[2, item])]
        written = tape[step].seen["writing"][2].sum(dim=0)
        np.testing.assert_allclose(rows["weight"], written[rows["slot"].to_list()])
    assert frame["step"].max() == 6


def test_usage_follows_what_was_held_and_says_what_had_to_go():
    learner, episode, tape = recorded("MANN")
    frame = usage_frame(learner, episode, tape, task=0)
    held, evictions = np.zeros(10), 0
    for step in range(1, 7):
        rows = frame[frame["step"] == step]
        erased = tape[step].seen["erased"][0].numpy() > 0
        assert rows["erased"].tolist() == erased.tolist()
        assert rows["evicted"].tolist() == (erased & (held > 0.05)).tolist()
        evictions += int(rows["evicted"].sum())
        held = np.where(erased, 0, held) + rows["written"].to_numpy()
        np.testing.assert_allclose(rows["held"], held)
        np.testing.assert_allclose(rows["usage"], tape[step].values["usage"][0])
    assert evictions > 0  # 6 items by 2 heads into 10 slots


def test_a_prototype_is_written_by_the_examples_of_its_class():
    learner, episode, tape = recorded("Prototypical")
    frame = slot_frame(learner, episode, tape)
    assert (frame["slot"] == frame["class"]).all()
    np.testing.assert_allclose(frame.groupby("slot")["weight"].sum(), 1.0)
    assert not usage_frame(learner, episode, tape)["evicted"].any()


def test_the_base_is_read_beside_the_support():
    learner, episode, tape = recorded("Attention, soft")
    frame = memory_frame(learner, episode, tape)
    sums = frame.groupby(["head", "query"])["value"].sum()
    np.testing.assert_allclose(sums, 1.0, atol=0.01)  # hardly read entries are left out
    base = frame[frame["head"] == "base"]
    assert base["entry"].min() >= 6
    assert base["class"].isna().all()
    support = frame[frame["head"] == "support"]
    assert set(support["class"].dropna()) == {0, 1, 2}


@pytest.mark.parametrize("name", ["MANN", "SNAIL", "Attention, soft", "Matching", "MetaNet"])
def test_a_saved_tape_shows_the_memory_without_its_learner(name, tmp_path):
    _, _, tape = recorded(name)
    again = Tape.load(tape.save(tmp_path / "one.metatrace", kinds=["memory", "slots", "usage"]))
    assert again.learner is None
    for kind in ("memory", "slots", "usage"):
        assert again.frame(kind).equals(tape.frame(kind))


def test_before_anything_is_written_nothing_is_read():
    learner, episode, tape = recorded("MetaNet")
    assert memory_frame(learner, episode, tape)["step"].unique().tolist() == [2]
    with pytest.raises(UserError, match="nothing stands in the memory of MetaNet"):
        memory_frame(learner, episode, tape[:2])


def test_a_base_holds_what_it_held_before():
    learner, episode, tape = recorded("Attention, soft")
    frame = usage_frame(learner, episode, tape)
    base = frame[frame["slot"] >= 6]
    assert len(base) == len(learner.keys) > 0
    assert (base["before"] == 1).all()
    assert (frame["held"] > 0).all()  # 6 of the support and all of the base
    assert (frame.loc[frame["slot"] < 6, "before"] == 0).all()


@pytest.mark.parametrize("name", ["Prototypical", "Matching", "Attention, soft", "MetaNet"])
def test_an_emptied_slot_is_no_slot(name):
    learner, episode, tape = recorded(name)
    emptied = tape.branch(tape.steps, memory=[{"slot": 0}])
    assert 0 in set(tape.frame("memory")["entry"])
    assert 0 not in set(emptied.frame("memory")["entry"])
    with torch.no_grad():
        chances = learner.predict(emptied[-1], episode.query.x).softmax(-1)
        losses = episode.losses(learner.predict(emptied[-1], episode.query.x), episode.query)
        for head, read in learner.reads(emptied[-1], episode.query.x).items():
            assert head == "base" or not read[..., 0].any()
    assert chances.isfinite().all()
    assert losses.max() < 1e4  # a class that cannot be told costs much, and not a hundred million
    draw_all = [{"slot": slot} for slot in range(int(learner.empty(tape[-1]).shape[1]))]
    if name != "Attention, soft":  # whose base stays
        nothing = tape.branch(tape.steps, memory=draw_all)
        with pytest.raises(UserError, match="nothing stands in the memory"):
            nothing.frame("memory")


def test_refusals():
    assert {"memory", "slots", "usage"} <= set(KINDS)
    for make in (memory_frame, slot_frame, usage_frame):
        with pytest.raises(UserError, match="no memory that queries read"):
            make(*recorded("MAML, classes"))
        learner, episode, tape = recorded("MANN")
        with pytest.raises(UserError, match="empty before the first step"):
            make(learner, episode, tape[:1])
    with pytest.raises(UserError, match="wrote nothing to its memory"):
        slot_frame(*recorded("Task memory"))


def test_recall_counts_answers_by_how_often_the_class_came():
    learner, episode, tape = recorded("MANN")
    frame = recall_frame(learner, [episode, episode])
    assert list(frame.columns) == ["task", "time", "accuracy"]
    assert frame["task"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert frame["time"].tolist() == [1, 2] * 6
    seen = [a.seen for a in tape[1:]]
    for time, accuracy in frame.groupby("time")["accuracy"].mean().items():
        right = sum(float((s["correct"] * (s["time"] == time)).sum()) for s in seen)
        assert accuracy == pytest.approx(right / 9)  # 3 tasks of 3 classes
    with pytest.raises(UserError, match="item by item"):
        recall_frame(CASES["Matching"].build(), [episode])
    with pytest.raises(UserError, match="no episodes"):
        recall_frame(learner, [])
    assert "by time 1 to 2" in trend(frame, by="time").alt_text


def test_calibration_is_the_distance_of_confidence_and_accuracy():
    learner, episode, tape = recorded("Matching")
    frame = reliability_frame(learner, [episode], bins=4)
    with torch.no_grad():
        chances = learner.predict(tape[-1], episode.query.x).softmax(-1)
    confidence, predicted = chances.max(-1)
    right, error = (predicted == episode.query.y).double(), 0.0
    for row in frame.itertuples():
        own = (confidence >= row.low) & ((confidence < row.high) | (row.high == 1))
        assert row.examples == int(own.sum())
        if row.examples:
            assert row.accuracy == pytest.approx(float(right[own].mean()))
            gap = abs(float(confidence[own].mean()) - float(right[own].mean()))
            error += gap * row.examples / right.numel()
    assert frame["error"].iloc[0] == pytest.approx(error)
    with pytest.raises(UserError, match="of classes"):
        reliability_frame(CASES["MAML"].build(), [CASES["MAML"].episode()])
