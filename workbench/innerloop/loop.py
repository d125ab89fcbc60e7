"""The inner loop: one gradient step of a batch of tasks, as a pure function of values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.innerloop.optimizers import Classic
from workbench.innerloop.rules import Rate, UpdateRule

Order = Literal["second", "first", "truncated"]
Losses = Callable[[dict[str, Tensor]], Tensor]
Anew = Callable[[Mapping[str, Tensor]], Losses]

WEIGHTS, OPTIMIZER = "weights.", "optimizer."


def weights_of(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The fast weights among the values of an adaptation, by their parameter names."""
    return {k.removeprefix(WEIGHTS): v for k, v in values.items() if k.startswith(WEIGHTS)}


@dataclass(frozen=True)
class InnerLoop:
    """How inner gradient steps are made and differentiated.

    rule           how weights move along a gradient
    order          'second' is exact. 'first' treats each step's gradient as a constant, so the
                   meta-gradient is the gradient at the adapted weights. 'truncated' is exact
                   over the last `truncate` steps and first-order before
    clip           largest norm of each task's gradient in a step; 0 is no limit
    rematerialise  keep only the weights of each step and recompute its graph on the way back:
                   memory grows by the weights, not by the activations, at the price of time
    """

    rule: UpdateRule = field(default_factory=Classic)
    order: Order = "second"
    truncate: int = 1
    clip: float = 0.0
    rematerialise: bool = False

    def is_exact(self, step: int, steps: int) -> bool:
        """Whether the step that follows value `step` of `steps` keeps its second order."""
        if self.order == "truncated":
            return step >= steps - self.truncate
        return self.order == "second"

    def step(
        self,
        losses: Losses,
        values: Mapping[str, Tensor],
        rates: Mapping[str, Rate],
        *,
        step: int,
        steps: int,
        through: Sequence[Tensor] = (),
        anew: Anew | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Descend `losses(weights) -> [task]` once; (new values, what was seen).

        `values` holds 'weights.NAME' and, after the first step, 'optimizer.KEY', the rule's state;
        all other values pass through unchanged. Where steps are rematerialised, `through` are other
        tensors that `losses` or the rule uses and that want a gradient, and `anew(values)` is
        `losses` reading these in place of the values that pass through and want one: what made
        them is no part of the step. A graph is built in grad mode only.
        """
        weights = weights_of(values)
        state = {k.removeprefix(OPTIMIZER): v for k, v in values.items() if k.startswith(OPTIMIZER)}
        state = state or self.rule.init(weights)
        kept = {k: v for k, v in values.items() if not k.startswith((WEIGHTS, OPTIMIZER))}
        building = torch.is_grad_enabled()
        exact = building and self.is_exact(step, steps)
        before = torch.tensor(float(step), dtype=torch.float64)
        if exact and self.rematerialise:
            passing = {k: v for k, v in kept.items() if v.requires_grad}
            new, new_state, seen = self._rematerialised(
                anew or (lambda _: losses),
                weights,
                state,
                rates,
                before,
                passing if anew else {},
                [t for t in (*through, *(() if anew else passing.values())) if t.requires_grad],
            )
        else:
            new, new_state, seen = self._step(losses, weights, state, rates, before, exact)
        kept |= {WEIGHTS + k: v for k, v in new.items()}
        return kept | {OPTIMIZER + k: v for k, v in new_state.items()}, seen

    def _step(
        self,
        losses: Losses,
        weights: dict[str, Tensor],
        state: Mapping[str, Tensor],
        rates: Mapping[str, Rate],
        step: Tensor,
        exact: bool,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        with torch.enable_grad():
            # Detached, the gradient is a constant: the first-order form of the step.
            # A view, so that losses may look at the weights of before too, which stay out of it.
            at = {
                k: w.view_as(w) if exact and w.requires_grad else w.detach().requires_grad_()
                for k, w in weights.items()
            }
            of_tasks = losses(at)
            found = torch.autograd.grad(
                of_tasks.sum(), list(at.values()), create_graph=exact, allow_unused=True
            )
        gradients = [
            torch.zeros_like(w) if g is None else g
            for w, g in zip(weights.values(), found, strict=True)
        ]
        if self.clip:
            gradients = clip_each_task(gradients, self.clip)
        named = dict(zip(weights, gradients, strict=True))
        seen = {"loss": of_tasks.detach()}
        seen |= {f"gradient.{name}": g.detach() for name, g in named.items()}
        new, new_state = self.rule.step(named, weights, state, rates, step)
        return new, new_state, seen

    def _rematerialised(
        self,
        anew: Anew,
        weights: dict[str, Tensor],
        state: Mapping[str, Tensor],
        rates: Mapping[str, Rate],
        step: Tensor,
        passing: Mapping[str, Tensor],
        through: Sequence[Tensor],
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        names, keys = list(weights), list(state)
        learned = [k for k, r in rates.items() if isinstance(r, Tensor)]
        shapes: dict[str, list[str]] = {}

        def run(tensors: Sequence[Tensor], exact: bool) -> list[Tensor]:
            given = iter(tensors)
            w, s = {k: next(given) for k in names}, {k: next(given) for k in keys}
            r = dict(rates) | {k: next(given) for k in learned}
            losses = anew({k: next(given) for k in passing})
            new, new_state, seen = self._step(losses, w, s, r, step, exact)
            shapes["state"], shapes["seen"] = list(new_state), list(seen)
            return [*new.values(), *new_state.values(), *([] if exact else seen.values())]

        inputs = [*weights.values(), *state.values(), *(rates[k] for k in learned)]
        inputs += passing.values()
        out = _Rematerialised.apply(run, len(inputs), *inputs, *through)
        new = dict(zip(names, out, strict=False))
        out = out[len(names) :]
        new_state = dict(zip(shapes["state"], out, strict=False))
        seen = dict(zip(shapes["seen"], out[len(new_state) :], strict=True))
        return new, new_state, {k: v.detach() for k, v in seen.items()}


@contextmanager
def named_derivatives() -> Iterator[None]:
    """Inside, an operation without the derivative that is asked for is refused by its name.

    >>> with named_derivatives():
    ...     raise RuntimeError("derivative for aten::hardsigmoid_backward is not implemented")
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: torch knows no second derivative of hardsigmoid, which an exact
    meta-gradient needs: set order='first', or use another operation in its place
    """
    try:
        yield
    except RuntimeError as error:  # NotImplementedError is one too
        missing = re.search(r"derivative for '?(?:aten::)?(\w+)'? is not implemented", str(error))
        if missing:
            name = missing[1].removesuffix("_backward").strip("_")
        elif "once_differentiable" in str(error):
            name = "an operation of this model (marked once_differentiable)"
        else:
            raise
        raise UserError(
            f"torch knows no second derivative of {name}, which an exact meta-gradient needs: "
            "set order='first', or use another operation in its place"
        ) from error


class _Rematerialised(torch.autograd.Function):
    """A step whose graph is thrown away and built again, with its second order, in the backward."""

    @staticmethod
    def forward(ctx, run, count, *tensors):  # type: ignore[no-untyped-def]
        ctx.run, ctx.count = run, count
        ctx.save_for_backward(*tensors)
        out = run([t.detach() for t in tensors[:count]], False)
        return tuple(t.detach() for t in out)

    @staticmethod
    def backward(ctx, *grads):  # type: ignore[no-untyped-def]
        if torch.is_grad_enabled():
            raise UserError(
                "rematerialised steps cannot be differentiated once more: set rematerialise=False "
                "where a third level differentiates through the meta-gradient"
            )
        tensors = ctx.saved_tensors
        with torch.enable_grad():
            inputs = [t.detach().requires_grad_(t.requires_grad) for t in tensors[: ctx.count]]
            out = ctx.run(inputs, True)
            wanted = [t for t in (*inputs, *tensors[ctx.count :]) if t.requires_grad]
            pairs = [(o, g) for o, g in zip(out, grads, strict=False) if o.requires_grad]
            found = iter(
                torch.autograd.grad(
                    [o for o, _ in pairs], wanted, [g for _, g in pairs], allow_unused=True
                )
            )
        every = (*inputs, *tensors[ctx.count :])
        return (None, None, *(next(found) if t.requires_grad else None for t in every))


class _Implicit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, solve, count, *tensors):  # type: ignore[no-untyped-def]
        ctx.solve, ctx.count = solve, count
        return tuple(t.detach().clone() for t in tensors[count:])

    @staticmethod
    def backward(ctx, *grads):  # type: ignore[no-untyped-def]
        return (None, None, *ctx.solve(grads), *[None] * len(grads))


def implicit(
    start: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    solve: Callable[[Sequence[Tensor]], Sequence[Tensor]],
) -> dict[str, Tensor]:
    """Tie the weights that an inner loop `found` to those it started from by implicit gradients.

    `solve` maps the gradients at the found weights to gradients at the start: for the proximal
    problem min L(w) + strength/2 |w - start|^2 it is v -> (I + H / strength)^-1 v. How the inner
    loop got there does not matter, and none of its graph is kept.

    >>> w = torch.tensor([2.0], requires_grad=True)
    >>> out = implicit({"w": w}, {"w": torch.tensor([1.0])}, lambda v: [0.5 * v[0]])
    >>> torch.autograd.grad(out["w"].sum(), w)
    (tensor([0.5000]),)
    """
    tensors = _Implicit.apply(solve, len(start), *start.values(), *found.values())
    return dict(zip(found, tensors, strict=True))


def clip_each_task(gradients: Sequence[Tensor], largest: float) -> list[Tensor]:
    """Gradients `[task, ...]`, each task's brought to a norm of `largest` where it is longer.

    >>> clip_each_task([torch.tensor([[3.0, 4.0], [0.3, 0.4]])], 1.0)[0]
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    squares = [g.flatten(1).square().sum(dim=1) for g in gradients]
    norm = torch.stack(squares).sum(dim=0).clamp(min=1e-24).sqrt()
    factor = (largest / norm).clamp(max=1.0)
    return [g * factor.reshape(-1, *[1] * (g.dim() - 1)) for g in gradients]
