"""Attention-based meta-learning against a loop, and each of its parts exchanged."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workbench.algorithms import (
    AttentionLearner,
    AttentionSettings,
    Evolution,
    KnowledgeBase,
    adapt,
    last,
)
from workbench.algorithms.memory import attention as attend
from workbench.errors import UserError
from workbench.models import MLPSettings
from workbench.randomness import fold, normal
from workbench.tasks import Episode, Examples, Shape, open_tasks


def episode(tasks: int = 2) -> Episode:
    seed = torch.arange(tasks) + 3
    y = torch.tensor([[0, 1, 2, 2, 1, 0]]).expand(tasks, -1)
    support = Examples(normal(fold(seed, 0), (6, 4), torch.float64), y)
    query = Examples(normal(fold(seed, 1), (5, 4), torch.float64), y[:, :5])
    return Episode(support, query, seed, ways=3)


def base(count: int = 7, width: int = 5) -> KnowledgeBase:
    return KnowledgeBase.from_labels(
        normal(torch.tensor(8), (count, width), torch.float64), torch.arange(count) % 3
    )


def build(known: KnowledgeBase | None = None, **settings) -> AttentionLearner:
    torch.manual_seed(0)
    embedding = nn.Sequential(nn.Linear(4, 5), nn.Tanh())
    soft = {"base_temperature": 0.1, "gate": 0.1}  # every entry is read a little
    learner = AttentionLearner(embedding, 5, AttentionSettings(**{**soft, **settings})).double()
    learner.know(known or base())
    nn.init.uniform_(learner.head["scale"], 0.5, 1.5)
    return learner


@pytest.mark.parametrize("kind", ["soft", "gumbel"])
def test_equals_a_loop(kind: str) -> None:
    learner, tasks, known = build(attention=kind, entries=2).eval(), episode(), base()
    adapted = last(adapt(learner, tasks))
    scale, gate = learner.head["scale"], learner.head["gate"]

    def seen(x):
        u = F.normalize(learner.embedding(x), dim=0)
        scores = [F.cosine_similarity(scale * u, scale * k, dim=0) / 0.1 for k in known.keys]
        if kind == "soft":
            a = torch.stack(scores).softmax(0)
        else:  # the mean of the two nearest
            a = torch.zeros(7).double()
            a[torch.stack(scores).argsort(descending=True)[:2]] = 0.5
        read = sum(w * v for w, v in zip(a, known.values, strict=True))
        return u + gate * F.normalize(read, dim=0), a

    weights = learner.weights(adapted, tasks.query.x)
    for task in range(2):
        memory = [seen(x)[0] for x in tasks.support.x[task]]
        for i, x in enumerate(tasks.query.x[task]):
            z, a = seen(x)
            resemblance = [F.cosine_similarity(scale * z, scale * m, dim=0) / 0.1 for m in memory]
            n = torch.stack(resemblance).softmax(0)
            mass = torch.stack([n[tasks.support.y[task] == k].sum() for k in range(3)])
            torch.testing.assert_close(weights.entries[task, i], a)
            torch.testing.assert_close(weights.classes[task, i], mass)
            reads = learner.reads(adapted, tasks.query.x)
            torch.testing.assert_close(reads["support"][task, i, :6], n)
            torch.testing.assert_close(reads["base"][task, i, 6:], a)


def test_without_a_base_it_attends_to_the_support_alone() -> None:
    from workbench.algorithms import Matching, MatchingSettings

    learner, tasks = build(), episode()
    learner.know(None)
    nn.init.ones_(learner.head["scale"])
    matching = Matching(learner.embedding, MatchingSettings(temperature=0.1))
    found, expected = (
        one.predict(last(adapt(one, tasks)), tasks.query.x) for one in (learner, matching)
    )
    torch.testing.assert_close(found, expected)


def test_hard_draws_differ_by_task_and_use_in_training_alone() -> None:
    learner, tasks = build(attention="gumbel"), episode()
    reads = [last(adapt(learner.train(mode), tasks)).seen["read"] for mode in (True, False)]
    assert all(set(r.detach().unique().tolist()) == {0.0, 1.0} for r in reads)
    assert not torch.equal(*reads)
    adapted = last(adapt(learner.train(), tasks))
    again = tasks.with_tensors({**tasks.tensors(), "seed": tasks.seed + 1})
    other = last(adapt(learner, again))
    assert not torch.equal(adapted.seen["read"], other.seen["read"])


def test_straight_through_reaches_the_base_temperature() -> None:
    learner = build(attention="gumbel")
    gradients = learner.meta_gradient(episode()).gradients
    assert all(gradients[f"head.{n}"].norm() > 1e-8 for n in ("scale", "gate", "base_cold"))


def test_reinforce_has_the_gradient_of_the_expected_loss() -> None:
    """By enumeration: of three entries, each support example and the query reads one."""
    torch.manual_seed(0)
    known = base(3)
    one = episode(1)
    small = Episode(
        Examples(one.support.x[:, :2], one.support.y[:, :2]),
        Examples(one.query.x[:, :1], one.query.y[:, :1]),
        one.seed,
        ways=3,
    )
    exact, learner = (build(known, attention="reinforce", temperature=1.0) for _ in range(2))

    def fused(x, entry):
        u = F.normalize(exact.embedding(x), dim=0)
        gate, scale = exact.head["gate"], exact.head["scale"]
        scores = torch.stack([F.cosine_similarity(scale * u, scale * k, dim=0) for k in known.keys])
        chance = (scores / exact.head["base_cold"].exp()).log_softmax(0)[entry]
        return u + gate * F.normalize(known.values[entry], dim=0), chance

    expected = torch.zeros(()).double()
    for i in range(3):
        for j in range(3):
            for k in range(3):
                (m0, c0), (m1, c1) = (
                    fused(small.support.x[0, 0], i),
                    fused(small.support.x[0, 1], j),
                )
                z, c2 = fused(small.query.x[0, 0], k)
                memory = torch.stack([m0, m1]) * exact.head["scale"]
                cosine = F.cosine_similarity(z * exact.head["scale"], memory, dim=1)
                logits = (cosine / exact.head["cold"].exp()).log_softmax(0)
                expected = expected - (c0 + c1 + c2).exp() * logits[int(small.query.y[0, 0])]
    wanted = torch.autograd.grad(expected, list(exact.head.values()))
    many = small[torch.zeros(40_000, dtype=torch.long)]
    many = many.with_tensors({**many.tensors(), "seed": torch.arange(40_000)})
    found = learner.meta_gradient(many)
    assert found.losses.mean().item() == pytest.approx(expected.item(), abs=0.01)
    for (name, _), gradient in zip(exact.head.items(), wanted, strict=True):
        error = (found.gradients[f"head.{name}"] - gradient).norm()
        assert error < 0.05 * gradient.norm() + 0.004, name


def test_the_population_finds_the_gradient_of_the_smoothed_loss() -> None:
    """A large population with a small spread: what the gradient of the neural learner is."""
    neural = build(learner="neural")
    evolved = build(learner="evolutionary")
    evolved.estimator = Evolution(population=4000, sigma=1e-3)
    tasks = episode()
    expected, found = neural.meta_gradient(tasks), evolved.meta_gradient(tasks)
    torch.testing.assert_close(found.losses, expected.losses)
    names = list(found.gradients)
    assert names == [f"head.{name}" for name in evolved.head]
    one = torch.cat([expected.gradients[n].flatten() for n in names])
    other = torch.cat([found.gradients[n].flatten() for n in names])
    assert F.cosine_similarity(one, other, dim=0) > 0.97
    assert (one - other).norm() < 0.2 * one.norm()


def test_a_base_travels_with_the_weights(tmp_path) -> None:
    learner, other = build(), build(base(9))
    other.load_state_dict(learner.state_dict())
    assert torch.equal(other.keys, learner.keys)
    path = base().save(tmp_path / "one.knowledge")
    tasks = open_tasks("digits")
    settings = AttentionSettings(base=str(path))
    with pytest.raises(UserError, match="5 numbers each and the embedding gives 32"):
        settings.build(MLPSettings(hidden=(32,)), tasks.spec(Shape(2)))
    built = settings.build(MLPSettings(hidden=(5,)), tasks.spec(Shape(2)))
    torch.testing.assert_close(built.keys, base().keys.float())


@pytest.mark.parametrize("kind", ["gumbel", "reinforce"])
def test_hard_attention_without_a_base_is_refused(kind: str) -> None:
    spec = open_tasks("digits").spec(Shape(2))
    with pytest.raises(UserError, match=rf"attention is '{kind}'.*as learner\.base"):
        AttentionSettings(attention=kind).build(MLPSettings(hidden=(5,)), spec)


def test_refusals() -> None:
    with pytest.raises(UserError, match="population is 3"):
        Evolution(population=3)
    with pytest.raises(UserError, match="asked for 8 entries and the memory has 7"):
        build(attention="gumbel", entries=8)
    with pytest.raises(UserError, match="memory is empty"):
        build().know(KnowledgeBase.empty(5))
    with pytest.raises(UserError, match="did you mean 'soft'"):
        AttentionSettings(attention="sofft")


@pytest.mark.parametrize("kind", ["soft", "gumbel", "reinforce", "evolutionary"])
def test_learns_to_read_what_helps(kind: str) -> None:
    """The base knows which of two noisy directions matters: reading it beats seeing alone."""
    truth = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])

    def sample(tasks: int, seed: int) -> Episode:
        generator = torch.Generator().manual_seed(seed)
        y = torch.tensor([0, 1]).expand(tasks, -1)
        noise = torch.randn(2, tasks, 2, 2, generator=generator) * torch.tensor([0.3, 2.0])
        x = truth[y] + noise
        return Episode(Examples(x[0], y), Examples(x[1], y), torch.arange(tasks) + 1000 * seed, 2)

    options = {"learner": kind} if kind == "evolutionary" else {"attention": kind}
    settings = AttentionSettings(gate=0.3, base_temperature=0.5, **options)
    torch.manual_seed(0)
    learner = AttentionLearner(nn.Identity(), 2, settings)
    learner.know(KnowledgeBase.from_features(truth))
    optimizer = torch.optim.Adam(learner.head.values(), 0.05)
    test = sample(400, 999)

    def loss() -> float:
        with torch.no_grad():
            return learner.eval()(test).mean().item()

    before = loss()
    for seed in range(60):
        optimizer.zero_grad()
        for name, gradient in learner.train().meta_gradient(sample(64, seed)).gradients.items():
            learner.get_parameter(name).grad = gradient
        optimizer.step()
    assert loss() < 0.6 * before
    assert attend.soft(learner.head["gate"].detach()[None]).isfinite().all()
