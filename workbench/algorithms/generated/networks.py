"""The two sides of GAIL-Meta: what makes parameters of a set of examples, and what judges them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """Rows of numbers, each from the mean code of a group of examples, of all, and from noise.

    >>> share = torch.full((2, 1, 5), 1 / 5)  # one group, of five examples
    >>> Generator(3, 7, noise=4)(torch.zeros(2, 5, 3), share, torch.zeros(2, 4)).shape
    torch.Size([2, 1, 7])
    """

    def __init__(self, inputs: int, outputs: int, noise: int, width: int = 64) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            *(nn.Linear(inputs, width), nn.ReLU()), *(nn.Linear(width, width), nn.ReLU())
        )
        last = nn.Linear(width, outputs)
        nn.init.normal_(last.weight, std=0.01)  # near theta at first
        nn.init.zeros_(last.bias)
        self.decode = nn.Sequential(nn.Linear(2 * width + noise, width), nn.ReLU(), last)

    def forward(self, examples: Tensor, share: Tensor, noise: Tensor) -> Tensor:
        """`share` is how much each example counts in each group, `[task, group, example]`."""
        own = share @ self.encode(examples)
        there = share.sum(dim=2, keepdim=True)  # 0 for a group that nothing is of
        every = (own * there).sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True)
        groups = own.shape[1]
        seen = [own, every.expand(-1, groups, -1), noise.unsqueeze(1).expand(-1, groups, -1)]
        return self.decode(torch.cat(seen, dim=-1))


class Discriminator(nn.Module):
    """One number for a set of points, higher where it takes them for an expert's.

    >>> Discriminator(5)(torch.zeros(2, 8, 5), torch.full((2, 8), 1 / 8)).shape
    torch.Size([2])
    """

    def __init__(self, inputs: int, width: int = 64) -> None:
        super().__init__()
        self.point = nn.Sequential(
            *(nn.Linear(inputs, width), nn.LeakyReLU(0.2)),
            *(nn.Linear(width, width), nn.LeakyReLU(0.2)),
        )
        self.whole = nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def forward(self, points: Tensor, share: Tensor) -> Tensor:
        """`[task]`, of points `[task, point, number]` and how much each counts."""
        pooled = (self.point(points) * share.unsqueeze(-1)).sum(dim=1)
        return self.whole(pooled).squeeze(-1)
