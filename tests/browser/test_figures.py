"""Export: what the page writes opens elsewhere, and carries its receipt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from tests.browser.panels import Shown, until
from tools.browser import Notebook, Server
from workbench.figures import frame_sha256, read_receipt


@pytest.fixture(scope="module")
def notebook(opened: Callable[[str], Notebook]) -> Notebook:
    return opened("06-figures")


@pytest.fixture
def panel(notebook: Notebook) -> Shown:
    shown = Shown(notebook)
    shown.settle()
    return shown


@pytest.fixture
def folder(server: Server) -> Path:
    return server.folder / "notebooks" / "figures"


def write(panel: Shown, kind: str, format: str, name: str) -> None:
    """Choose a view, a format and a name, and write the file."""
    panel.at.get_by_label("view", exact=True).select_option(kind)
    panel.field("format").locator("select").select_option(format)
    panel.settle()
    until(lambda: panel.button("Write the file").is_enabled(), "a preview")
    panel.page.wait_for_timeout(200)
    panel.settle()
    panel.at.get_by_label("file in figures/").fill(name)
    panel.button("Write the file").click()
    until(lambda: f"wrote figures/{name}" in panel.at.inner_text() or panel.problem, "the file")
    assert panel.problem == ""


@pytest.mark.parametrize("format", ["pdf", "svg", "png"])
def test_a_figure_has_its_receipt(panel: Shown, folder: Path, format: str):
    write(panel, "curves", format, f"mine.{format}")
    path = folder / f"mine.{format}"
    receipt = read_receipt(path)
    frame = "__import__('workbench.figures', fromlist=['x']).frame_sha256(session.frame('curves'))"
    assert receipt.data_sha256 == panel.notebook.value(frame)
    assert "Session(" in receipt.code
    if format == "png":
        with Image.open(path) as image:
            assert image.width > 500
    if format == "svg":
        other = panel.page.context.new_page()
        other.goto(path.as_uri())
        assert other.locator("svg path").count() > 5
        other.close()


def test_the_preview_is_at_true_size(panel: Shown):
    panel.at.get_by_label("view", exact=True).select_option("curves")
    panel.settle()
    panel.field("format").locator("select").select_option("pdf")
    image = panel.at.locator(".wb-paper img")
    image.wait_for()
    assert int(image.get_attribute("width") or 0) == pytest.approx(96 * 3.5, abs=30)
    assert len(image.get_attribute("alt") or "") > 40


def test_a_table_reads_back_to_the_same_numbers(panel: Shown, folder: Path):
    write(panel, "steps", "csv", "steps.csv")
    written = pd.read_csv(folder / "steps.csv")
    assert written["loss"].tolist() == panel.notebook.value(
        "session.frame('steps')['loss'].tolist()"
    )
    assert frame_sha256(written)
    panel.field("format").locator("select").select_option("tex")
    until(lambda: "fits on no page" in panel.column("Preview").inner_text(), "a sentence")
    assert not panel.button("Write the file").is_enabled()
    panel.notebook.run("session.sample(count=1)")
    write(panel, "steps", "tex", "steps.tex")
    assert r"\begin{tabular}" in (folder / "steps.tex").read_text()


def test_an_exported_page_opens_and_steps(panel: Shown, folder: Path):
    write(panel, "curves", "html", "whole.html")
    other = panel.page.context.new_page()
    other.goto((folder / "whole.html").as_uri())
    stage = other.locator("section.wb")
    stage.wait_for()
    before = stage.locator(".wb-now-step").inner_text()
    stage.focus()
    other.keyboard.press("ArrowRight")
    assert stage.locator(".wb-now-step").inner_text() != before
    other.close()
