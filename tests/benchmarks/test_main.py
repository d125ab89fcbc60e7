"""`python -m benchmarks`: what is only asked makes no environment."""

from __future__ import annotations

import subprocess
import sys

from benchmarks import setup_peers


def test_help_makes_no_environment() -> None:
    there = setup_peers.FOLDER.exists()
    command = [sys.executable, "-m", "benchmarks", "--help"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "--only" in found.stdout
    assert "making" not in found.stderr
    assert setup_peers.FOLDER.exists() == there
