"""The notebooks that no other file here opens: all cells run, and their panels can be stepped."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.panels import Shown, until
from tools.browser import Notebook


def step(notebook: Notebook) -> None:
    """Step the first panel forth and back to the same."""
    panel = notebook.panels().first
    panel.wait_for()
    now = panel.locator(".wb-now-step")
    now.wait_for()
    panel.focus()
    notebook.page.keyboard.press("Shift+ArrowLeft")
    first = now.inner_text()
    notebook.page.keyboard.press("ArrowRight")
    assert now.inner_text() != first
    notebook.page.keyboard.press("ArrowLeft")
    assert now.inner_text() == first


def test_maml_is_stepped(opened: Callable[[str], Notebook]):
    step(opened("02-maml"))


def test_a_method_written_in_a_cell_is_stepped_and_trained_by_its_panel(
    opened: Callable[[str], Notebook],
):
    notebook = opened("07-your-own-method")
    step(notebook)
    panel = Shown(notebook, 1)
    assert panel.at.get_by_label("preset", exact=True).input_value() == "glyphs-ridge"
    panel.at.get_by_text("All other settings").click()
    assert panel.field("strength").count() == 1  # a setting of the cell's own dataclass
    panel.type_in("outer steps", "20")
    panel.at.get_by_label("name", exact=True).fill("by-hand")
    panel.at.get_by_label("name", exact=True).press("Tab")
    panel.settle()
    panel.button("Start").click()
    state = panel.at.locator('tr[data-run="by-hand"] .wb-state')
    until(lambda: state.count() == 1 and state.inner_text() == "finished", "the training", 120)
    run = "__import__('workbench.training', fromlist=['x']).Run.open('runs/by-hand')"
    assert notebook.value(f"{run}.status().iteration") == 20
    assert notebook.value(f"type({run}.load()[0]).__name__") == "Ridge"
    assert panel.problem == ""
