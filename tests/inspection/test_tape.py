"""The tape: rewound, branched, limited, saved and loaded, bit for bit, for every method."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from tests.algorithms.cases import CASES
from workbench.algorithms import MAML, MAMLSettings, adapt
from workbench.errors import UserError
from workbench.files import read_tensors, save_tensors
from workbench.innerloop import InnerOptimizer
from workbench.inspection import Tape, varied
from workbench.inspection.packing import pack, unpack
from workbench.models import MLP
from workbench.tasks import Shape, open_tasks

QUICK = [name for name in CASES if "Conv4" not in name]


def same(a, b, *parts):
    for part in parts or ("values", "seen"):
        one, other = getattr(a, part), getattr(b, part)
        assert one.keys() == other.keys()
        for name in one:
            assert torch.equal(one[name], other[name]), name
    assert a.step == b.step


@pytest.fixture
def tape():
    torch.manual_seed(0)
    learner = MAML(MLP(1, 1, hidden=(8, 8)), MAMLSettings(inner_rate=0.05)).eval()
    episode = open_tasks("sinusoid").sample(3, seed=1, split="test", shape=Shape(1, 4, 6))
    return Tape.record(learner, episode, steps=5)


@pytest.mark.parametrize("name", QUICK)
def test_every_method_goes_on_from_any_step_to_the_same_bits(name, tmp_path):
    case = CASES[name]
    learner = case.build().double().eval()
    episode = case.episode()
    tape = Tape.record(learner, episode)
    with torch.no_grad():
        for mine, again in zip(tape, adapt(learner, episode), strict=True):
            same(mine, again)
    for step in range(len(tape)):
        for mine, again in zip(tape, tape.branch(step), strict=True):
            same(mine, again)
    loaded = Tape.load(tape.save(tmp_path / "a.metatrace", kinds=["steps"]))
    for mine, again in zip(tape, loaded, strict=True):
        same(mine, again)
    assert loaded.episode.sha256() == episode.sha256()
    middle = loaded.steps // 2
    for mine, again in zip(tape, loaded.branch(middle, learner=learner), strict=True):
        same(mine, again)
    pd.testing.assert_frame_equal(loaded.frame("steps"), tape.frame("steps"))


def test_training_on_changes_nothing_on_the_tape(tape):
    before = {name: t.clone() for name, t in tape[0].values.items()}
    with torch.no_grad():
        for p in tape.learner.parameters():
            p.add_(1.0)
    for name, tensor in tape[0].values.items():
        assert torch.equal(tensor, before[name])
    assert not tape[3].values["weights.head.bias"].requires_grad


def test_a_branch_shares_its_past_and_leaves_its_parent_alone(tape):
    old = list(tape)
    child = tape.branch(2, inner_rate=0.2)
    assert (child.parent, child.branched_at, child.steps) == (tape, 2, 5)
    assert all(mine is theirs for mine, theirs in zip(child[:3], tape[:3], strict=True))
    expected = list(
        adapt(varied(tape.learner, inner_rate=0.2), tape.episode, steps=5, start=tape[2])
    )
    for mine, again in zip(child[3:], expected[1:], strict=True):
        same(mine, again.detach(), "values")
    assert not torch.equal(
        child[3].values["weights.head.bias"], tape[3].values["weights.head.bias"]
    )
    assert all(a is b for a, b in zip(tape, old, strict=True))
    assert tape.learner.settings.inner_rate == 0.05
    assert tape.branch(5, steps=7).steps == 7


def test_a_branch_with_another_optimizer_starts_it_afresh(tape):
    adam = tape.branch(2, optimizer=InnerOptimizer("adam"))
    assert "optimizer.exp_avg.head.bias" in adam[3].values
    back = adam.branch(4, optimizer=InnerOptimizer(), inner_rate=0.05)
    assert not any(name.startswith("optimizer.") for name in back[4].values)
    step = tape.learner.step(
        dataclasses.replace(back[4], seen={}), tape.episode
    )  # a plain step from there
    same(back[5], step, "values")


def test_a_branch_with_an_edited_support(tape):
    y = tape.episode.support.y.clone()
    y[1, 0] += 2.0
    edited = tape.episode.with_tensors(tape.episode.tensors() | {"support.y": y})
    child = tape.branch(1, episode=edited)
    name = "weights.head.bias"
    assert torch.equal(child[3].values[name][[0, 2]], tape[3].values[name][[0, 2]])
    assert not torch.equal(child[3].values[name][1], tape[3].values[name][1])
    assert child.episode is edited
    with pytest.raises(UserError, match="keep the number of tasks"):
        tape.branch(1, episode=edited[:2])


def test_an_edited_support_reaches_methods_that_keep_its_features():
    case = CASES["Fine-tuning, linear"]
    learner, episode = case.build().double().eval(), case.episode()
    tape = Tape.record(learner, episode)
    x = episode.support.x.clone()
    x[0, 0] += 1.0
    edited = episode.with_tensors(episode.tensors() | {"support.x": x})
    whole = Tape.record(learner, edited)
    same(tape.branch(0, episode=edited)[-1], whole[-1])
    assert not torch.equal(
        tape.branch(2, episode=edited)[-1].values["weights.head"], tape[-1].values["weights.head"]
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inner_rat": 1.0}, "did you mean 'inner_rate'"),
        ({"inner_rate": -1.0}, "cannot be negative"),
        ({"rates": "layer"}, "no setting 'rates' to change"),
    ],
)
def test_what_cannot_change_is_refused(tape, settings, message):
    with pytest.raises(UserError, match=message):
        tape.branch(1, **settings)


def test_mistakes_are_sentences(tape, tmp_path):
    with pytest.raises(UserError, match="choose 0 to 5"):
        tape.branch(6)
    with pytest.raises(UserError, match="did you mean 'flow'"):
        tape.frame("flwo")
    with pytest.raises(UserError, match="end it in .metatrace"):
        tape.save(tmp_path / "a.txt")
    with pytest.raises(UserError, match="shows classes of images"):
        tape.save(tmp_path / "a.metatrace", kinds=["images"])
    learned = CASES["MAML, rates per layer"].build()
    with pytest.raises(UserError, match="learned its inner rates"):
        varied(learned, inner_rate=1.0)


def test_over_its_budget_a_tape_lets_gradients_go_but_no_value(tape):
    small = Tape.record(tape.learner, tape.episode, steps=5, budget=tape.nbytes // 2)
    assert tape.limited == ""
    assert "let go the gradients" in small.limited
    assert small.nbytes < tape.nbytes
    for mine, again in zip(small, tape, strict=True):
        same(mine, again, "values")
    kept = [any(n.startswith("gradient.") for n in value.seen) for value in small]
    assert kept == [False, False, False, False, False, True]
    assert all("loss" in value.seen for value in small[1:])
    pd.testing.assert_frame_equal(small.frame("norms"), tape.frame("norms"))  # computed anew
    tiny = Tape.record(tape.learner, tape.episode, steps=5, budget=10)
    assert "the values alone take" in tiny.limited


def test_what_values_share_counts_once(tape):
    weights = sum(p.numel() for p in tape.learner.model.parameters())
    largest = 4 * weights * (1 + 3 * 5 + 3 * 5) + 4 * 3 * 5  # theta once; values, gradients, loss
    assert tape.nbytes == largest


def test_a_tape_is_shown_without_its_learner(tape, tmp_path):
    path = tape.save(tmp_path / "deep" / "a.metatrace")
    loaded = Tape.load(path)
    assert loaded.learner is None
    assert loaded.learner_name == "MAML"
    assert loaded.about["settings"]["inner_rate"] == 0.05
    assert set(loaded.frames) >= {"steps", "curves", "norms", "flow", "anatomy"}
    for kind, frame in loaded.frames.items():
        pd.testing.assert_frame_equal(frame, tape.frame(kind))
    with pytest.raises(UserError, match="shows classes of images"):
        loaded.frame("images")
    assert {"memory", "slots", "usage"} <= set(loaded.about["lacks"])
    assert not {"norms", "anatomy", "curves"} & set(loaded.about["lacks"])
    with pytest.raises(UserError, match="has no learner: give one"):
        loaded.branch(1)
    with pytest.raises(UserError, match="has no learner"):
        loaded.extend(9)
    again = Tape.load(loaded.save(tmp_path / "b.metatrace"))  # nothing is lost on the way
    assert set(again.frames) == set(loaded.frames)
    assert again.learner_name == "MAML"


def test_images_come_back_from_the_file(tmp_path):
    case = CASES["MAML, Conv4"]
    tape = Tape.record(case.build().double().eval(), case.episode())
    loaded = Tape.load(tape.save(tmp_path / "a.metatrace", kinds=["images", "steps"]))
    mine, again = tape.frame("images"), loaded.frame("images")
    pd.testing.assert_frame_equal(mine.drop(columns="image"), again.drop(columns="image"))
    for one, other in zip(mine["image"], again["image"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_damaged_and_newer_tapes_are_refused(tape, tmp_path):
    path = tape.save(tmp_path / "a.metatrace", kinds=["steps"])
    whole = path.read_bytes()
    tensors, header = read_tensors(path, kind="metatrace", schema=1)
    for content in (whole[:-5], whole[: len(whole) // 3], whole[:100], b"", b"PK\x03\x04" * 50):
        path.write_bytes(content)
        with pytest.raises(UserError, match="damaged or no metatrace"):
            Tape.load(path)
    save_tensors(path, tensors, header | {"schema": 2}, kind="metatrace")
    with pytest.raises(UserError, match="newer workbench"):
        Tape.load(path)
    for lost in ("episode", "steps", "frames"):
        save_tensors(
            path, tensors, {k: v for k, v in header.items() if k != lost}, kind="metatrace"
        )
        with pytest.raises(UserError, match="damaged or no metatrace"):
            Tape.load(path)
    with pytest.raises(UserError, match="there is no file"):
        Tape.load(tmp_path / "none.metatrace")


def test_frames_are_packed_without_loss():
    frame = pd.DataFrame(
        {
            "step": pd.array([0, None, 2], dtype="Int64"),
            "whole": pd.array([1, 2, 3], dtype="Int64"),
            "layer": ["a", "b", "a"],
            "name": ["x", None, "é"],
            "value": [0.1, np.nan, np.inf],
            "flag": [True, False, True],
            "image": [np.ones((2, 2)) * k for k in range(3)],
        }
    )
    again = unpack(*pack(frame))
    pd.testing.assert_frame_equal(again.drop(columns="image"), frame.drop(columns="image"))
    np.testing.assert_array_equal(np.stack(again["image"]), np.stack(frame["image"]))
    empty = frame.iloc[:0]
    assert unpack(*pack(empty)).columns.tolist() == frame.columns.tolist()
