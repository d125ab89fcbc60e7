"""Watching trainings: bands, diagnostics, adaptations, zoom, and runs away and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.panels import Shown, until
from tools.browser import Notebook, Server
from workbench.fields import with_values
from workbench.inspection import diagnostics_frame
from workbench.training import preset, train

CELL = {
    "cell_type": "code",
    "id": "panel",
    "metadata": {},
    "execution_count": None,
    "outputs": [],
    "source": 'from workbench.widgets import TrainPanel\n\nTrainPanel("watched")',
}


@pytest.fixture(scope="module")
def panel(server: Server, page: Page) -> Iterator[Shown]:
    """A panel of three runs, two of them seeds of one experiment."""
    folder = Path(server.folder) / "notebooks"
    base = with_values(
        preset("sinusoid-maml").stretched(400),
        {"training.diagnose_every": 20, "training.log_every": 5, "training.validate_every": 50},
    )
    changes = {"one": {}, "two": {"seed": 1}, "first-order": {"learner.order": "first"}}
    for name, changed in changes.items():
        train(with_values(base, changed), folder / "watched" / name, progress=False)
    like = json.loads((folder / "00-start.ipynb").read_text())
    (folder / "watching.ipynb").write_text(json.dumps({**like, "cells": [CELL]}))
    notebook = Notebook(page, "notebooks/watching.ipynb")
    notebook.run_all()
    assert notebook.errors() == []
    yield Shown(notebook)
    notebook.close()


def chart(panel: Shown, title: str) -> Locator:
    caption = panel.page.locator("figcaption", has_text=re.compile(f"^{re.escape(title)}"))
    return panel.at.locator("figure.wb-chart").filter(has=caption).first


def choose(panel: Shown, word: str) -> None:
    segments = panel.at.get_by_role("form", name="How curves are drawn").locator(".wb-segments")
    segments.locator("label", has_text=re.compile(f"^{word}$")).click()
    panel.settle()


def axis(one: Locator) -> list[str]:
    return one.locator("svg text").all_text_contents()


def test_seeds_are_a_band_and_diagnostics_have_a_chart_each(panel: Shown):
    until(lambda: panel.at.locator(".wb-chart").count() == 7, "seven charts")
    legend = chart(panel, "mean squared error").locator(".wb-legend").inner_text()
    assert "one, mean of 2 seeds" in legend
    assert "first-order" in legend
    assert "two" not in legend
    inside = panel.column("Diagnostics")
    frame = diagnostics_frame(
        Path(panel.notebook.value("str(__import__('pathlib').Path('watched/one').resolve())"))
    )
    assert inside.locator("figcaption").all_inner_texts() == list(frame["quantity"].unique())
    choose(panel, "apart")
    panel.settle()
    until(
        lambda: "two" in chart(panel, "mean squared error").locator(".wb-legend").inner_text(),
        "the seeds apart",
    )


def test_a_part_is_seen_closely_and_all_of_it_again(panel: Shown):
    one = chart(panel, "mean squared error")
    whole = axis(one)
    one.locator("svg").last.scroll_into_view_if_needed()
    box = one.locator("svg").last.bounding_box()
    assert box
    x, y = box["x"], box["y"] + box["height"] / 2
    panel.page.mouse.move(x + 0.5 * box["width"], y)
    panel.page.mouse.down()
    panel.page.mouse.move(x + 0.7 * box["width"], y, steps=4)
    panel.page.mouse.up()
    until(lambda: axis(one) != whole, "other ticks")
    assert "400" not in axis(one)
    assert "400" not in axis(chart(panel, "agreement of tasks"))  # all go along
    panel.button("Show all").click()
    until(lambda: axis(one) == whole, "all of it")
    one.locator("svg").last.focus()
    panel.page.keyboard.press("+")
    until(lambda: axis(one) != whole, "the middle half")
    panel.page.keyboard.press("0")
    until(lambda: axis(one) == whole, "all of it")


def test_the_time_goes_along_the_axis(panel: Shown):
    one = chart(panel, "mean squared error")
    assert "outer step" in axis(one)
    choose(panel, "time")
    until(lambda: "training time (s)" in " ".join(axis(one)), "seconds")
    choose(panel, "outer step")
    until(lambda: "outer step" in axis(one), "outer steps")


def test_a_run_is_renamed_annotated_deleted_and_back_again(panel: Shown):
    row = panel.at.locator('tr[data-run="first-order"]')
    row.get_by_role("button", name="Edit first-order").click()
    note = panel.at.get_by_label("Note on first-order")
    note.fill("no Hessians")
    note.press("Enter")
    until(lambda: "no Hessians" in row.inner_text(), "the note")
    panel.at.get_by_label("New name of first-order").fill("fomaml")
    panel.at.get_by_label("New name of first-order").press("Enter")
    row = panel.at.locator('tr[data-run="fomaml"]')
    until(lambda: row.count() == 1, "the new name")
    row.get_by_role("button", name="Edit fomaml").click()
    panel.at.get_by_role("button", name="Delete fomaml").click()
    until(lambda: row.count() == 0, "that it goes")
    panel.at.get_by_role("button", name="Restore fomaml").click()
    until(lambda: row.count() == 1, "that it is back")
    there = "__import__('workbench.training', fromlist=['x']).Run.open('watched/fomaml').note"
    assert panel.notebook.value(there) == "no Hessians"
    panel.at.get_by_text("In which settings two runs differ").click()
    panel.at.get_by_label("First run").select_option("one")
    panel.at.get_by_label("Second run").select_option("fomaml")
    table = panel.at.locator(".wb-apart")
    until(lambda: table.locator("tbody tr").count() == 1, "the one difference")
    assert table.locator("tbody tr").inner_text().split() == ["learner.order", "second", "first"]
    assert panel.problem == ""
