"""A kernel that restarts, dies or is not there: the panel says so, and its last picture stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.panels import Shown, until
from tools.browser import Notebook, Server, lab_page

PATH = "notebooks/kernels.ipynb"  # a copy, since it is saved with its outputs
SAVE = "async () => { await jupyterapp.commands.execute('docmanager:save'); }"
OPEN_WITHOUT = """async (path) => {
  const kernelPreference = {shouldStart: false, canStart: false};
  const options = {path, factory: 'Notebook', kernelPreference};
  await jupyterapp.commands.execute('docmanager:open', options);
}"""
CLOSE = """(path) => {
  const open = [...jupyterapp.shell.widgets('main')];  // JupyterLab may have brought back others
  const widget = open.find((one) => one.context && one.context.path === path);
  widget.context.model.dirty = false;
  widget.dispose();
}"""


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    """What JupyterLab itself says on the console of a kernel that died is its own affair."""
    start = server.folder / "notebooks" / "00-start.ipynb"
    copy = start.read_text().replace('name=\\"start\\"', 'name=\\"kernels\\"')
    assert "kernels" in copy
    (server.folder / PATH).write_text(copy)
    with lab_page(server, width=1400, height=900) as (found, _):
        yield found
    (server.folder / PATH).write_text(copy)  # JupyterLab's next page may open it again


@pytest.fixture
def stage(page: Page) -> Iterator[Shown]:
    notebook = Notebook(page, PATH)
    notebook.run_all()
    notebook.run("session.reset(); session.move(step=1)")
    yield Shown(notebook)
    notebook.close()


def says_that_it_is_gone(stage: Shown) -> None:
    lost = stage.at.locator(".wb-lost")
    until(lambda: lost.count() == 1, "the sentence")
    assert "Run the cell again" in lost.inner_text()
    until(lambda: stage.at.get_attribute("aria-busy") == "false", "an end of waiting")
    figure = stage.at.locator(".wb-curve figure")
    until(lambda: figure.evaluate("(one) => getComputedStyle(one).opacity") == "0.5", "grey")
    stage.press("ArrowRight")  # what was recorded can still be gone through
    assert stage.step == 2
    stage.press("b")
    assert stage.at.get_attribute("aria-busy") == "false"  # nothing waits for ever


def test_a_kernel_that_restarts(stage: Shown):
    assert stage.at.locator(".wb-lost").count() == 0
    stage.notebook.restart()
    says_that_it_is_gone(stage)
    stage.notebook.run_all()
    again = Shown(stage.notebook)
    assert again.at.locator(".wb-lost").count() == 0


def test_a_kernel_that_dies(stage: Shown):
    stage.notebook.start("import os; os.kill(os.getpid(), 9)")
    stage.page.get_by_role("button", name="Ok", exact=True).click()  # of JupyterLab's own dialog
    says_that_it_is_gone(stage)


def outputs(page: Page) -> Locator:
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea").first


def test_a_notebook_without_a_kernel_shows_what_was_there(stage: Shown, page: Page):
    """The whole adaptation, to be gone through as ever."""
    assert not outputs(page).locator(".wb-still").is_visible()  # where there is the panel
    assert outputs(page).locator(".wb-saved section.wb").count() == 0
    page.evaluate(SAVE)
    stage.notebook.close()
    page.evaluate(OPEN_WITHOUT, PATH)
    for kernel in (False, True):
        if kernel:
            page.evaluate(CLOSE, PATH)
            stage.notebook = Notebook(page, PATH)  # a new one that knows of nothing
        saved = outputs(page).locator(".wb-saved section.wb")
        saved.locator(".wb-curve svg").first.wait_for()
        said = outputs(page).inner_text()
        assert "Run the cell again" in said
        assert "widget" not in said  # neither 'Loading widget...' nor 'model not found'
        saved.focus()
        page.keyboard.press("ArrowRight")
        until(lambda: "step 1 of" in saved.locator(".wb-now-step").inner_text(), "a step")  # noqa: B023
