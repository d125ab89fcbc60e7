"""Events from several threads, at the same time as a busy cell, neither crash nor interleave."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tests.widgets.kernels import kernel
from workbench.session.turns import Desk, one_at_a_time
from workbench.widgets import Session, Stage


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """work(0), work(1), ... each in its own thread, all started at the same moment."""
    ready = threading.Barrier(count)
    failed: list[BaseException] = []

    def one(number: int) -> None:
        ready.wait()
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not failed, failed


def test_a_desk_does_all_work_on_its_own_thread_and_in_order():
    done: list[tuple[int, int, bool]] = []

    async def page() -> None:
        desk, here = Desk(), threading.get_ident()

        def events(who: int) -> None:
            for number in range(40):
                desk.hand(
                    lambda number=number: done.append((who, number, threading.get_ident() == here))
                )

        waiting = asyncio.to_thread(in_threads, 6, events)
        working = asyncio.ensure_future(waiting)
        while not working.done():  # a loop that is busy most of the time
            time.sleep(0.001)
            await asyncio.sleep(0)
        await working
        await asyncio.sleep(0)

    asyncio.run(page())
    assert len(done) == 6 * 40
    assert all(own for _, _, own in done)
    for who in range(6):
        assert [number for one, number, _ in done if one == who] == list(range(40))


def test_one_at_a_time_is_one_at_a_time():
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            with one_at_a_time():
                inside.append(number)
                time.sleep(0.0002)  # others would get in here
                most.append(len(inside))
                inside.remove(number)

    in_threads(5, work)
    assert len(most) == 100
    assert max(most) == 1


def test_a_threads_gradient_mode_changes_nothing_and_stays():
    panel = Stage(Session("sinusoid-maml", count=1, queries=2))
    panel.send = lambda content, buffers=None: None
    left: list[bool] = []

    def event(number: int) -> None:
        with torch.set_grad_enabled(number % 2 == 0):
            panel.receive({"id": 0, "command": "vary", "args": {"inner_rate": 0.01 * number}})
            left.append(torch.is_grad_enabled() == (number % 2 == 0))

    in_threads(6, event)
    assert panel.problem == {}
    assert left == [True] * 6
    steps = panel.shown.frame("steps")
    rate = panel.shown.lanes[0].settings["inner_rate"]
    expected = Session("sinusoid-maml", count=1, queries=2)
    expected.vary(inner_rate=rate)
    assert steps.equals(expected.frame("steps"))
    panel.close()


def test_frames_are_computed_while_events_of_other_threads_edit():
    panel = Stage(Session("sinusoid-maml", count=2, queries=3))
    panel.send = lambda content, buffers=None: None
    session = panel.shown
    rows = len(session.frame("flow"))

    def work(number: int) -> None:
        for turn in range(8):
            if number == 0:
                assert len(session.frame("flow")) == rows
            else:
                where = {"what": "move", "task": 0, "part": "support", "example": number}
                args = where | {"y": float(number + turn)}
                panel.receive({"id": turn, "command": "edit", "args": args})

    in_threads(4, work)
    assert panel.problem == {}
    assert session.episode.support.y[0, 1:4, 0].tolist() == [8.0, 9.0, 10.0]
    panel.close()


SETUP = """
import threading, time, torch
from workbench.widgets import Session, Stage
session = Session("sinusoid-maml", count=2, queries=5)
panel = Stage(session)
told = []
session.watch(lambda topic: told.append(threading.current_thread() is threading.main_thread()))
"""
BUSY = """
with torch.no_grad():  # the main thread's mode, not the events'
    until = time.monotonic() + 1.5
    before = session.frame("steps")
    while time.monotonic() < until:
        assert session.frame("steps").equals(before)  # nothing comes in between
        torch.randn(100, 100) @ torch.randn(100, 100)
"""


def test_a_busy_kernel_answers_events_of_shell_and_subshells_after_the_cell(tmp_path: Path):
    with kernel(tmp_path) as ours:
        ours.run(SETUP)
        panel = ours.value("panel.model_id")
        shells = ["", ours.subshell(), ours.subshell()]
        busy = ours.start(BUSY)
        asked = [
            ours.ask(
                panel,
                "edit",
                shell,
                what="move",
                task=0,
                part="support",
                example=example,
                y=float(example + 10 * turn),
            )
            for turn in range(4)
            for example, shell in enumerate(shells)
        ]
        ours.set(panel, shells[1], cursor=ours_cursor(step=3))
        ours.wait(*asked, cells=(busy,))
        assert all("error" not in ours.answers[number] for number in asked)
        place = ours.ended.index(busy)
        late = {f"answer {number}" for number in asked} & set(ours.ended[:place])
        assert not late, "an event was answered while the cell was running"
        # Every example is where the last of its events left it, and so is what was computed.
        assert ours.value("session.episode.support.y[0, :3, 0].tolist()") == [30.0, 31.0, 32.0]
        assert ours.value("session.cursor.step") == 3
        assert ours.value("all(told) and len(told) > 10")
        ours.run(
            'fresh = Session("sinusoid-maml", count=2, queries=5)\n'
            "for k in range(3):\n"
            '    fresh.edit("move", task=0, part="support", example=k, y=30.0 + k)\n'
            'assert fresh.frame("steps").equals(session.frame("steps"))\n'
            "assert panel.problem == {}"
        )


def ours_cursor(**moved: int) -> dict[str, object]:
    """A cursor as the browser sends it."""
    start = {"task": 0, "step": 0, "lane": 0, "part": "support", "example": 0, "layer": "all"}
    return start | moved
