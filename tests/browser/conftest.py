"""One JupyterLab for all browser tests, a page of it for each file, and what no page may do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tools.browser import Notebook, Server, chromium, jupyterlab, lab_page


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a file waits for JupyterLab and for a notebook's cells as well."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def needs() -> Callable[[object, str], None]:
    """needs(found, "Chromium") skips the test where nothing was found, but not in CI."""

    def need(found: object, name: str) -> None:
        if not found and os.environ.get("CI"):
            pytest.fail(f"browser tests may not skip in CI: they need {name}")
        if not found:
            pytest.skip(f"needs {name}")

    return need


@pytest.fixture(scope="session")
def server(
    needs: Callable[[object, str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """JupyterLab with a copy of the notebooks."""
    needs(chromium(), "Chromium")
    with jupyterlab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    """JupyterLab's page; at the end nothing left the machine and the console has no error."""
    with lab_page(server) as (found, watched):
        yield found
    assert not watched.left, f"the page asked for {watched.left}"
    assert not watched.errors, f"on the console: {watched.errors}"


@pytest.fixture(scope="module")
def opened(page: Page) -> Iterator[Callable[[str], Notebook]]:
    """opened("00-start") is that notebook with its cells run; it closes with its kernel."""
    notebooks: list[Notebook] = []

    def opening(name: str) -> Notebook:
        notebook = Notebook(page, f"notebooks/{name}.ipynb")
        notebooks.append(notebook)
        notebook.run_all()
        assert notebook.errors() == []
        return notebook

    yield opening
    for notebook in notebooks:
        notebook.close()
