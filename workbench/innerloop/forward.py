"""How a plain `nn.Module` runs over a batch of tasks, each with weights of its own.

`forward_tasks` walks through `nn.Sequential`s and runs each layer it knows in a batched form
(`baddbmm`, a grouped convolution, batch norm over tasks x channels). Any other module runs as it
stands, batched by `torch.func.vmap`. Parameters are shared (the module's own shape) or stacked
(`[task, *shape]`). A module is held against itself, task by task, when it is first met.
"""

from __future__ import annotations

import weakref

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.innerloop.as_task import Context, Parameters, run_over_tasks
from workbench.innerloop.forms import FORMS
from workbench.innerloop.meeting import check_stackable, has_hooks, meet


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
    noise      `[task]` seeds that dropout is drawn from, where the module's mode asks for it

    >>> net = nn.Linear(3, 2)
    >>> stacked = {name: p.expand(4, *p.shape) for name, p in net.named_parameters()}
    >>> forward_tasks(net, stacked, torch.zeros(4, 5, 3)).shape
    torch.Size([4, 5, 2])
    """
    if x.is_floating_point():
        for parameter in parameters.values():
            if parameter.dtype != x.dtype:
                raise UserError(
                    f"the inputs are {x.dtype} and the model's weights {parameter.dtype}: bring "
                    "them to one precision, the inputs with episode.to(dtype=...)"
                )
            break
    if reference is None:
        meet(module, parameters, x, weight, _run)
        return _run(module, parameters, x, Context(weight, noise))
    other, other_weight = reference
    if other_weight is None:
        like = x if x.is_floating_point() else next(iter(parameters.values()), x)
        other_weight = like.new_ones(other.shape[:2])
    rows = torch.cat([other_weight, other_weight.new_zeros(x.shape[:2])], dim=1)
    both = torch.cat([other, x], dim=1)
    meet(module, parameters, both, rows, _run)
    return _run(module, parameters, both, Context(rows, noise))[:, other.shape[1] :]


def _run(module: nn.Module, parameters: Parameters, x: Tensor, context: Context) -> Tensor:
    if has_hooks(module):  # added since the module was met
        check_stackable(module)
    if _is_walked(module):
        layers = list(module._modules.items())  # with those that come twice
        for i, (name, child) in enumerate(layers):
            assert child is not None
            inner = Context(context.rows, context.noise, (*context.place, i), context.still)
            own = _below(parameters, name)
            following = layers[i + 1][1] if i + 1 < len(layers) else None
            if type(child) is nn.Conv2d and type(following) is nn.BatchNorm2d:
                # What it adds goes with the mean that is taken away next: its gradient is 0.
                own = {k: p for k, p in own.items() if k != "bias"}
            x = _run(child, own, x, inner)
        return x
    form = FORMS.get(type(module)) or getattr(type(module), "over_tasks", None)
    if form is not None and "forward" not in module.__dict__:
        return form(module, parameters, x, context)
    return run_over_tasks(module, parameters, x, context)


def _is_walked(module: nn.Module) -> bool:
    """Whether a module is a plain chain of layers, with no weights in two places."""
    if not isinstance(module, nn.Sequential) or type(module).forward is not nn.Sequential.forward:
        return False
    if "forward" in module.__dict__:
        return False
    if module not in _SHARES_WEIGHTS:
        places = [id(p) for _, p in module.named_parameters(remove_duplicate=False)]
        _SHARES_WEIGHTS[module] = len(places) > len(set(places))
    return not _SHARES_WEIGHTS[module]


_SHARES_WEIGHTS: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()


def _below(parameters: Parameters, prefix: str) -> Parameters:
    start = len(prefix) + 1
    return {k[start:]: v for k, v in parameters.items() if k.startswith(prefix + ".")}
