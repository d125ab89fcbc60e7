"""SNAIL against a net run over whole sequences by torch's own layers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.algorithms.checks import taught_to_bind
from workbench.algorithms import SNAIL, SNAILPolicy, SNAILSettings, adapt, last
from workbench.errors import UserError
from workbench.models import MLPSettings, PolicySettings
from workbench.randomness import fold, normal
from workbench.tasks import Episode, Examples, Shape, TaskSpec, open_tasks
from workbench.tasks.control.rollout import rollout

WAYS = 3
SETTINGS = SNAILSettings(filters=4, length=4, width=5)


def episode() -> Episode:
    seed = torch.tensor([3, 4])
    y = torch.tensor([[0, 1, 2, 2, 1, 0], [2, 2, 1, 0, 0, 1]])
    support = Examples(normal(fold(seed, 0), (6, 4), torch.float64), y)
    query = Examples(normal(fold(seed, 1), (3, 4), torch.float64), y[:, :3])
    return Episode(support, query, seed, ways=WAYS)


def build() -> SNAIL:
    torch.manual_seed(0)
    return SNAIL(torch.nn.Linear(4, 5), 5, WAYS, SETTINGS).double()


def build_policy() -> SNAILPolicy:
    torch.manual_seed(0)
    learner = SNAILPolicy(1 + 3 + 2, 3, SETTINGS).double()
    torch.nn.init.normal_(learner.out.weight)
    return learner


def whole_sequence(learner: SNAIL | SNAILPolicy, items: torch.Tensor) -> torch.Tensor:
    """Logits of every item of one sequence `[item, number]`, by conv1d and torch's attention."""
    h = items
    for layer in learner.layers:
        if hasattr(layer, "dilation"):
            kernel = torch.stack([layer.earlier.weight, layer.now.weight], dim=2)
            padded = F.pad(h.T, (layer.dilation, 0)).unsqueeze(0)
            both = F.conv1d(padded, kernel, layer.now.bias, dilation=layer.dilation)[0].T
            candidate, gate = both.chunk(2, dim=1)
            added = candidate.tanh() * gate.sigmoid()
        else:
            added = F.scaled_dot_product_attention(
                layer.query(h)[None], layer.key(h)[None], layer.content(h)[None], is_causal=True
            )[0]
        h = torch.cat([h, added], dim=1)
    return learner.out(h)


def test_equals_whole_sequences_query_by_query() -> None:
    learner, tasks = build(), episode()
    adapted = last(adapt(learner, tasks))
    found = learner.predict(adapted, tasks.query.x)

    def item(x, label):
        return torch.cat([learner.inward(learner.embedding(x)).relu(), label])

    for task in range(2):
        order = adapted.values["order"][task]
        assert sorted(order.tolist()) == list(range(6))
        labels = F.one_hot(tasks.support.y[task], WAYS).double()
        past = [item(tasks.support.x[task, i], labels[i]) for i in order]
        for q in range(3):
            asked = item(tasks.query.x[task, q], torch.zeros(WAYS).double())
            expected = whole_sequence(learner, torch.stack([*past, asked]))[-1]
            torch.testing.assert_close(found[task, q], expected)


def test_a_trial_moved_by_one_equals_the_whole_trial() -> None:
    learner = build_policy()
    trial = open_tasks("bandit").sample(3, seed=0, shape=Shape(3, 6)).to(dtype=torch.float64)
    path = list(adapt(learner, trial))
    for task in range(3):
        moments, action, reward = [], torch.zeros(3).double(), torch.zeros(1).double()
        for adapted in path[1:]:
            nothing = torch.zeros(1).double()
            moments.append(torch.cat([nothing, action, reward, nothing]))
            action = F.one_hot(adapted.seen["action"][task], 3).double()
            reward = adapted.seen["reward"][task : task + 1]
        items = learner.inward(torch.stack(moments)).relu()
        chances = whole_sequence(learner, items).softmax(dim=1)
        found = torch.stack([a.seen["probabilities"][task] for a in path[1:]])
        torch.testing.assert_close(found, chances)


def test_an_adaptation_is_a_rollout_move_by_move() -> None:
    learner = build_policy()
    trial = open_tasks("bandit").sample(3, seed=0, shape=Shape(3, 6)).to(dtype=torch.float64)
    path = list(adapt(learner, trial))
    past = path[0].values["past"]
    whole = rollout(trial.env, trial.task, learner.act, trial.seed, past, ends=False)
    found = torch.stack([a.seen["action"] for a in path[1:]], dim=1)
    assert torch.equal(found, whole.action)
    assert torch.equal(path[-1].values["past"], whole.memory)


def test_read_in_one_pass_it_chooses_as_it_did_move_by_move() -> None:
    learner = build_policy()
    trial = open_tasks("bandit").sample(3, seed=0, shape=Shape(3, 6)).to(dtype=torch.float64)
    kept = learner.collect(trial).values
    past = learner.begin(trial).values["past"]
    whole = rollout(trial.env, trial.task, learner.act, trial.seed, past, ends=False)
    _, out, value = learner._read(past, kept["read"])
    torch.testing.assert_close(out, whole.out)
    torch.testing.assert_close(value, whole.value)
    assert torch.equal(kept["action"], whole.action)


def test_what_comes_later_changes_nothing_earlier() -> None:
    learner = build_policy()
    trial = open_tasks("bandit").sample(2, seed=0, shape=Shape(3, 6)).to(dtype=torch.float64)
    path = list(adapt(learner, trial))
    for step, adapted in enumerate(path):
        assert torch.equal(adapted.values["past"], path[-1].values["past"][:, :step])


def test_reads_sum_to_less_than_one_and_the_rest_is_its_own() -> None:
    learner, tasks = build(), episode()
    reads = learner.reads(last(adapt(learner, tasks)), tasks.query.x)
    assert list(reads) == ["attention 1", "attention 2", "attention 3"]
    for weights in reads.values():
        assert weights.shape == (2, 3, 6)
        assert ((weights.sum(-1) > 0) & (weights.sum(-1) < 1)).all()


def test_slots_stand_in_the_order_of_the_sequence() -> None:
    learner, tasks = build(), episode()
    adapted = last(adapt(learner, tasks))
    assert torch.equal(learner.writes(adapted, tasks).argmax(dim=2), adapted.values["order"])
    assert not learner.writes(learner.begin(tasks), tasks).any()


def test_refusals() -> None:
    with pytest.raises(UserError, match="length is 1"):
        SNAILSettings(length=1)
    with pytest.raises(UserError, match="tells 2 classes apart and the tasks have 3 ways"):
        SNAIL(torch.nn.Linear(4, 5), 5, 2, SETTINGS).double().begin(episode())
    with pytest.raises(UserError, match="regression"):
        SETTINGS.build(MLPSettings(), TaskSpec("regression", (1,), 1))
    with pytest.raises(UserError, match="MLP or Conv4"):
        SETTINGS.build(PolicySettings(), TaskSpec("classification", (4,), 3))
    for model in (PolicySettings(hidden=8), PolicySettings(cell="lstm"), MLPSettings()):
        with pytest.raises(UserError, match="SNAIL acts by its own net, on which"):
            SETTINGS.build(model, TaskSpec("control", (1,), 5))
    bandit = open_tasks("bandit")
    with pytest.raises(UserError, match="3 actions and the tasks have 7"):
        build_policy().begin(bandit.sample(1, seed=0, shape=Shape(7, 3)))
    with pytest.raises(UserError, match="environment to act in"):
        build_policy().begin(episode())
    with pytest.raises(UserError, match="built to classify"):
        build().begin(bandit.sample(1, seed=0, shape=Shape(3, 3)))
    with pytest.raises(UserError, match="over after 3 moves"):
        trial = bandit.sample(1, seed=0, shape=Shape(3, 3)).to(dtype=torch.float64)
        list(adapt(build_policy(), trial, steps=4))


def test_learns_to_bind_what_it_saw_to_a_label() -> None:
    torch.manual_seed(0)
    learner = SNAIL(torch.nn.Identity(), 2, 2, SNAILSettings(filters=8, length=4, width=8))
    assert taught_to_bind(learner, rate=1e-2, steps=120) > 0.9
