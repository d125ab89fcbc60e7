"""How a module with a forward of its own runs over a batch of tasks.

Such a module is called as it stands, once under `torch.func.vmap`, or task by task where torch
cannot batch what it does, and `InsideTask` gives it the task's own weights. Its buffers and
attributes are those of a copy, so that no other thread sees what a forward keeps there.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import vmap

from workbench.errors import UserError
from workbench.innerloop.inside_task import InsideTask
from workbench.randomness import fold

Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class Context:
    """What a layer may need beside its input.

    rows   `[task, example]`, the weight of each example in batch statistics (None: all equal)
    noise  `[task]` seeds that a module in training mode draws from
    place  where the layer stands, in numbers: each draws from seeds of its own
    still  every draw is its middle: what is compared must not depend on how it is computed
    """

    rows: Tensor | None = None
    noise: Tensor | None = None
    place: tuple[int, ...] = ()
    still: bool = False

    def seeds(self) -> Tensor | None:
        """The layer's own seeds, `[task]`."""
        return None if self.noise is None else fold(self.noise, *self.place)


def name_of(module: nn.Module, name: str = "") -> str:
    """A module as messages call it.

    >>> name_of(nn.ReLU(), "body.2")
    "'body.2' (ReLU)"
    """
    kind = type(module).__name__
    return f"'{name}' ({kind})" if name else kind


# ---- the module over all tasks --------------------------------------------------------------

_PLAIN: weakref.WeakKeyDictionary[nn.Module, dict[str, int]] = weakref.WeakKeyDictionary()


def plain_dimensions(module: nn.Module) -> dict[str, int]:
    """How many axes each parameter has where no task has one of its own.

    Looked at when a module is first met, and kept: later its parameters may be swapped for stacked
    ones, which then are as many as its own.

    >>> plain_dimensions(nn.Linear(2, 3))
    {'weight': 2, 'bias': 1}
    """
    found = _PLAIN.setdefault(module, {})
    for name, p in module.named_parameters():
        found.setdefault(name, p.dim())
    return found


_ONE_BY_ONE: weakref.WeakSet[nn.Module] = weakref.WeakSet()  # what torch could not batch


def run_over_tasks(
    module: nn.Module, parameters: Parameters, x: Tensor, context: Context
) -> Tensor:
    """One call of the module per task, vectorised; its examples are the module's own batch."""
    if context.rows is not None:
        for name, child in module.named_modules():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                raise UserError(
                    f"{type(module).__name__} holds batch normalisation ('{name}') inside a "
                    "forward of its own, where padding and inductive evaluation cannot reach it: "
                    "make the module an nn.Sequential, or use LayerNorm"
                )
    if module in _ONE_BY_ONE:
        return one_by_one(module, parameters, x, context)
    own = dict(module.named_parameters())
    plain = plain_dimensions(module)
    axes = {name: 0 if p.dim() > plain[name] else None for name, p in parameters.items()}
    shells = replica(module)

    def one(p: Parameters, of_task: Tensor, seed: Tensor | None) -> Tensor:
        return call(shells, own, p, of_task, seed, context.still)

    seeds = context.seeds()
    try:
        batched = vmap(one, in_dims=(axes, 0, None if seeds is None else 0), randomness="error")
        return batched(dict(parameters), x, seeds)
    except UserError:
        raise
    except Exception as error:  # torch cannot batch it, or the module itself fails: the loop tells
        found = one_by_one(module, parameters, x, context)
        _ONE_BY_ONE.add(module)
        warnings.warn(
            f"{type(module).__name__} runs task by task, which is slower, since torch cannot batch "
            f"what its forward does ({_why(error)})",
            RuntimeWarning,
            stacklevel=5,
        )
        return found


def one_by_one(module: nn.Module, parameters: Parameters, x: Tensor, context: Context) -> Tensor:
    """The same, task by task: slower, and right whatever the forward does."""
    own = dict(module.named_parameters())
    shells, plain = replica(module), plain_dimensions(module)
    of_each = {
        name: p.unbind() if p.dim() > plain[name] else [p] * len(x)
        for name, p in parameters.items()
    }
    seeds, found = context.seeds(), []
    for task, of_task in enumerate(x.unbind()):
        weights = {name: tensors[task] for name, tensors in of_each.items()}
        seed = None if seeds is None else seeds[task]
        try:
            found.append(call(shells, own, weights, of_task, seed, context.still))
        except UserError:
            raise
        except Exception as error:
            raise UserError(_explained(module, x, error)) from error
    return torch.stack(found)


def replica(module: nn.Module) -> nn.Module:
    """The same module in new shells around the same tensors.

    What a forward keeps in its attributes is then seen by no other thread, and by no later call.
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


def call(
    shells: nn.Module,
    own: Parameters,
    parameters: Parameters,
    x: Tensor,
    seed: Tensor | None,
    still: bool = False,
) -> Tensor:
    """The module called once, `parameters` taking the place of its `own`."""
    name = type(shells).__name__
    instead = {id(own[n]): p for n, p in parameters.items() if own[n] is not p}
    with InsideTask(name, instead, seed, still):
        y = shells(x)
    if not isinstance(y, Tensor):
        inside = " such as its .logits" if hasattr(y, "logits") else ""
        raise UserError(
            f"{name} returns a {type(y).__name__} and a learner needs one tensor: "
            f"wrap it in a module whose forward returns the tensor{inside}"
        )
    return y


def _explained(module: nn.Module, x: Tensor, error: Exception) -> str:
    """One sentence for what a module raised, with a cure where it is known."""
    name, line = type(module).__name__, _first_line(error)
    if "Expected more than 1 value per channel" in line:
        return (
            f"batch normalisation inside {name} met a task with a single example, which has no "
            "variance: give each task two or more, or use LayerNorm or GroupNorm"
        )
    shape = list(x.shape[1:])
    return (
        f"{name} fails on a task's inputs of shape {shape} ({type(error).__name__}: {line}): "
        "choose a model that takes them"
    )


def _why(error: Exception) -> str:
    """Why torch could not batch a forward, without its invitation to file an issue."""
    by_values = ("data-dependent", "dynamic shape", ".item() on a Tensor")
    if any(words in str(error) for words in by_values):
        return "it depends on the values in its inputs: an if, a mask, or .item()"
    return _first_line(error)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = lines[0].rstrip(":. ")
    return line if len(line) <= 160 else line[:157] + "..."
