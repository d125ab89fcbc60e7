"""Long measurements in units."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.units import measure


def test_names_that_no_unit_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no unit is of the names after --only"):
        measure([], print, tmp_path / "none.csv")
    assert not list(tmp_path.iterdir())
