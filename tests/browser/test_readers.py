"""Other readers than JupyterLab alone: Notebook 7, and JupyterLab with real-time collaboration.

Neither is needed: what each consists of is in tests/readers, and `make readers` installs it in a
folder that is on no path of the other tests.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from tests.browser.test_lab import OPEN, make_run
from tools.browser import (
    ROOT,
    Notebook,
    Server,
    Watched,
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

# What Jupyter itself says on the console.
THEIRS = (
    # Notebook 7's shortcuts hear of others' settings before they have read their own.
    "Cannot read properties of undefined (reading 'schema')",
    # Its debugger had asked the kernel that a test here ends.
    "Could not restore the debugger state: Canceled future for debug_request message",
)

PLUGINS = "() => jupyterapp.listPlugins().filter((id) => jupyterapp.isPluginActivated(id))"
ACTIVE = {
    "notebook": ("@jupyter-notebook/application-extension:shell",),
    "collaboration": (
        "@jupyter/collaboration-extension:rtcPanel",
        "@jupyter/docprovider-extension:ynotebook",
    ),
}
COLLABORATIVE = "() => jupyterapp.shell.currentWidget.context.model.collaborative"
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
def served(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace, a run, and a notebook of one panel, saved with its outputs; a reader gets a copy."""
    folder = tmp_path_factory.mktemp("served")
    make_run(folder / "runs", "mine")
    Session("sinusoid-maml", count=2, queries=5).tape.save(folder / "one.metatrace")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(CELL.strip())]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    NotebookClient(notebook, store_widget_state=False).execute()  # JupyterLab stores none either
    nbformat.write(notebook, folder / "panel.ipynb")
    return folder


@dataclass(frozen=True)
class Reader:
    """One that runs: its name, the folder that it serves, and open("a/file") for a page with it."""

    name: str
    folder: Path
    open: Callable[[str], Page]


@pytest.fixture(scope="module", params=["notebook", "collaboration"])
def reader(
    request: pytest.FixtureRequest,
    packages: Callable[[str], Path],
    site: Path,
    served: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Reader]:
    """Each in its turn."""
    installed = packages(request.param)
    folder = Path(shutil.copytree(served, tmp_path_factory.mktemp("reader") / request.param))
    pages = notebook_pages if request.param == "notebook" else lab_documents
    with jupyterlab(folder, site, installed) as server, pages(server) as (opening, watched):
        yield Reader(request.param, folder, opening)
    assert not watched.left, f"the page asked for {watched.left}"
    errors = [error for error in watched.errors if not error.startswith(THEIRS)]
    assert not errors, f"on the console: {errors}"


@contextmanager
def notebook_pages(server: Server) -> Iterator[tuple[Callable[[str], Page], Watched]]:
    """Notebook 7 has a page for each file."""
    with browsing(server) as (context, watched):

        def opening(path: str) -> Page:
            kind = "notebooks" if path.endswith(".ipynb") else "edit"
            return open_page(context, server.url(f"{kind}/{path}"))

        yield opening, watched


@contextmanager
def lab_documents(server: Server) -> Iterator[tuple[Callable[[str], Page], Watched]]:
    """JupyterLab has one page for all."""
    with lab_page(server) as (page, watched):

        def opening(path: str) -> Page:
            page.evaluate(OPEN, path)
            return page

        yield opening, watched


def goes_a_step(panel: Locator) -> None:
    panel.locator(".wb-curve svg").first.wait_for()

    def at_the_first() -> bool:  # again and again: a page that is opening may take the focus away
        panel.press("Shift+ArrowLeft")
        panel.press("ArrowRight")
        return "step 1 of" in panel.locator(".wb-now-step").inner_text()

    until(at_the_first, "the first step")


def kept(path: Path) -> list[dict[str, object]]:
    """What is shown by the notebook's cell; what was printed is a library's word on its cache."""
    outputs = nbformat.read(path, as_version=4).cells[0].outputs
    return [one.data for one in outputs if "data" in one]


def test_a_trace_is_gone_through(reader: Reader):
    page = reader.open("one.metatrace")
    goes_a_step(page.locator(".wb-trace section.wb"))
    for name, plugins in ACTIVE.items():
        assert set(plugins) & set(page.evaluate(PLUGINS)) == set(
            plugins if name == reader.name else ()
        )


def test_a_run_shows_its_curves(reader: Reader):
    panel = reader.open("runs/mine/metrics.jsonl").locator('section.wb[data-view="train"]')
    panel.get_by_role("region", name="Runs").locator("figure svg").first.wait_for()
    assert "300 of 1,000" in panel.inner_text()


def test_a_saved_panel_lives_again_and_is_saved(reader: Reader):
    path = reader.folder / "panel.ipynb"
    before = kept(path)
    page = reader.open(path.name)
    page.locator(".jp-NotebookPanel").wait_for()
    notebook = Notebook(page, path.name)
    assert page.evaluate(COLLABORATIVE) is (reader.name == "collaboration")

    notebook.end()
    goes_a_step(page.locator(SAVED))
    assert page.locator(".wb-still").is_visible()
    assert page.evaluate(KERNELS) == 0

    notebook.run_all()
    goes_a_step(page.locator(LIVE))
    assert not page.locator(".wb-still").is_visible()
    assert not page.locator(".wb-saved").is_visible()

    page.evaluate(SAVE)
    until(lambda: kept(path) == page.evaluate(OUTPUTS), "all that the page has, in the file")
    assert kept(path) != before  # its panel has another number
    assert [set(one) for one in kept(path)] == [set(one) for one in before]


# ---- what they consist of ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["notebook", "collaboration"])
def test_all_that_a_reader_needs_is_locked(name: str, packages: Callable[[str], Path]):
    """It is installed without its requirements, so that nothing of the workbench's own changes."""
    folder = packages(name)
    own = {canonicalize_name(one.name): one for one in distributions(path=[str(folder)])}
    locked = (ROOT / "tests" / "readers" / f"{name}.lock").read_text().splitlines()
    assert {f"{name}=={one.version}" for name, one in own.items()} == set(locked)
    for one in own.values():
        for wanted in map(Requirement, one.requires or []):
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                found = own.get(canonicalize_name(wanted.name)) or distribution(wanted.name)
                assert wanted.specifier.contains(found.version), f"{one.name} needs {wanted}"
