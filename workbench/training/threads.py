"""Threads: torch's own of OpenMP, and those that compute chunks of a batch side by side."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import torch

from workbench.algorithms.base import Learner

C = TypeVar("C")
T = TypeVar("T")
_forked = False  # whether this process is a copy of another, made by `os.fork`


def threads_for(learner: Learner) -> int:
    """OpenMP threads: a small net is quicker, and free of stalls, with one."""
    convolutions = any(isinstance(m, torch.nn.Conv1d | torch.nn.Conv2d) for m in learner.modules())
    small = sum(p.numel() for p in learner.parameters()) < 1_000_000
    return 1 if small and not convolutions else torch.get_num_threads()


@contextmanager
def kept_threads() -> Iterator[None]:
    """Leave the number of OpenMP threads as it was, a notebook's or a caller's."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def run_chunks(function: Callable[[C], T], chunks: Sequence[C], threads: int) -> list[T]:
    """`function` of every chunk, in their order, on so many threads of one OpenMP thread each."""
    if threads <= 1 or len(chunks) == 1:
        return [function(chunk) for chunk in chunks]
    grad = torch.is_grad_enabled()  # the mode is per thread

    def run(chunk: C) -> T:
        torch.set_num_threads(1)  # anew each time: what is set elsewhere may reach these threads
        with torch.set_grad_enabled(grad):
            return function(chunk)

    with kept_threads():
        waiting = [_pool(threads).submit(run, chunk) for chunk in chunks]
        try:
            return [future.result() for future in waiting]
        finally:  # where one failed, nothing of the others goes on behind the caller's back
            for future in waiting:
                future.cancel()
            wait(waiting)


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """The threads for so many chunks at a time, made once."""
    return ThreadPoolExecutor(threads, thread_name_prefix="chunks")


def use_threads(count: int) -> int:
    """Let torch compute with so many OpenMP threads, or with one in a forked process: how many.

    >>> use_threads(torch.get_num_threads()) == torch.get_num_threads()
    True
    """
    torch.set_num_threads(1 if _forked else count)
    return torch.get_num_threads()


def _after_fork() -> None:
    """GNU's OpenMP has no threads any more in a forked process, and would wait for them forever."""
    global _forked
    _forked = True
    _pool.cache_clear()  # nor has it the threads of a pool
    torch.set_num_threads(1)


os.register_at_fork(after_in_child=_after_fork)
