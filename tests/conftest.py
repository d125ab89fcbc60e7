"""What holds for every test: few threads, and no silent skip where real data was promised."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch loads: tests share the machine
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what tests start imports as fast as a user's does

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

# In the order of the names of files otherwise, where pytest-xdist is told not to reorder them.
LONG = ("browser", "test_notebooks.py", "golden", "test_cli.py", "training", "widgets")

PROMISED = bool(os.environ.get("WORKBENCH_DATA") and os.environ.get("CI"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first, so that no worker ends with one of them alone."""
    here = Path(__file__).parent
    long = [here / name for name in LONG]
    items.sort(key=lambda item: not any(item.path.is_relative_to(path) for path in long))


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """real_data("omniglot/images_background.zip") is that file; the test skips without it."""

    def find(name: str) -> Path:
        folder = os.environ.get("WORKBENCH_DATA")
        path = Path(folder or "") / name
        if not folder or not path.is_file():
            pytest.skip(f"needs {name} in WORKBENCH_DATA")
        return path

    return find


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """In CI, with WORKBENCH_DATA set, a test that skips for want of it has failed."""
    report = yield
    if PROMISED and report.skipped and "WORKBENCH_DATA" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not skip here: {report.longrepr}"
    return report
