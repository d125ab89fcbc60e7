"""Capturing what a function of tensors does on a GPU in a CUDA graph, and replaying that.

A meta-gradient of small tasks is hundreds of kernels, each shorter than its launch by Python. A
captured graph launches them all at once, the same kernels on the same addresses, so that a replay
gives the bits of the eager call. What the addresses hold is therefore kept here: inputs are copied
into buffers that the graph reads, results are copied out of what it writes before the next replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.innerloop.certified import Function, Way

_WARM_UPS = 2  # calls before: cuBLAS and cuDNN make what they need, which no capture allows


class Captured(Way):
    """Captured in a CUDA graph on one device. The graphs of all shapes share their memory."""

    name, doing = "captured", "capturing"

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._pool: Any = None
        self._stream: torch.cuda.Stream | None = None

    def refusal(self) -> str | None:
        if self.device.type != "cuda":
            return f"a CUDA graph is captured on a GPU, and this computes on {self.device}"
        return None

    def ready(self, function: Function, tensors: Sequence[Tensor]) -> Function:
        for tensor in tensors:
            if tensor.device != self.device:
                raise ValueError(f"an input is on {tensor.device} and not on {self.device}")
        with torch.cuda.device(self.device), torch.no_grad():
            # Made before the capture, so that no graph takes their memory for something else.
            inputs = [t.detach().clone(memory_format=torch.contiguous_format) for t in tensors]
            self._stream = self._stream or torch.cuda.Stream()
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            main = torch.cuda.current_stream()
            self._stream.wait_stream(main)
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UPS):
                    function(inputs)
            main.wait_stream(self._stream)
            graph, outputs = self._captured(function, inputs, main)

        def replay(given: Sequence[Tensor]) -> list[Tensor]:
            _copy(inputs, given)
            graph.replay()
            found = [torch.empty_like(t) for t in outputs]
            _copy(found, outputs)  # the pool is shared: the next replay of any graph writes there
            return found

        return replay

    def _captured(
        self, function: Function, inputs: list[Tensor], main: torch.cuda.Stream
    ) -> tuple[torch.cuda.CUDAGraph, list[Tensor]]:
        graph = torch.cuda.CUDAGraph()
        # Other threads of a notebook may use the GPU meanwhile: only this one is watched.
        capture = torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        )
        try:
            with torch.cuda.stream(main), capture:  # a capture that fails leaves its stream set
                return graph, function(inputs)
        except Exception as error:  # and to end it fails again, which hides why
            raise error.__context__ or error from None


def _copy(into: Sequence[Tensor], out_of: Sequence[Tensor]) -> None:
    """Copy tensor by tensor, in one launch for all of one dtype."""
    kinds: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    for own, other in zip(into, out_of, strict=True):
        owns, others = kinds.setdefault(own.dtype, ([], []))
        owns.append(own)
        others.append(other)
    for owns, others in kinds.values():
        torch._foreach_copy_(owns, others)
