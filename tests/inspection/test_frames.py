"""Frames say what was computed: every number against the tensors it came from."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from tests.algorithms.strides import Strides
from workbench.algorithms import MAML, MAMLSettings, adapt
from workbench.errors import UserError
from workbench.figures import (
    adapted_curves,
    comparison,
    episode_grid,
    learning_curves,
    loss_by_step,
)
from workbench.inspection import (
    comparison_frame,
    curve_frame,
    evaluation_frame,
    image_frame,
    metrics_frame,
    stacked,
    step_frame,
)
from workbench.models import MLP, Conv4Settings
from workbench.tasks import Episode, Examples, Shape, open_tasks
from workbench.tasks.families.recurring import Recurring
from workbench.training import evaluate, preset


@pytest.fixture(scope="module")
def regression():
    torch.manual_seed(0)
    learner = MAML(MLP(1, 1), MAMLSettings(inner_rate=0.01)).eval()
    shape = Shape(ways=1, shots=5, queries=7)
    episode = open_tasks("sinusoid").sample(4, seed=1, split="test", shape=shape)
    return learner, episode, list(adapt(learner, episode, steps=2))


@pytest.fixture(scope="module")
def images():
    torch.manual_seed(0)
    tasks, shape = open_tasks("digits"), Shape(ways=2, shots=(1, 3), queries=4)
    model = Conv4Settings(filters=4, pooling="stride").build(tasks.spec(shape).input_shape, 2)
    learner = MAML(model, MAMLSettings(inner_rate=0.4)).eval()
    episode = tasks.sample(6, seed=2, split="test", shape=shape)
    return learner, episode, list(adapt(learner, episode, steps=1))


def test_curves_hold_the_task_and_every_step(regression):
    learner, episode, path = regression
    frame = curve_frame(learner, episode, path, task=2, points=21)
    support = frame[frame["kind"] == "support"]
    np.testing.assert_allclose(support["x"], episode.support.x[2, :, 0])
    np.testing.assert_allclose(support["y"], episode.support.y[2, :, 0])
    truth = frame[frame["kind"] == "truth"]
    amplitude, phase = (float(episode.info[name][2]) for name in ("amplitude", "phase"))
    np.testing.assert_allclose(truth["y"], amplitude * np.sin(truth["x"] - phase), atol=1e-5)
    assert frame["step"].dropna().unique().tolist() == [0, 1, 2]
    whole = torch.linspace(-5, 5, 21).view(1, -1, 1).expand(4, -1, -1)
    for adapted in path:
        drawn = frame[frame["step"] == adapted.step]
        expected = learner.predict(adapted, whole)[2, :, 0].detach()
        np.testing.assert_allclose(drawn["y"], expected, atol=1e-5)
    assert adapted_curves(frame).alt_text.startswith("A regression task with 5 support points")


@pytest.mark.parametrize("below", ["sinusoid", "harmonics"])
def test_curves_that_come_back_have_their_truth(below: str):
    tasks = Recurring(open_tasks(below))
    episode, learner = tasks.sample(3, seed=0), MAML(MLP(1, 1))
    frame = curve_frame(learner, episode, list(adapt(learner, episode)), task=1, points=11)
    truth = frame[frame["kind"] == "truth"]
    expected = tasks.curve(episode, torch.linspace(-5, 5, 11))[1, :, 0]
    np.testing.assert_allclose(truth["y"], expected, rtol=1e-6)


def test_curves_of_a_users_own_tasks_have_no_truth_and_no_padding(regression):
    learner, episode, path = regression
    weight = torch.ones(4, 5)
    weight[:, 3:] = 0
    own = Episode(
        Examples(episode.support.x, episode.support.y, weight), episode.query, episode.seed
    )
    frame = curve_frame(learner, own, path)
    assert set(frame["kind"]) == {"support", "query", "prediction"}
    assert (frame["kind"] == "support").sum() == 3


def test_steps_agree_with_the_metric(regression):
    learner, episode, path = regression
    frame = step_frame(learner, episode, path)
    assert frame.columns.tolist() == ["task", "step", "part", "loss", "mse"]
    assert len(frame) == 4 * 3 * 2
    for adapted in path:
        expected = episode.measured(learner.predict(adapted, episode.query.x), episode.query)
        rows = frame[(frame["step"] == adapted.step) & (frame["part"] == "query")]
        np.testing.assert_allclose(rows["mse"], expected.detach(), rtol=1e-6)
    loss_by_step(frame)


def test_frames_build_no_graph_and_keep_the_mode(regression):
    learner, episode, path = regression
    learner.train()
    step_frame(learner, episode, path)
    assert learner.training
    learner.eval()
    assert torch.is_grad_enabled()


def test_images_hold_what_was_predicted(images):
    learner, episode, path = images
    for task in range(6):
        frame = image_frame(episode, learner, path[-1], task=task)
        shown = int(episode.support.weight[task].sum())
        support, query = (frame[frame["part"] == part] for part in ("support", "query"))
        assert len(support) == shown
        assert support["prediction"].isna().all()
        assert query["shot"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
        logits = learner.predict(path[-1], episode.query.x, episode.query.weight)[task]
        assert query["prediction"].tolist() == logits.argmax(-1).tolist()
        confidence = logits.softmax(-1).max(-1).values.detach()
        np.testing.assert_allclose(query["confidence"], confidence, rtol=1e-4)
        np.testing.assert_allclose(query["image"].iloc[3], episode.query.x[task, 3, 0])
        names = [episode.info["class_names"][k] for k in episode.info["classes"][task].tolist()]
        assert query["name"].tolist() == [name for name in names for _ in range(4)]
    episode_grid(frame)


def test_images_of_colour_are_channels_last_and_stretched():
    x = torch.randn(1, 2, 3, 5, 6)
    examples = Examples(x, torch.tensor([[0, 1]]))
    frame = image_frame(Episode(examples, None, torch.tensor([1]), ways=2))
    assert frame["image"].iloc[0].shape == (5, 6, 3)
    assert frame["image"].iloc[0].min() == 0
    assert frame["image"].iloc[0].max() == 1
    assert frame["name"].tolist() == ["class 1", "class 2"]


def test_the_wrong_kind_of_task_is_refused(regression, images):
    with pytest.raises(UserError, match="use curve_frame"):
        image_frame(regression[1])
    with pytest.raises(UserError, match="use image_frame"):
        curve_frame(*images)
    with pytest.raises(UserError, match="task is 9 but the episode has 4: choose 0 to 3"):
        curve_frame(*regression, task=9)
    with pytest.raises(UserError, match="path is empty"):
        step_frame(regression[0], regression[1], [])


def test_control_counts_the_reward():
    experiment = preset("bandit-rl2")
    learner, tasks = experiment.build()
    episode = tasks.sample(3, seed=0, shape=experiment.test)
    path = list(adapt(learner.eval(), episode))
    frame = step_frame(learner, episode, path)
    total = sum(a.seen["reward"] for a in path if a.step)
    last = frame[frame["step"] == path[-1].step]
    np.testing.assert_allclose(last["reward"], total)
    axes = loss_by_step(frame, measure="reward").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("move", "total reward")
    strides = Strides(learner.policy).eval()
    other = step_frame(strides, episode, list(adapt(strides, episode)))
    assert other["move"].tolist() == frame["move"].tolist() == frame["step"].tolist()
    assert other["step"].tolist() == [(move + 1) // 2 for move in frame["step"]]
    np.testing.assert_allclose(other["reward"], frame["reward"])
    by_hand = loss_by_step(other, measure="reward").alt_text
    assert by_hand == loss_by_step(frame, measure="reward").alt_text
    assert "over moves 0 to 10" in by_hand


def test_evaluations_of_trials_are_by_move():
    experiment = preset("bandit-rl2")
    learner, tasks = experiment.build()
    result = evaluate(learner, tasks, experiment.test, episodes=3)
    frame = evaluation_frame({"RL²": result})
    assert frame["move"].tolist() == [*range(11)] * 3
    assert "step" not in frame
    assert loss_by_step(frame, measure="reward").axes[0].get_xlabel() == "move"
    np.testing.assert_allclose(comparison_frame({"RL²": result})["value"], result.per_task)


def test_evaluations_become_frames_that_compare(regression):
    learner = regression[0]
    tasks, shape = open_tasks("sinusoid"), Shape(ways=1, shots=5, queries=7)
    results = [evaluate(learner, tasks, shape, episodes=12, steps=k) for k in (1, 2)]
    steps = evaluation_frame({"one": results[0], "two": [results[1]]})
    assert len(steps) == 12 * 2 + 12 * 3
    loss_by_step(steps, measure="mse")
    frame = comparison_frame({"one": results[0], "two": results[1]})
    for name, result in zip(("one", "two"), results, strict=True):
        rows = frame[frame["method"] == name]
        np.testing.assert_allclose(rows["value"], result.per_task)
        assert rows["task"].tolist() == list(range(12))
    comparison(frame)
    other = evaluate(learner, tasks, shape, episodes=12, seed=5)
    with pytest.raises(UserError, match="'b' was evaluated on other tasks than 'a'"):
        comparison_frame({"a": results[0], "b": other})
    with pytest.raises(UserError, match="nothing to compare"):
        comparison_frame({})


ROWS = [
    {"iteration": 10, "split": "train", "loss": 2.0, "rate": 0.1, "seconds": 1.5},
    {"iteration": 10, "split": "validation", "mse": 1.0, "ci95": 0.25, "best": True},
    {"iteration": 20, "split": "validation", "mse": None, "ci95": None, "best": False},
]


def test_metrics_are_read_from_a_run(tmp_path):
    content = "".join(json.dumps(row) + "\n" for row in ROWS) + '{"iteration": 3'
    (tmp_path / "metrics.jsonl").write_text(content)
    frame = metrics_frame(tmp_path)
    pd.testing.assert_frame_equal(frame, metrics_frame(ROWS))
    pd.testing.assert_frame_equal(frame, metrics_frame(str(tmp_path / "metrics.jsonl")))
    assert frame["metric"].tolist() == ["mse"] * 3
    assert frame["low"].tolist()[1] == 0.75
    assert np.isnan(frame["value"].iloc[2])
    learning_curves(stacked({0: frame, 1: frame}, "seed"))


def test_metrics_that_cannot_be_read_say_so(tmp_path):
    with pytest.raises(UserError, match="cannot read .*metrics.jsonl"):
        metrics_frame(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("{\n{}\n")
    with pytest.raises(UserError, match="no JSON in line 1"):
        metrics_frame(tmp_path)
    with pytest.raises(UserError, match="nothing has been measured yet"):
        metrics_frame([])
