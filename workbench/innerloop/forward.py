"""How a plain `nn.Module` runs over a batch of tasks, each with weights of its own.

`forward_tasks` walks through `nn.Sequential`s and runs each layer it knows in a batched form
(`baddbmm`, a grouped convolution, batch norm over tasks x channels). Any other module runs under
`torch.func.vmap`. Parameters are shared (the module's own shape) or stacked (`[task, *shape]`).

Images stay in the memory order [example, task, channel, height, width] behind their logical order
[task, example, ...], so that the grouped convolutions need no copies between them.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from workbench.errors import UserError
from workbench.innerloop.batch_norm import batch_norm
from workbench.innerloop.convolution import Geometry, convolution
from workbench.randomness import fold, uniform

Parameters = Mapping[str, Tensor]

_CHOOSING = threading.RLock()  # which attention kernel runs is a setting of the whole process


@dataclass(frozen=True)
class _Context:
    """What a layer may need beside its input.

    rows   `[task, example]`, the weight of each example in batch statistics (None: all equal)
    noise  `[task]` seeds of dropout (None: dropout is off)
    """

    rows: Tensor | None
    noise: Tensor | None


def forward_tasks(
    module: nn.Module,
    parameters: Parameters,
    x: Tensor,
    *,
    weight: Tensor | None = None,
    reference: tuple[Tensor, Tensor | None] | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """Run `module` with `parameters` over `x` `[task, example, ...]`.

    weight     `[task, example]`, 0 for padding: such examples do not enter batch statistics
    reference  (x, weight) of other examples: batch statistics are theirs alone, under the same
               weights, so that an example's output does not depend on its neighbours
    noise      `[task]` seeds that dropout is drawn from; without them dropout is off

    >>> net = nn.Linear(3, 2)
    >>> stacked = {name: p.expand(4, *p.shape) for name, p in net.named_parameters()}
    >>> forward_tasks(net, stacked, torch.zeros(4, 5, 3)).shape
    torch.Size([4, 5, 2])
    """
    for parameter in parameters.values():
        if parameter.dtype != x.dtype:
            raise UserError(
                f"the inputs are {x.dtype} and the model's weights {parameter.dtype}: bring them "
                "to one precision, the inputs with episode.to(dtype=...)"
            )
        break
    if reference is None:
        return _run(module, parameters, x, _Context(weight, noise))
    other, other_weight = reference
    if other_weight is None:
        other_weight = other.new_ones(other.shape[:2])
    rows = torch.cat([other_weight, other_weight.new_zeros(x.shape[:2])], dim=1)
    both = torch.cat([other, x], dim=1)
    return _run(module, parameters, both, _Context(rows, noise))[:, other.shape[1] :]


def check_stackable(module: nn.Module) -> None:
    """Refuse, in one sentence, what cannot run with a copy of the weights for every task."""
    for name, child in module.named_modules():
        kind = type(child).__name__
        where = f"'{name}' ({kind})" if name else kind
        if getattr(child, "track_running_stats", False):
            raise UserError(
                f"{where} keeps running statistics, which would leak from task to task: "
                "build it with track_running_stats=False"
            )
        if isinstance(child, nn.RNNBase | nn.LSTMCell):
            raise UserError(
                f"{where} cannot be stacked over tasks (it has no batching rule): "
                "use nn.GRUCell or cells written with nn.Linear"
            )
        if isinstance(child, nn.modules.lazy.LazyModuleMixin):
            raise UserError(f"{where} has no weights yet: run it once on an input before adapting")
        if child._forward_hooks or child._forward_pre_hooks or child._backward_hooks:
            raise UserError(f"{where} has hooks, which stacked tasks do not call: remove them")


def _is_walked(module: nn.Module) -> bool:
    """Whether a module is a plain chain of layers, with no weights in two places."""
    if not isinstance(module, nn.Sequential) or type(module).forward is not nn.Sequential.forward:
        return False
    if module not in _SHARES_WEIGHTS:
        places = [id(p) for _, p in module.named_parameters(remove_duplicate=False)]
        _SHARES_WEIGHTS[module] = len(places) > len(set(places))
    return not _SHARES_WEIGHTS[module]


_SHARES_WEIGHTS: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()


def _run(module: nn.Module, parameters: Parameters, x: Tensor, context: _Context) -> Tensor:
    if _is_walked(module):
        noise = context.noise
        layers = list(module._modules.items())  # with those that come twice
        for i, (name, child) in enumerate(layers):
            assert child is not None
            inner = _Context(context.rows, None if noise is None else fold(noise, i))
            own = _below(parameters, name)
            following = layers[i + 1][1] if i + 1 < len(layers) else None
            if type(child) is nn.Conv2d and type(following) is nn.BatchNorm2d:
                # What it adds goes with the mean that is taken away next: its gradient is 0.
                own = {k: p for k, p in own.items() if k != "bias"}
            x = _run(child, own, x, inner)
        return x
    form = FORMS.get(type(module))
    if form is not None:
        return form(module, parameters, x, context)
    return _vmapped(module, parameters, x, context)


def _below(parameters: Parameters, prefix: str) -> Parameters:
    start = len(prefix) + 1
    return {k[start:]: v for k, v in parameters.items() if k.startswith(prefix + ".")}


def _stacked(module: nn.Module, parameters: Parameters, name: str) -> bool:
    return parameters[name].dim() > getattr(module, name).dim()


# ---- batched forms of known layers ---------------------------------------------------------


def _linear(module: nn.Linear, parameters: Parameters, x: Tensor, _: _Context) -> Tensor:
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


def _beside(tensor: Tensor, x: Tensor) -> Tensor:
    """`[task, *shape]` made to broadcast over the examples of `[task, example, ..., *shape]`."""
    gap = x.dim() - tensor.dim()
    return tensor.reshape(tensor.shape[0], *[1] * gap, *tensor.shape[1:])


def _conv2d(module: nn.Conv2d, parameters: Parameters, x: Tensor, context: _Context) -> Tensor:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        return _vmapped(module, parameters, x, context)
    _check_size(module, x, 2, module.in_channels)
    tasks, examples = x.shape[:2]
    weight, bias = parameters["weight"], parameters.get("bias")
    stride, padding, dilation = module.stride, module.padding, module.dilation
    by_example = x.transpose(0, 1)
    if not _stacked(module, parameters, "weight") and x.device.type == "cpu":
        # A quarter faster with what follows, for the memory order that it leaves.
        weight = weight.expand(tasks, *weight.shape)
    if weight.dim() == 4:
        y = F.conv2d(
            by_example.flatten(0, 1), weight, None, stride, padding, dilation, module.groups
        )
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
    module: nn.BatchNorm1d | nn.BatchNorm2d, parameters: Parameters, x: Tensor, context: _Context
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


def _layer_norm(module: nn.LayerNorm, parameters: Parameters, x: Tensor, _: _Context) -> Tensor:
    y = F.layer_norm(x, module.normalized_shape, eps=module.eps)
    for name, combine in (("weight", torch.mul), ("bias", torch.add)):
        if name in parameters:
            p = parameters[name]
            y = combine(y, _beside(p, y) if _stacked(module, parameters, name) else p)
    return y


def _per_image(module: nn.Module, _p: Parameters, x: Tensor, _: _Context) -> Tensor:
    """Pooling: no parameters, no mixing of examples or channels."""
    tasks = x.shape[0]
    y = module(x.transpose(0, 1).flatten(1, 2))
    return y.unflatten(1, (tasks, -1)).transpose(0, 1)


def _elementwise(module: nn.Module, _p: Parameters, x: Tensor, _: _Context) -> Tensor:
    return module(x)


def _flatten(module: nn.Flatten, _p: Parameters, x: Tensor, _: _Context) -> Tensor:
    start, end = (d + 1 if d >= 0 else d for d in (module.start_dim, module.end_dim))
    return x.unsqueeze(-1) if x.dim() == 2 else x.flatten(start, end)


def _dropout(module: nn.Dropout, _p: Parameters, x: Tensor, context: _Context) -> Tensor:
    if context.noise is None or module.p == 0:
        return x
    return x * _keep(context.noise, x.shape[1:], module.p, x)


def _keep(seed: Tensor, shape: tuple[int, ...], p: float, like: Tensor) -> Tensor:
    draws = uniform(seed, tuple(shape), like.dtype)
    return (draws >= p).to(like.dtype) / (1 - p)


Form = Callable[..., Tensor]
FORMS: dict[type[nn.Module], Form] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.Flatten: _flatten,
    nn.Dropout: _dropout,
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d), _per_image),
    **dict.fromkeys(
        (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus)
        + (nn.Identity,),
        _elementwise,
    ),
}


# ---- any other module ----------------------------------------------------------------------


def _vmapped(module: nn.Module, parameters: Parameters, x: Tensor, context: _Context) -> Tensor:
    """One call of the module per task, vectorised; its examples are the module's own batch."""
    if context.rows is not None:
        for name, child in module.named_modules():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                raise UserError(
                    f"{type(module).__name__} holds batch normalisation ('{name}') inside a "
                    "forward of its own, where padding and inductive evaluation cannot reach it: "
                    "make the module an nn.Sequential, or use LayerNorm"
                )
    own = dict(module.named_parameters())
    axes = {name: 0 if p.dim() > own[name].dim() else None for name, p in parameters.items()}
    module = _replica(module)
    with _CHOOSING, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        if context.noise is None:
            return vmap(
                lambda p, one: _quiet(module, p, one), in_dims=(axes, 0), randomness="error"
            )(dict(parameters), x)
        return vmap(lambda p, one, seed: _noisy(module, p, one, seed), in_dims=(axes, 0, 0))(
            dict(parameters), x, context.noise
        )


def _replica(module: nn.Module) -> nn.Module:
    """The same module in new shells around the same tensors.

    `functional_call` swaps parameters for a moment; in a replica no other thread sees that.
    """
    made: dict[nn.Module, nn.Module] = {}

    def shell(original: nn.Module) -> nn.Module:
        if original not in made:
            copy = made[original] = original.__class__.__new__(original.__class__)
            copy.__dict__ = dict(original.__dict__)
            copy.__dict__["_parameters"] = dict(original._parameters)
            copy.__dict__["_buffers"] = dict(original._buffers)
            copy.__dict__["_modules"] = {
                name: child if child is None else shell(child)
                for name, child in original._modules.items()
            }
        return made[original]

    return shell(module)


def _quiet(module: nn.Module, parameters: Parameters, x: Tensor) -> Tensor:
    with _Dropout(None):
        return functional_call(module, dict(parameters), (x,))


def _noisy(module: nn.Module, parameters: Parameters, x: Tensor, seed: Tensor) -> Tensor:
    with _Dropout(seed):
        return functional_call(module, dict(parameters), (x,))


class _Dropout(TorchFunctionMode):
    """Inside a module's own forward: dropout drawn from the task's seed, or switched off."""

    def __init__(self, seed: Tensor | None) -> None:
        super().__init__()
        self.seed, self.calls = seed, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = kwargs or {}
        if func is F.dropout:
            x, p = args[0], kwargs.get("p", args[1] if len(args) > 1 else 0.5)
            if self.seed is None or p == 0:
                return x
            self.calls += 1
            return x * _keep(fold(self.seed, self.calls), x.shape, p, x)
        if func is F.scaled_dot_product_attention and "dropout_p" in kwargs:
            if self.seed is not None and kwargs["dropout_p"] > 0:
                raise UserError(
                    "attention with dropout inside cannot be drawn per task: "
                    "set its dropout to 0 and put nn.Dropout behind it"
                )
            kwargs = {**kwargs, "dropout_p": 0.0}
        return func(*args, **kwargs)
