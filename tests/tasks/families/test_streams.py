"""Streams of digits: every stage sees all digits its own way, and splits share no image."""

from __future__ import annotations

import pytest
import torch

from workbench.errors import UserError
from workbench.tasks import Shape, open_tasks
from workbench.tasks.families.streams import STAGES, _images

SHAPE = Shape(10, 2, 3)


def test_a_permuted_stage_has_the_same_pixels_in_one_order() -> None:
    episode = open_tasks("streams:permuted").sample(2, seed=0, shape=SHAPE)
    images, counts = _images("train")
    known = {tuple(sorted(image)) for image in images.flatten(1).tolist()}
    assert {tuple(sorted(x)) for x in episode.support.x[0].flatten(1).tolist()} <= known
    # One order for all images of a stage, and others for other stages: pixels that are always
    # blank stand in the same places within a stage.
    blank = images.flatten(1).amax(dim=0) == 0
    both = torch.cat([episode.support.x, episode.query.x], dim=1)[1].flatten(1)
    stage = torch.cat([episode.info["support_stage"], episode.info["query_stage"]], dim=1)[1]
    places = [both[stage == one].amax(dim=0) == 0 for one in range(STAGES)]
    assert all(int(p.sum()) >= int(blank.sum()) for p in places)
    assert len({tuple(p.tolist()) for p in places}) == STAGES
    assert counts.min() > 100


def test_turned_stages_go_on_by_a_fifth_of_the_circle() -> None:
    tasks = open_tasks("streams:turned")
    episode = tasks.sample(1, seed=0, shape=Shape(10, 20, 0))
    by_stage = episode.support.x[0].view(STAGES, -1, 8, 8).mean(dim=1)
    ink = by_stage.sum(dim=(1, 2))
    assert float(ink.std() / ink.mean()) < 0.1  # turned, and not cut
    assert float((by_stage[1] - by_stage[0]).abs().mean()) > 0.05


def test_labels_and_stages_belong_to_the_images() -> None:
    episode = open_tasks("streams:turned").sample(1, seed=1, split="test", shape=SHAPE)
    assert episode.support.y[0].view(STAGES, 10, 2)[3, :, 0].tolist() == list(range(10))
    assert episode.info["query_stage"][0].bincount().tolist() == [30] * STAGES


def test_splits_share_no_image() -> None:
    rows = [
        {tuple(image) for image in _images(split)[0].flatten(1).tolist()}
        for split in ("train", "validation", "test")
    ]
    assert len(rows[0] | rows[1] | rows[2]) == sum(map(len, rows)) == 1797


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (Shape(5, 1, 1), "ways is 5 and a stream of digits has 10: ask for ways=10"),
        (Shape(10, 30, 30), "together ask for at most"),
        (Shape(10, (1, 2), 1), "give one number"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(shape: Shape, said: str) -> None:
    with pytest.raises(UserError, match=said):
        open_tasks("streams").sample(1, seed=0, split="test", shape=shape)
