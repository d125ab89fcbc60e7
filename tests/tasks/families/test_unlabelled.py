"""Training images without labels: a class each, told apart by warped copies."""

from __future__ import annotations

import torch

from workbench.tasks import Shape, open_tasks

SHAPE = Shape(5, 1, 3)


def test_a_class_is_one_image_warped() -> None:
    episode = open_tasks("glyphs:unlabelled").sample(4, seed=0, shape=SHAPE)
    names = episode.info["class_names"]
    assert all(name.startswith("image ") for name in names)
    support, query = episode.support.x, episode.query.x.unflatten(1, (5, 3))
    same = (support.unsqueeze(2) - query).square().mean(dim=(3, 4, 5))
    assert (same > 0).all()  # warped, each by itself
    other = (support.roll(1, dims=1).unsqueeze(2) - query).square().mean(dim=(3, 4, 5))
    assert same.mean() < 0.85 * other.mean()


def test_validation_and_test_tasks_stay_what_they_were() -> None:
    plain, unlabelled = open_tasks("glyphs"), open_tasks("glyphs:unlabelled")
    for split in ("validation", "test"):
        one, other = (t.sample(3, seed=0, split=split, shape=SHAPE) for t in (plain, unlabelled))
        assert torch.equal(one.support.x, other.support.x)
        assert torch.equal(one.query.x, other.query.x)
    assert plain.split_sha256 != unlabelled.split_sha256


def test_omniglot_has_it_as_an_option(real_data) -> None:
    real_data("omniglot/images_background.zip")
    tasks = open_tasks("omniglot:background-only/unlabelled")
    assert tasks.scheme == "background-only/unlabelled"
    assert tasks.class_names("train")[0].startswith("image ")
    assert tasks.class_names("test") == open_tasks("omniglot:background-only").class_names("test")
