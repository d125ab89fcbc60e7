"""Takes the README's pictures of JupyterLab: the notebooks as they open, in a real browser.

python -m tools.screenshots [--out docs/images] [--only stage …]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tools.browser import Notebook, jupyterlab, lab_page

MOMENT = 1500  # milliseconds in which a page comes to rest


def _stage(notebook: Notebook) -> None:
    """The first notebook, with a branch of smaller steps."""
    notebook.run("session.reset(); session.branch(1, inner_rate=0.003)")
    notebook.run("session.move(step=3, lane=0)")


def _gradients(notebook: Notebook) -> None:
    """Where the meta-gradient comes from."""
    notebook.run("session.move(step=2, task=0)")
    notebook.panels().first.focus()
    notebook.page.keyboard.press("4")
    notebook.panels().first.get_by_text("first order alone").first.wait_for()


def _memory(notebook: Notebook) -> None:
    """What a query reads."""
    notebook.run("session.move(step=session.tape.steps, part='query', example=4)")


def _compare(notebook: Notebook) -> None:
    """Two runs on the same tasks."""
    last = notebook.page.get_by_label("Open task").first
    last.wait_for()


# name: the notebook, which of its panels, and what is done before the picture is taken
PICTURES: dict[str, tuple[str, int, Callable[[Notebook], None]]] = {
    "stage": ("00-start", 0, _stage),
    "gradients": ("04-gradients", 0, _gradients),
    "memory": ("03-memory", 0, _memory),
    "compare": ("05-train-and-compare", 1, _compare),
}


def take(page: Page, name: str, folder: Path) -> Path:
    """One picture, of a page of JupyterLab."""
    source, number, prepare = PICTURES[name]
    notebook = Notebook(page, f"notebooks/{source}.ipynb")
    try:
        notebook.run_all()
        panel = notebook.panels().nth(number)
        panel.wait_for()
        prepare(notebook)
        panel.locator("svg").first.wait_for()
        busy = 'section.wb[aria-busy="true"], section.wb .wb-working'
        page.wait_for_function("(busy) => !document.querySelector(busy)", arg=busy)
        panel.scroll_into_view_if_needed()
        page.wait_for_timeout(MOMENT)
        path = folder / f"lab-{name}.png"
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        panel.screenshot(path=path)
        return path
    finally:
        notebook.close()


def main() -> None:
    """Takes all of them, or those that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--only", nargs="+", choices=sorted(PICTURES), default=list(PICTURES))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        jupyterlab(Path(folder)) as server,
        lab_page(server, width=1500, height=1200) as (page, _),
    ):
        for name in given.only:
            take(page, name, given.out)


if __name__ == "__main__":
    main()
