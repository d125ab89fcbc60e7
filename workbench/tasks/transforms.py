"""Changes of inputs that keep their meaning."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.randomness import uniform


def shifted(images: Tensor, seed: Tensor, pixels: int) -> Tensor:
    """Images `[task, example, channel, height, width]` moved by up to `pixels` each way.

    Each image moves by itself, as `seed` `[task]` says; what comes in from outside is 0.

    >>> shifted(torch.ones(1, 2, 1, 8, 8), torch.tensor([0]), 2).shape
    torch.Size([1, 2, 1, 8, 8])
    """
    if images.dim() != 5:
        raise UserError(
            "only images can be moved by pixels, and these inputs are none: move them by 0"
        )
    tasks, examples, _, height, width = images.shape
    offsets = (uniform(seed, (examples, 2)) * (2 * pixels + 1)).long()
    padded = F.pad(images, [pixels] * 4)
    rows = offsets[..., :1] + torch.arange(height, device=images.device)
    columns = offsets[..., 1:] + torch.arange(width, device=images.device)
    task = torch.arange(tasks, device=images.device).reshape(-1, 1, 1, 1)
    example = torch.arange(examples, device=images.device).reshape(1, -1, 1, 1)
    moved = padded.movedim(2, -1)[task, example, rows.unsqueeze(3), columns.unsqueeze(2)]
    return moved.movedim(-1, 2)


def warped(images: Tensor, seed: Tensor) -> Tensor:
    """Images `[task, example, channel, height, width]` written by a slightly different hand.

    Each image by itself is turned by up to 15 degrees, made larger or smaller by up to 15%,
    slanted by up to 0.2 and moved by up to a tenth of its side, as `seed` `[task]` says.

    >>> warped(torch.ones(1, 2, 1, 8, 8), torch.tensor([0])).shape
    torch.Size([1, 2, 1, 8, 8])
    """
    draws = 2 * uniform(seed, (images.shape[1], 5)).flatten(0, 1).to(images.dtype) - 1
    turn, size, slant, right, down = draws.unbind(-1)
    turn, size = turn * math.radians(15), 1 + 0.15 * size
    cos, sin = turn.cos() / size, turn.sin() / size
    rows = torch.stack([cos, 0.2 * slant * cos - sin, 0.2 * right], dim=-1)
    columns = torch.stack([sin, 0.2 * slant * sin + cos, 0.2 * down], dim=-1)
    flat = images.flatten(0, 1)
    grid = F.affine_grid(torch.stack([rows, columns], dim=1), list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, align_corners=False).view_as(images)
