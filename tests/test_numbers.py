"""Numbers are written alike by Python and by the panels."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from workbench.numbers import number, with_interval

# `extensions/tests/ui.test.tsx` reads the same file.
SHARED = json.loads((Path(__file__).parent.parent / "extensions/tests/numbers.json").read_text())


@pytest.mark.parametrize(("value", "text"), SHARED["numbers"])
def test_a_number_reads_as_in_the_panels(value: float, text: str):
    assert number(value) == text


@pytest.mark.parametrize(("value", "half", "text"), SHARED["intervals"])
def test_an_interval_reads_as_in_the_panels(value: float, half: float | None, text: str):
    assert with_interval(value, math.nan if half is None else half) == text


def test_no_interval_is_written_of_what_is_not_finite():
    assert with_interval(math.inf, math.nan) == "∞"
    assert with_interval(math.nan, math.nan) == "–"
