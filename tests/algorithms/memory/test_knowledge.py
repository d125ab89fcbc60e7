"""The knowledge base: searched exactly, bounded, filled with labels and without, kept in a file."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from workbench.algorithms import KnowledgeBase
from workbench.algorithms.memory import knowledge as module
from workbench.errors import UserError


def features(count: int = 50, width: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_a_search_finds_the_nearest_whatever_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    base, queries = KnowledgeBase.from_features(features()), features(7, seed=1)
    whole = base.search(queries, 3)
    monkeypatch.setattr(module, "_SCORES", 120)  # two queries at a time
    pieces = base.search(queries, 3)
    assert torch.equal(whole.entries, pieces.entries)
    for query, entries, scores in zip(queries, *reversed(whole), strict=True):
        cosines = F.cosine_similarity(query.expand_as(base.keys), base.keys)
        assert entries.tolist() == cosines.argsort(descending=True)[:3].tolist()
        torch.testing.assert_close(scores, cosines[entries])


def test_labels_give_the_mean_of_the_class_as_value() -> None:
    x, y = features(), torch.arange(50) % 7
    base = KnowledgeBase.from_labels(x, y, origin="somewhere")
    assert torch.equal(base.classes, y)
    assert torch.equal(base.keys, x)
    for k in range(7):
        torch.testing.assert_close(base.values[3 * 7 + k], x[y == k].mean(0))


def test_clusters_are_found_without_labels() -> None:
    centres = 10 * torch.eye(6)[:4]
    x = (centres.unsqueeze(1) + 0.1 * features(80).view(4, 20, 6)).flatten(0, 1)
    base = KnowledgeBase.from_clusters(x, 4, seed=0)
    assert len(base) == 4
    assert (base.classes == -1).all()
    nearest = base.search(centres, 1).entries.flatten()
    assert sorted(nearest.tolist()) == [0, 1, 2, 3]
    torch.testing.assert_close(base.keys[nearest], centres, rtol=0, atol=0.2)


@pytest.mark.parametrize("eviction", ["unread", "oldest"])
def test_the_stated_entry_goes_when_it_is_full(eviction: str) -> None:
    base = KnowledgeBase.empty(2, capacity=3, eviction=eviction)
    for i in range(3):
        base = base.add(torch.full((1, 2), float(i)))
    full = base.touched(torch.tensor([0]))  # the oldest is the one read last
    after = full.add(torch.full((1, 2), 9.0))
    gone = 1.0 if eviction == "unread" else 0.0
    assert len(after) == 3
    assert after.evicted == 1
    assert after.keys[:, 0].tolist() == [v for v in (0.0, 1.0, 2.0, 9.0) if v != gone]
    assert after.sources.tolist() == [v for v in range(4) if v != gone]
    assert len(full) == 3
    assert full.evicted == 0


def test_more_than_fits_keeps_the_last() -> None:
    base = KnowledgeBase.empty(6, capacity=4).add(features(10))
    assert base.sources.tolist() == [6, 7, 8, 9]
    assert base.evicted == 6


def test_saving_and_loading_gives_the_same_base(tmp_path) -> None:
    base = KnowledgeBase.from_labels(features(), torch.arange(50) % 5, capacity=60, origin="digits")
    again = KnowledgeBase.load(base.touched(torch.tensor([3])).save(tmp_path / "one.knowledge"))
    assert (again.capacity, again.origin, again.clock) == (60, "digits", base.clock + 1)
    for name in ("keys", "values", "classes", "sources", "written"):
        assert torch.equal(getattr(again, name), getattr(base, name))
    assert again.read[3] == base.clock + 1


def test_refusals(tmp_path) -> None:
    base = KnowledgeBase.from_features(features())
    with pytest.raises(UserError, match="keys have 6 numbers and the queries 5"):
        base.search(torch.zeros(1, 5), 1)
    with pytest.raises(UserError, match="keys have 6 numbers each and those to add are"):
        base.add(torch.zeros(1, 5))
    with pytest.raises(UserError, match="asked for 51 entries and the memory has 50"):
        base.search(torch.zeros(1, 6), 51)
    with pytest.raises(UserError, match="memory is empty"):
        KnowledgeBase.empty(6).search(torch.zeros(1, 6), 1)
    with pytest.raises(UserError, match="did you mean 'oldest'"):
        KnowledgeBase.empty(6, eviction="olddest")
    with pytest.raises(UserError, match="holds at least 1"):
        KnowledgeBase.empty(6, capacity=0)
    with pytest.raises(UserError, match="ask for 1 to 50"):
        KnowledgeBase.from_clusters(features(), 51)
    (tmp_path / "bad.knowledge").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="damaged or no knowledge file"):
        KnowledgeBase.load(tmp_path / "bad.knowledge")
