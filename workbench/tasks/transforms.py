"""Changes of inputs that keep their meaning."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.randomness import uniform


def shifted(images: Tensor, seed: Tensor, pixels: int) -> Tensor:
    """Images `[task, example, channel, height, width]` moved by up to `pixels` each way.

    Each image moves by itself, as `seed` `[task]` says; what comes in from outside is 0.

    >>> shifted(torch.ones(1, 2, 1, 8, 8), torch.tensor([0]), 2).shape
    torch.Size([1, 2, 1, 8, 8])
    """
    tasks, examples, _, height, width = images.shape
    offsets = (uniform(seed, (examples, 2)) * (2 * pixels + 1)).long()
    padded = F.pad(images, [pixels] * 4)
    rows = offsets[..., :1] + torch.arange(height, device=images.device)
    columns = offsets[..., 1:] + torch.arange(width, device=images.device)
    task = torch.arange(tasks, device=images.device).reshape(-1, 1, 1, 1)
    example = torch.arange(examples, device=images.device).reshape(1, -1, 1, 1)
    moved = padded.movedim(2, -1)[task, example, rows.unsqueeze(3), columns.unsqueeze(2)]
    return moved.movedim(-1, 2)
