"""Other readers than JupyterLab alone: Notebook 7, and JupyterLab with real-time collaboration.

Neither is needed: what each consists of is in tests/readers, and `make readers` installs it in a
folder that is on no path of the other tests.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distribution, distributions
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from playwright.sync_api import Locator, Page

from tests.browser.panels import until
from tests.browser.test_kernels import SAVE
from tests.browser.test_lab import CLOSE_ALL, OPEN, make_run
from tools.browser import (
    ROOT,
    Notebook,
    browsing,
    chromium,
    jupyterlab,
    lab_page,
    open_page,
    wheel,
)
from workbench.session.session import Session

CELL = """
from workbench.widgets import Session, Stage
Stage(Session("sinusoid-maml", count=2, queries=5))
"""
OUTPUTS = """() => [...jupyterapp.shell.currentWidget.content.model.cells][0].outputs.toJSON()
  .map((one) => one.data).filter((one) => one)"""
LIVE = ".jp-OutputArea section.wb:not(.wb-saved *)"
SAVED = ".jp-OutputArea .wb-saved section.wb"

PLUGINS = "() => jupyterapp.listPlugins().filter((id) => jupyterapp.isPluginActivated(id))"
KERNELS = """async () => {
  await jupyterapp.serviceManager.kernels.refreshRunning();
  return [...jupyterapp.serviceManager.kernels.running()].length;
}"""


@pytest.fixture(scope="module")
def packages(needs: Callable[[object, str], None]) -> Callable[[str], Path]:
    """packages("notebook") is where those of this reader are."""

    def find(name: str) -> Path:
        folder = Path(sys.prefix) / "readers" / name
        needs((folder / "made-from").is_file(), "`make readers`")
        return folder

    return find


@pytest.fixture(scope="module")
def site(needs: Callable[[object, str], None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files."""
    needs(chromium(), "Chromium")
    return wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def folders(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each: a trace, a run, and a notebook of one panel, saved with its outputs."""
    folders = tmp_path_factory.mktemp("served")
    make_run(folders / "seven" / "runs", "mine")
    session = Session("sinusoid-maml", count=2, queries=5)
    session.tape.save(folders / "seven" / "one.metatrace")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(CELL.strip())]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    NotebookClient(notebook, store_widget_state=False).execute()  # JupyterLab stores none either
    nbformat.write(notebook, folders / "seven" / "panel.ipynb")
    shutil.copytree(folders / "seven", folders / "together")
    return folders


def goes_a_step(panel: Locator) -> None:
    panel.locator(".wb-curve svg").first.wait_for()

    def at_the_first() -> bool:  # again and again: a page that is opening may take the focus away
        panel.press("Shift+ArrowLeft")
        panel.press("ArrowRight")
        return "step 1 of" in panel.locator(".wb-now-step").inner_text()

    until(at_the_first, "the first step")


def shows_the_run(page: Page) -> None:
    panel = page.locator('section.wb[data-view="train"]')
    panel.get_by_role("region", name="Runs").locator("figure svg").first.wait_for()
    assert "300 of 1,000" in panel.inner_text()


def shows_the_saved_panel_and_then_a_live_one(notebook: Notebook) -> None:
    page = notebook.page
    notebook.end()
    goes_a_step(page.locator(SAVED))
    assert page.locator(".wb-still").is_visible()
    assert page.evaluate(KERNELS) == 0
    notebook.run_all()
    goes_a_step(page.locator(LIVE))
    assert not page.locator(".wb-still").is_visible()
    assert not page.locator(".wb-saved").is_visible()


def saves_the_outputs(notebook: Notebook, path: Path) -> None:
    """All that the page has, the number of its panel too, and as many as a run by itself leaves."""
    before = kept(path)
    notebook.page.evaluate(SAVE)
    until(lambda: kept(path) == notebook.page.evaluate(OUTPUTS), "the outputs in the file")
    assert kept(path) != before
    assert [set(one) for one in kept(path)] == [set(one) for one in before]


def kept(path: Path) -> list[dict[str, object]]:
    """What is shown by the notebook's cell; what was printed is a library's word on its cache."""
    outputs = nbformat.read(path, as_version=4).cells[0].outputs
    return [one.data for one in outputs if "data" in one]


# ---- Notebook 7 ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seven(
    packages: Callable[[str], Path], folders: Path, site: Path
) -> Iterator[Callable[[str], Page]]:
    """seven("edit/a.file") is that page of Notebook 7's."""
    with (
        jupyterlab(folders / "seven", site, packages("notebook")) as server,
        browsing(server) as (context, watched),
    ):
        yield lambda path: open_page(context, server.url(path))
    assert not watched.left, f"the page asked for {watched.left}"
    assert not watched.errors, f"on the console: {watched.errors}"


def test_notebook_7_goes_through_a_trace(seven: Callable[[str], Page]):
    page = seven("edit/one.metatrace")
    goes_a_step(page.locator(".wb-trace section.wb"))
    page.close()


def test_notebook_7_shows_a_run(seven: Callable[[str], Page]):
    page = seven("edit/runs/mine/metrics.jsonl")
    shows_the_run(page)
    page.close()


def test_notebook_7_shows_a_panel_without_a_kernel_and_with_one(
    seven: Callable[[str], Page], folders: Path
):
    page = seven("notebooks/panel.ipynb")
    page.locator(".jp-NotebookPanel").wait_for()
    notebook = Notebook(page, "panel.ipynb")
    shows_the_saved_panel_and_then_a_live_one(notebook)
    saves_the_outputs(notebook, folders / "seven" / "panel.ipynb")
    notebook.end()
    page.close()


# ---- real-time collaboration ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def together(packages: Callable[[str], Path], folders: Path, site: Path) -> Iterator[Page]:
    """JupyterLab's page where collaboration is installed."""
    with (
        jupyterlab(folders / "together", site, packages("collaboration")) as server,
        lab_page(server) as (page, watched),
    ):
        yield page
    assert not watched.left, f"the page asked for {watched.left}"
    assert not watched.errors, f"on the console: {watched.errors}"


def test_traces_and_runs_open_where_people_work_together(together: Page):
    active = together.evaluate(PLUGINS)
    assert "@jupyter/docprovider-extension:ynotebook" in active
    assert "@jupyter/collaboration-extension:rtcPanel" in active
    together.evaluate(OPEN, "one.metatrace")
    goes_a_step(together.locator(".wb-trace section.wb"))
    together.evaluate(OPEN, "runs/mine/metrics.jsonl")
    shows_the_run(together)
    together.evaluate(CLOSE_ALL)


def test_a_panel_in_a_notebook_that_is_worked_on_together(together: Page, folders: Path):
    sockets: list[str] = []
    together.on("websocket", lambda socket: sockets.append(socket.url))
    notebook = Notebook(together, "panel.ipynb")
    assert together.evaluate("() => jupyterapp.shell.currentWidget.context.model.collaborative")
    assert any("/api/collaboration/room/json:notebook:" in url for url in sockets)
    shows_the_saved_panel_and_then_a_live_one(notebook)
    saves_the_outputs(notebook, folders / "together" / "panel.ipynb")
    notebook.close()


# ---- what they consist of ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["notebook", "collaboration"])
def test_all_that_a_reader_needs_is_locked(name: str, packages: Callable[[str], Path]):
    """It is installed without its requirements, so that nothing of the workbench's own changes."""
    folder = packages(name)
    own = {canonicalize_name(one.name): one for one in distributions(path=[str(folder)])}
    locked = (ROOT / "tests" / "readers" / f"{name}.lock").read_text().splitlines()
    assert sorted(f"{name}=={one.version}" for name, one in own.items()) == locked
    for one in own.values():
        for wanted in map(Requirement, one.requires or []):
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                found = own.get(canonicalize_name(wanted.name)) or distribution(wanted.name)
                assert wanted.specifier.contains(found.version), f"{one.name} needs {wanted}"
