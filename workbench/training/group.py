"""The processes that compute one training together, over torch.distributed.

Rank 0 holds the training: its optimizer, its random numbers, its run. The others hold the tasks and
the learner, and compute. An outer step goes so:

    rank 0 sends the step's number and the meta-parameters;
    each rank draws the step's tasks and computes its chunks, as one process would;
    each is sent one slice of every chunk's gradient, and adds these in the order of the chunks;
    rank 0 is sent the sums and the losses.

So the bits are those of one process, however many ranks there are, and what a rank sends and gets
does not grow with their number. It is the finished meta-gradient that travels, never a graph.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from workbench.algorithms.values import MetaGradient
from workbench.errors import UserError
from workbench.tasks.episode import Episode

PATIENCE = timedelta(minutes=5)  # until all ranks have come
# A process that ends closes its connections, which the others see at once. This is for machines
# that vanish, and longer than a validation, during which the others wait for rank 0.
_SILENCE = timedelta(hours=1)
_LOOK_SECONDS = 0.05
_HELD_BYTES = 2**26  # of chunks' gradients that wait on a rank to be added


class RankLost(UserError):
    """One of the processes has ended before the training did."""


class Group:
    """A rank's view of all.

    store      where the ranks find each other, and what they say before they compute
    local      the rank among those of this machine, `beside` their number
    processes  those of the other ranks, where this one has started them
    """

    def __init__(
        self,
        store: dist.Store,
        rank: int,
        size: int,
        *,
        local: int,
        beside: int,
        processes: Sequence[subprocess.Popen[bytes]] = (),
    ) -> None:
        self.store, self.rank, self.size = store, rank, size
        self.local, self.beside, self.processes = local, beside, processes
        self.device = torch.device("cpu")  # of what is sent

    # What is said before the first outer step, and after the last

    def say(self, what: str, told: Any) -> None:
        """Say something, as plain data, that any other rank may hear."""
        self.store.set(f"{what} {self.rank}", json.dumps(told))

    def hear(self, what: str, rank: int) -> Any:
        """What a rank says of something, as soon as it does."""
        until = time.monotonic() + PATIENCE.total_seconds()
        try:
            while (told := self._said(what, rank)) is None:
                if self.ended or self._gone() or time.monotonic() > until:
                    raise self.lost()
                time.sleep(_LOOK_SECONDS)
        except RuntimeError:  # who keeps the store is gone
            raise self.lost() from None
        return told

    def check_alike(self, what: str, mine: Mapping[str, Any]) -> None:
        """Refuse, on rank 0, a rank of which something is otherwise than here."""
        self.say(what, mine)
        for rank in range(1, self.size if self.rank == 0 else 0):
            for name, theirs in self.hear(what, rank).items():
                if theirs != mine.get(name):
                    raise UserError(
                        f"rank {rank} has {name} {theirs} where rank 0 has {mine.get(name)}: "
                        "the bits would depend on the ranks; give all of them the same"
                    )

    @property
    def ended(self) -> bool:
        """Whether rank 0 has said that there is no more to do."""
        with suppress(RuntimeError):
            return self._said("end", 0) is not None
        return False

    def _said(self, what: str, rank: int) -> Any:
        key = f"{what} {rank}"
        return json.loads(self.store.get(key)) if self.store.check([key]) else None

    def _gone(self) -> str:
        """Which of the others has ended and how, as far as rank 0 can know; empty if none has."""
        with suppress(RuntimeError):
            for rank in range(1, self.size if self.rank == 0 else 0):
                if (word := self._said("end", rank)) is not None:
                    return f"rank {rank} of {self.size} has ended ({word})"
        for rank, process in enumerate(self.processes, 1):
            if (code := process.poll()) is not None:
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else "has ended"
                return f"rank {rank} of {self.size} {how}"
        return ""

    def lost(self) -> RankLost:
        """The error about it: who is gone."""
        until = time.monotonic() + 1.0  # what was heard of it first is that a connection closed
        while not (who := self._gone()) and self.rank == 0 and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        return RankLost(who or f"one of the {self.size} ranks has ended")

    def threads(self, usual: int) -> int:
        """A rank's OpenMP threads: its share of the cores, which torchrun has chosen itself."""
        return max(1, usual // self.size) if self.processes else usual

    # What is computed together

    def has_own_gpu(self, device: str) -> bool:
        """Whether each rank that is to compute on `device` has a GPU for itself."""
        return device == "cuda" and torch.cuda.device_count() >= self.beside

    def join(self, *, own_gpu: bool) -> None:
        """Connect to all others; from here on one that ends is noticed by all."""
        if self.beside == self.size:  # all are here, so that nothing need listen to other machines
            for library in ("GLOO", "NCCL"):
                os.environ.setdefault(f"{library}_SOCKET_IFNAME", _loopback())
        if own_gpu:
            self.device = torch.device("cuda", self.local)
            torch.cuda.set_device(self.device)
        try:
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if own_gpu else "gloo",
                store=self.store,
                rank=self.rank,
                world_size=self.size,
                timeout=_SILENCE,
            )
        except RuntimeError:
            raise self.lost() from None

    def tell(self, iteration: int, parameters: Mapping[str, Tensor]) -> int:
        """Rank 0's outer step and meta-parameters, which the others take over: the outer step."""
        flat = torch.cat([p.detach().flatten() for p in parameters.values()]).to(self.device)
        word = torch.tensor([iteration])
        try:
            dist.broadcast(word, 0)
            dist.broadcast(flat, 0)
        except RuntimeError:
            raise self.lost() from None
        if self.rank:
            with torch.no_grad():
                for name, value in _named(flat, parameters).items():
                    parameters[name].copy_(value)
        return int(word)

    def summed(
        self,
        chunks: Sequence[Episode],
        run: Callable[[Sequence[Episode]], Sequence[MetaGradient]],
        parameters: Mapping[str, Tensor],
    ) -> MetaGradient:
        """The meta-gradient of all chunks, on rank 0; what `run` gives of its own, on the others.

        It is added up in the chunks' order, like that of one process.
        """
        like = next(iter(parameters.values()))
        numbers = sum(p.numel() for p in parameters.values())
        edges = _shares(numbers, self.size)
        widths = [end - begin for begin, end in pairwise(edges)]
        total = torch.zeros(widths[self.rank], dtype=like.dtype, device=self.device)
        tasks = sum(len(chunk) for chunk in chunks)
        owners: list[int] = []  # the rank of every chunk
        losses: list[Tensor] = []
        most = self.size * max(1, _HELD_BYTES // (numbers * like.element_size()))
        for place in range(0, len(chunks), most):
            together = chunks[place : place + most]
            cuts = _shares(len(together), self.size)
            counts = [end - begin for begin, end in pairwise(cuts)]
            owners += [rank for rank, count in enumerate(counts) for _ in range(count)]
            mine = together[cuts[self.rank] : cuts[self.rank + 1]]
            parts = run(mine)
            rows = torch.empty(len(mine), numbers, dtype=like.dtype, device=self.device)
            for row, chunk, part in zip(rows, mine, parts, strict=True):
                share = len(chunk) / tasks
                torch.cat([(part.gradients[n] * share).flatten() for n in parameters], out=row)
                losses.append(part.losses)
            slices = [rows[:, begin:end].flatten() for begin, end in pairwise(edges)]
            found = total.new_empty(len(together) * len(total))
            try:
                dist.all_to_all_single(
                    found,
                    torch.cat(slices),
                    [count * len(total) for count in counts],
                    [len(part) for part in slices],
                )
            except RuntimeError:
                raise self.lost() from None
            for row in found.view(len(together), len(total)):
                total = total + row
        own = torch.cat(losses) if losses else like.new_empty(0)
        held = [0] * self.size  # losses of every rank
        for chunk, rank in zip(chunks, owners, strict=True):
            held[rank] += len(chunk)
        results = self._gathered(total, own, widths, held)
        if not results:
            return MetaGradient({}, own)
        sums = torch.cat([found[:width] for found, width in zip(results, widths, strict=True)])
        waiting = [found[width:] for found, width in zip(results, widths, strict=True)]
        in_order: list[Tensor] = []
        for chunk, rank in zip(chunks, owners, strict=True):
            in_order.append(waiting[rank][: len(chunk)])
            waiting[rank] = waiting[rank][len(chunk) :]
        every = torch.cat(in_order).to(own)
        return MetaGradient(_named(sums.to(like.device), parameters), every)

    def _gathered(
        self, total: Tensor, losses: Tensor, widths: Sequence[int], held: Sequence[int]
    ) -> list[Tensor]:
        """On rank 0 every rank's sums and, behind them, its losses; elsewhere nothing."""
        length = max(width + count for width, count in zip(widths, held, strict=True))
        mine = total.new_zeros(length)  # all must be of one length
        mine[: len(total)] = total
        mine[len(total) : len(total) + len(losses)] = losses.to(mine)
        into = [torch.empty_like(mine) for _ in range(self.size)] if self.rank == 0 else []
        try:
            dist.gather(mine, into or None, dst=0)
        except RuntimeError:
            raise self.lost() from None
        return into

    def leave(self, word: str | None = None) -> None:
        """Close all connections, which ends what the others wait for; `word` says why."""
        if word is not None:
            with suppress(RuntimeError):  # who keeps the store may be gone before
                self.say("end", word)
        if dist.is_initialized():
            dist.destroy_process_group()


def _shares(count: int, size: int) -> list[int]:
    """Where each rank's share of so many things begins, and the last one's end.

    >>> _shares(5, 2)
    [0, 2, 5]
    """
    return [rank * count // size for rank in range(size + 1)]


def _named(flat: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A row of numbers as tensors like the parameters."""
    parts = flat.split([math.prod(p.shape) for p in parameters.values()])
    return {n: part.view(p.shape) for (n, p), part in zip(parameters.items(), parts, strict=True)}


def _loopback() -> str:
    """The network interface that only this machine reaches."""
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
