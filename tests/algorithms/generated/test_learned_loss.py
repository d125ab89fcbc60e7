"""The learned loss: what it is of examples, of a task, and beside the true one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from workbench.algorithms import MAML, ML3, MAMLSettings, ML3Settings, adapt
from workbench.errors import UserError
from workbench.figures import draw
from workbench.innerloop import weights_of
from workbench.inspection import compute, inspections_of
from workbench.models import MLP
from workbench.tasks import Examples, Shape, open_tasks
from workbench.training import preset

CLASSES = ML3Settings(inner_rate=0.1, train_steps=2, context=3, added=True, hidden=(8,))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def of_classes(settings: ML3Settings = CLASSES, *, trained: bool = True) -> ML3:
    learner = ML3(MLP(64, 4, hidden=(8,)), settings, "classification", 4)
    if trained:
        torch.nn.init.normal_(learner.loss.head.weight)
    return learner


def digits(tasks: int = 3):
    return open_tasks("digits:noisy").sample(tasks, seed=0, shape=Shape(ways=4, shots=3, queries=2))


def test_before_training_the_added_loss_is_the_tasks_own():
    own, episode = of_classes(replace(CLASSES, start="learned"), trained=False), digits()
    plain = MAML(own.model, MAMLSettings(inner_rate=0.1, train_steps=2))
    for found, expected in zip(adapt(own, episode), adapt(plain, episode), strict=True):
        for name, value in weights_of(expected.values).items():
            torch.testing.assert_close(found.values[f"weights.{name}"], value)


def test_the_order_of_classes_and_of_examples_does_not_matter():
    learner, episode = of_classes(), digits()
    prediction, support = torch.randn(3, 12, 4), episode.support
    order, rows = torch.randperm(4), torch.randperm(12)
    renamed = Examples(support.x, order.argsort()[support.y])
    turned = Examples(support.x[:, rows], support.y[:, rows])

    def loss(values, examples):
        return learner.learned(values, examples, learner.context(values, examples), episode)

    expected = loss(prediction, support)
    torch.testing.assert_close(loss(prediction[..., order], renamed), expected)
    torch.testing.assert_close(loss(prediction[:, rows], turned), expected[:, rows])


def test_which_class_follows_which_matters_where_they_are_seen_in_order():
    learner, episode = of_classes(replace(CLASSES, classes="in order")), digits()
    prediction, support = torch.randn(3, 12, 4), episode.support

    def loss(values, y):
        examples = Examples(support.x, y)
        return learner.learned(values, examples, learner.context(values, examples), episode)

    expected = loss(prediction, support.y)
    further = loss(prediction.roll(1, dims=-1), (support.y + 1) % 4)
    torch.testing.assert_close(further, expected)
    others = torch.tensor([0, 2, 1, 3])
    assert not torch.allclose(loss(prediction[..., others], others[support.y]), expected)


def test_it_is_conditioned_on_the_tasks_data_where_it_is_to_be():
    episode = digits()
    for context, alike in ((0, True), (3, False)):
        learner = of_classes(replace(CLASSES, context=context))
        prediction, support = torch.randn(3, 12, 4), episode.support
        other = prediction.clone()
        other[:, 1:] += torch.randn(3, 11, 4)
        first, second = (
            learner.learned(prediction, support, learner.context(values, support), episode)[:, 0]
            for values in (prediction, other)
        )
        assert torch.allclose(first, second) == alike


def test_what_only_pads_takes_no_part():
    learner, episode = of_classes(), digits()
    prediction, support = torch.randn(3, 12, 4), episode.support
    weight = torch.ones(3, 12)
    weight[:, -2:] = 0
    cut = Examples(support.x[:, :10], support.y[:, :10])
    padded = Examples(support.x, support.y.masked_fill(weight == 0, -7), weight)
    torch.testing.assert_close(
        learner.context(prediction, padded), learner.context(prediction[:, :10], cut)
    )


def test_of_numbers_it_grows_by_the_square_as_errors_and_targets_grow():
    learner, episode = ML3(MLP(1, 1)), open_tasks("sinusoid").sample(2, seed=0)
    prediction, y = torch.randn(2, 10, 1), episode.support.y

    def loss(by: float):
        examples = Examples(episode.support.x, by * y)
        context = learner.context(by * prediction, examples)
        return learner.learned(by * prediction, examples, context, episode)

    torch.testing.assert_close(loss(3.0), 9 * loss(1.0))
    assert loss(1.0).min() >= 0


def test_a_first_order_step_is_refused_since_nothing_would_be_learned():
    with pytest.raises(UserError, match="leave it 'second'"):
        ML3Settings(order="first")


def test_classes_in_order_need_their_number():
    with pytest.raises(UserError, match="say how many outputs the model has"):
        ML3(MLP(64, 4), replace(CLASSES, classes="in order"), "classification")


@pytest.mark.parametrize("name", ["sinusoid-ml3", "digits-ml3", "confused-ml3"])
def test_its_shape_is_shown_beside_the_tasks_own_loss(name):
    experiment = preset(name)
    learner, tasks = experiment.build()
    episode = tasks.sample(2, seed=0, shape=experiment.test)
    learner.eval()
    with torch.no_grad():
        path = list(adapt(learner, episode, steps=1))
    assert "loss-shape" in inspections_of(learner)
    frame = compute("loss-shape", learner, episode, path, 1)
    assert set(frame["task"]) == {1}
    assert {"learned", "true"} <= {*frame}
    if name.startswith("sinusoid"):
        middle = frame[frame["target"].str.startswith("middle")]
        best = middle.loc[middle["true"].idxmin(), "prediction"]
        assert best == pytest.approx(float(middle["prediction"].mean()), abs=0.3)
    else:  # before training both are the same
        torch.testing.assert_close(
            torch.tensor(frame["learned"].to_numpy()), torch.tensor(frame["true"].to_numpy())
        )
    assert "lowest at" in draw("loss-shape", frame).alt_text
