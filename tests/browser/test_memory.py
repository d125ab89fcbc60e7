"""The memory panel: slots by mouse and by keys, linked to the cursor; emptied, filled, undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.panels import Shown, until, violations_by_theme
from tools.browser import Notebook

PREDICTED = (
    '(lambda f: f[f["step"] == {step}].sort_values("example")["prediction"].tolist())'
    '(session.frame("predictions", lane={lane}))'
)
READ = (
    '(lambda f: f[(f["query"] == {query}) & (f["entry"] == {slot})]["value"].iloc[0])'
    '(session.frame("memory"))'
)


@pytest.fixture(scope="module")
def notebook(page: Page) -> Iterator[Notebook]:
    """03-memory, its cells run."""
    found = Notebook(page, "notebooks/03-memory.ipynb")
    found.run_all()
    found.panels().first.wait_for()
    assert found.errors() == []
    yield found
    found.run("session.reset()")  # it is kept, and other tests open this notebook as well
    found.close()


@pytest.fixture
def panel(notebook: Notebook) -> Shown:
    """Its memory panel with Matching Networks, after the last step, at the first query."""
    notebook.run("session.reset(); session.choose('glyphs-matching')")
    notebook.run("session.move(step=1, task=0, lane=1, part='query', example=0)")
    shown = Shown(notebook)
    shown.at.get_by_role("application", name="What each query reads").wait_for()
    until(lambda: rows(shown).count() == 5, "slots")
    shown.settle()
    return shown


def number_in(text: str) -> float:
    """A number as panels write it, such as 3.58×10⁻⁴."""
    digits, _, power = text.replace("−", "-").partition("×10")
    return float(digits) * 10.0 ** int(
        power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0
    )


def rows(panel: Shown) -> Locator:
    return panel.at.get_by_role("listbox", name="Slots").get_by_role("option")


def test_slots_say_what_was_written_and_what_the_query_reads(panel: Shown):
    slots = panel.notebook.value('session.frame("slots")["slot"].tolist()')
    assert rows(panel).count() == len(slots) == 5
    read = panel.notebook.value(READ.format(query=0, slot=3))
    said = rows(panel).nth(3).get_attribute("aria-label") or ""
    assert "written by support 4 (step 1)" in said
    shown = re.search(r"query 1: reads (\S+)", said)
    assert shown is not None, said
    assert number_in(shown[1]) == pytest.approx(read, rel=5e-3)
    assert rows(panel).nth(3).locator("img").count() == 1


def test_a_cell_moves_the_cursor_and_a_slot_shows_its_writer(panel: Shown):
    heat = panel.at.get_by_role("application", name="What each query reads")
    heat.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        panel.page.keyboard.press(key)
    panel.settle()
    until(lambda: panel.notebook.value("session.cursor.example") == 2, "Python's cursor")
    assert rows(panel).nth(1).get_attribute("aria-selected") == "true"
    assert panel.at.get_by_role("listbox", name="Slot 2 is read by these").count() == 1
    rows(panel).nth(4).click()
    until(lambda: panel.notebook.value("session.cursor.part") == "support", "Python's cursor")
    assert panel.notebook.value("session.cursor.example") == 4
    came = panel.at.get_by_role("listbox", name="Query 3 reads what these wrote")
    assert came.get_by_role("option").nth(4).get_attribute("aria-selected") == "true"


def test_an_emptied_slot_shows_at_once_what_it_changed(panel: Shown):
    rows(panel).nth(2).click()
    panel.page.keyboard.press("Delete")
    panel.settle()
    notebook = panel.notebook
    assert notebook.value("[dict(one) for one in session.lanes[2].memory]") == [{"slot": 2}]
    before, after = (notebook.value(PREDICTED.format(lane=lane, step=1)) for lane in (1, 2))
    assert 2 not in after
    turned = sum(a != b for a, b in zip(before, after, strict=True))
    assert turned > 0  # those that it had answered, at the least
    changed = panel.column("What it changed")
    until(lambda: changed.locator("tbody tr").count() == len(after), "the predictions")
    assert changed.locator('tr[data-turned="true"]').count() == turned
    assert f"{turned} of {len(after)} queries" in changed.inner_text()
    assert ", branch 1: slot 3 emptied" in changed.inner_text()
    until(lambda: "emptied" in rows(panel).nth(2).inner_text(), "the branch's slots")
    panel.press("z")
    assert notebook.value("len(session.lanes)") == 2
    assert panel.column("What it changed").count() == 0


def test_a_slot_is_filled_with_another(panel: Shown):
    rows(panel).nth(0).click()
    panel.at.get_by_label("Fill it with another slot's content").select_option("3")
    panel.settle()
    notebook = panel.notebook
    assert notebook.value("[dict(one) for one in session.lanes[2].memory]") == [
        {"slot": 0, "source": 3}
    ]
    until(lambda: "filled from 4" in rows(panel).nth(0).inner_text(), "the branch's slots")
    assert notebook.value(READ.format(query=0, slot=0)) == pytest.approx(
        notebook.value(READ.format(query=0, slot=3))
    )
    panel.button("Remove branch").click()
    panel.settle()
    assert notebook.value("len(session.lanes)") == 2


def test_before_the_first_step_there_is_nothing(panel: Shown):
    panel.press("ArrowLeft")
    assert "holds nothing" in (rows(panel).nth(0).get_attribute("aria-label") or "")
    panel.button("To the last step").click()
    assert "written by" in (rows(panel).nth(0).get_attribute("aria-label") or "")


def test_what_the_kernel_does_is_shown_however_soon_after_a_key(panel: Shown):
    notebook = panel.notebook
    for _ in range(3):  # where a moment ago the page was itself, which is no echo of it
        for key, step in (("ArrowLeft", 0), ("ArrowRight", 1)):
            panel.press(key)
            until(partial(notebook.value, f"session.cursor.step == {step}"), "Python's cursor")
        notebook.run("session.move(lane=0); session.move(lane=1, step=1)")
        until(lambda: rows(panel).count() == 5, "the slots of the lane that Python chose")
        assert notebook.value("session.cursor.lane") == 1


def test_prototypes_are_read_by_distance(panel: Shown):
    panel.button("glyphs-protonet").click()
    panel.settle()
    heat = panel.at.get_by_role("application", name="Squared distance of each query to each slot")
    heat.wait_for()
    assert "reversed" in panel.at.inner_text()
    panel.press("t")
    assert (
        panel.at.get_by_role("region", name="what queries read").locator("tbody tr").count() == 50
    )


def test_axe_finds_nothing_in_any_theme(notebook: Notebook):
    """Of the memory, its stages and what a policy believes: what scrolls takes the keyboard."""
    panels = notebook.panels().all()
    assert len(panels) == 5
    assert violations_by_theme(panels) == {}


def test_pictures_stand_out_where_colours_are_forced(panel: Shown):
    """As by Windows' contrast themes: what is written in a picture is in their colour of text."""
    page = panel.page
    page.emulate_media(forced_colors="active")
    try:
        written = panel.at.locator(".wb-axes text").first
        colour = written.evaluate("(one) => getComputedStyle(one).fill")
        assert colour == page.evaluate("() => getComputedStyle(document.body).color")
    finally:
        page.emulate_media(forced_colors="none")
