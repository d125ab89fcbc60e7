"""MetaNet against a plain loop over examples, and a measurement that its fast weights matter."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms import Adapted, MetaNet, MetaNetSettings, adapt, last
from workbench.algorithms.memory.metanet import _preprocess
from workbench.errors import UserError
from workbench.models import MLPSettings
from workbench.randomness import fold, normal
from workbench.tasks import Episode, Examples, Shape, open_tasks


def episode() -> Episode:
    """One task of three classes, two shots, in four dimensions."""
    seed = torch.tensor([3])
    y = torch.tensor([[0, 1, 2, 2, 1, 0]])
    support = Examples(normal(fold(seed, 0), (6, 4), torch.float64), y)
    query = Examples(normal(fold(seed, 1), (5, 4), torch.float64), y[:, :5])
    return Episode(support, query, seed, ways=3)


def build() -> MetaNet:
    torch.manual_seed(0)
    settings = MetaNetSettings(hidden=6, generator=4, sampled=6)
    learner = MetaNet(nn.Sequential(nn.Linear(4, 5), nn.Tanh()), 5, 3, settings).double()
    for name in ("write.2", "emit"):  # weights large enough to be seen
        nn.init.normal_(learner.get_submodule(name).weight, std=0.5)
    return learner


def flat(layer: nn.Linear) -> Tensor:
    return torch.cat([layer.weight, layer.bias.unsqueeze(1)], dim=1)


def one(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones(1, dtype=x.dtype)])


def test_the_memory_equals_a_loop_over_examples() -> None:
    learner, task = build(), episode()
    values = last(adapt(learner, task)).values
    features, labels = learner.trunk(task.support.x[0]), task.support.y[0]
    for i, (v, y) in enumerate(zip(features, labels, strict=True)):
        logits = learner.layer2(F.relu(learner.layer1(v)))
        loss = F.cross_entropy(logits, y)
        for name in ("layer1", "layer2"):
            layer = getattr(learner, name)
            weight, bias = torch.autograd.grad(loss, [layer.weight, layer.bias], retain_graph=True)
            gradient = torch.cat([weight, bias.unsqueeze(1)], dim=1)
            z = _preprocess(gradient)
            expected = learner.write(z).squeeze(-1) - learner.descent * z[..., 1]
            torch.testing.assert_close(values[f"fast.{name}"][0, i], expected)
        fast = values["fast.embedding"][0]
        key = F.relu(learner.embedding(v)) + F.relu(fast @ one(v))
        torch.testing.assert_close(values["keys"][0, i], key)


def test_the_embeddings_fast_weights_equal_a_loop() -> None:
    learner, task = build(), episode()
    path = list(adapt(learner, task))
    assert [
        sorted(set(b.values) - set(a.values)) for a, b in zip(path, path[1:], strict=False)
    ] == [
        ["fast.embedding", "features"],
        ["fast.layer1", "fast.layer2", "keys", "present"],
    ]
    features, labels = learner.trunk(task.support.x[0]), task.support.y[0]
    weights = [flat(learner.embedding).detach().requires_grad_() for _ in features]
    embedded = torch.stack([F.relu(w @ one(v)) for w, v in zip(weights, features, strict=True)])
    total = torch.zeros((), dtype=torch.float64)
    for i in range(6):
        for j in range(6):
            if i != j:
                sign = -1 if labels[i] == labels[j] else 1
                total = total + sign * F.cosine_similarity(embedded[i], embedded[j], dim=0) / 5
    torch.testing.assert_close(path[1].seen["representation_loss"][0], total / 6)
    gradients = torch.autograd.grad(total, weights)
    # The LSTM's result depends on the order drawn for the examples: one of all orders fits.
    from itertools import permutations

    found = path[1].values["fast.embedding"][0, 2, 3]
    results = []
    for order in permutations(range(6)):
        h = c = torch.zeros(4, dtype=torch.float64)
        for i in order:
            h, c = learner.recur(_preprocess(gradients[i][2, 3]), (h, c))
        results.append(learner.emit(h))
    assert (torch.cat(results) - found).abs().min() < 1e-12


def test_predictions_equal_weights_read_and_then_used() -> None:
    """The reader multiplies before it averages; averaging the weights first gives the same."""
    learner, task = build(), episode()
    adapted = last(adapt(learner, task))
    values, x = adapted.values, task.query.x
    attention = learner.read(adapted, x)
    torch.testing.assert_close(attention.sum(dim=-1), torch.ones(1, 5, dtype=torch.float64))
    logits = learner.predict(adapted, x)
    for q, v in enumerate(learner.trunk(x[0])):
        fast1, fast2 = (
            torch.einsum("i,iab->ab", attention[0, q], values[f"fast.{name}"][0])
            for name in ("layer1", "layer2")
        )
        hidden = F.relu(learner.layer1(v)) + F.relu(fast1 @ one(v))
        torch.testing.assert_close(logits[0, q], learner.layer2(hidden) + fast2 @ one(hidden))


def test_preprocessing_is_continuous_and_differentiable_at_zero() -> None:
    edge = math.exp(-7)
    g = torch.tensor([edge * 0.999999, edge * 1.000001, -edge, 0.0, 1.0], dtype=torch.float64)
    z = _preprocess(g.requires_grad_())
    torch.testing.assert_close(z[0], z[1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(z[3:], torch.tensor([[-1.0, 0.0], [0.0, 1.0]]).double())
    (slopes,) = torch.autograd.grad(z.sum(), g)
    assert slopes.isfinite().all()


def test_an_empty_memory_knows_nothing() -> None:
    learner, task = build(), episode()
    for adapted in list(adapt(learner, task))[:2]:
        assert (learner.predict(adapted, task.query.x) == 0).all()


def test_refusals() -> None:
    with pytest.raises(UserError, match="sampled is 1"):
        MetaNetSettings(sampled=1)
    with pytest.raises(UserError, match="built for 4 ways and the tasks have 3"):
        MetaNet(nn.Linear(4, 5), 5, 4).begin(episode())
    task = episode()
    with pytest.raises(UserError, match="in 2 steps and was asked for step 3"):
        list(adapt(MetaNet(nn.Linear(4, 5), 5, 3).double(), task, steps=3))


def test_it_needs_its_fast_weights() -> None:
    """Trained on digits, then each part of the memory zeroed: what is left is chance.

    Paired over tasks, the whole interval of the loss in accuracy lies below zero.
    """
    torch.manual_seed(0)
    tasks, shape = open_tasks("digits"), Shape(ways=2, shots=1, queries=5)
    settings = MetaNetSettings(hidden=16, generator=8)
    learner = settings.build(MLPSettings(hidden=(64, 32), norm=True), tasks.spec(shape))
    optimizer = torch.optim.Adam(learner.parameters(), 3e-3)
    for seed in range(120):
        optimizer.zero_grad()
        learner(tasks.sample(8, seed=100 + seed, shape=shape)).mean().backward()
        optimizer.step()
    learner.eval()
    test = tasks.sample(200, seed=1, shape=shape)
    with torch.no_grad():
        adapted = last(adapt(learner, test))
        zeroed = {
            n: torch.zeros_like(t) if n in ("fast.layer1", "fast.layer2") else t
            for n, t in adapted.values.items()
        }
        whole, without = (
            test.measured(learner.predict(a, test.query.x), test.query)
            for a in (adapted, Adapted(zeroed, {}, adapted.step))
        )
    lost = without - whole
    assert whole.mean() > 0.8
    assert abs(without.mean() - 0.5) < 0.1
    assert lost.mean() + 1.96 * lost.std() / math.sqrt(len(lost)) < 0
