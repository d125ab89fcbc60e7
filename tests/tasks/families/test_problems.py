"""Problems of optimization, and tasks some of whose labels are wrong."""

from __future__ import annotations

import pytest
import torch

from workbench.models import MLPSettings
from workbench.tasks import Shape, load_episode, open_tasks, save_episode


def test_a_quadratic_is_the_squared_norm_of_its_equations():
    tasks = open_tasks("quadratics")
    episode, model = tasks.sample(5, seed=0), MLPSettings(hidden=(), bias=False).build((10,), 1)
    assert [p.numel() for p in model.parameters()] == [10]
    w = model.head.weight[0]
    by_hand = (episode.support.x @ w - episode.support.y[..., 0]).square().sum(dim=1)
    prediction = model(episode.support.x.flatten(0, 1)).view(5, 10, 1)
    torch.testing.assert_close(episode.loss(prediction, episode.support), by_hand)
    torch.testing.assert_close(episode.measured(prediction, episode.query), by_hand)
    assert tasks.spec(Shape()).input_shape == (10,)


def test_quadratics_are_normal_and_the_same_however_many_there_are():
    tasks = open_tasks("quadratics")
    many = tasks.sample(500, seed=3)
    x = many.support.x
    assert abs(float(x.mean())) < 0.02
    assert abs(float(x.std()) - 1) < 0.02
    assert torch.equal(tasks.sample(2, seed=3).support.x, x[:2])
    assert not torch.equal(tasks.sample(2, seed=3, split="test").support.x, x[:2])


def test_a_whole_training_on_digits_has_every_class_and_new_images_in_its_query():
    episode = open_tasks("digits:whole").sample(2, seed=0, split="test")
    for task in range(2):
        assert sorted(episode.info["classes"][task].tolist()) == list(range(10))
        shown, asked = (
            set(episode.info[f"{p}_index"][task].tolist()) for p in ("support", "query")
        )
        assert len(shown) == 1000
        assert not shown & asked
    logits = torch.randn(2, 300, 10)
    loss = torch.nn.functional.cross_entropy(logits[0], episode.query.y[0])
    torch.testing.assert_close(episode.measured(logits, episode.query)[0], loss)


@pytest.mark.parametrize(
    "name", ["digits:noisy", "glyphs:noisy", "digits:confused", "glyphs:confused"]
)
def test_four_labels_in_ten_are_wrong_in_the_support_alone(name: str, tmp_path):
    tasks = open_tasks(name)
    shape = Shape(ways=5, shots=10, queries=4)
    episode = tasks.sample(200, seed=0, split="test", shape=shape)
    right = torch.arange(5).repeat_interleave(10)
    wrong = episode.support.y != right
    assert 0.38 < float(wrong.float().mean()) < 0.42
    assert torch.equal(episode.query.y, torch.arange(5).repeat_interleave(4).expand(200, -1))
    given = episode.support.y[wrong]
    if name.endswith("confused"):
        assert torch.equal(given, (right.expand(200, -1)[wrong] + 1) % 5)
    counts = given.bincount(minlength=5).float() / len(given)
    assert (counts - 0.2).abs().max() < 0.03  # every other class as often
    assert torch.equal(tasks.sample(3, seed=0, split="test", shape=shape).support.y,
                       episode.support.y[:3])  # fmt: skip
    again = load_episode(save_episode(tmp_path / "one.episode", episode[:2]))
    assert torch.equal(again.support.y, episode.support.y[:2])
