"""Frames of a task's examples, of what is predicted of them, and of a trial's pulls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.algorithms.cases import CASES, clouds
from workbench.algorithms import MAML, RL2, MAMLSettings, Prototypical, adapt
from workbench.errors import UserError
from workbench.figures import arm_pulls
from workbench.inspection import (
    KINDS,
    Tape,
    compute,
    example_frame,
    image_frame,
    prediction_frame,
    pull_frame,
)
from workbench.models import MLP, Policy
from workbench.tasks import Episode, Shape, edited, open_tasks

DIGITS = open_tasks("digits")


def digits() -> Episode:
    shape = Shape(ways=(2, 3), shots=(1, 3), queries=4)
    return DIGITS.sample(5, seed=2, split="test", shape=shape)


def test_examples_of_images_are_those_of_the_task_without_padding() -> None:
    episode = digits()
    for task in range(5):
        frame = example_frame(episode, task)
        for part in ("support", "query"):
            examples, rows = getattr(episode, part), frame[frame["part"] == part]
            there = examples.weight[task].nonzero().flatten()
            assert rows["example"].tolist() == there.tolist()
            assert rows["label"].tolist() == examples.y[task, there].tolist()
            assert rows["index"].tolist() == episode.info[f"{part}_index"][task, there].tolist()
            np.testing.assert_array_equal(np.stack(rows["image"]), examples.x[task, there, 0])
            names = [
                episode.info["class_names"][episode.info["classes"][task, k]] for k in rows.label
            ]
            assert rows["name"].tolist() == names
            assert (rows.groupby("label")["shot"].max() + 1 == rows.groupby("label").size()).all()
        assert frame["edited"].isna().all()
    assert len({len(example_frame(episode, task)) for task in range(5)}) > 1


def test_edits_are_said_of_the_examples_they_were_made_to() -> None:
    edits = [
        {"what": "relabel", "task": 1, "part": "support", "example": 0, "label": 1},
        {"what": "noise", "task": 1, "part": "query", "amount": 0.1},
        {"what": "draw", "task": 1, "part": "query", "example": 2, "strokes": [[[0.5, 0.5]]]},
        {"what": "noise", "task": 1, "part": "query", "example": 2},
        {"what": "noise", "task": 1, "part": "query", "example": 2},
        {"what": "swap", "task": 1, "part": "query", "example": 3},
        {"what": "drop", "task": 1, "part": "query", "example": 0},
        {"what": "duplicate", "task": 1, "part": "query", "example": 1},
    ]
    episode = edited(digits(), edits, DIGITS)
    frame = example_frame(episode, 1).set_index(["part", "example"])
    said = frame["edited"]
    assert said["support", 0] == "relabelled"
    assert said["query"][[0, 1, 2, 3]].tolist() == ["duplicate", "noisy", "drawn, noisy", "swapped"]
    assert said.notna().sum() == 1 + (frame.index.get_level_values(0) == "query").sum()
    assert pd.isna(frame.loc[("query", 2), "index"])
    assert example_frame(episode, 0)["edited"].isna().all()


def test_examples_of_points_and_of_rows_of_numbers() -> None:
    sines = open_tasks("sinusoid").sample(2, seed=0, shape=Shape(1, 5, 5))
    frame = example_frame(sines, 1)
    np.testing.assert_array_equal(frame["x"][:5], sines.support.x[1, :, 0].double())
    np.testing.assert_array_equal(frame["y"][5:], sines.query.y[1, :, 0].double())
    assert frame["label"].isna().all()
    assert frame["shot"][:5].tolist() == [0, 1, 2, 3, 4]
    rows = example_frame(clouds(), 2)
    np.testing.assert_allclose(np.stack(rows["inputs"])[:6], clouds().support.x[2], rtol=1e-6)
    assert rows["text"][0] == " ".join(f"{v:.3g}" for v in clouds().support.x[2, 0].tolist())
    long = clouds(shape=(20,))
    assert example_frame(long)["text"][0].endswith(" …")
    with pytest.raises(UserError, match="use pull_frame"):
        example_frame(open_tasks("bandit").sample(1, seed=0))
    with pytest.raises(UserError, match="choose 0 to 1"):
        example_frame(sines, 2)


@pytest.mark.parametrize("method", ["MAML", "Prototypical"])
def test_predictions_agree_with_the_metric_and_the_loss(method: str) -> None:
    torch.manual_seed(0)
    learner: Any = MAML(MLP(64, 3), MAMLSettings(inner_rate=0.4, test_steps=3)).eval()
    if method == "Prototypical":
        learner = Prototypical(MLP(64, None, hidden=(8,))).eval()
    episode = digits()
    path = list(adapt(learner, episode))
    for task in (0, 3):
        frame = prediction_frame(learner, episode, path, task)
        assert frame["step"].unique().tolist() == list(range(len(path)))
        shown = example_frame(episode, task).query("part == 'query'")
        for adapted in path:
            rows = frame[frame["step"] == adapted.step]
            assert rows["example"].tolist() == shown["example"].tolist()
            assert rows["label"].tolist() == shown["label"].tolist()
            logits = learner.predict(adapted, episode.query.x, episode.query.weight).detach()
            loss = float(episode.loss(logits, episode.query)[task])
            assert -np.log(rows["truth"]).mean() == pytest.approx(loss, rel=1e-4)
            assert (rows["correct"] == (rows["label"] == rows["prediction"])).all()
            assert (rows["confidence"] >= rows["truth"] - 1e-9).all()
            np.testing.assert_array_equal(
                rows["prediction"], logits[task].argmax(-1)[rows["example"].tolist()]
            )
        images = image_frame(episode, learner, path[-1], task)
        last = frame[frame["step"] == path[-1].step]
        asked = images[images["part"] == "query"]
        assert asked["prediction"].tolist() == last["prediction"].tolist()
        np.testing.assert_allclose(asked["confidence"], last["confidence"], rtol=1e-6)


def test_pulls_are_what_the_policy_did() -> None:
    torch.manual_seed(0)
    trial = open_tasks("bandit").sample(3, seed=0, shape=Shape(ways=4, shots=6))
    learner = RL2(Policy(1, 4, hidden=8)).eval()
    path = list(adapt(learner, trial))
    frame = pull_frame(learner, trial, path, task=2)
    assert len(frame) == 6 * 4
    pulled = frame[frame["pulled"]]
    assert pulled["step"].tolist() == pulled["move"].tolist() == [1, 2, 3, 4, 5, 6]
    for adapted, row in zip(path[1:], pulled.itertuples(), strict=True):
        assert row.arm == int(adapted.seen["action"][2])
        assert row.reward == float(adapted.seen["reward"][2])
        assert row.value == pytest.approx(float(adapted.seen["value"][2].detach()))
        assert row.chance == pytest.approx(float(trial.task["means"][2, row.arm]))
    np.testing.assert_allclose(frame.groupby("step")["probability"].sum(), 1.0, rtol=1e-5)
    assert frame["reward"].sum() == sum(float(a.seen["reward"][2]) for a in path[1:])
    with pytest.raises(UserError, match="at least 1 step"):
        pull_frame(learner, trial, path[:1])


def test_moves_among_actions_that_are_no_arms() -> None:
    torch.manual_seed(0)
    trial = open_tasks("mdp").sample(2, seed=0, shape=Shape(ways=3, shots=1))
    learner = RL2(Policy(10, 3, hidden=8)).eval()
    frame = pull_frame(learner, trial, list(adapt(learner, trial)))
    assert len(frame) == 10 * 3
    assert frame["chance"].isna().all()
    plot = arm_pulls(frame)
    assert plot.alt_text.startswith("A trial of 10 moves of 3 actions")
    assert plot.axes[0].get_xlabel() == "move"
    assert plot.axes[0].get_yticklabels()[0].get_text() == "action 1"
    older = frame.drop(columns="move")  # as a trace of an older workbench holds it
    assert arm_pulls(older).alt_text == plot.alt_text


def test_wrong_tasks_are_said() -> None:
    learner = CASES["MAML"].build().double().eval()
    episode = CASES["MAML"].episode()
    path = list(adapt(learner, episode))
    with pytest.raises(UserError, match="use curve_frame for regression"):
        prediction_frame(learner, episode, path)
    with pytest.raises(UserError, match="moves of a control task"):
        pull_frame(learner, episode, path)


@pytest.mark.parametrize("name", ["MAML", "MAML, classes", "Matching", "RL², GRU"])
def test_every_kind_of_a_single_task_follows_the_task(name: str, tmp_path: Any) -> None:
    case = CASES[name]
    tape = Tape.record(case.build().double().eval(), case.episode())
    for kind in KINDS:
        try:
            first = tape.frame(kind)
        except UserError:
            continue
        other = tape.frame(kind, task=2)
        assert other is tape.frame(kind, task=2)
        if KINDS[kind].scope == "episode":
            assert other is first
            continue
        if kind in ("agreement", "signal"):  # which compare the tasks too
            continue
        if kind in ("slots", "usage"):  # the same in every task of Matching Networks
            continue
        assert not other.equals(first), kind
        alone = tape.episode[2:3]
        again = Tape.record(tape.learner, alone).frame(kind)  # type: ignore[arg-type]
        numbers = other.select_dtypes("number").columns
        np.testing.assert_allclose(
            other[numbers].to_numpy("float64", na_value=np.nan),
            again[numbers].to_numpy("float64", na_value=np.nan),
            atol=1e-6,
        )
    with pytest.raises(UserError, match="choose 0 to 2"):
        tape.frame("steps", task=3)


def test_frames_of_other_tasks_are_saved_where_they_are_quick(tmp_path: Any) -> None:
    case = CASES["Matching"]
    tape = Tape.record(case.build().double().eval(), case.episode())
    tape.frame("embedding", task=1)
    loaded = Tape.load(tape.save(tmp_path / "a.metatrace"))
    for kind, task in (("predictions", 2), ("memory", 1), ("embedding", 1), ("embedding", 0)):
        pd.testing.assert_frame_equal(loaded.frame(kind, task), tape.frame(kind, task))
    assert loaded.frame("steps", 2).equals(tape.frame("steps"))
    shown, again = (one.frame("examples", 2).drop(columns="inputs") for one in (tape, loaded))
    pd.testing.assert_frame_equal(shown, again)
    with pytest.raises(UserError, match="saved without its frame 'embedding' of task 2"):
        loaded.frame("embedding", 2)
    assert compute("predictions", tape.learner, tape.episode, tape, 2).equals(  # type: ignore[arg-type]
        tape.frame("predictions", 2)
    )


def test_a_landscape_is_there_at_once_and_can_be_refined() -> None:
    import time

    from workbench.inspection import landscape_frame

    torch.manual_seed(0)
    learner = MAML(MLP(1, 1), MAMLSettings(inner_rate=0.01)).eval()
    episode = open_tasks("sinusoid").sample(2, seed=0, shape=Shape(1, 5, 10))
    tape = Tape.record(learner, episode, steps=5)
    begun = time.process_time()
    coarse = tape.frame("landscape", 1)
    assert time.process_time() - begun < 0.5  # some 0.03 s: all places are tasks of one forward
    fine = landscape_frame(learner, episode, tape, 1, size=21)
    grids = [f[(f["kind"] == "grid") & (f["part"] == "query")] for f in (coarse, fine)]
    assert [len(grid) for grid in grids] == [121, 441]
    both = pd.merge(*(g.round({"x": 4, "y": 4}) for g in grids), on=["x", "y"])
    assert len(both) == 121  # the finer grid has the places of the coarse one
    np.testing.assert_allclose(both["loss_x"], both["loss_y"], rtol=1e-4)


def test_moves_that_are_numbers_are_what_was_drawn_and_around_what() -> None:
    torch.manual_seed(0)
    trial = open_tasks("navigation").sample(2, seed=0, shape=Shape(ways=2, shots=1))
    learner = RL2(Policy(2, 2, hidden=8, numbers=True)).eval()
    path = list(adapt(learner, trial, steps=5))
    frame = pull_frame(learner, trial, path, task=1)
    assert len(frame) == 5 * 2
    for adapted, (move, rows) in zip(path[1:], frame.groupby("move"), strict=True):
        seen = {name: t[1].detach() for name, t in adapted.seen.items()}
        assert rows["step"].unique().tolist() == [move] == [adapted.step]
        assert rows["arm"].tolist() == [0, 1]
        np.testing.assert_allclose(rows["mean"], seen["out"][:2])
        np.testing.assert_allclose(rows["deviation"], seen["out"][2:].exp(), rtol=1e-6)
        np.testing.assert_allclose(rows["action"], seen["action"])
        assert rows["reward"].tolist() == [float(seen["reward"])] * 2
        assert rows["value"].tolist() == [float(seen["value"])] * 2
    plot = arm_pulls(frame)
    assert plot.alt_text.startswith("A trial of 5 moves: total reward −")
    assert [text.get_text() for text in plot.legends[0].get_texts()] == [
        "number 1",
        "number 2",
    ]
    np.testing.assert_allclose(plot.axes[0].get_lines()[0].get_ydata(), frame["mean"][::2])
