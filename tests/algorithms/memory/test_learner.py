"""The grammar that all methods with a memory share."""

from __future__ import annotations

import pytest
import torch

from tests.algorithms.cases import CASES, Case, bandits
from workbench.algorithms import Matching, TaskMemory, adapt
from workbench.algorithms.memory.learner import MemoryLearner, shuffled
from workbench.errors import UserError

pytestmark = pytest.mark.usefixtures("double")


def remembers(case: Case) -> bool:
    return isinstance(case.build(), MemoryLearner) and case.episode is not bandits


@pytest.fixture(scope="module")
def names() -> list[str]:
    torch.set_default_dtype(torch.float64)
    found = [name for name, case in CASES.items() if remembers(case)]
    torch.set_default_dtype(torch.float32)
    return found


def test_every_memory_is_written_and_read_in_one_grammar(names: list[str]) -> None:
    assert len(names) >= 12
    for name in names:
        learner, episode = CASES[name].build().eval(), CASES[name].episode()
        with torch.no_grad():
            path = list(adapt(learner, episode))
            written = [learner.writes(a, episode) for a in path]
            reads = learner.reads(path[-1], episode.query.x)
        examples, queries = episode.support.y.shape[1], episode.query.y.shape[1]
        slots = written[-1].shape[1]
        assert not written[0].any(), name
        for one in written:
            assert one.shape == (len(episode), slots, examples), name
            assert (one >= 0).all(), name
        if not isinstance(learner, TaskMemory):  # which is written by `update` alone
            assert (sum(written).sum(dim=1) > 0).all(), f"{name}: an example left no trace"
        for head, weights in reads.items():
            assert weights.shape == (len(episode), queries, slots), (name, head)
            assert ((weights >= 0) & (weights.sum(-1, keepdim=True) < 1 + 1e-9)).all(), name


def test_emptying_or_copying_a_slot_changes_the_prediction(names: list[str]) -> None:
    for name in names:
        learner, episode = CASES[name].build().eval(), CASES[name].episode()
        if not learner.slot_values:
            continue
        with torch.no_grad():
            *_, end = adapt(learner, episode)
            before = learner.predict(end, episode.query.x)
            kept = {n: t.clone() for n, t in end.values.items()}
            for changed in (learner.without(end, [0]), learner.given(end, 0, 2)):
                after = learner.predict(changed, episode.query.x)
                assert not torch.allclose(before, after), name
                assert after.isfinite().all(), name
            assert all(torch.equal(t, end.values[n]) for n, t in kept.items()), name


def test_an_emptied_slot_is_not_read() -> None:
    for name in ("Matching", "Prototypical", "MetaNet", "Attention, soft"):
        learner, episode = CASES[name].build().eval(), CASES[name].episode()
        *_, end = adapt(learner, episode)
        reads = learner.reads(learner.without(end, [1]), episode.query.x)
        assert (next(iter(reads.values()))[..., 1] < 1e-12).all(), name


def test_only_what_was_written_can_be_edited() -> None:
    learner, episode = CASES["MANN"].build(), CASES["MANN"].episode()
    *_, end = adapt(learner, episode)
    with pytest.raises(UserError, match="slot 10 was to be changed and this task wrote to 10"):
        learner.without(end, [10])
    task_memory = CASES["Task memory"]
    with pytest.raises(UserError, match="written nothing to its slots"):
        built, sines = task_memory.build(), task_memory.episode()
        built.without(built.begin(sines), [0])
    assert Matching.slot_values == ("keys", "labels")


def test_padding_comes_last_and_leaves_the_order_alone() -> None:
    seed = torch.arange(50)
    alone = shuffled(torch.ones(50, 4), seed)
    assert alone.sort(dim=1).values.tolist() == [[0, 1, 2, 3]] * 50
    assert len({tuple(row) for row in alone.tolist()}) > 15
    present = torch.tensor([[1.0, 0, 1, 1, 0, 1]]).expand(50, -1)
    real = torch.tensor([0, 2, 3, 5])
    padded = shuffled(present, seed)
    assert torch.equal(padded[:, :4], real[alone])
    assert padded[:, 4:].sort(dim=1).values.tolist() == [[1, 4]] * 50
