"""`python -m workbench.training RUN`: goes on with a run, for `start_in_background`."""

import sys
import traceback
from datetime import datetime

from workbench.errors import UserError
from workbench.training.execution import keep_freed_memory
from workbench.training.loop import train

if __name__ == "__main__":
    keep_freed_memory()
    try:
        outcome = train(run=sys.argv[1], resume=True, progress=False)
        sys.exit(2 if outcome.state == "diverged" else 0)
    except UserError as error:
        sys.stderr.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:  # which the run's status tells
        sys.exit(130)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
