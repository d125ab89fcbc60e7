"""What holds for every test: few threads, and no silent skip where real data was promised."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch loads: tests share the machine
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch

torch.set_num_threads(1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """A `real_data` test that skips although WORKBENCH_DATA is set in CI is a failure."""
    outcome = yield
    report = outcome.get_result()
    promised = os.environ.get("WORKBENCH_DATA") and os.environ.get("CI")
    if promised and report.skipped and item.get_closest_marker("real_data"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"WORKBENCH_DATA is set, so this test may not skip: {reason}"
