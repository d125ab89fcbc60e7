"""Prototypical Networks against numbers worked by hand and a loop over classes and queries."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from workbench.algorithms import Matching, Prototypical, PrototypicalSettings, adapt, last
from workbench.errors import UserError
from workbench.models import MLPSettings
from workbench.randomness import fold, normal
from workbench.tasks import Episode, Examples, Shape, TaskSpec, open_tasks
from workbench.training import evaluate


def episode(weight: Tensor | None = None) -> Episode:
    """Two tasks of three classes, two shots, in four dimensions."""
    seed = torch.tensor([3, 4])
    y = torch.tensor([[0, 1, 2, 2, 1, 0], [2, 2, 1, 0, 0, 1]])
    support = Examples(normal(fold(seed, 0), (6, 4), torch.float64), y, weight)
    query = Examples(normal(fold(seed, 1), (5, 4), torch.float64), y[:, :5])
    return Episode(support, query, seed, ways=3)


def test_one_dimension_by_hand() -> None:
    support = Examples(torch.tensor([[[0.0], [2.0], [4.0]]]), torch.tensor([[0, 0, 1]]))
    learner = Prototypical(nn.Identity())
    learner.embedding.register_parameter("unused", nn.Parameter(torch.zeros(())))
    adapted = last(adapt(learner, Episode(support, None, torch.tensor([0]), ways=2)))
    assert adapted.values["prototypes"].flatten().tolist() == [1.0, 4.0]
    assert adapted.values["count"].tolist() == [[2.0, 1.0]]
    # -(2-1)^2 and -(2-4)^2
    assert learner.predict(adapted, torch.tensor([[[2.0]]])).flatten().tolist() == [-1.0, -4.0]


@pytest.mark.parametrize("distance", ["euclidean", "dot"])
def test_equals_a_loop(distance: str) -> None:
    torch.manual_seed(0)
    embedding = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 5)).double()
    settings = PrototypicalSettings(distance=distance, temperature=0.7)
    learner, tasks = Prototypical(embedding, settings), episode()
    found = learner.predict(last(adapt(learner, tasks)), tasks.query.x).softmax(dim=-1)
    for task in range(2):
        z, y = embedding(tasks.support.x[task]), tasks.support.y[task]
        centres = [z[y == k].mean(dim=0) for k in range(3)]
        for i, q in enumerate(embedding(tasks.query.x[task])):
            scores = [q @ c if distance == "dot" else -((q - c) ** 2).sum() for c in centres]
            terms = (torch.stack(scores) / 0.7).exp()
            torch.testing.assert_close(found[task, i], terms / terms.sum())


def test_a_class_that_only_pads_is_never_predicted() -> None:
    weight = torch.ones(2, 6, dtype=torch.float64)
    weight[0, 2:4] = 0  # the first task has no class 2
    learner = Prototypical(nn.Linear(4, 5).double())
    tasks = episode(weight)
    chances = learner.predict(last(adapt(learner, tasks)), tasks.query.x).softmax(dim=-1)
    assert (chances[0, :, 2] == 0).all()
    assert (chances[1] > 0).all()


def test_an_empty_memory_knows_nothing() -> None:
    learner, tasks = Prototypical(nn.Linear(4, 5).double()), episode()
    assert (learner.predict(learner.begin(tasks), tasks.query.x) == 0).all()


@pytest.mark.parametrize("method", [Prototypical, Matching])
def test_an_embedding_without_parameters_works(method: type) -> None:
    """The nearest mean, or neighbour, of the pixels themselves."""
    learner, tasks = method(nn.Flatten()), open_tasks("digits")
    double = tasks.sample(2, seed=0).to(dtype=torch.float64)
    adapted = last(adapt(learner, double))
    assert learner.predict(adapted, double.query.x).dtype == torch.float64
    assert evaluate(learner, tasks, Shape(2, 5, 5), episodes=50).mean > 0.8
    with torch.no_grad():
        prediction = learner.predict(learner.begin(double), double.query.x)
    assert prediction.dtype == torch.float64


def test_refusals() -> None:
    with pytest.raises(UserError, match="did you mean 'euclidean'"):
        PrototypicalSettings(distance="euclidian")
    with pytest.raises(UserError, match="temperature is 0"):
        PrototypicalSettings(temperature=0)
    with pytest.raises(UserError, match="regression"):
        PrototypicalSettings().build(MLPSettings(), TaskSpec("regression", (1,), 1))
    with pytest.raises(UserError, match="memory of classes"):
        learner = Prototypical(nn.Linear(1, 2))
        learner.begin(open_tasks("sinusoid").sample(1, seed=0))


def test_learns_to_tell_digits() -> None:
    torch.manual_seed(0)
    tasks, shape = open_tasks("digits"), Shape(ways=2, shots=1, queries=5)
    learner = PrototypicalSettings().build(MLPSettings(hidden=(64, 32)), tasks.spec(shape))
    fixed = tasks.sample(100, seed=1, shape=shape)
    optimizer = torch.optim.Adam(learner.parameters(), 3e-3)
    before = learner(fixed).mean().item()
    for seed in range(60):
        optimizer.zero_grad()
        learner(tasks.sample(8, seed=100 + seed, shape=shape)).mean().backward()
        optimizer.step()
    assert learner(fixed).mean().item() < 0.6 * before
