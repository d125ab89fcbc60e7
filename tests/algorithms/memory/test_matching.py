"""Matching Networks against a loop over examples, and what the full context does."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workbench.algorithms import Adapted, Matching, MatchingSettings, adapt, last
from workbench.errors import UserError
from workbench.models import MLPSettings
from workbench.randomness import fold, normal
from workbench.tasks import Episode, Examples, Shape, open_tasks


def episode() -> Episode:
    """Two tasks of three classes, two shots, in four dimensions."""
    seed = torch.tensor([3, 4])
    y = torch.tensor([[0, 1, 2, 2, 1, 0], [2, 2, 1, 0, 0, 1]])
    support = Examples(normal(fold(seed, 0), (6, 4), torch.float64), y)
    query = Examples(normal(fold(seed, 1), (5, 4), torch.float64), y[:, :5])
    return Episode(support, query, seed, ways=3)


def build(**settings) -> Matching:
    torch.manual_seed(0)
    embedding = nn.Sequential(nn.Linear(4, 5), nn.Tanh())
    return Matching(embedding, MatchingSettings(**settings), features=5).double()


def test_equals_a_loop() -> None:
    learner, tasks = build(temperature=0.3), episode()
    adapted = last(adapt(learner, tasks))
    logits = learner.predict(adapted, tasks.query.x)
    attention = learner.read(adapted, tasks.query.x)
    for task in range(2):
        keys, labels = learner.embedding(tasks.support.x[task]), tasks.support.y[task]
        for i, q in enumerate(learner.embedding(tasks.query.x[task])):
            terms = (F.cosine_similarity(q.expand_as(keys), keys, dim=-1) / 0.3).exp()
            a = terms / terms.sum()
            mass = torch.stack([a[labels == k].sum() for k in range(3)])
            torch.testing.assert_close(attention[task, i], a)
            torch.testing.assert_close(logits[task, i].exp(), mass)


def test_the_full_context_equals_torchs_own_lstm_and_a_loop() -> None:
    learner, tasks = build(full_context=True, looks=2), episode()
    adapted = last(adapt(learner, tasks))
    both = nn.LSTM(5, 5, bidirectional=True, batch_first=True).double()
    for cell, suffix in ((learner.forwards, "l0"), (learner.backwards, "l0_reverse")):
        for name, value in cell.named_parameters():
            getattr(both, f"{name}_{suffix}").data.copy_(value)
    plain = learner.embedding(tasks.support.x)
    ahead, back = both(plain)[0].chunk(2, dim=-1)
    keys = plain + ahead + back
    torch.testing.assert_close(adapted.values["keys"], keys)
    for i in range(tasks.query.x.shape[1]):
        x = learner.embedding(tasks.query.x[:, i])
        h, c = x, torch.zeros_like(x)
        for _ in range(2):
            weights = torch.einsum("tf,tsf->ts", h, keys).softmax(dim=-1)
            read = torch.einsum("ts,tsf->tf", weights, keys)
            output, c = learner.looking(torch.cat([x, read], dim=-1), (h, c))
            h = output + x
        cosine = F.cosine_similarity(h.unsqueeze(1), keys, dim=-1)
        found = learner.read(adapted, tasks.query.x[:, i : i + 1])[:, 0]
        torch.testing.assert_close(found, (cosine / 0.1).softmax(dim=-1))


def test_the_full_context_changes_predictions() -> None:
    """The same query beside another support: only with context is its distance to a key moved."""
    tasks = episode()
    changed = tasks.support.x.clone()
    changed[:, 5] = -changed[:, 5]
    other = tasks.with_tensors({**tasks.tensors(), "support.x": changed})
    for full_context in (False, True):
        learner = build(full_context=full_context)
        keys = [last(adapt(learner, e)).values["keys"][:, :5] for e in (tasks, other)]
        assert torch.equal(*keys) is not full_context
    plain, context = build(), build(full_context=True)
    logits = [
        learner.predict(last(adapt(learner, tasks)), tasks.query.x) for learner in (plain, context)
    ]
    assert not torch.allclose(*logits, atol=1e-3)


def test_tiny_attention_stays_finite() -> None:
    """At a temperature where every other class's share underflows to 0 in a plain softmax."""
    learner, tasks = build(temperature=1e-4), episode()
    loss = learner(tasks)
    assert loss.isfinite().all()
    gradients = torch.autograd.grad(loss.sum(), list(learner.parameters()))
    assert all(g.isfinite().all() and g.abs().sum() > 0 for g in gradients)


def test_memory_that_is_relabelled_predicts_the_new_labels() -> None:
    learner, tasks = build(), episode()
    adapted = last(adapt(learner, tasks))
    swapped = adapted.values["labels"][..., [1, 0, 2]]
    changed = Adapted({**adapted.values, "labels": swapped}, {}, 1)
    before, after = (learner.predict(a, tasks.query.x) for a in (adapted, changed))
    torch.testing.assert_close(after, before[..., [1, 0, 2]])


def test_refusals() -> None:
    with pytest.raises(UserError, match="temperature is -1"):
        MatchingSettings(temperature=-1)
    with pytest.raises(UserError, match="looks is 0"):
        MatchingSettings(looks=0)
    with pytest.raises(UserError, match="features="):
        Matching(nn.Linear(4, 5), MatchingSettings(full_context=True))


@pytest.mark.parametrize("full_context", [False, True])
def test_learns_to_tell_digits(full_context: bool) -> None:
    torch.manual_seed(0)
    tasks, shape = open_tasks("digits"), Shape(ways=2, shots=1, queries=5)
    settings = MatchingSettings(full_context=full_context)
    learner = settings.build(MLPSettings(hidden=(64, 32)), tasks.spec(shape))
    fixed = tasks.sample(100, seed=1, shape=shape)
    optimizer = torch.optim.Adam(learner.parameters(), 3e-3)
    before = learner(fixed).mean().item()
    for seed in range(60):
        optimizer.zero_grad()
        learner(tasks.sample(8, seed=100 + seed, shape=shape)).mean().backward()
        optimizer.step()
    assert learner(fixed).mean().item() < 0.6 * before
