"""How gradients are computed: forked processes."""

import os
import subprocess
import sys
from pathlib import Path


def test_a_forked_process_trains_and_does_not_wait_for_threads_that_it_has_not() -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("forked.py"))],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
