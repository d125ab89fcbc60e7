"""Every preset, inspection and shipped run gives the numbers that it gave (see values.py)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.golden.values import FILE, INSPECTED, inspected, names, shipped, trained
from workbench.training import shipped_runs

GOLDEN = json.loads(FILE.read_text())


def assert_close(found: Any, expected: Any, where: str) -> None:
    if isinstance(expected, dict):
        missing = set(expected) - set(found)
        assert not missing, f"{where} lost {sorted(missing)}"
        for name, value in expected.items():
            assert_close(found[name], value, f"{where}.{name}")
    else:
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-7, nan_ok=True), where


@pytest.mark.parametrize("name", names())
def test_a_preset_computes_what_it_did(name: str):
    assert_close(trained(name), GOLDEN["trained"][name], name)


@pytest.mark.parametrize("name", INSPECTED)
def test_an_inspection_shows_what_it_did(name: str):
    assert_close(inspected(name), GOLDEN["inspected"][name], name)


@pytest.mark.parametrize("name", shipped_runs())
def test_a_shipped_run_reaches_what_it_did(name: str):
    assert_close(shipped(name), GOLDEN["shipped"][name], name)
