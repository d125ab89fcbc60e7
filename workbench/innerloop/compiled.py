"""Tracing a function of tensors into one flat graph and compiling it.

A step is pure, so a whole meta-gradient, `higher` inside, can be traced by `make_fx` and compiled.
A compiled graph is not trusted: see `certified`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor

from workbench.innerloop.certified import Function, Way
from workbench.innerloop.rewritten import WHILE_TRACING, turn_products


class Compiled(Way):
    """Traced and compiled: operations that follow each other are one, and Python is out of it."""

    name, doing = "compiled", "compiling"

    def __init__(self, inside: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self.inside = inside  # entered around what is made, and each call: what is set counts

    def refusal(self) -> str | None:
        return _refusal()

    def ready(self, function: Function, tensors: Sequence[Tensor]) -> Function:
        with self.inside():
            graph = _compile(function, tensors)

        def call(given: Sequence[Tensor]) -> list[Tensor]:
            with self.inside():
                return graph(*given)

        return call


def _refusal() -> str | None:
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        return "no C++ compiler was found"
    return None


def _compile(function: Function, tensors: Sequence[Tensor]) -> Callable[..., list[Tensor]]:
    import torch._inductor
    from torch.fx.experimental.proxy_tensor import make_fx

    inputs: list[Any] = [t.detach() for t in tensors]
    graph = make_fx(lambda *t: function(t), WHILE_TRACING)(*inputs)
    turn_products(graph)
    # Index propagation computes what is done with an `arange` from the loop's own variable. Seeds
    # wrap around there, which C++ leaves undefined: gcc drops the loop's end, and it writes on.
    with torch._inductor.config.patch(constant_and_index_propagation=False):
        # The graph is flat and its shapes are fixed, so torch.compile's frame capture and guards
        # would only cost time in every call: 0.08 ms of 0.5.
        return torch._inductor.compile(graph, inputs)
