"""The command line under bad commands, settings and files: some of the cases of the benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sixty_bad_cases_end_well() -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz", "--count", "60", "--seed", "3"]
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith(
        "60 cases of seed 3: 0 tracebacks, 0 hangs, 0 half-written, 0 not in one"
    )
