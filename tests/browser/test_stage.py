"""The first five minutes, and the rest that a stage can do: by mouse, by keys, after a restart."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.panels import Shown, line_of, shows, until
from tools.browser import ROOT, Notebook, Server

STRONG, GREY = "stroke-width: 2", "--wb-before"  # how a chart's lines are told apart
CURVE = """(lambda f: f[(f["kind"] == "prediction") & (f["step"] == {step})]["y"].tolist())(
    session.frame("curves"))"""
HASH = "__import__('workbench.figures', fromlist=['x']).frame_sha256(session.frame('{kind}'))"


@pytest.fixture(scope="module")
def notebook(opened: Callable[[str], Notebook]) -> Notebook:
    return opened("00-start")


@pytest.fixture
def stage(notebook: Notebook) -> Shown:
    """Its stage as it began."""
    notebook.run("session.reset(); session.move(step=1, task=0)")
    shown = Shown(notebook)
    shown.settle()
    return shown


def drawn_by_python(stage: Shown, step: int) -> list[float]:
    return stage.notebook.value(CURVE.format(step=step).replace("\n", " "))


def test_the_widgets_messages_stay_on_the_main_thread(notebook: Notebook):
    assert notebook._evaluate("return kernel().commsOverSubshells;") == "disabled"


def test_a_sine_wave_stands_there_after_one_inner_step(notebook: Notebook, stage: Shown):
    points = stage.at.locator(".wb-grip")
    assert points.count() == 5
    assert stage.step == 1
    assert shows(stage.line("Curve", GREY), drawn_by_python(stage, 0))
    assert shows(stage.line("Curve", STRONG), drawn_by_python(stage, 1))
    assert not shows(stage.line("Curve", GREY), drawn_by_python(stage, 1))


def test_forth_and_back_to_the_same_numbers(stage: Shown):
    before = stage.line("Curve", STRONG)
    numbers = stage.notebook.value(HASH.format(kind="curves"))
    stage.press("ArrowRight")
    assert stage.step == 2
    assert shows(stage.line("Curve", STRONG), drawn_by_python(stage, 2))
    until(lambda: stage.notebook.value("session.cursor.step") == 2, "Python's cursor")
    stage.press("Shift+ArrowRight")
    assert stage.step == 10
    stage.press("Shift+ArrowLeft", "ArrowRight")
    assert stage.step == 1
    assert (stage.line("Curve", STRONG) == before).all()
    assert stage.notebook.value(HASH.format(kind="curves")) == numbers
    stage.button("Next").click()
    assert stage.step == 2
    stage.button("Back").click()
    assert (stage.line("Curve", STRONG) == before).all()


def test_a_point_is_dragged_and_the_curve_follows(stage: Shown):
    before = stage.line("Curve", STRONG)
    y = stage.notebook.value("float(session.episode.support.y[0, 1, 0])")
    stage.drag(stage.at.locator(".wb-grip").nth(1), 0, 60)
    moved = stage.notebook.value("float(session.episode.support.y[0, 1, 0])")
    assert moved < y - 1
    after = stage.line("Curve", STRONG)
    assert shows(after, drawn_by_python(stage, 1))
    assert abs(before - after).max() > 3
    assert "moved" in stage.column("Episode").inner_text()
    # The same by keys: back up again, and further.
    stage.at.locator(".wb-grip").nth(1).focus()
    for _ in range(7):
        stage.page.keyboard.press("Shift+ArrowUp")
    stage.settle()
    assert stage.notebook.value("float(session.episode.support.y[0, 1, 0])") > y
    stage.press("z")
    assert stage.notebook.value("len(session.lanes[0].edits)") == 0
    assert (stage.line("Curve", STRONG) == before).all()


def test_the_pretrained_network_hardly_moves(stage: Shown):
    def error(step: int) -> float:
        found = 'session.frame("steps").query("part == \'query\' and step == {}")["loss"].iloc[0]'
        return stage.notebook.value(f"float({found.format(step)})")

    gained = error(1) / error(0)
    stage.button("sinusoid-finetune").click()
    stage.settle()
    learners = stage.notebook.value("[lane.learner for lane in session.lanes]")
    assert learners == ["sinusoid-maml", "sinusoid-finetune"]
    assert stage.notebook.value("session.cursor.lane") == 1
    assert gained < 0.5 < error(1) / error(0)
    assert shows(stage.line("Curve", STRONG), drawn_by_python(stage, 1))


def test_a_branch_and_the_difference(stage: Shown):
    stage.press("ArrowRight", "b")
    assert stage.notebook.value("[lane.at for lane in session.lanes]") == [0, 2]
    stage.press("s")
    stage.type_in("inner rate", "0.05")
    assert stage.notebook.value("session.lanes[1].settings") == {"inner_rate": 0.05}
    stage.press("s", "ArrowRight")
    numbers = drawn_by_python(stage, 3)
    assert stage.notebook.value("session.cursor.lane") == 1
    stage.press("d")
    assert stage.column("sinusoid-maml").count() == 1
    name = "sinusoid-maml, branch 1: inner rate 0.05"
    branch = stage.column(name)
    assert branch.get_attribute("aria-label") == name
    assert shows(line_of(branch, "Curve", STRONG), numbers)
    stage.press("d")
    stage.button("Remove branch").click()
    stage.settle()
    assert stage.notebook.value("len(session.lanes)") == 1


def test_what_is_wrong_is_said_and_the_picture_stays(stage: Shown):
    before = stage.line("Curve", STRONG)
    stage.press("s")
    stage.field("tasks").locator("select").select_option("glyphs:alphabets")
    stage.settle()
    assert "glyphs" in stage.problem
    assert (stage.line("Curve", STRONG) == before).all()
    assert stage.notebook.value("session.state.sampling.tasks") == "sinusoid:maml"
    stage.press("s", "ArrowRight")
    assert stage.step == 2


def test_copied_code_gives_the_same_frame_in_a_fresh_process(stage: Shown):
    stage.drag(stage.at.locator(".wb-grip").nth(2), 0, -40)
    stage.press("ArrowRight", "b", "c")
    stage.button("Copy").click()
    code = stage.page.evaluate("navigator.clipboard.readText()")
    assert "session.edit(" in code
    assert "session.branch(" in code
    more = "\nfrom workbench.figures import frame_sha256\n"
    more += "import sys; sys.stdout.write(frame_sha256(session.frame('curves')))"
    done = subprocess.run(
        [sys.executable, "-c", code + more], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == stage.notebook.value(HASH.format(kind="curves"))


def test_a_kernel_restart_finds_the_session_again(stage: Shown, server: Server):
    stage.drag(stage.at.locator(".wb-grip").nth(0), 0, 50)
    stage.press("b")
    notebook = stage.notebook
    before = notebook.value("session.state.to_record()")
    numbers = drawn_by_python(stage, 1)
    notebook.restart()
    notebook.run_all()
    again = Shown(notebook)
    assert notebook.errors() == []
    assert notebook.value("session.restored")
    assert notebook.value("session.state.to_record()") == before
    assert drawn_by_python(again, 1) == numbers
    assert Path(server.folder, "notebooks", ".workbench", "sessions", "start.json").is_file()


def test_branches_that_end_leave_the_view_whole(stage: Shown):
    stage.press("b", "ArrowRight")
    stage.notebook.run("session.branch(2); session.reset()")
    until(lambda: stage.at.locator(".wb-grip").count() == 5, "the points")
    assert stage.problem == ""
    assert stage.notebook.value("len(session.lanes)") == 1


def test_keys_are_listed(stage: Shown):
    stage.press("?")
    listed = stage.at.locator(".wb-keys").inner_text()
    assert "branch here" in listed
    stage.press("?")
    assert stage.at.locator(".wb-keys").count() == 0
