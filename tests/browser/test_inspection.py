"""The gradient inspector and what is linked to it; memories; all by mouse and by keys."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from tests.browser.panels import Shown, until
from tools.browser import Notebook

TABS = ["Loss", "Layers", "Flow", "Anatomy", "Agreement", "Landscape", "Embedding"]


@pytest.fixture(scope="module")
def notebook(opened: Callable[[str], Notebook]) -> Notebook:
    return opened("04-gradients")


@pytest.fixture
def inspector(notebook: Notebook) -> Shown:
    notebook.run("session.reset(); session.move(step=0, task=0, layer='all')")
    shown = Shown(notebook)
    shown.settle()
    return shown


def test_every_tab_by_its_number(inspector: Shown):
    for number, name in enumerate(TABS, start=1):
        inspector.press(str(number))
        tab = inspector.at.get_by_role("tab", name=name, exact=True)
        assert tab.get_attribute("aria-selected") == "true"
        panel = inspector.at.get_by_role("tabpanel")
        until(lambda panel=panel: "Computing" not in panel.inner_text(), f"{name} is computed")
        assert panel.locator("svg, .wb-empty").count() > 0
        assert inspector.problem == ""


def test_a_click_on_a_cell_moves_the_cursor_everywhere(inspector: Shown):
    stage = Shown(inspector.notebook, 1)
    inspector.at.get_by_role("tab", name="Layers").click()
    heat = inspector.at.get_by_role("application", name="Norm of the gradient")
    cells = heat.locator("rect:not([class])")
    layers = inspector.notebook.value(
        "list(dict.fromkeys(session.frame('norms').query(\"layer != 'all'\")['layer']))"
    )
    columns = cells.count() // len(layers)
    cells.nth(columns + 3).click()  # the second layer, the fourth step
    steps = inspector.notebook.value(
        "sorted(set(session.frame('norms').query(\"kind == 'gradient'\")['step']))"
    )
    until(lambda: inspector.notebook.value("session.cursor.layer") == layers[1], "the layer")
    assert inspector.notebook.value("session.cursor.step") == steps[3]
    assert stage.step == steps[3]
    heat.focus()
    inspector.page.keyboard.press("ArrowRight")
    until(lambda: stage.step == steps[4], "the stage follows the keys")
    stage.press("ArrowLeft")
    inspector.press("1")
    until(lambda: f"inner step {steps[3]}" in inspector.at.inner_text(), "the inspector follows")


def test_second_order_is_answered_with_pythons_number(inspector: Shown):
    inspector.press("4")
    until(lambda: "second order" in inspector.at.inner_text(), "an answer")
    share = inspector.notebook.value(
        "(lambda f: float(f.query(\"layer == 'all' and term == 'second order'\")['norm'].iloc[0]"
        " / f.query(\"layer == 'all' and term == 'full'\")['norm'].iloc[0]))"
        "(session.frame('anatomy'))"
    )
    shown = f"{100 * share:.3g}%"
    assert shown in inspector.at.inner_text()


def test_the_table_behind_a_picture_is_pythons_frame(inspector: Shown):
    inspector.press("3")
    until(lambda: inspector.button("Table (T)").count() == 1, "the flow")
    inspector.press("t")
    inspector.button("Copy CSV").click()
    text = inspector.page.evaluate("navigator.clipboard.readText()")
    rows = list(csv.DictReader(io.StringIO(text)))
    frame = inspector.notebook.value("session.frame('flow').to_dict('list')")
    assert len(rows) == len(frame["norm"])
    assert [float(row["norm"]) for row in rows] == pytest.approx(frame["norm"], rel=1e-6)
    inspector.press("t")


def test_the_landscape_and_what_is_stale(inspector: Shown):
    inspector.press("6")
    compute = inspector.at.get_by_role("button", name="Compute", exact=True)
    if compute.count():
        compute.first.click()
    until(lambda: inspector.at.get_by_role("tabpanel").locator("svg").count(), "the landscape")
    assert inspector.problem == ""
    explained = "float(session.frame('landscape')[['explained_x', 'explained_y']].iloc[0].sum())"
    share = 100 * inspector.notebook.value(explained)
    shown = inspector.at.get_by_role("tabpanel").inner_text()
    assert f"holds {share:.3g}% of the path's variance" in shown
