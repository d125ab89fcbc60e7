"""Task memory: what is retrieved, what is written, and tasks that return are met with less loss."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.algorithms import MAML, MAMLSettings, TaskMemory, TaskMemorySettings, adapt, last
from workbench.errors import UserError
from workbench.innerloop import weights_of
from workbench.models import MLP
from workbench.tasks import Shape, Tasks, open_tasks
from workbench.tasks.families.recurring import Recurring
from workbench.tasks.families.sinusoid import FAMILIES, Curves

SHAPE = Shape(1, 10, 20)


def sines(count: int) -> Tasks:
    return Recurring(Curves("sinusoid", "maml", FAMILIES["sinusoid", "maml"]), count)


def build(**settings) -> TaskMemory:
    torch.manual_seed(0)
    learner = TaskMemory(MLP(1, 1, hidden=(20,), activation="tanh"), TaskMemorySettings(**settings))
    return learner.eval()


def visits(count: int, n: int, seed: int = 0):
    return sines(count).sample(n, seed=seed, shape=SHAPE)


def test_an_empty_memory_is_maml() -> None:
    learner, tasks = build(), visits(3, 4)
    maml = MAML(learner.model, MAMLSettings()).eval()
    for one, other in zip(adapt(learner, tasks), adapt(maml, tasks), strict=True):
        assert all(torch.equal(v, one.values[n]) for n, v in other.values.items())


def test_retrieves_the_mean_under_how_well_each_fits() -> None:
    learner, tasks = build(slots=3, temperature=0.7, inner_rate=0.05), visits(2, 3)
    learner.update(tasks[:2])
    new = visits(2, 4, seed=5)
    found = learner.begin(new)
    theta = dict(learner.model.named_parameters())
    for task in range(4):
        candidates = [theta]
        for slot in range(learner.filled):
            candidates.append({n: learner.entries.get_buffer(n.replace(".", "/"))[slot]
                               for n in theta})  # fmt: skip
        losses = []
        for one in candidates:
            y = torch.func.functional_call(learner.model, one, (new.support.x[task],))
            losses.append((y - new.support.y[task]).square().mean())
        trust = (-torch.stack(losses) / 0.7).softmax(0)
        torch.testing.assert_close(found.values["trust"][task, : len(trust)], trust)
        assert not found.values["trust"][task, len(trust) :].any()
        for name in theta:
            mean = sum(a * c[name] for a, c in zip(trust, candidates, strict=True))
            torch.testing.assert_close(found.values[f"weights.{name}"][task], mean)


def test_a_recognised_task_moves_its_entry_and_a_new_one_takes_a_slot() -> None:
    learner = build(slots=4, familiar=1.5, share=0.25, inner_rate=0.02, attention="hard")
    (first,) = learner.update(visits(1, 1), steps=300)
    assert first == (0, False, False, math.inf)
    before = learner.entries.get_buffer("head/bias")[0].clone()
    again = visits(1, 1, seed=9)
    adapted = last(adapt(learner, again, steps=50))
    (second,) = learner.update(again, steps=50)
    assert second.recognised
    assert second.slot == 0
    assert second.loss < 1.5
    after = learner.entries.get_buffer("head/bias")[0]
    learned = weights_of(adapted.values)["head.bias"][0].detach()
    torch.testing.assert_close(after, 0.75 * before + 0.25 * learned)
    (other,) = learner.update(sines(30).sample(30, seed=0, shape=SHAPE)[7:8], steps=1)
    assert not other.recognised
    assert other.slot == 1


def test_when_full_the_longest_unrecognised_goes() -> None:
    learner = build(slots=2, familiar=1e-6)  # nothing is ever recognised
    written = learner.update(visits(3, 5), steps=1)
    assert [w.slot for w in written] == [0, 1, 0, 1, 0]
    assert [w.evicted for w in written] == [False, False, True, True, True]
    learner.forget()
    assert learner.filled == 0


def test_adapting_leaves_the_memory_alone() -> None:
    learner = build(slots=3)
    learner.update(visits(2, 2))
    state = {n: t.clone() for n, t in learner.state_dict().items()}
    list(adapt(learner, visits(2, 5, seed=3)))
    assert all(torch.equal(t, state[n]) for n, t in learner.state_dict().items())


def test_returning_tasks_start_with_less_loss() -> None:
    """A stream of three curves; each is then met again with other points."""
    learner = build(slots=6, inner_rate=0.05, attention="hard", familiar=1.0)
    learner.update(visits(3, 12), steps=200)
    new = visits(3, 60, seed=5)
    with torch.no_grad():
        known = new.loss(learner.predict(learner.begin(new), new.query.x), new.query)
        learner.forget()
        theta = new.loss(learner.predict(learner.begin(new), new.query.x), new.query)
    gain = theta - known
    assert gain.mean() - 1.96 * gain.std() / math.sqrt(60) > 0
    assert known.mean() < 0.5 * theta.mean()


def test_reads_are_the_trust_in_each_slot() -> None:
    learner, tasks = build(slots=3), visits(2, 2)
    start = learner.begin(tasks)
    assert learner.reads(start, tasks.query.x)["retrieved"][0, 0].tolist() == [1, 0, 0, 0]
    learner.update(tasks)
    start = learner.begin(tasks)
    reads = learner.reads(start, tasks.query.x)["retrieved"]
    assert torch.equal(reads[:, 3], start.values["trust"])
    assert not learner.writes(start, tasks).any()


def test_families_return_with_new_examples() -> None:
    glyphs = open_tasks("recurring:glyphs")
    episode = glyphs.sample(40, seed=0, shape=Shape(5, 1, 3))
    family, classes = episode.info["family"], episode.info["classes"]
    assert len(family.unique()) > 5
    for one in range(40):
        for other in range(one):
            same = bool(family[one] == family[other])
            assert bool((classes[one] == classes[other]).all()) == same
            if same:
                assert not torch.equal(episode.support.x[one], episode.support.x[other])
    names = episode.info["class_names"]
    alphabets = [{names[k].split("/")[0] for k in row} for row in classes.tolist()]
    assert all(len(found) == 1 for found in alphabets)
    assert episode.sha256() == glyphs.sample(40, seed=0, shape=Shape(5, 1, 3)).sha256()
    support, query = episode.support.x[0], episode.query.x[0]
    assert not any(torch.equal(a, b) for a in support for b in query)


def test_refusals() -> None:
    with pytest.raises(UserError, match="not finite"):
        build(inner_rate=100.0).update(visits(1, 1), steps=30)
    with pytest.raises(UserError, match="slots is 0"):
        TaskMemorySettings(slots=0)
    with pytest.raises(UserError, match="share is 0"):
        TaskMemorySettings(share=0.0)
    with pytest.raises(UserError, match="at least 1 family"):
        sines(0)
    with pytest.raises(UserError, match="all visits are alike"):
        open_tasks("recurring:glyphs").sample(1, seed=0, shape=Shape((2, 5), 1, 1))
