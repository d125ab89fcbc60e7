"""Batch normalisation by batch statistics, with a double backward of a few passes.

Torch's own double backward is assembled from some twenty elementwise operations and takes a
quarter of a second-order step of a convolutional net. Written out by hand it needs one more call
of the fused backward and four passes. With u^ = (x - mean) * r, r = (variance + eps)^-1/2, scale c
and <.> the mean over a channel,

    y   = c u^ + shift
    gx  = c r (gy - <gy> - u^ <gy u^>)                          the backward, self-adjoint in gy
    d/dx of v.gx = -c r^2 [<v u^> (gy - <gy>) + <gy u^> (v - <v>)
                           + (<v gy> - <v><gy> - 3 <v u^><gy u^>) u^]

A third derivative goes through the same formulas in plain, differentiable operations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Function = Any  # torch.autograd.Function's methods carry no types


def batch_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """Normalise `[row, channel, ...]` over rows and all that follows the channel.

    >>> x = torch.randn(8, 3, 4, 4)
    >>> bool(batch_norm(x, torch.ones(3), torch.zeros(3), 1e-5).mean().abs() < 1e-5)
    True
    """
    return _BatchNorm.apply(x, scale, shift, eps)


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Function, x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
        y, mean, rstd = torch.native_batch_norm(x, scale, shift, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, scale, mean, rstd)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx: Function, gy: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, mean, rstd = ctx.saved_tensors
        if torch.is_grad_enabled():
            found = _Backward.apply(gy, x, scale, mean, rstd, ctx.eps)
        else:
            found = _fused_backward(gy, x, scale, mean, rstd, ctx.eps)
        return (*found, None)


class _Backward(torch.autograd.Function):
    """(gy, x, scale) -> (gradient of x, of scale, of shift)."""

    @staticmethod
    def forward(
        ctx: Function,
        gy: Tensor,
        x: Tensor,
        scale: Tensor,
        mean: Tensor,
        rstd: Tensor,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        gx, gscale, gshift = _fused_backward(gy, x, scale, mean, rstd, eps)
        ctx.save_for_backward(gy, x, scale, mean, rstd, gscale, gshift)
        ctx.eps = eps
        return gx, gscale, gshift

    @staticmethod
    def backward(
        ctx: Function, v: Tensor, vscale: Tensor, vshift: Tensor
    ) -> tuple[Tensor | None, ...]:
        gy, x, scale, mean, rstd, gscale, gshift = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (*_plain_double_backward(v, vscale, vshift, gy, x, scale, ctx.eps), *[None] * 3)
        wide = (1, -1, *[1] * (x.dim() - 2))
        count = x.numel() // x.shape[1]
        # The backward is self-adjoint in gy: its own kernel gives <v u^> and <v> on the way.
        to_gy, sum_vu, sum_v = _fused_backward(v, x, scale, mean, rstd, ctx.eps)
        vu, v_mean, gu, g_mean = (t / count for t in (sum_vu, sum_v, gscale, gshift))
        over = [d for d in range(x.dim()) if d != 1]
        vg = (v * gy).sum(dim=over) / count
        inner = vg - v_mean * g_mean - vu * gu
        factor = -scale * rstd.square()
        # to_x = of_gy * gy + of_v * v + of_u * u^ + constant, u^ = (x - mean) * rstd
        of_gy = factor * vu + vscale * rstd
        of_v = factor * gu
        of_u = factor * (inner - 2 * vu * gu) - vscale * rstd * gu
        constant = -of_gy * g_mean - of_v * v_mean - of_u * rstd * mean
        to_x = torch.addcmul(constant.view(wide), gy, of_gy.view(wide))
        to_x.addcmul_(v, of_v.view(wide)).addcmul_(x, (of_u * rstd).view(wide))
        to_gy.addcmul_(x, (vscale * rstd).view(wide))
        to_gy += (vshift - vscale * rstd * mean).view(wide)
        to_scale = rstd * inner * count
        return to_gy, to_x, to_scale, None, None, None


def _fused_backward(
    gy: Tensor, x: Tensor, scale: Tensor, mean: Tensor, rstd: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    found = torch.ops.aten.native_batch_norm_backward(
        gy, x, scale, None, None, mean, rstd, True, eps, [True, True, True]
    )
    return found


def _plain_double_backward(
    v: Tensor,
    vscale: Tensor,
    vshift: Tensor,
    gy: Tensor,
    x: Tensor,
    scale: Tensor,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same by operations that can be differentiated again."""
    over = [d for d in range(x.dim()) if d != 1]
    count = x.numel() // x.shape[1]

    def mean(t: Tensor) -> Tensor:
        return t.mean(dim=over, keepdim=True)

    def wide(t: Tensor) -> Tensor:
        return t.view(1, -1, *[1] * (x.dim() - 2))

    centred = x - mean(x)
    r = (mean(centred.square()) + eps).rsqrt()
    u = centred * r
    c, of_scale = wide(scale), wide(vscale)
    vu, v_mean, gu, g_mean = mean(v * u), mean(v), mean(gy * u), mean(gy)
    inner = mean(v * gy) - v_mean * g_mean - vu * gu
    to_gy = c * r * (v - v_mean - u * vu) + of_scale * u + wide(vshift)
    to_x = -c * r.square() * (vu * (gy - g_mean) + gu * (v - v_mean) + (inner - 2 * vu * gu) * u)
    to_x = to_x + of_scale * r * (gy - g_mean - u * gu)
    return to_gy, to_x, (r * inner * count).reshape(-1)
