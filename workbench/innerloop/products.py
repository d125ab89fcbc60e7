"""Grouped convolutions as batches of matrix products, a matrix for each group.

On a GPU a convolution of as many groups as there are tasks runs far below what matrix products
reach. Here the input is laid out so that each row holds what one output sees of it (`im2col`),

    y  = columns(x) w'        gw = gy' columns(x)        gx = columns(gy, spread and padded) w~

w~ being w turned by 180 degrees, its channels swapped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

ON = {"cuda"}  # kinds of devices on which grouped convolutions are products
LARGEST = 2**28  # numbers that an input laid out so may have: 1 GB of float32


@dataclass(frozen=True)
class Geometry:
    """What turns sizes into sizes, but for the sizes themselves."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def suit(x: Tensor, w: Tensor, g: Geometry) -> bool:
    """Whether a convolution of this input by these weights is to be computed so."""
    if x.device.type not in ON or g.groups == 1 or g.dilation != (1, 1):
        return False
    return x.numel() * w.shape[2:].numel() <= LARGEST


def output(x: Tensor, w: Tensor, g: Geometry) -> Tensor:
    """y of x `[row, group x channel, ...]` and w `[group x out, channel, ...]`."""
    (up, left), taps = g.padding, tuple(w.shape[2:])
    columns, places = _columns(F.pad(x, (left, left, up, up)), g.groups, taps, g.stride)
    y = torch.bmm(columns, w.reshape(g.groups, -1, columns.shape[2]).mT)
    return _images(y, places)


def weight_gradient(x: Tensor, gy: Tensor, like: Tensor, g: Geometry) -> Tensor:
    """gw, shaped as `like`."""
    (up, left), taps = g.padding, tuple(like.shape[2:])
    columns, _ = _columns(F.pad(x, (left, left, up, up)), g.groups, taps, g.stride)
    rows = gy.unflatten(1, (g.groups, -1)).permute(1, 2, 0, 3, 4).flatten(2)
    return torch.bmm(rows, columns).reshape(like.shape)


def input_gradient(gy: Tensor, w: Tensor, like: Tensor, g: Geometry) -> Tensor:
    """gx, shaped as `like`."""
    taps = tuple(w.shape[2:])
    spread, ends = gy, []
    if g.stride != (1, 1):
        sizes = [(n - 1) * s + 1 for n, s in zip(gy.shape[2:], g.stride, strict=True)]
        spread = gy.new_zeros(*gy.shape[:2], *sizes)
        spread[:, :, :: g.stride[0], :: g.stride[1]] = gy
    for axis in (1, 0):  # as `pad` wants them: the last axis first
        size, padding, most = like.shape[2 + axis], g.padding[axis], taps[axis] - 1
        ends += [most - padding, size - spread.shape[2 + axis] + padding]
    columns, places = _columns(F.pad(spread, ends), g.groups, taps, (1, 1))
    turned = w.unflatten(0, (g.groups, -1)).flip(3, 4).transpose(1, 2).flatten(2)
    return _images(torch.bmm(columns, turned.mT), places)


def _columns(
    x: Tensor, groups: int, taps: tuple[int, ...], stride: tuple[int, ...]
) -> tuple[Tensor, tuple[int, int, int]]:
    """`[group, row x place, channel x tap]`, and how many rows, and places up and across."""
    seen = x.unflatten(1, (groups, -1)).unfold(3, taps[0], stride[0]).unfold(4, taps[1], stride[1])
    rows, _, channels, high, wide = seen.shape[:5]
    found = seen.permute(1, 0, 3, 4, 2, 5, 6)
    size = rows * high * wide, channels * taps[0] * taps[1]
    return found.reshape(groups, *size), (rows, high, wide)


def _images(products: Tensor, places: tuple[int, int, int]) -> Tensor:
    """`[group, row x place, channel]` as `[row, group x channel, ...]`."""
    found = products.unflatten(1, places).permute(1, 0, 4, 2, 3)
    return found.flatten(1, 2).contiguous()
