"""The notebooks that no other file here opens: all cells run, and their panels can be stepped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tools.browser import Notebook


@pytest.mark.parametrize("name", ["02-maml", "07-your-own-method"])
def test_a_notebook_runs_and_its_first_panel_steps(opened: Callable[[str], Notebook], name: str):
    notebook = opened(name)
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
