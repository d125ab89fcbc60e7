"""Crews: processes that work side by side, on this machine or on a dask cluster.

What is given to them comes back as it is done, in any order. Work whose process was lost is given
again, a few times; who it was lost with is not waited for.
"""

from __future__ import annotations

import logging
import platform
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from workbench.errors import UserError
from workbench.training.trainer import versions

_GLANCE_SECONDS = 0.25  # between looks at what is done
_TRIES = 4  # so often is work given whose process is lost
_CONNECT_SECONDS = 60.0  # that a scheduler may be away
_ALIKE = ("workbench", "torch")  # what must be the same wherever one piece of work may go


@dataclass
class _Work:
    """A function and its arguments, called by a key."""

    key: Any
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    avoid: Collection[str]  # names of workers that are not to have it
    given: int = 0  # how often
    among: Collection[str] = ()  # who may have it, where some may not
    since: float = 0.0  # when there was last anybody who may


class Crew(ABC):
    """Processes to which work is given; a context, at whose end they are let go."""

    def __init__(self) -> None:
        self._waiting: dict[Future[Any], _Work] = {}

    def give(
        self, key: Any, function: Callable[..., Any], *arguments: Any, avoid: Collection[str] = ()
    ) -> None:
        """Let a function of a module be called there, but not by workers of these names.

        Where there are no others, and none come within a while, its result is None.
        """
        self._submit(_Work(key, function, arguments, avoid))

    def _submit(self, work: _Work) -> None:
        work.given += 1
        self._waiting[self._future(work)] = work

    def done(self, look: Callable[[], None] = lambda: None) -> Iterator[tuple[Any, Any]]:
        """Keys and results as they come, until nothing is waited for; a failure is raised.

        look  is called a few times a second
        """
        while self._waiting:
            ready, _ = wait(self._waiting, _GLANCE_SECONDS, return_when=FIRST_COMPLETED)
            look()
            self._look()
            lost = []
            for future in ready:
                work = self._waiting.pop(future)
                try:
                    result = future.result()
                except (BrokenExecutor, CancelledError):
                    lost.append(work)
                    continue
                yield work.key, result
            if lost:
                self._mend()
            for work in lost:
                if work.given >= _TRIES:
                    raise UserError(
                        f"the processes that worked on {work.key} were lost {_TRIES} times: ask "
                        "for fewer workers if memory ran out; a script must call this under "
                        "`if __name__ == '__main__':`"
                    )
                self._submit(work)

    def forget(self) -> None:
        """Wait for nothing any more; what has not begun never will."""
        for future in self._waiting:
            future.cancel()
        self._waiting = {}

    @abstractmethod
    def _look(self) -> None:
        """See whether what waits for some workers waits in vain."""

    @abstractmethod
    def _future(self, work: _Work) -> Future[Any]:
        """Begin it, or let it wait its turn."""

    @abstractmethod
    def _mend(self) -> None:
        """Be ready again after processes were lost."""

    @abstractmethod
    def close(self) -> None:
        """Let them go."""

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        self.forget()
        self.close()


class Local(Crew):
    """So many processes of this machine; with `threads`, of threads that each mind a child."""

    def __init__(self, workers: int, *, threads: bool = False) -> None:
        super().__init__()
        if workers < 1:
            raise UserError(f"workers is {workers}: it must be at least 1")
        self.workers, self.threads = workers, threads
        self._executor = self._made()

    def _made(self) -> Executor:
        if self.threads:
            return ThreadPoolExecutor(self.workers, thread_name_prefix="crew")
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        # not forked: threads of this process, OpenMP's among them, would not be there
        return ProcessPoolExecutor(self.workers, multiprocessing.get_context("spawn"))

    def _future(self, work: _Work) -> Future[Any]:
        if work.avoid:  # all are of this one machine
            nobody: Future[Any] = Future()
            nobody.set_result(None)
            return nobody
        try:
            return self._executor.submit(work.function, *work.arguments)
        except BrokenExecutor:
            self._mend()
            return self._executor.submit(work.function, *work.arguments)

    def _look(self) -> None:
        """Nothing waits for some of them alone."""

    def _mend(self) -> None:
        self.close()
        self._executor = self._made()

    def close(self) -> None:
        """Wait for those at work."""
        self._executor.shutdown(cancel_futures=True)


class Cluster(Crew):
    """The workers of the dask scheduler at an address, all of the same version as this process."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self._client = self._connected(_CONNECT_SECONDS / 6)

    def _connected(self, seconds: float) -> Any:
        try:
            from distributed import Client
        except ImportError:
            raise UserError(
                "a cluster needs dask's distributed, which is missing: "
                "pip install 'metalearning-workbench[cluster]'"
            ) from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # we say it in sentences
        until = time.monotonic() + seconds
        while True:
            try:
                client = Client(self.address, timeout=f"{seconds}s", set_as_default=False)
                break
            except (OSError, ValueError) as error:
                if isinstance(error, ValueError) or time.monotonic() > until:
                    raise UserError(
                        f"no dask scheduler answers at {self.address}: start one by `dask "
                        "scheduler`, and give the address that it says"
                    ) from None
                time.sleep(_GLANCE_SECONDS)
        try:
            while not (found := client.run(versions, on_error="return")):
                if time.monotonic() > until:
                    raise UserError(
                        f"the dask scheduler at {self.address} has no workers: start some by "
                        f"`dask worker {self.address}`"
                    )
                time.sleep(_GLANCE_SECONDS)
            for worker, theirs in found.items():
                if said := apart(theirs):
                    raise UserError(f"the worker {worker} {said}")
        except BaseException:
            client.close()
            raise
        return client

    def _future(self, work: _Work) -> Future[Any]:
        more = {}
        if work.avoid:
            work.among = self._names() - set(work.avoid)
            work.since = work.since or time.monotonic()
            if not work.among:
                return Future()  # until `_look` finds somebody
            work.since, more = time.monotonic(), {"workers": list(work.among)}
        executor = self._client.get_executor(pure=False, **more)
        future: Future[Any] = executor.submit(work.function, *work.arguments)
        return future

    def _names(self) -> set[str]:
        """The workers that there are now."""
        return set(self._client.scheduler_info(-1)["workers"])

    def _look(self) -> None:
        """What none of its workers can do any more is given to others, or to nobody."""
        choosy = {f: work for f, work in self._waiting.items() if work.avoid and not f.done()}
        if not choosy:
            return
        names = self._names()
        for future, work in choosy.items():
            if names & set(work.among):
                work.since = time.monotonic()
            elif names - set(work.avoid):
                del self._waiting[future]
                future.cancel()
                self._waiting[self._future(work)] = work
            elif time.monotonic() - work.since > _CONNECT_SECONDS / 3:
                future.set_result(None)

    def _mend(self) -> None:
        """The scheduler was lost, or began anew: what it knew, it knows no more."""
        self._client.close()
        self._client = self._connected(_CONNECT_SECONDS)
        lost = [self._waiting.pop(future) for future in list(self._waiting)]
        for work in lost:
            self._submit(work)

    def close(self) -> None:
        """Leave the cluster as it is."""
        self._client.close()


def apart(theirs: Any, own: Mapping[str, str] | None = None) -> str:
    """What is wrong with a worker that says these versions, and the cure; empty where all is well.

    >>> apart(versions())
    ''
    >>> apart({**versions(), "torch": "1.0"})[:20]
    'has torch 1.0 and 2.'
    """
    if not isinstance(theirs, Mapping):
        return f"cannot load the workbench ({theirs}): install this version of it there"
    own = versions() if own is None else own
    for name in _ALIKE:
        if theirs.get(name) != own[name]:
            return (
                f"has {name} {theirs.get(name)} and {own[name]} is asked for: install the same "
                "there, for results to be the same wherever they are computed"
            )
    return ""


def worker_name() -> str:
    """What this process is called among workers: its address in a cluster, else the machine.

    >>> worker_name() == platform.node()
    True
    """
    if "distributed" in sys.modules:
        from distributed import get_worker

        try:
            return str(get_worker().address)
        except ValueError:  # there is no worker here
            pass
    return platform.node()


def crew_of(workers: int, dask: str | None, *, threads: bool = False) -> Crew:
    """The workers at a dask scheduler's address, or else so many processes of this machine."""
    if dask is None:
        return Local(workers, threads=threads)
    if workers != 1:
        raise UserError("give a number of workers or the address of a dask scheduler, not both")
    return Cluster(dask)


def crew_for(workers: int, dask: str | None) -> AbstractContextManager[Crew | None]:
    """A crew for what this process can do alone as well: none where it is to.

    >>> with crew_for(1, None) as crew:
    ...     crew
    """
    alone = workers == 1 and dask is None
    return nullcontext() if alone else crew_of(workers, dask)
