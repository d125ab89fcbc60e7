"""Whose turn it is: one computation at a time, and events handed to the kernel's main thread.

JupyterLab can deliver widget events on other threads while a cell is running. Gradient mode is a
thread's own and Matplotlib is not safe among threads, so events are handed over to the loop that
was running when the panel was made, and whatever computes or draws holds one lock.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_LOCK = threading.RLock()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Holds the lock that everything that computes or draws for a panel holds.

    >>> with one_at_a_time(), one_at_a_time():
    ...     pass
    """
    with _LOCK:
        yield


def in_turn(method: F) -> F:
    """A method that holds the lock from its first line to its last.

    >>> in_turn(lambda: 3)()
    3
    """

    @functools.wraps(method)
    def alone(*args: Any, **named: Any) -> Any:
        with one_at_a_time():
            return method(*args, **named)

    return alone  # type: ignore[return-value]


class Desk:
    """Takes events from any thread and handles each on the thread and loop that it was made on."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    def hand(self, work: Callable[[], None]) -> None:
        """Do the work here and now on its own thread, or hand it over from another.

        >>> Desk().hand(lambda: print("done"))
        done
        """
        if threading.get_ident() == self._thread or self._loop is None or self._loop.is_closed():
            work()
        else:
            self._loop.call_soon_threadsafe(work)
