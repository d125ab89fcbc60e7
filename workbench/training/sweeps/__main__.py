"""`python -m workbench.training.sweeps RUN [TRACKER]`: trains while whoever began it lives.

That one holds the other end of standard input. When it closes, on purpose or because its
process was killed, the unit writes a checkpoint and ends, so that it can be gone on with elsewhere.
"""

import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from workbench.errors import UserError
from workbench.files import is_full
from workbench.training.execution import keep_freed_memory
from workbench.training.loop import train
from workbench.training.runs import Run
from workbench.training.sweeps.unit import FULL

_PATIENCE_SECONDS = 60.0  # for another process that was about to let the unit go


def _end_with_parent() -> None:
    while os.read(0, 1):  # which, unlike a stream of Python's, may be waited for at the end
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    keep_freed_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run, tracker = Run(Path(sys.argv[1])), sys.argv[2] if len(sys.argv) > 2 else None
    until = time.monotonic() + _PATIENCE_SECONDS
    try:
        while run.status().state == "running" and time.monotonic() < until:
            time.sleep(0.1)
        if run.status().state == "finished":
            sys.exit(0)
        outcome = train(run=run, resume=True, progress=False, tracker=tracker)
        sys.exit({"finished": 0, "interrupted": 130}.get(outcome.state, 2))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        with suppress(OSError):  # a full disk has no room for it
            if isinstance(error, UserError):
                sys.stderr.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {error}\n")
            else:
                traceback.print_exc()
        sys.exit(FULL if is_full(error) else 2 if isinstance(error, UserError) else 1)
