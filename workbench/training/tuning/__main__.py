"""`python -m workbench.training.tuning STUDY [MINUTES]`: a worker, for `start_worker`."""

import sys
import traceback

from workbench.errors import UserError
from workbench.training.execution import keep_freed_memory
from workbench.training.tuning.study import Study
from workbench.training.tuning.working import work

if __name__ == "__main__":
    keep_freed_memory()
    study = Study.open(sys.argv[1])
    try:
        work(study, minutes=float(sys.argv[2]) if len(sys.argv) > 2 else None)
    except UserError as error:
        study.log(str(error))
        sys.exit(2)
    except KeyboardInterrupt:  # its trial is gone on with
        sys.exit(130)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
