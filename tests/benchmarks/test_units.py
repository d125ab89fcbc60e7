"""Long measurements in units."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.units import measure

_MEASURES = """
from pathlib import Path
from benchmarks.units import measure
from tests.benchmarks.test_units import waits

if __name__ == "__main__":
    measure([{"file": FILE}], waits, Path(FILE).with_suffix(".csv"))
"""


def waits(file: str) -> list[dict[str, float]]:
    """A unit that says that it has begun, and does not end."""
    while True:
        Path(file).write_text(str(time.time()))
        time.sleep(0.1)


def test_names_that_no_unit_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no unit is of the names after --only"):
        measure([], print, tmp_path / "none.csv")
    assert not list(tmp_path.iterdir())


def test_units_end_with_the_process_that_measures(tmp_path: Path) -> None:
    file, script = tmp_path / "alive", tmp_path / "measures.py"
    script.write_text(_MEASURES.replace("FILE", repr(str(file))))
    root = Path(__file__).parent.parent.parent
    process = subprocess.Popen(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": str(root)}
    )
    until(file.exists)
    process.kill()
    process.wait()
    until(lambda: time.time() - float(file.read_text() or "inf") > 1)


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that comes about in another process."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
