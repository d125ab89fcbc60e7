"""The classic update rules: `higher`'s differentiable optimizers as pure functions of values.

The only file that knows `higher`. What its release 0.2.1 has wrong is replaced here through
`higher.register_optim`: Adam's epsilon and the NaN of sqrt(0) in the second order, RMSprop's
likewise, and AdamW, which the release lacks. A rule's state lives in the values of the
adaptation; the objects that `higher` makes are reset from it before each step, one per thread.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import higher
import torch
from torch import Tensor

from workbench.fields import Range, When, check_fields
from workbench.innerloop.rules import Named, Rate, UpdateRule

Kind = Literal["sgd", "adam", "adamw", "rmsprop"]
_UNIT = Range(0, below=1)


def _of(*kinds: Kind) -> When:
    """Holds for these kinds alone."""
    return When(lambda own: own.kind in kinds)


_ADAM = _of("adam", "adamw")


class _Elementwise(higher.optim.DifferentiableOptimizer):
    """A step that treats every element by itself; a subclass gives its direction."""

    def _update(self, grouped_grads: Sequence[Sequence[Tensor | None]], **_: Any) -> None:
        for i, (group, grads) in enumerate(zip(self.param_groups, grouped_grads, strict=True)):
            for j, (p, g) in enumerate(zip(group["params"], grads, strict=True)):
                if g is not None:
                    decay, coupled = group["weight_decay"], self.couples_decay
                    if decay and coupled:
                        g = g + decay * p
                    moved = p - group["lr"] * self.direction(g, self.state[i][j], group)
                    if decay and not coupled:
                        moved = moved - group["lr"] * decay * p
                    group["params"][j] = moved

    couples_decay = True

    @staticmethod
    def direction(g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        raise NotImplementedError


def _root(x: Tensor) -> Tensor:
    """The square root, with derivative 0 (and not NaN) where x is 0."""
    zero = x == 0
    return torch.where(zero, torch.zeros_like(x), torch.where(zero, torch.ones_like(x), x).sqrt())


class _Adam(_Elementwise):
    @staticmethod
    def direction(g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        beta1, beta2 = group["betas"]
        state["exp_avg"] = beta1 * state["exp_avg"] + (1 - beta1) * g
        state["exp_avg_sq"] = beta2 * state["exp_avg_sq"] + (1 - beta2) * g * g
        first, second = group["corrections"]
        return (state["exp_avg"] / first) / (_root(state["exp_avg_sq"]) / second + group["eps"])


class _AdamW(_Adam):
    couples_decay = False


class _RMSprop(_Elementwise):
    @staticmethod
    def direction(g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        alpha = group["alpha"]
        state["square_avg"] = alpha * state["square_avg"] + (1 - alpha) * g * g
        return g / (_root(state["square_avg"]) + group["eps"])


higher.register_optim(torch.optim.Adam, _Adam)
higher.register_optim(torch.optim.AdamW, _AdamW)
higher.register_optim(torch.optim.RMSprop, _RMSprop)


@dataclass(frozen=True)
class InnerOptimizer:
    """The update rule of an inner step, without its rate."""

    kind: Kind = "sgd"  # how a step follows from the gradients so far
    # SGD: how much of the last step is taken again
    momentum: Annotated[float, _UNIT, _of("sgd")] = 0.0
    # Adam, AdamW: how slowly the mean of the gradients forgets
    beta1: Annotated[float, _UNIT, _ADAM] = 0.9
    # Adam, AdamW: how slowly the mean of their squares forgets
    beta2: Annotated[float, _UNIT, _ADAM] = 0.999
    # RMSprop: how slowly the mean of their squares forgets
    alpha: Annotated[float, _UNIT, _of("rmsprop")] = 0.99
    # Adam, AdamW, RMSprop: larger keeps the steps on tiny gradients small
    eps: Annotated[
        float, Range(0, span=(1e-10, 1e-2), log=True), _of("adam", "adamw", "rmsprop")
    ] = 1e-8
    # how strongly each step draws the weights towards zero
    weight_decay: Annotated[float, Range(0, span=(1e-6, 1e-1), log=True)] = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "learner.optimizer")

    def build(self) -> Classic:
        """The rule of these settings."""
        return Classic(self)


class Classic(UpdateRule):
    """The classic optimizers, by `higher`, fed ready gradients.

    >>> rule = Classic(InnerOptimizer("adam"))
    >>> sorted(rule.init({"w": torch.ones(1, 2)}))
    ['exp_avg.w', 'exp_avg_sq.w']
    """

    def __init__(self, settings: InnerOptimizer = InnerOptimizer()) -> None:
        super().__init__()
        self.settings = settings
        momentum = ("momentum_buffer",) if settings.momentum else ()
        averages = ("exp_avg", "exp_avg_sq")
        of_kind: dict[Kind, tuple[str, ...]] = {
            "sgd": momentum,
            "adam": averages,
            "adamw": averages,
            "rmsprop": ("square_avg",),
        }
        self.keys = of_kind[settings.kind]
        self.averages = settings.kind in ("adam", "adamw")

    def init(self, weights: Mapping[str, Tensor]) -> Named:
        """Zeros for each weight: 'KEY.NAME'."""
        return {
            f"{key}.{name}": torch.zeros_like(w) for name, w in weights.items() for key in self.keys
        }

    def step(
        self,
        gradients: Mapping[str, Tensor],
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        rates: Mapping[str, Rate],
        step: Tensor,
    ) -> tuple[Named, Named]:
        """One step of the optimizer, from the state that it is given."""
        optimizer = self._differentiable(len(weights))
        # One group a tensor, so the i-th name is group i; new dicts, so nothing older changes.
        optimizer.state = [
            {0: {key: state[f"{key}.{name}"] for key in self.keys}} for name in weights
        ]
        own, taken = self.settings, step + 1
        corrections = (1 - own.beta1**taken, (1 - own.beta2**taken).sqrt()) if self.averages else ()
        for group, (name, weight) in zip(optimizer.param_groups, weights.items(), strict=True):
            group["params"], group["lr"] = [weight], rates[name]
            group["corrections"] = corrections
        optimizer._update([[gradients[name]] for name in weights])
        new, new_state = {}, {}
        for i, (name, group) in enumerate(zip(weights, optimizer.param_groups, strict=True)):
            new[name] = group["params"][0]
            for key in self.keys:
                new_state[f"{key}.{name}"] = optimizer.state[i][0][key]
            group["params"], group["lr"] = [None], 1.0  # keeps no graph alive between steps
        optimizer.state = []
        return new, new_state

    def _differentiable(self, tensors: int) -> higher.optim.DifferentiableOptimizer:
        """`higher`'s object for so many tensors; each thread has its own."""
        made: dict[Any, higher.optim.DifferentiableOptimizer]
        made = _OF_THIS_THREAD.__dict__.setdefault("made", {})
        key = (self.settings, tensors)
        if key not in made:
            placeholders = [torch.empty(0, requires_grad=True) for _ in range(tensors)]
            made[key] = higher.get_diff_optim(self._torch_optimizer(placeholders), placeholders)
        return made[key]

    def _torch_optimizer(self, placeholders: list[Tensor]) -> torch.optim.Optimizer:
        own = self.settings
        groups: list[dict[str, Any]] = [{"params": [p]} for p in placeholders]
        decay = own.weight_decay
        if own.kind == "sgd":
            return torch.optim.SGD(groups, lr=1.0, momentum=own.momentum, weight_decay=decay)
        if own.kind == "rmsprop":
            return torch.optim.RMSprop(
                groups, lr=1.0, alpha=own.alpha, eps=own.eps, weight_decay=decay
            )
        adam = torch.optim.Adam if own.kind == "adam" else torch.optim.AdamW
        return adam(groups, lr=1.0, betas=(own.beta1, own.beta2), eps=own.eps, weight_decay=decay)


_OF_THIS_THREAD = threading.local()
