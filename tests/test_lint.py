"""Style and types are part of the tests, so that continuous integration holds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.timeout(400)  # mypy starts without its cache in CI
@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["nbstripout", "--verify", *map(str, sorted(ROOT.glob("notebooks/*.ipynb")))],
    ],
    ids=["ruff-check", "ruff-format", "mypy", "nbstripout"],
)
def test_clean(command: list[str]):
    name, *arguments = command
    done = subprocess.run(
        [str(Path(sys.executable).parent / name), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
