"""A function of tensors computed another way than its text says, certified before it is trusted.

A way makes a quicker function out of one, for inputs of fixed shapes: `Compiled`, `Captured`, or
one after the other. What it made is held once against the eager result; where they disagree, or
where nothing could be made, the function stays as it was and a warning says so.
"""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

Function = Callable[[Sequence[Tensor]], list[Tensor]]

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}


@dataclass(frozen=True)
class Certificate:
    """How far the first result of another way was from the eager one, relative to its norm.

    >>> Certificate(error=1e-2, tolerance=1e-4, seconds=9.0).holds
    False
    """

    error: float
    tolerance: float
    seconds: float
    way: str = "compiled"

    @property
    def holds(self) -> bool:
        return self.error <= self.tolerance


class Way(ABC):
    """Another way of computing a pure function of tensors."""

    name: str  # what the function is then
    doing: str  # what is done to it, as a sentence begins

    @abstractmethod
    def refusal(self) -> str | None:
        """Why it cannot be had here at all, in one line; None where it may be tried."""

    @abstractmethod
    def ready(self, function: Function, tensors: Sequence[Tensor]) -> Function:
        """The function made ready for inputs like these; whatever goes wrong is raised."""


class Ways:
    """The ways that are gone, one after the other, and why those that were refused are not."""

    def __init__(self, ways: Sequence[Way]) -> None:
        found = [(way, way.refusal()) for way in ways]
        self.left = tuple(way for way, why in found if why is None)
        self.refusals = [why for _, why in found if why is not None]

    def __str__(self) -> str:
        return " and ".join(way.name for way in self.left) or "eager"

    def refuse(self, way: Way, why: str) -> None:
        """Do without a way from now on."""
        self.left = tuple(other for other in self.left if other is not way)
        self.refusals.append(why)
        how = f"{self} only" if self.left else "eagerly"
        warnings.warn(f"running {how}: {why}", RuntimeWarning, stacklevel=4)


class Certified:
    """`function` of tensors, made ready by `ways`, in their order, once for each set of shapes.

    `function` must be pure, and give the gradients it gives by itself (its result is detached).
    What the ways are held against, and what runs where none holds, is `eager`: the same numbers by
    the text itself, as they come without any tensor being given from outside. `waiting` is entered
    while something is made ready, which may take long. `tolerance` is that of the certificates; by
    default it is that of the precision of the result.
    """

    def __init__(
        self,
        function: Function,
        ways: Ways,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
        tolerance: float | None = None,
    ) -> None:
        self.function, self.ways = function, ways
        self.waiting, self.tolerance = waiting, tolerance
        self.certificates: list[Certificate] = []
        self._ready: dict[object, Function] = {}

    def __call__(
        self, tensors: Sequence[Tensor], eager: Callable[[], list[Tensor]]
    ) -> list[Tensor]:
        if not self.ways.left:
            return eager()
        shapes = tuple((t.shape, t.dtype, t.device) for t in tensors)
        if (ready := self._ready.get((self.ways.left, shapes))) is None:
            return self._certified(shapes, tensors, eager())
        with torch.no_grad():
            return ready(tensors)

    def _certified(
        self, shapes: object, tensors: Sequence[Tensor], expected: list[Tensor]
    ) -> list[Tensor]:
        """Make it ready for these shapes; the eager result is returned, and judges the others."""
        function = self.function
        for way in self.ways.left:
            start = time.perf_counter()
            try:
                with self.waiting():
                    made = way.ready(function, tensors)
                with torch.no_grad():
                    found = made(tensors)
            except Exception as error:  # any failure means: do without, and say so
                said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                self.ways.refuse(way, f"{way.doing} failed ({said})")
                continue
            tolerance = self.tolerance or TOLERANCE.get(expected[0].dtype, 1e-4)
            seconds = time.perf_counter() - start
            certificate = Certificate(relative_error(found, expected), tolerance, seconds, way.name)
            self.certificates.append(certificate)
            if certificate.holds:
                function = made
            else:
                self.ways.refuse(
                    way,
                    f"the {way.name} graph differs from the eager result by "
                    f"{certificate.error:.1e} (allowed {tolerance:.0e})",
                )
        self._ready[self.ways.left, shapes] = function
        return expected


def relative_error(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest distance of a pair of tensors, relative to the norm of the expected one.

    A tensor that is nothing but rounding beside the others (the gradient of a bias before batch
    normalisation is exactly 0) is measured against a thousandth of the largest norm.

    >>> relative_error([torch.tensor([3.0, 4.0])], [torch.tensor([3.0, 4.0])])
    0.0
    """
    least = 1e-3 * max((float(e.norm()) for e in expected), default=0.0) or 1e-12
    errors = [
        float((f - e).norm()) / max(float(e.norm()), least)
        for f, e in zip(found, expected, strict=True)
    ]
    worst = max(errors, default=0.0)
    return worst if worst == worst else float("inf")
