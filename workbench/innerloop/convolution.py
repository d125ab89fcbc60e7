"""Convolution whose derivatives of every order are convolutions of the same few kinds.

Torch's own double backward of a grouped convolution loops over the groups and calls kernels as
large as the image. A convolution is one of three bilinear maps that come from one trilinear form,
and each is differentiated by the other two, so that nothing but the quick kernels is ever called:

    y  = output(x, w)        backward of g:  input_gradient(g, w), weight_gradient(x, g)
    gx = input_gradient(gy, w)           v:  output(v, w) for gy,  weight_gradient(v, gy) for w
    gw = weight_gradient(x, gy)          v:  input_gradient(gy, v) for x,  output(x, v) for gy
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.innerloop import products
from workbench.innerloop.products import Geometry as Geometry

Function = Any  # torch.autograd.Function's methods carry no types


def convolution(x: Tensor, w: Tensor, geometry: Geometry) -> Tensor:
    """A 2-d convolution without bias.

    >>> plain = Geometry((1, 1), (1, 1), (1, 1), groups=1)
    >>> convolution(torch.zeros(2, 3, 8, 8), torch.zeros(4, 3, 3, 3), plain).shape
    torch.Size([2, 4, 8, 8])
    """
    if x.is_cuda and torch.is_autocast_enabled("cuda"):  # now, or derivatives would be mixed
        x, w = (t.to(torch.get_autocast_dtype("cuda")) for t in (x, w))
    return _Output.apply(x, w, geometry)


class _Output(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Function, x: Tensor, w: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.geometry = g = geometry
        if products.suit(x, w, g):
            return products.output(x, w, g)
        return torch.conv2d(x, w, None, g.stride, g.padding, g.dilation, g.groups)

    @staticmethod
    def backward(ctx: Function, g: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        to_x = _InputGradient.apply(g, w, x, ctx.geometry) if ctx.needs_input_grad[0] else None
        to_w = _WeightGradient.apply(x, g, w, ctx.geometry) if ctx.needs_input_grad[1] else None
        return to_x, to_w, None


class _InputGradient(torch.autograd.Function):
    """`like` lends its shape."""

    @staticmethod
    def forward(ctx: Function, gy: Tensor, w: Tensor, like: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(gy, w)
        ctx.geometry = geometry
        if products.suit(like, w, geometry):
            return products.input_gradient(gy, w, like, geometry)
        return _gradients(gy, like, w, geometry, (True, False))[0]

    @staticmethod
    def backward(ctx: Function, v: Tensor) -> tuple[Tensor | None, ...]:
        gy, w = ctx.saved_tensors
        to_gy = _Output.apply(v, w, ctx.geometry) if ctx.needs_input_grad[0] else None
        to_w = _WeightGradient.apply(v, gy, w, ctx.geometry) if ctx.needs_input_grad[1] else None
        return to_gy, to_w, None, None


class _WeightGradient(torch.autograd.Function):
    """`like` lends its shape."""

    @staticmethod
    def forward(ctx: Function, x: Tensor, gy: Tensor, like: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, gy)
        ctx.geometry = geometry
        if products.suit(x, like, geometry):
            return products.weight_gradient(x, gy, like, geometry)
        return _gradients(gy, x, like, geometry, (False, True))[1]

    @staticmethod
    def backward(ctx: Function, v: Tensor) -> tuple[Tensor | None, ...]:
        x, gy = ctx.saved_tensors
        to_x = _InputGradient.apply(gy, v, x, ctx.geometry) if ctx.needs_input_grad[0] else None
        to_gy = _Output.apply(x, v, ctx.geometry) if ctx.needs_input_grad[1] else None
        return to_x, to_gy, None, None


def _gradients(
    gy: Tensor, x: Tensor, w: Tensor, g: Geometry, of: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """The gradients of input and weight that are asked for."""
    found = torch.ops.aten.convolution_backward(
        gy, x, w, None, g.stride, g.padding, g.dilation, False, [0, 0], g.groups, [*of, False]
    )
    return found[0], found[1]
