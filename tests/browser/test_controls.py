"""What is shown is true: controls, keys, exports, colours and recordings, as a hand meets them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.panels import Shown, until
from tools.browser import Notebook

CELLS = "return found().content.model.cells.length;"


@pytest.fixture(scope="module")
def notebook(opened: Callable[[str], Notebook]) -> Notebook:
    notebook = opened("00-start")
    notebook.run("session.reset()")  # a session by name is as others have left it
    return notebook


@pytest.fixture
def stage(notebook: Notebook) -> Shown:
    """Its stage as it began, the settings put away."""
    notebook.run("session.reset(); session.move(step=1, task=0, lane=0)")
    shown = Shown(notebook)
    shown.settle()
    if shown.at.locator("[data-area=settings]").count():
        shown.press("s")
    return shown


def box(stage: Shown, label: str) -> str:
    return stage.field(label).locator("input.wb-number").input_value()


def refusal(stage: Shown, label: str) -> str:
    said = stage.field(label).locator(".wb-refused")
    return said.inner_text() if said.count() else ""


def test_the_panel_says_how_to_give_it_the_keyboard_and_keeps_it(notebook: Notebook):
    shown = Shown(notebook)
    shown.settle()
    hint = shown.at.locator(".wb-hint")
    hint.scroll_into_view_if_needed()
    assert hint.inner_text() == "Click here, then keys work"
    cells = notebook._evaluate(CELLS)
    hint.click()
    until(lambda: "has the keyboard" in hint.inner_text(), "the keyboard")
    for key in ("ArrowRight", "b", "d", "d"):
        notebook.page.keyboard.press(key)
        shown.settle()
    assert shown.step == 2
    assert notebook.value("len(session.lanes)") == 2
    # A button that goes away, or is switched off, leaves the keyboard with the panel.
    shown.button("Remove branch").click()
    shown.settle()
    notebook.page.keyboard.press("b")
    until(lambda: notebook.value("len(session.lanes)") == 2, "a branch by key")
    shown.button("First").click()
    shown.settle()
    for key in ("d", "d", "ArrowRight", "ArrowRight"):
        notebook.page.keyboard.press(key)
        shown.settle()
    assert shown.step == 2
    assert notebook._evaluate(CELLS) == cells
    notebook.page.locator(".jp-MarkdownCell").first.click()
    until(lambda: hint.inner_text().startswith("Click here"), "the hint")


def test_a_refused_choice_goes_back(stage: Shown):
    stage.press("s")
    tasks = stage.field("tasks").locator("select")
    tasks.select_option("glyphs:alphabets")
    stage.settle()
    assert "glyphs" in refusal(stage, "tasks")
    until(lambda: tasks.input_value() == "sinusoid:maml", "the list as it was")
    stage.type_in("shots", "3")
    assert tasks.input_value() == stage.notebook.value("session.state.sampling.tasks")
    assert stage.notebook.value("session.state.sampling.shots") == 3
    assert refusal(stage, "shots") == ""


def test_a_number_that_there_cannot_be_is_refused_at_its_field(stage: Shown):
    stage.press("s")
    for typed, said in (
        ("-1", "must lie between 1 and"),
        ("2.5", "whole number"),
        ("x", "no number"),
    ):
        stage.type_in("shots", typed)
        assert said in refusal(stage, "shots")
        assert box(stage, "shots") == "5"
    assert stage.notebook.value("session.state.sampling.shots") == 5
    stage.type_in("shots", "6")
    assert refusal(stage, "shots") == ""
    assert box(stage, "shots") == "6"


def test_test_steps_of_a_branch_are_its_lane(stage: Shown):
    stage.press("b", "s")
    stage.type_in("test steps", "25")
    assert box(stage, "test steps") == "25"
    assert stage.notebook.value("session.tape.steps") == 25
    assert "of 25" in stage.at.locator(".wb-now-step").inner_text()
    stage.press("Shift+ArrowRight", "ArrowRight")
    until(lambda: box(stage, "test steps") == "26", "one step more")
    assert stage.notebook.value("session.tape.steps") == 26


def test_what_does_not_apply_is_not_shown(stage: Shown):
    stage.press("s")
    assert stage.field("beta1").count() == 0
    assert stage.field("momentum").count() == 1
    stage.field("kind").get_by_role("radio", name="adam", exact=True).check()
    stage.settle()
    until(lambda: stage.field("beta1").count() == 1, "Adam's own settings")
    assert stage.field("momentum").count() == 0


def test_what_is_exported_is_on_screen(stage: Shown):
    legend = '[aria-label="What it does"] .wb-legend li'
    stage.press("ArrowRight", "e")
    dialog = stage.at.get_by_role("dialog", name="Export")
    words = dialog.locator(".wb-words")
    until(lambda: words.count() and "after 2 inner steps" in words.inner_text(), "the preview")
    shown = stage.at.locator(legend).all_inner_texts()
    assert shown == ["truth", "step 1", "before", "step 2", "query (20)", "support (5)"]
    figure = stage.notebook.value(
        "[t.get_text() for t in session.draw('curves').legends[0].get_texts()]"
    )
    assert sorted(figure) == sorted(shown)
    step = dialog.locator(".wb-field").filter(has_text="inner step").locator("input.wb-number")
    step.fill("4")
    step.press("Tab")
    until(lambda: "after 4 inner steps" in words.inner_text(), "the figure of the fourth step")
    assert stage.step == 4  # the panel is where the figure is
    code = dialog.locator(".wb-code pre").first.text_content() or ""
    assert "session.move(step=4)" in code
    assert code.splitlines()[-1].startswith('export(session, "curves"')
    stage.page.keyboard.press("Escape")
    stage.press("c")
    listed = stage.at.locator(".wb-code pre").first.inner_text()
    assert listed.splitlines()[-1] == 'session.draw("curves")'
    stage.press("c")


def test_lanes_and_the_scale_are_exported_as_they_are_on_screen(stage: Shown):
    stage.press("b")
    until(lambda: stage.notebook.value("len(session.lanes)") == 2, "a branch")
    stage.press("d", "e")
    dialog = stage.at.get_by_role("dialog", name="Export")
    words = dialog.locator(".wb-words")
    until(lambda: words.count() and "branch 1: " in words.inner_text(), "both lanes")
    code = dialog.locator(".wb-code pre").first
    assert ", lanes=[0, 1]" in (code.text_content() or "")
    assert dialog.get_by_text("scale", exact=True).count() == 0  # which changes nothing here
    dialog.get_by_label("lanes", exact=True).select_option(value="the lane under the cursor")
    until(lambda: "branch 1: " not in words.inner_text(), "one lane alone")
    stage.page.keyboard.press("Escape")
    stage.press("c")
    listed = stage.at.locator(".wb-code pre").first.inner_text()
    assert listed.splitlines()[-1] == 'session.draw("curves", lanes=[0, 1])'
    stage.press("c", "d", "1")
    switch = stage.column("Why").get_by_role("button", name="log y").first
    before = switch.get_attribute("aria-pressed")
    switch.click()
    stage.press("e")
    dialog.get_by_label("view", exact=True).select_option("steps")
    until(lambda: "Query loss" in words.inner_text(), "the losses")
    scale = "linear" if before == "true" else "log"
    until(lambda: f'scale="{scale}"' in (code.text_content() or ""), "the scale on screen")
    assert "support loss, sinusoid-maml" in stage.column("Why").inner_text()
    stage.page.keyboard.press("Escape")
    switch.click()


def test_everything_counts_from_one_and_the_start_is_no_step(stage: Shown):
    stage.press("Shift+ArrowLeft")
    now = stage.at.locator(".wb-now-step")
    assert now.inner_text() == "before adaptation"
    assert "before adaptation" in stage.at.locator(".wb-facts").inner_text()
    stage.press("t")
    table = stage.at.locator(".wb-table").last
    titles = table.locator("th").all_inner_texts()
    first = table.locator("tbody tr").first.locator("td").all_inner_texts()
    row = dict(zip((title.strip() for title in titles), first, strict=True))
    assert (row["task"], row["step"]) == ("1", "0")
    stage.press("t")


def test_lanes_have_colours_of_their_own_and_one_name(stage: Shown):
    stage.press("b", "s")
    stage.type_in("inner rate", "0.02")
    stage.press("s")
    name = "sinusoid-maml, branch 1: inner rate 0.02"
    assert stage.notebook.value("session.state.name_of(1)") == name
    lane = stage.at.locator(".wb-lane").nth(1)
    assert lane.locator("title").first.text_content() == name
    colours = stage.at.locator(".wb-lane").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).getPropertyValue('--lane').toLowerCase())"
    )
    style = stage.at.evaluate(
        "(one) => ['first', 'second'].map((order) =>"
        " getComputedStyle(one).getPropertyValue(`--wb-${order}-order`).toLowerCase())"
    )
    assert not set(colours) & set(style)
    stage.press("d")
    heads = stage.at.locator(".wb-column h2").all_inner_texts()
    assert heads[1:] == ["sinusoid-maml", name]
    stage.press("d")
    assert stage.at.locator(".wb-facts").inner_text().startswith("sinusoid-maml · ")


def test_nine_hundred_steps_show_how_far_they_are_and_are_stopped(stage: Shown):
    stage.press("s")
    field = stage.field("test steps").locator("input.wb-number")
    field.fill("3000")
    field.press("Tab")
    working = stage.at.locator(".wb-working")
    working.wait_for()
    assert "recording inner steps of sinusoid-maml" in working.inner_text()
    assert "of 3000" in working.inner_text()
    stage.press("ArrowRight")  # what is there can be looked at meanwhile
    assert stage.step == 2
    working.get_by_role("button", name="Stop").click()
    until(lambda: working.count() == 0, "the end")
    steps = stage.notebook.value("session.tape.steps")
    assert 2 < steps < 3000
    until(lambda: box(stage, "test steps") == str(steps), "what was recorded")
    assert f"of {steps}" in stage.at.locator(".wb-now-step").inner_text()
    stage.press("Shift+ArrowRight")
    assert stage.step == steps
    assert stage.problem == ""
