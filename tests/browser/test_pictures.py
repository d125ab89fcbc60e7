"""The README's pictures of JupyterLab are what the tool takes today; a page works by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tools.browser import Server, lab_page
from tools.screenshots import PICTURES, take
from workbench.widgets import Session, write_page

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wide(server: Server):
    with lab_page(server, width=1500, height=1200) as (page, _):
        yield page


def wait(page: Page, so: Callable[[], bool], seconds: float = 20.0) -> None:
    """Until something is so: the page's policy lets no function be sent to wait inside it."""
    for _ in range(int(seconds / 0.05)):
        if so():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come to be so")


def shades(path: Path, size: tuple[int, int] = (100, 50)) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L").resize(size), dtype=float) / 255


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_a_picture_of_the_readme_is_what_the_panel_shows(wide: Page, name: str, tmp_path: Path):
    shown = ROOT / "docs" / "images" / f"lab-{name}.png"
    taken = take(wide, name, tmp_path)
    here, there = Image.open(taken), Image.open(shown)
    assert here.width == pytest.approx(there.width, rel=0.1)
    assert here.height == pytest.approx(there.height, rel=0.25)  # a line more or less
    a, b = shades(taken), shades(shown)
    assert a.std() > 0.02, "the picture is blank"
    assert np.corrcoef(a.flatten(), b.flatten())[0, 1] > 0.4, (
        "the panel has changed: run `python -m tools.screenshots` and look at the pictures"
    )


def test_the_readme_shows_them_all():
    told = set(re.findall(r"docs/images/lab-(\w+)\.png", (ROOT / "README.md").read_text()))
    assert told == set(PICTURES)


def test_a_page_steps_without_kernel_or_network(wide: Page, tmp_path: Path):
    session = Session("sinusoid-maml", seed=3, count=2, queries=5)
    session.vary(steps=3)
    session.branch(1, inner_rate=0.05)
    path = write_page(session, tmp_path / "sine.html")
    page = wide.context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(path.as_uri())
        panel = page.locator("section.wb")
        panel.wait_for()
        panel.focus()
        curve = page.locator('section[aria-label="What it does"] svg[role=group]').first
        paths = "(svg) => [...svg.querySelectorAll('path')].map((one) => one.getAttribute('d'))"
        before = curve.evaluate(paths)
        page.keyboard.press("ArrowRight")
        wait(page, lambda: curve.evaluate(paths) != before)
        page.keyboard.press("ArrowLeft")
        wait(page, lambda: curve.evaluate(paths) == before)
        page.keyboard.press("4")
        panel.get_by_text("second order").first.wait_for()
        page.keyboard.press("b")  # nothing can be computed here: it is said
        panel.get_by_text("computes nothing").first.wait_for()
    finally:
        page.close()
    assert all(url.startswith(("file:", "blob:", "data:")) for url in asked), asked
