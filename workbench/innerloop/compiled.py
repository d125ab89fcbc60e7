"""Tracing a function of tensors into one flat graph and compiling it, certified.

A step is pure, so a whole meta-gradient, `higher` inside, can be traced by `make_fx` and compiled.
A compiled graph is not trusted: its first result is held against the eager one, and where they
disagree, or where nothing compiles, the eager function stays and a warning says so.
"""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Function = Callable[[Sequence[Tensor]], list[Tensor]]

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}


@dataclass(frozen=True)
class Certificate:
    """How far a compiled graph's first result was from the eager one, relative to its norm.

    >>> Certificate(error=1e-2, tolerance=1e-4, seconds=9.0).holds
    False
    """

    error: float
    tolerance: float
    seconds: float

    @property
    def holds(self) -> bool:
        return self.error <= self.tolerance


class Compiled:
    """`function` of tensors, traced and compiled once for each set of shapes.

    `function` must be pure, and give the gradients it gives by itself (its result is detached).
    What a graph is held against, and what runs where there is none, is `eager`: the same numbers
    by the text itself, as they come without any tensor being given from outside. `waiting` is
    entered while it compiles, which takes long.
    """

    def __init__(
        self,
        function: Function,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.function, self.waiting = function, waiting
        self.certificates: list[Certificate] = []
        self.refusal: str | None = _refusal()
        self._graphs: dict[object, Function] = {}

    def __call__(
        self, tensors: Sequence[Tensor], eager: Callable[[], list[Tensor]]
    ) -> list[Tensor]:
        if self.refusal is not None:
            return eager()
        key = tuple((t.shape, t.dtype, t.device) for t in tensors)
        if key not in self._graphs:
            return self._certified(key, tensors, eager())
        with torch.no_grad():
            return self._graphs[key](*tensors)  # type: ignore[arg-type]

    def _certified(
        self, key: object, tensors: Sequence[Tensor], expected: list[Tensor]
    ) -> list[Tensor]:
        """Compile for these shapes; the eager result is returned, and judges the compiled one."""
        start = time.perf_counter()
        try:
            with self.waiting():
                graph = _compile(self.function, tensors)
            with torch.no_grad():
                found = graph(*tensors)  # type: ignore[arg-type]
        except Exception as error:  # any failure of the compiler means: stay eager, and say so
            self._refuse(f"compiling failed ({type(error).__name__}: {str(error)[:200]})")
            return expected
        certificate = Certificate(
            _relative_error(found, expected),
            TOLERANCE.get(expected[0].dtype, 1e-4),
            time.perf_counter() - start,
        )
        self.certificates.append(certificate)
        if certificate.holds:
            self._graphs[key] = graph
        else:
            self._refuse(
                f"the compiled graph differs from the eager result by {certificate.error:.1e} "
                f"(allowed {certificate.tolerance:.0e})"
            )
        return expected

    def _refuse(self, why: str) -> None:
        self.refusal = why
        warnings.warn(f"running eagerly: {why}", RuntimeWarning, stacklevel=4)


def _refusal() -> str | None:
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        return "no C++ compiler was found"
    return None


def _compile(function: Function, tensors: Sequence[Tensor]) -> Function:
    import torch._inductor
    from torch.fx.experimental.proxy_tensor import make_fx

    inputs: list[Any] = [t.detach() for t in tensors]
    graph = make_fx(lambda *t: function(t))(*inputs)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    # Index propagation computes what is done with an `arange` from the loop's own variable. Seeds
    # wrap around there, which C++ leaves undefined: gcc drops the loop's end, and it writes on.
    with torch._inductor.config.patch(constant_and_index_propagation=False):
        # The graph is flat and its shapes are fixed, so torch.compile's frame capture and guards
        # would only cost time in every call: 0.08 ms of 0.5.
        return torch._inductor.compile(graph, inputs)


def _relative_error(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest distance of a pair of tensors, relative to the norm of the expected one.

    A tensor that is nothing but rounding beside the others (the gradient of a bias before batch
    normalisation is exactly 0) is measured against a thousandth of the largest norm.
    """
    least = 1e-3 * max((float(e.norm()) for e in expected), default=0.0) or 1e-12
    errors = [
        float((f - e).norm()) / max(float(e.norm()), least)
        for f, e in zip(found, expected, strict=True)
    ]
    worst = max(errors, default=0.0)
    return worst if worst == worst else float("inf")
