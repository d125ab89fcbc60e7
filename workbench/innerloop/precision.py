"""In what precision a GPU computes with float32: a setting of its matrix units, for a while.

`highest` is float32 throughout; `high` lets products and convolutions round their inputs to TF32
(10 bits after the point); `bf16` computes them, and what autocast counts as safe, in bfloat16
(7 bits), while weights, their updates and losses stay float32.

Kernels of convolutions may be chosen by timing them: the quickest for each shape, which need not
be the same in another process, and then gives other last bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

import torch

Precision = Literal["highest", "high", "bf16"]
# Relative errors of a meta-gradient up to which a precision costs what its rounding does. Where the
# meta-gradient is ill-conditioned, as behind batch normalisation, it costs more, and is told.
ALLOWED: dict[Precision, float] = {"high": 2e-2, "bf16": 1e-1}
_TIMED = 5  # kernels of a convolution that are timed: those that cuDNN expects to be the quickest
LEAST_COSINE = 0.9  # with the exact one: below, it is another direction


@contextmanager
def computing(precision: Precision, device: torch.device, *, timed: bool = False) -> Iterator[None]:
    """Compute on a GPU in this precision. On a CPU there is one alone, and nothing is set.

    timed  whether kernels of convolutions are chosen by timing

    >>> with computing("highest", torch.device("cpu")):
    ...     pass
    """
    if device.type != "cuda":
        yield
        return
    matrices, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest" if precision == "highest" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "highest"
    cudnn = torch.backends.cudnn
    chosen, limit = cudnn.benchmark, cudnn.benchmark_limit
    if timed:
        cudnn.benchmark, cudnn.benchmark_limit = True, _TIMED
    try:
        # Without the cache of cast weights: what is cast in a warm-up would not be in a capture.
        with (
            torch.autocast("cuda", torch.bfloat16, cache_enabled=False)
            if precision == "bf16"
            else nullcontext()
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(matrices)
        torch.backends.cudnn.allow_tf32 = convolutions
        cudnn.benchmark, cudnn.benchmark_limit = chosen, limit
