"""Transforms move ink about and keep it."""

import pytest
import torch

from workbench.errors import UserError
from workbench.tasks.transforms import shifted, warped


def dots() -> torch.Tensor:
    images = torch.zeros(2, 3, 1, 21, 21)
    images[..., 9:12, 9:12] = 1.0
    return images


def test_shifting_moves_each_image_by_itself_and_keeps_its_ink() -> None:
    moved = shifted(dots(), torch.tensor([1, 2]), 4)
    assert torch.equal(moved.sum(dim=(-1, -2)), torch.full((2, 3, 1), 9.0))
    assert len({tuple(image.nonzero()[0].tolist()) for image in moved.flatten(0, 2)}) > 3
    assert torch.equal(shifted(dots(), torch.tensor([1, 2]), 0), dots())


def test_warping_keeps_about_the_ink_and_moves_it_a_little() -> None:
    moved = warped(dots(), torch.tensor([1, 2]))
    ink = moved.sum(dim=(-1, -2, -3))
    assert ((ink > 9 / 1.5) & (ink < 9 * 1.5)).all()
    place = torch.arange(21.0) - 10
    centre = (moved.sum(dim=-2) * place).sum(dim=-1).flatten(1) / ink
    assert (centre.abs() < 3).all()
    assert centre.abs().max() > 0.5


def test_a_task_is_warped_as_in_any_batch() -> None:
    whole = warped(dots(), torch.tensor([1, 2]))
    torch.testing.assert_close(whole[1:], warped(dots()[1:], torch.tensor([2])))


def test_what_is_no_image_cannot_be_moved():
    with pytest.raises(UserError, match="only images can be moved"):
        shifted(torch.zeros(1, 2, 4), torch.tensor([0]), 1)
