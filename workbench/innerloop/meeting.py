"""What is asked of a module before its numbers are trusted.

`check_stackable` refuses by their kind modules that cannot run with a copy of the weights for every
task. `meet` runs a module when it is first met with inputs of a kind, and holds it against itself:

    every task    over stacked tasks, under weights that differ, it gives what it gives task by task
    every weight  no parameter's own value takes part where a task has one instead
    every buffer  its forward changes none, which would leak from task to task
    padding       an example of weight 0 changes nothing for the others; evaluated inductively,
                  that means that a query's answer does not depend on its neighbours
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from workbench.errors import UserError
from workbench.innerloop.as_task import (
    Context,
    Parameters,
    call,
    name_of,
    one_by_one,
    plain_dimensions,
    replica,
)
from workbench.innerloop.inside_task import with_mode_inside

Run = Callable[[nn.Module, Parameters, Tensor, Context], Tensor]
Cast = Callable[[Tensor], Tensor]
Way = Callable[[Parameters, Cast], Tensor]  # an output from weights and a cast of the inputs

# How far rounding may take two ways of computing the same apart, relative to the largest output.
TOLERANCE = {torch.float64: 1e-8, torch.float32: 2e-3}
_MOVED = 0.2  # how far the weights are moved, relative to their size
_MET: weakref.WeakKeyDictionary[nn.Module, set[object]] = weakref.WeakKeyDictionary()


def check_stackable(module: nn.Module) -> None:
    """Refuse, in one sentence, what cannot run with a copy of the weights for every task."""
    for name, child in module.named_modules():
        where = name_of(child, name)
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
        if isinstance(child, torch.jit.ScriptModule):
            raise UserError(
                f"{where} is scripted or traced, so that its weights cannot be given from outside: "
                "use the module it was made from"
            )
        if isinstance(child, nn.DataParallel | nn.parallel.DistributedDataParallel):
            raise UserError(
                f"{where} spreads a batch over devices, and tasks are stacked here: use its .module"
            )
        if _is_compiled(child):
            raise UserError(
                f"{where} was compiled by torch.compile, which fixes its weights: use the module "
                "as it was before, and compile the meta-gradient instead (training.compiled)"
            )
        if isinstance(child, nn.Embedding | nn.EmbeddingBag) and (
            child.max_norm is not None or child.sparse or child.scale_grad_by_freq
        ):
            raise UserError(
                f"{where} has max_norm, sparse or scale_grad_by_freq, which have no second "
                "derivative: leave them out"
            )
        if has_hooks(child):
            raise UserError(f"{where} has hooks, which stacked tasks do not call: remove them")
        plain_dimensions(child)
        for own, p in child.named_parameters(recurse=False):
            if p.is_complex():
                raise UserError(
                    f"{where} has complex weights ('{own}'), which inner steps do not descend: "
                    "keep their real and imaginary parts as real weights"
                )


def _is_compiled(module: nn.Module) -> bool:
    # OptimizedModule by its name: importing torch._dynamo takes a second.
    return module._compiled_call_impl is not None or type(module).__name__ == "OptimizedModule"


def has_hooks(module: nn.Module) -> bool:
    """Whether something is called beside a module's forward."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def may_draw(module: nn.Module) -> bool:
    """Whether a forward may draw random numbers: it holds dropout, or a forward of its own.

    >>> may_draw(nn.Sequential(nn.Linear(2, 2), nn.ReLU())), may_draw(nn.Dropout(0.1))
    (False, True)
    """
    known = _DRAWS.get(module)
    if known is None:
        known = _DRAWS[module] = _draws(module)
    return known


_DRAWS: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()


def _draws(module: nn.Module) -> bool:
    return any(
        "forward" in m.__dict__
        or not type(m).forward.__module__.startswith("torch.nn.")
        or (isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0)
        or (isinstance(m, nn.MultiheadAttention) and m.dropout > 0)
        or isinstance(m, nn.RReLU)
        for m in module.modules()
    )


def meet(
    module: nn.Module, parameters: Parameters, x: Tensor, weight: Tensor | None, run: Run
) -> None:
    """Hold a module against itself, once for each kind of input; what differs is refused."""
    key = (x.dim(), x.dtype, module.training, weight is not None, len(parameters))
    met = _MET.get(module)
    if met is None:
        met = _MET[module] = set()
    if key in met or x.shape[1] == 0 or is_transformed(x, parameters):
        return
    check_stackable(module)
    tasks = x[:2] if len(x) > 1 else x.expand(2, *x.shape[1:])
    trial = _Trial(module, parameters, tasks.detach(), run)
    trial.weights_take_part()
    trial.buffers_stay()
    trial.tasks_stand_alone()
    if weight is not None:
        trial.padding_changes_nothing(weight[:2].expand(2, -1))
    met.add(key)


def is_transformed(x: Tensor, parameters: Parameters) -> bool:
    """Whether numbers cannot be looked at now: under `torch.func`'s transforms or while tracing."""
    from torch.fx.experimental.proxy_tensor import get_proxy_mode

    wrapped = torch._C._functorch.is_functorch_wrapped_tensor
    if get_proxy_mode() is not None or torch.is_inference_mode_enabled() or x.is_meta:
        return True
    return any(wrapped(t) for t in (x, *parameters.values()))


class _Trial:
    """A module under weights that were moved, each task's its own way."""

    def __init__(self, module: nn.Module, parameters: Parameters, x: Tensor, run: Run) -> None:
        self.module, self.x, self.run = module, x, run
        self.own, self.plain = dict(module.named_parameters()), plain_dimensions(module)
        draw = torch.Generator().manual_seed(0)

        def moved(p: Tensor) -> Tensor:
            noise = torch.randn(p.shape, generator=draw).to(p)
            size = p.square().mean().sqrt()
            return p + _MOVED * noise * torch.where(size > 0, size, 1)

        self.still, self.moved = {}, {}
        with torch.no_grad():
            for name, p in parameters.items():
                first = p.detach()
                if p.dim() > self.plain[name]:
                    first = first[:1].expand(2, *p.shape[1:])
                self.still[name] = first
                self.moved[name] = moved(first).requires_grad_(p.is_floating_point())

    def weights_take_part(self) -> None:
        """Refuse parameters whose own values are used where a task has others."""
        own = {id(p): n for n, p in self.own.items() if n in self.moved and p.requires_grad}
        originals = [p for p in self.own.values() if id(p) in own]
        with torch.enable_grad():
            out = self._stacked(self.moved, self.x)
            total = out.sum()
        if not (out.is_floating_point() and out.requires_grad and originals):
            return
        moved = [p for p in self.moved.values() if p.requires_grad]
        watch = _Watch(own)
        found: tuple[Tensor | None, ...] = ()
        try:
            with watch:
                found = torch.autograd.grad(total, [*originals, *moved], allow_unused=True)
        except RuntimeError:  # what is computed again cannot be told apart from what was batched
            if not watch.met:
                raise
        if watch.met:
            self._refuse(
                f"computes its forward again on the way back, with its own {_listed(watch.met)} in "
                "place of the task's: turn checkpointing off (rematerialise=True saves memory here)"
            )
        kept = [own[id(p)] for p, g in zip(originals, found, strict=False) if g is not None]
        if kept:
            self._refuse(
                f"uses the values that {_listed(kept)} had before, which then do not adapt: its "
                "forward must compute with the parameters themselves, not with a view of them"
            )

    def buffers_stay(self) -> None:
        """Refuse a forward that writes to its buffers."""
        before = {n: (id(b), b._version) for n, b in self.module.named_buffers()}
        if not before:
            return
        shells = replica(self.module)
        with torch.no_grad():
            one = {n: p[0] if p.dim() > self.plain[n] else p for n, p in self.still.items()}
            call(shells, self.own, one, self.x[0], None, still=True)
        changed = [n for n, b in shells.named_buffers() if before.get(n) != (id(b), b._version)]
        if changed:
            self._refuse(
                f"changes its buffer {_listed(changed)} in its forward, which would leak from task "
                "to task: call its eval() if it then stays, or leave the change out"
            )

    def tasks_stand_alone(self) -> None:
        """Refuse what gives other numbers over stacked tasks than task by task."""
        if self._stacked_differ(self.moved):
            changed = [
                n for n in self.moved if self._stacked_differ({**self.still, n: self.moved[n]})
            ] or list(self.moved)
            self._refuse(
                "gives other numbers over stacked tasks than task by task where "
                f"{_listed(changed)} differ from task to task: write that part of its forward in "
                "plain torch operations"
            )

    def padding_changes_nothing(self, weight: Tensor) -> None:
        """Refuse a forward that mixes examples in a way which padding would enter."""
        extra = self.x[:, :1].flip(-1) if self.x.dim() > 2 else self.x[:, :1]
        if self.x.is_floating_point():
            extra = 2 * extra + 1
        longer = torch.cat([self.x, extra], dim=1)
        rows = torch.cat([weight, weight.new_zeros(2, 1)], dim=1)

        def alone(weights: Parameters, cast: Cast) -> Tensor:
            return self._stacked(weights, cast(self.x), weight)

        def beside(weights: Parameters, cast: Cast) -> Tensor:
            return self._stacked(weights, cast(longer), rows)[:, :-1]

        if self._differ(self.moved, beside, alone):
            self._refuse(
                "lets its examples enter each other's outputs (statistics over the batch, say), "
                "which neither padding nor inductive evaluation can keep apart: use LayerNorm or "
                "GroupNorm, or nn.BatchNorm in an nn.Sequential"
            )

    def _stacked(self, weights: Parameters, x: Tensor, rows: Tensor | None = None) -> Tensor:
        out = self.run(self.module, weights, x, Context(rows, still=True))
        if out.shape[:2] != x.shape[:2]:
            self._refuse(
                f"gives {list(out.shape[1:])} for {x.shape[1]} examples: its output's first axis "
                "must be the examples"
            )
        return out

    def _stacked_differ(self, weights: Parameters) -> bool:
        def stacked(w: Parameters, cast: Cast) -> Tensor:
            return self._stacked(w, cast(self.x))

        def alone(w: Parameters, cast: Cast) -> Tensor:
            return one_by_one(self.module, w, cast(self.x), Context(still=True))

        return self._differ(weights, stacked, alone)

    @torch.no_grad()
    def _differ(self, weights: Parameters, found: Way, expected: Way) -> bool:
        """Whether two ways differ by more than rounding; float32 is no judge where it says so."""
        if _close(found(weights, _as_is), expected(weights, _as_is)):
            return False
        exact = {n: _double(w) for n, w in weights.items()}
        try:
            return not _close(found(exact, _double), expected(exact, _double))
        except UserError:  # it does not run in float64
            return True

    def _refuse(self, what: str) -> NoReturn:
        raise UserError(f"{type(self.module).__name__} {what}")


class _Watch(TorchFunctionMode):
    """Notes which of some parameters are used."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.names = names
        self.met: list[str] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func is torch.autograd.grad:
            return with_mode_inside(self, func, *args, **(kwargs or {}))
        self.met += [self.names[id(a)] for a in args if id(a) in self.names]
        return func(*args, **(kwargs or {}))


def _as_is(tensor: Tensor) -> Tensor:
    return tensor


def _double(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _close(found: Tensor, expected: Tensor) -> bool:
    if not expected.is_floating_point():
        return bool((found == expected).all())
    finite = expected.isfinite()
    if not bool((finite == found.isfinite()).all()):
        return False
    found, expected = found[finite], expected[finite]
    if not expected.numel():
        return True
    tolerance = TOLERANCE.get(expected.dtype, 0.1)
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max().clamp(min=1e-30))


def _listed(names: list[str]) -> str:
    shown = [f"'{n}'" for n in dict.fromkeys(names)]
    return ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")
