"""Episodes: cutting, joining, fingerprints."""

from __future__ import annotations

import time

import pytest
import torch

from workbench.tasks import Episode, Shape, open_tasks

SHAPE = Shape(ways=2, shots=(1, 3), queries=2)


@pytest.mark.parametrize("name", ["sinusoid", "digits", "bandit"])
def test_split_is_indexing(name: str) -> None:
    tasks = open_tasks(name)
    shape = SHAPE if name != "bandit" else None
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
    assert pieces[0].info == {} == pieces[0].state


def test_blocks_of_sinusoids_cost_little() -> None:
    """A block of 256 meta-batches, sampled and cut: 20 us a meta-batch on an idle core."""
    tasks, best = open_tasks("sinusoid"), float("inf")
    for _ in range(5):
        begun = time.process_time()
        tasks.sample(256 * 25, seed=0).split(25)
        best = min(best, (time.process_time() - begun) / 256)
    assert best < 120e-6
