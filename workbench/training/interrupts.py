"""How a training is asked to stop: by a signal, or by the stop file of its run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workbench.training.runs import Run

_LOOK_SECONDS = 0.25  # between looks at the stop file while nobody else looks at it


class Stopped(KeyboardInterrupt):
    """A request that ended at once what was being waited for."""


class Interrupts:
    """Turns SIGINT and SIGTERM into a request, so that a checkpoint can be written first."""

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}
        self._at_once = False

    def _request(self, signum: int, frame: Any) -> None:
        if self._at_once:
            self._at_once = False  # what it ends puts things back, undisturbed
            raise Stopped("stopped before an outer step was made")
        if self.requested:  # asked twice: no patience left
            raise KeyboardInterrupt("interrupted twice")
        self.requested = True

    @contextmanager
    def at_once(self, run: Run | None) -> Iterator[None]:
        """While nothing changes that is kept (compiling, validating), a request ends it at once.

        The run's stop file, which nobody looks at meanwhile, is a request too.
        """
        if not self._before:
            yield
            return
        if self.requested:
            raise Stopped("stopped before an outer step was made")
        main, done = threading.get_ident(), threading.Event()

        def look() -> None:
            while not done.wait(_LOOK_SECONDS):
                if run is not None and run.stop_requested():
                    signal.pthread_kill(main, signal.SIGTERM)
                    return

        watch = threading.Thread(target=look, daemon=True)
        self._at_once = True
        watch.start()
        try:
            yield
        finally:
            self._at_once = False
            done.set()
            watch.join()

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._before[signum] = signal.signal(signum, self._request)
        return self

    def __exit__(self, *error: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
