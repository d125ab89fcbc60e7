"""MANN against its equations in a plain loop, item by item."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.algorithms.checks import taught_to_bind
from workbench.algorithms import MANN, MANNSettings, adapt
from workbench.errors import UserError
from workbench.models import MLPSettings
from workbench.randomness import fold, normal
from workbench.tasks import Episode, Examples, Shape, open_tasks

SLOTS, WIDTH, HEADS, WAYS = 8, 3, 2, 3


def episode(shots: int = 2) -> Episode:
    """Two tasks of three classes in four dimensions."""
    seed = torch.tensor([3, 4])
    y = torch.arange(WAYS).repeat_interleave(shots).repeat(2, 1)
    support = Examples(normal(fold(seed, 0), (WAYS * shots, 4), torch.float64), y)
    query = Examples(normal(fold(seed, 1), (3, 4), torch.float64), torch.arange(3).repeat(2, 1))
    return Episode(support, query, seed, ways=WAYS)


def build() -> MANN:
    torch.manual_seed(0)
    embedding = torch.nn.Linear(4, 5)
    settings = MANNSettings(slots=SLOTS, width=WIDTH, heads=HEADS, hidden=6, decay=0.9)
    return MANN(embedding, 5, WAYS, settings).double()


class Loop:
    """One task's sequence, as the docstring's equations say it, a slot and a head at a time."""

    def __init__(self, learner: MANN) -> None:
        zeros, self.learner = torch.zeros, learner
        self.memory = zeros(SLOTS, WIDTH, dtype=torch.float64)
        self.usage = [1e-3 * i / SLOTS for i in range(SLOTS)]
        self.reading = zeros(HEADS, SLOTS, dtype=torch.float64)
        self.read = zeros(HEADS * WIDTH, dtype=torch.float64)
        self.state = (zeros(1, 6, dtype=torch.float64), zeros(1, 6, dtype=torch.float64))

    def present(self, x, label):
        learner = self.learner
        seen = torch.cat([learner.embedding(x), label])
        inputs = torch.cat([seen, self.read]).unsqueeze(0)
        self.state = learner.cell(inputs, self.state)
        hidden = self.state[0][0]
        keys = learner.key(torch.cat([hidden, seen])).tanh().view(HEADS, WIDTH)
        contents = learner.content(torch.cat([hidden, seen])).tanh().view(HEADS, WIDTH)
        gates = learner.gate(hidden).sigmoid()
        least = sorted(range(SLOTS), key=lambda i: self.usage[i])[:HEADS]
        writing = torch.zeros(HEADS, SLOTS, dtype=torch.float64)
        for h in range(HEADS):
            for i in range(SLOTS):
                writing[h, i] = gates[h] * self.reading[h, i]
                writing[h, i] += (1 - gates[h]) * (least[h] == i)
        memory = self.memory.clone()
        memory[least] = 0
        for h in range(HEADS):
            memory = memory + torch.outer(writing[h], contents[h])
        reading = torch.zeros_like(self.reading)
        for h in range(HEADS):
            sizes = (memory.square().sum(1) + 1e-6) * (keys[h].square().sum() + 1e-6)
            strength = F.softplus(learner.strength(hidden))[h]
            reading[h] = (strength * (memory @ keys[h]) / sizes.sqrt()).softmax(0)
        self.usage = [
            0.9 * u + float(reading[:, i].sum() + writing[:, i].sum())
            for i, u in enumerate(self.usage)
        ]
        self.memory, self.reading, self.read = memory, reading, (reading @ memory).flatten()
        return learner.out(torch.cat([hidden, self.read]))


def test_equals_a_loop_over_items_heads_and_slots() -> None:
    learner, tasks = build(), episode()
    with torch.no_grad():
        path = list(adapt(learner, tasks))
        for task in range(2):
            loop, label = Loop(learner), torch.zeros(WAYS, dtype=torch.float64)
            for adapted in path[1:]:
                item = int(adapted.seen["item"][task])
                truth = tasks.support.y[task, item]
                logits = loop.present(tasks.support.x[task, item], label)
                expected = F.cross_entropy(logits, truth)
                torch.testing.assert_close(adapted.seen["loss"][task], expected)
                torch.testing.assert_close(adapted.values["memory"][task], loop.memory)
                usage = torch.tensor(loop.usage, dtype=torch.float64)
                torch.testing.assert_close(adapted.values["usage"][task], usage)
                label = F.one_hot(truth, WAYS).double()
            logits = loop.present(tasks.query.x[task, 1], label)
            found = learner.predict(path[-1], tasks.query.x)
            torch.testing.assert_close(found[task, 1], logits)


def test_every_item_comes_once_and_is_counted() -> None:
    learner, tasks = build(), episode(shots=3)
    path = list(adapt(learner, tasks))[1:]
    items = torch.stack([a.seen["item"] for a in path], dim=1)
    assert items.sort(dim=1).values.tolist() == [list(range(9))] * 2
    assert items[0].tolist() != items[1].tolist()  # each task in an order of its own
    times = torch.stack([a.seen["time"] for a in path], dim=1)
    assert times.sort(dim=1).values.tolist() == [[1.0] * 3 + [2.0] * 3 + [3.0] * 3] * 2


def test_the_meta_loss_counts_items_and_queries_alike() -> None:
    learner, tasks = build(), episode()
    path = list(adapt(learner, tasks))
    items = sum(a.seen["loss"] for a in path[1:])
    logits = learner.predict(path[-1], tasks.query.x)
    queries = F.cross_entropy(logits.flatten(0, 1), tasks.query.y.flatten(), reduction="none")
    expected = (items + queries.view(2, 3).sum(1)) / (6 + 3)
    torch.testing.assert_close(learner(tasks), expected)


def test_a_label_comes_one_step_late() -> None:
    """Relabelling an item changes nothing of what was answered up to it, and all that follows."""
    learner, tasks = build(), episode()
    path = list(adapt(learner, tasks))
    item = int(path[3].seen["item"][0])
    y = tasks.support.y.clone()
    y[0, item] = (y[0, item] + 1) % WAYS
    other = list(adapt(learner, tasks.with_tensors({**tasks.tensors(), "support.y": y})))
    for step in (1, 2, 3):
        assert torch.equal(path[step].seen["reading"], other[step].seen["reading"])
    assert not torch.equal(path[4].seen["reading"], other[4].seen["reading"])
    assert torch.equal(path[4].seen["reading"][1], other[4].seen["reading"][1])  # the other task


def test_writes_say_which_example_went_where() -> None:
    learner, tasks = build(), episode()
    path = list(adapt(learner, tasks))
    assert not learner.writes(path[0], tasks).any()
    for adapted in path[1:]:
        written = learner.writes(adapted, tasks)
        assert written.shape == (2, SLOTS, 6)
        assert written.sum(dim=(1, 2)).allclose(  # each head gives away less than or all of 1
            adapted.seen["writing"].sum(dim=(1, 2))
        )
        places = written.sum(dim=1).argmax(dim=1)
        assert torch.equal(places, adapted.seen["item"])


def test_editing_a_slot_changes_the_prediction() -> None:
    from workbench.algorithms import Adapted

    learner, tasks = build(), episode()
    end = list(adapt(learner, tasks))[-1]
    memory = end.values["memory"].clone()
    memory[:, 0] += 1.0
    edited = Adapted({**end.values, "memory": memory}, {}, end.step)
    before, after = (learner.predict(a, tasks.query.x) for a in (end, edited))
    assert not torch.allclose(before, after)


def test_refusals() -> None:
    with pytest.raises(UserError, match="heads is 4 and learner.slots 3"):
        MANNSettings(slots=3)
    with pytest.raises(UserError, match="slots is 0"):
        MANNSettings(slots=0)
    with pytest.raises(UserError, match="tells 2 classes apart and the tasks have 3 ways"):
        MANN(torch.nn.Linear(4, 5), 5, 2).double().begin(episode())
    with pytest.raises(UserError, match="6 items and MANN reads one a step"):
        list(adapt(build(), episode(), steps=7))
    with pytest.raises(UserError, match="regression"):
        tasks = open_tasks("sinusoid")
        MANNSettings().build(MLPSettings(), tasks.spec(Shape()))


def test_learns_to_bind_what_it_saw_to_a_label() -> None:
    torch.manual_seed(0)
    learner = MANN(torch.nn.Identity(), 2, 2, MANNSettings(slots=4, width=8, heads=1, hidden=24))
    assert taught_to_bind(learner, rate=1e-2, steps=120) > 0.9
