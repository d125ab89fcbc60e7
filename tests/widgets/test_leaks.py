"""Nothing leaks: what a kernel process holds after many changes is what it held before."""

from __future__ import annotations

import pytest

from tests.widgets.kernels import Kernel, kernel

MARGIN = 12  # megabytes of a process of some 450 that may come and go

COUNTS = """
import ctypes, gc, json, threading
import psutil
from comm import get_comm_manager
from ipywidgets.widgets import widget as registry

def counts():
    import matplotlib.pyplot
    for _ in range(3):
        gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return {
        "widgets": len(registry._instances),
        "comms": len(get_comm_manager().comms),
        "watchers": len(session._watchers),
        "figures": len(matplotlib.pyplot.get_fignums()),
        "threads": threading.active_count(),
        "megabytes": psutil.Process().memory_info().rss / 2**20,
    }
"""
CELL = """
from workbench.widgets import Session, Stage
session = Session("sinusoid-maml", name="leaks", queries=20)
stage = Stage(session)
stage
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory):
    with kernel(tmp_path_factory.mktemp("leaks")) as running:
        running.run(COUNTS)
        running.run(CELL, cell="the-cell")
        yield running


def grown(ours: Kernel, before: dict[str, float]) -> dict[str, float]:
    """What there is more of than before; memory only above the margin."""
    after = ours.value("counts()")
    more = {name: after[name] - before[name] for name in after}
    megabytes = more.pop("megabytes")
    found = {name: change for name, change in more.items() if change}
    return found if megabytes < MARGIN else found | {"megabytes": megabytes}


def slide(ours: Kernel, times: int) -> None:
    """Change the inner rate as a slider does, and wait for each new picture."""
    panel = ours.value("stage.model_id")
    for number in range(times):
        ours.wait(ours.ask(panel, "vary", inner_rate=0.001 * (1 + number % 50)))
    assert all("error" not in answer for answer in ours.answers.values())


def test_two_hundred_changes_of_a_slider_leave_nothing(ours: Kernel):
    slide(ours, 100)  # as many as can be undone
    before = ours.value("counts()")
    slide(ours, 200)
    assert grown(ours, before) == {}


def test_fifty_runs_of_a_cell_leave_nothing(ours: Kernel):
    for _ in range(3):
        ours.run(CELL, cell="the-cell")
    before = ours.value("counts()")
    for _ in range(50):
        ours.run(CELL, cell="the-cell")
    assert grown(ours, before) == {}


def test_panels_of_one_cell_are_replaced_together_and_others_stay(ours: Kernel):
    ours.run("first, second = Stage(session), Stage(session)", cell="another")
    before = ours.value("counts()")
    ours.run("first, second = Stage(session), Stage(session)", cell="another")
    assert grown(ours, before) == {}
    assert ours.value("stage.comm is not None")
    ours.run("first.close(); second.close()")


def test_drawing_for_export_leaves_no_figure_open(ours: Kernel):
    ours.run(
        "from workbench.figures.kinds import draw\nplot = draw('steps', session.frame('steps'))"
    )
    before = ours.value("counts()")
    ours.run("for _ in range(10): plot = draw('steps', session.frame('steps'))")
    assert grown(ours, before) == {}
    assert before["figures"] == 0
