"""Capturing what a function of tensors does on a GPU in a CUDA graph, and replaying that.

A meta-gradient of small tasks is hundreds of kernels, each shorter than its launch by Python. A
captured graph launches them all at once, the same kernels on the same addresses, so that a replay
gives the bits of the eager call. Inputs that stay where they are, such as parameters, are read
there; others are copied into buffers that the graph reads. Results stand where it writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.innerloop.certified import Function, Way

_WARM_UPS = 2  # calls before: cuBLAS and cuDNN make what they need, which no capture allows


class Captured(Way):
    """Captured in a CUDA graph on one device. The graphs of all shapes share their memory.

    staying  how many of the first inputs are read where they are: what holds them is changed in
             place from call to call. Where one has moved after all, it is captured anew
    passing  whether a result need only hold until the next replay of any graph
    """

    name, doing = "captured", "capturing"

    def __init__(self, device: torch.device, staying: int = 0, *, passing: bool = False) -> None:
        self.device, self.staying, self.passing = device, staying, passing
        self._pool: Any = None
        self._stream: torch.cuda.Stream | None = None

    def refusal(self) -> str | None:
        if self.device.type != "cuda":
            return f"a CUDA graph is captured on a GPU, and this computes on {self.device}"
        return None

    def ready(self, function: Function, tensors: Sequence[Tensor]) -> Function:
        made = self._graph_of(function, tensors)

        def replay(given: Sequence[Tensor]) -> list[Tensor]:
            nonlocal made
            if _places(given[: self.staying]) != made[0]:
                made = self._graph_of(function, given)
            _, inputs, graph, outputs = made
            _copy(inputs[self.staying :], given[self.staying :])
            graph.replay()
            return outputs if self.passing else _copied(outputs)

        return replay

    def _graph_of(
        self, function: Function, tensors: Sequence[Tensor]
    ) -> tuple[list[int], list[Tensor], torch.cuda.CUDAGraph, list[Tensor]]:
        """Where what stays is, the graph, and the tensors that it reads and writes."""
        for tensor in tensors:
            if tensor.device != self.device:
                raise ValueError(f"an input is on {tensor.device} and not on {self.device}")
        with torch.cuda.device(self.device), torch.no_grad():
            # Made before the capture, so that no graph takes their memory for something else.
            inputs = [t.detach() for t in tensors[: self.staying]]
            inputs += [
                t.detach().clone(memory_format=torch.contiguous_format)
                for t in tensors[self.staying :]
            ]
            self._stream = self._stream or torch.cuda.Stream()
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            main = torch.cuda.current_stream()
            self._stream.wait_stream(main)
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UPS):
                    function(inputs)
            main.wait_stream(self._stream)
            graph, outputs = self._captured(function, inputs, main)
        return _places(inputs[: self.staying]), inputs, graph, outputs

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
                return graph, apart(function(inputs), inputs)
        except Exception as error:  # and to end it fails again, which hides why
            raise error.__context__ or error from None


def apart(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """The outputs, those copied that share memory with an input or another output.

    Whoever gets them may change them in place.

    >>> x = torch.zeros(3)
    >>> [one.data_ptr() == x.data_ptr() for one in apart([x, x + 1], [x])]
    [False, False]
    """
    taken = {t.untyped_storage().data_ptr() for t in inputs}
    found = []
    for tensor in outputs:
        place = tensor.untyped_storage().data_ptr()
        found.append(tensor.clone() if place in taken else tensor)
        taken.add(place)
    return found


def _places(tensors: Sequence[Tensor]) -> list[int]:
    return [t.data_ptr() for t in tensors]


def _copied(tensors: Sequence[Tensor]) -> list[Tensor]:
    found = [torch.empty_like(t) for t in tensors]
    _copy(found, tensors)
    return found


def _copy(into: Sequence[Tensor], out_of: Sequence[Tensor]) -> None:
    """Copy tensor by tensor, in one launch for all of one dtype."""
    kinds: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    for own, other in zip(into, out_of, strict=True):
        owns, others = kinds.setdefault(own.dtype, ([], []))
        owns.append(own)
        others.append(other)
    for owns, others in kinds.values():
        torch._foreach_copy_(owns, others)
