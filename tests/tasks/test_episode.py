"""Episodes: cutting, joining, fingerprints."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from workbench.errors import UserError
from workbench.tasks import Episode, Examples, Shape, open_tasks

SHAPE = Shape(ways=2, shots=(1, 3), queries=2)


@pytest.mark.parametrize("name", ["sinusoid", "digits", "bandit", "mdp"])
def test_split_is_indexing(name: str) -> None:
    tasks = open_tasks(name)
    shape = SHAPE if name not in ("bandit", "mdp") else None
    whole = tasks.sample(7, seed=3, shape=shape)
    pieces = whole.split(3)
    assert [len(piece) for piece in pieces] == [3, 3, 1]
    for start, piece in zip((0, 3, 6), pieces, strict=True):
        same = whole[start : start + 3]
        assert piece.sha256() == same.sha256()
        assert piece.tensors().keys() == same.tensors().keys()
        for key, tensor in piece.tensors().items():
            assert torch.equal(tensor, same.tensors()[key])
            assert tensor.data_ptr() == same.tensors()[key].data_ptr()  # shared, not copied
        assert (piece.ways, piece.env) == (whole.ways, whole.env)
        assert piece.info["split"] == "train"


def test_split_of_an_episode_without_info() -> None:
    pieces = Episode(None, None, torch.arange(5)).split(2)
    assert [piece.seed.tolist() for piece in pieces] == [[0, 1], [2, 3], [4]]
    assert pieces[0].info == {} == pieces[0].task


def wrong(episode: Episode) -> Episode:
    """The same with a label that no class has."""
    return replace(episode, query=replace(episode.query, y=episode.query.y + 1))


def test_labels_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = open_tasks("digits").sample(4, seed=0)
    whole.check()
    monkeypatch.setattr(torch.Tensor, "aminmax", None)  # whoever reads them again will fail
    for sound in (whole, *whole.split(3), whole[1:], whole.to(dtype=torch.float64)):
        assert sound.check().classes == 2
    traced = whole.with_tensors(whole.tensors(), checked=True)
    assert traced.check() is whole.check()


def test_what_was_changed_is_read_again() -> None:
    whole = open_tasks("digits").sample(4, seed=0)
    assert whole.check().fewest == {"support": 2, "query": 30}
    for changed in (wrong(whole), wrong(whole)[1:], whole.map(lambda t: t - 1)):
        with pytest.raises(UserError, match="has an example of class"):
            changed.check()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: Examples(e.x[:, 1:], e.y), r"support.x is .* let all begin with \[task, exa"),
        (lambda e: Examples(e.x, e.y[:2]), "where there are 4 seeds"),
        (lambda e: Examples(e.x, e.y, torch.ones(4, 1)), r"support.weight is \[4, 1\]"),
        (lambda e: Examples(e.x, e.y.int()), "give classes .* of torch.int64"),
        (lambda e: Examples(e.x, e.y, torch.zeros(e.y.shape)), "task 0 has no support example"),
        (lambda e: Examples(e.x.to("meta"), e.y), "support.x is on meta and the episode's seed"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: Callable, message: str) -> None:
    episode = open_tasks("digits").sample(4, seed=0)
    with pytest.raises(UserError, match=message):
        replace(episode, support=change(episode.support)).check()


def test_every_family_gives_what_is_sound() -> None:
    for name in ("sinusoid", "digits", "glyphs", "recurring:glyphs", "bandit", "mdp"):
        acted = name in ("bandit", "mdp")
        found = open_tasks(name).sample(5, seed=0)
        assert set(found.check().fewest) == (set() if acted else {"support", "query"})
    shape = Shape(ways=(1, 2), shots=(1, 3), queries=2)
    padded = open_tasks("digits").sample(30, seed=0, shape=shape)
    assert padded.check().fewest == {"support": 1, "query": 2}


def test_blocks_of_sinusoids_cost_little() -> None:
    """A block of 256 meta-batches, sampled and cut: 20 us a meta-batch on an idle core."""
    tasks, best = open_tasks("sinusoid"), float("inf")
    for _ in range(5):
        begun = time.process_time()
        tasks.sample(256 * 25, seed=0).split(25)
        best = min(best, (time.process_time() - begun) / 256)
    assert best < 120e-6
