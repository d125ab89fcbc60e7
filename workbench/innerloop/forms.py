"""Batched forms of the layers that are known by type: `[task, example, ...]` in one operation.

A form gives what the layer gives, task by task. Images stay in the memory order
[example, task, channel, height, width] behind their logical order [task, example, ...], so that the
grouped convolutions need no copies between them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.innerloop.as_task import Context, Parameters, run_over_tasks
from workbench.innerloop.batch_norm import batch_norm
from workbench.innerloop.convolution import Geometry, convolution
from workbench.innerloop.inside_task import keep, no_seeds, without_gradient_at
from workbench.innerloop.meeting import is_transformed
from workbench.randomness import uniform


def _stacked(module: nn.Module, parameters: Parameters, name: str) -> bool:
    """Known from the layer's kind: its own parameters may have been swapped for stacked ones."""
    plain = _WEIGHT_AXES.get(type(module), 1) if name == "weight" else 1
    if isinstance(module, nn.LayerNorm):
        plain = len(module.normalized_shape)
    return parameters[name].dim() > plain


_WEIGHT_AXES: dict[type[nn.Module], int] = {nn.Linear: 2, nn.Conv2d: 4, nn.Embedding: 2}


def _linear(module: nn.Linear, parameters: Parameters, x: Tensor, _: Context) -> Tensor:
    _check_size(module, x, -1, module.in_features)
    weight, bias = parameters["weight"], parameters.get("bias")
    if not _stacked(module, parameters, "weight"):
        y = F.linear(x, weight)
        if bias is None:
            return y
        return y + (bias if bias.dim() == 1 else _beside(bias, y))
    flat = x.reshape(x.shape[0], -1, x.shape[-1])
    if weight.shape[-1] == 1:  # an outer product: a multiplication is quicker than a small bmm
        y = flat * weight.transpose(1, 2)
        if bias is not None:
            y = y + (bias.unsqueeze(1) if bias.dim() == 2 else bias)
    elif bias is None:
        y = torch.bmm(flat, weight.transpose(1, 2))
    else:
        offset = bias.unsqueeze(1) if bias.dim() == 2 else bias
        y = torch.baddbmm(offset, flat, weight.transpose(1, 2))
    return y.reshape(*x.shape[:-1], weight.shape[1])


def _check_size(module: nn.Module, x: Tensor, dimension: int, size: int) -> None:
    if x.dim() < 3 or x.shape[dimension] != size:
        raise UserError(
            f"{module} was given inputs [task, example, ...] of shape {list(x.shape)}: "
            "choose a model for inputs of this size"
        )
    if not x.is_floating_point():
        raise UserError(
            f"{module} was given whole numbers ({x.dtype}): let an embedding look them up first, "
            "or make tasks of them as numbers (tasks_from without tokens)"
        )


def _beside(tensor: Tensor, x: Tensor) -> Tensor:
    """`[task, *shape]` made to broadcast over the examples of `[task, example, ..., *shape]`."""
    gap = x.dim() - tensor.dim()
    return tensor.reshape(tensor.shape[0], *[1] * gap, *tensor.shape[1:])


def _conv2d(module: nn.Conv2d, parameters: Parameters, x: Tensor, context: Context) -> Tensor:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        return run_over_tasks(module, parameters, x, context)
    _check_size(module, x, 2, module.in_channels)
    tasks, examples = x.shape[:2]
    weight, bias = parameters["weight"], parameters.get("bias")
    stride, padding, dilation = module.stride, module.padding, module.dilation
    by_example = x.transpose(0, 1)
    if not _stacked(module, parameters, "weight") and x.device.type == "cpu":
        # A quarter faster with what follows, for the memory order that it leaves.
        weight = weight.expand(tasks, *weight.shape)
    if weight.dim() == 4:
        geometry = Geometry(stride, padding, dilation, module.groups)
        y = convolution(by_example.flatten(0, 1), weight, geometry)
        y = y.unflatten(0, (examples, tasks)).transpose(0, 1)
    else:
        geometry = Geometry(stride, padding, dilation, tasks * module.groups)
        images, kernels = (
            _channels_last(t) for t in (by_example.flatten(1, 2), weight.flatten(0, 1))
        )
        y = convolution(images, kernels, geometry)
        y = y.unflatten(1, (tasks, -1)).transpose(0, 1)
    if bias is None:
        return y
    return y + (bias[:, None, None] if bias.dim() == 1 else bias[:, None, :, None, None])


def _channels_last(images: Tensor) -> Tensor:
    """In the memory order in which the CPU's pooling and normalisation are quickest."""
    return images.to(memory_format=torch.channels_last) if images.device.type == "cpu" else images


def _batch_norm(
    module: nn.BatchNorm1d | nn.BatchNorm2d, parameters: Parameters, x: Tensor, context: Context
) -> Tensor:
    """Normalise by the statistics of the task's own examples, never by running ones."""
    tasks, examples, channels = x.shape[:3]
    scale, shift = parameters.get("weight"), parameters.get("bias")
    if context.rows is not None:
        return _affine(_normalise_rows(x, context.rows, module.eps), scale, shift)
    if examples * x[0, 0, 0].numel() == 1:
        raise UserError(
            "batch normalisation met a task with a single example, which has no variance: "
            "give each task two or more, or evaluate inductively"
        )
    flat = x.transpose(0, 1).flatten(1, 2)
    if scale is None or shift is None:
        y = F.batch_norm(flat, None, None, training=True, eps=module.eps)
    else:
        scale, shift = (p if p.dim() == 2 else p.expand(tasks, -1) for p in (scale, shift))
        y = batch_norm(flat, scale.reshape(-1), shift.reshape(-1), module.eps)
    return y.unflatten(1, (tasks, channels)).transpose(0, 1)


def _normalise_rows(x: Tensor, rows: Tensor, eps: float) -> Tensor:
    """Batch normalisation whose statistics are the mean and variance of the weighted rows."""
    rows = rows.reshape(*rows.shape, *[1] * (x.dim() - 2)).to(x.dtype)
    over = (1, *range(3, x.dim()))
    count = rows.sum(dim=1, keepdim=True) * x[0, 0, 0].numel()
    mean = (x * rows).sum(dim=over, keepdim=True) / count
    centred = x - mean
    variance = (centred.square() * rows).sum(dim=over, keepdim=True) / count
    return centred * (variance + eps).rsqrt()


def _affine(x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    """Scale and shift channels, `x` being `[task, example, channel, ...]`."""

    def channelwise(p: Tensor) -> Tensor:
        p = p.unsqueeze(1) if p.dim() == 2 else p
        return p.reshape(*p.shape, *[1] * (x.dim() - 3))

    if scale is not None:
        x = x * channelwise(scale)
    return x if shift is None else x + channelwise(shift)


def _layer_norm(module: nn.LayerNorm, parameters: Parameters, x: Tensor, _: Context) -> Tensor:
    y = F.layer_norm(x, module.normalized_shape, eps=module.eps)
    for name, combine in (("weight", torch.mul), ("bias", torch.add)):
        if name in parameters:
            p = parameters[name]
            y = combine(y, _beside(p, y) if _stacked(module, parameters, name) else p)
    return y


def _per_image(module: nn.Module, _p: Parameters, x: Tensor, _: Context) -> Tensor:
    """Pooling: no parameters, no mixing of examples or channels."""
    tasks = x.shape[0]
    y = module(x.transpose(0, 1).flatten(1, 2))
    return y.unflatten(1, (tasks, -1)).transpose(0, 1)


def _elementwise(module: nn.Module, _p: Parameters, x: Tensor, _: Context) -> Tensor:
    return module(x)


def _flatten(module: nn.Flatten, _p: Parameters, x: Tensor, _: Context) -> Tensor:
    start, end = (d + 1 if d >= 0 else d for d in (module.start_dim, module.end_dim))
    return x.unsqueeze(-1) if x.dim() == 2 else x.flatten(start, end)


def _dropout(module: nn.Dropout, _p: Parameters, x: Tensor, context: Context) -> Tensor:
    if not module.training or module.p == 0:
        return x
    if context.still:
        return x * keep(torch.full_like(x, 0.5), module.p)
    seeds = context.seeds()
    if seeds is None:
        raise no_seeds(type(module).__name__)
    return x * keep(uniform(seeds, tuple(x.shape[1:]), x.dtype), module.p)


def _embedding(module: nn.Embedding, parameters: Parameters, x: Tensor, _: Context) -> Tensor:
    if x.is_floating_point():
        raise UserError(
            f"{module} looks up whole numbers and was given {x.dtype}: make the tasks by "
            "tasks_from(..., tokens=True), or choose a model for numbers"
        )
    if x.device.type == "cpu" and x.numel() and not is_transformed(x, parameters):
        low, high = (int(end) for end in x.aminmax())
        if low < 0 or high >= module.num_embeddings:  # else it would be the next task's row
            raise UserError(
                f"{module} was given {low if low < 0 else high}: its rows are 0 to "
                f"{module.num_embeddings - 1}, choose a larger one"
            )
    weight = parameters["weight"]
    padding = -1 if module.padding_idx is None else module.padding_idx
    if not _stacked(module, parameters, "weight"):
        return without_gradient_at(F.embedding(x, weight), x, padding)
    tasks, items = weight.shape[:2]
    first = torch.arange(tasks, device=x.device).reshape(-1, *[1] * (x.dim() - 1)) * items
    return without_gradient_at(F.embedding(x + first, weight.flatten(0, 1)), x, padding)


Form = Callable[..., Tensor]
FORMS: dict[type[nn.Module], Form] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.Flatten: _flatten,
    nn.Dropout: _dropout,
    nn.Embedding: _embedding,
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d), _per_image),
    **dict.fromkeys(
        (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus)
        + (nn.Identity,),
        _elementwise,
    ),
}
