"""Glyphs: the same bits everywhere, drawn in seconds, hard but learnable."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from workbench.resources import resources
from workbench.tasks import Shape
from workbench.tasks.base import SPLITS
from workbench.tasks.families import _ink, _strokes, glyphs


@pytest.fixture(scope="module")
def drawn():
    began = time.process_time()
    images = glyphs.draw_images()
    return images, time.process_time() - began


@pytest.fixture(scope="module")
def tasks():
    return glyphs.open_glyphs()


def test_drawn_in_seconds_with_the_pinned_checksum(drawn):
    images, seconds = drawn
    assert glyphs.fingerprint(images) == glyphs.SHA256
    assert glyphs.SHA256 in (resources("data") / "glyphs.toml").read_text()
    assert seconds < 8


def test_the_same_bits_whatever_the_chunks_and_threads(drawn, monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.setattr(_ink, "_CHUNK", 777)
    torch.set_num_threads(2)
    try:
        again = glyphs.draw_images()
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(drawn[0], again)


def test_the_shape_of_omniglot(drawn, tasks):
    sizes = [a.size for a in glyphs.alphabets()]
    assert len(sizes) >= 50
    assert min(sizes) >= 14
    assert max(sizes) <= 26
    assert drawn[0].shape == (sum(sizes), 20, 28, 28)
    assert drawn[0].max() == _ink.LEVELS
    assert len(set(tasks.bank.names)) == sum(sizes)
    episode = tasks.sample(3, seed=0, split="test")
    assert episode.support.x.shape == (3, 5, 1, 28, 28)
    assert episode.support.x.min() == 0  # paper
    assert episode.support.x.max() == pytest.approx(1)  # ink


def test_every_image_has_ink_and_no_two_are_the_same(drawn):
    images = drawn[0].reshape(-1, 784)
    ink = images.sum(axis=1) / _ink.LEVELS
    assert ink.min() > 8
    assert ink.max() < 350
    assert len({image.tobytes() for image in images}) == len(images)


def test_pixels_alone_find_it_hard(tasks):
    episode = tasks.sample(400, seed=0, split="test", shape=Shape(ways=5, shots=1, queries=5))
    support, query = episode.support.x.flatten(2), episode.query.x.flatten(2)
    nearest = torch.cdist(query, support).argmin(dim=-1)
    accuracy = (nearest == episode.query.y).float().mean().item()  # support is in class order
    assert 0.50 < accuracy < 0.62  # 0.40 to 0.75 is asked for; as pinned it is about 0.56


def test_splits_share_no_alphabet(tasks):
    owners = {s: {name.split("/")[0] for name in tasks.class_names(s)} for s in SPLITS}
    assert {split: len(owned) for split, owned in owners.items()} == glyphs.ALPHABETS
    assert len(set.union(*owners.values())) == sum(glyphs.ALPHABETS.values())
    assert sum(len(tasks.class_names(s)) for s in SPLITS) == len(tasks.bank.names)


def test_characters_of_an_alphabet_differ():
    for alphabet in glyphs.alphabets()[:5]:
        sketches = [_strokes._sketch(c) for c in alphabet.characters()]
        for i, one in enumerate(sketches):
            for other in sketches[:i]:
                ways = _strokes._farthest(one, other), _strokes._farthest(other, one)
                assert max(ways) > 0.15  # of a character's size


def test_the_cache_is_used_mended_and_done_without(drawn, tmp_path, monkeypatch):
    images = drawn[0]
    draws = []
    monkeypatch.setattr(glyphs, "draw_images", lambda: draws.append(1) or images)
    folder = tmp_path / "cache"
    for _ in range(2):
        assert np.array_equal(glyphs.cached_images(folder), images)
    assert len(draws) == 1
    (kept,) = folder.iterdir()  # and no temporary file

    kept.write_bytes(kept.read_bytes()[:-1000])  # cut short
    assert np.array_equal(glyphs.cached_images(folder), images)
    np.save(kept, np.zeros_like(images))  # whole but wrong
    assert np.array_equal(glyphs.cached_images(folder), images)
    kept.write_bytes(b"")
    assert np.array_equal(glyphs.cached_images(folder), images)
    assert len(draws) == 4
    assert np.array_equal(np.load(kept), images)

    (tmp_path / "file").touch()  # no folder can be made there
    with pytest.warns(UserWarning, match="could not be written"):
        assert np.array_equal(glyphs.cached_images(tmp_path / "file"), images)


def test_wrong_bits_are_refused_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(glyphs, "draw_images", lambda: np.zeros((1, 20, 28, 28), np.uint8))
    with pytest.raises(RuntimeError, match="checksum"):
        glyphs.cached_images(tmp_path)
    assert not list(tmp_path.iterdir())
