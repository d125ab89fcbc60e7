"""The episode builder: sizes, single examples, a character drawn by hand, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser.panels import Shown, until
from tools.browser import Notebook


@pytest.fixture(scope="module")
def notebook(opened: Callable[[str], Notebook]) -> Notebook:
    return opened("01-episodes")


@pytest.fixture
def builder(notebook: Notebook) -> Shown:
    """The builder of characters, as the session began."""
    notebook.run("session.reset(); session.move(task=0, part='support', example=0)")
    shown = Shown(notebook)
    shown.settle()
    until(lambda: shown.at.locator(".wb-picture[aria-selected=true]").count() == 1, "the cursor")
    return shown


def pictures(builder: Shown, part: str) -> int:
    return builder.column(part).locator(".wb-picture").count()


def ink(builder: Shown, number: int) -> np.ndarray:
    """A support picture's darkness as the page draws it."""
    canvas = builder.column("support").locator("canvas").nth(number)
    pixels = canvas.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    return np.array(pixels, dtype=float).reshape(-1, 4)


def in_python(builder: Shown, number: int) -> np.ndarray:
    return np.array(builder.notebook.value(f"session.episode.support.x[0, {number}].tolist()"))


def draws(drawn: np.ndarray, image: np.ndarray) -> bool:
    """Whether a canvas shows the image: its shade goes as the pixels go."""
    shade = drawn[:, :3].mean(axis=1) * drawn[:, 3] / 255 if drawn[:, 3].std() == 0 else drawn[:, 3]
    return bool(abs(np.corrcoef(shade, image.ravel())[0, 1]) > 0.99)


def test_a_folder_of_ones_own_pictures_is_typed_in(builder: Shown, tmp_path: Path):
    draws = np.random.default_rng(0)
    for c in range(15):
        (tmp_path / f"kind {c}").mkdir()
        for i in range(4):
            pixels = draws.integers(256, size=(9, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"kind {c}" / f"{i}.png")
    builder.type_in("ways", "3")
    builder.settle()
    box = builder.field("tasks").locator("input[type=text]")
    box.fill(f"folder:{tmp_path}?size=9")
    box.press("Enter")
    builder.settle()
    assert builder.problem == ""
    tasks = builder.notebook.value("session.state.sampling.tasks")
    assert tasks == f"folder:{tmp_path}?size=9"
    chosen = builder.field("tasks").locator("select").evaluate("s => s.selectedOptions[0].value")
    assert chosen == tasks
    assert pictures(builder, "support") == 3
    box.fill("folder:nowhere")
    box.press("Enter")
    builder.settle()
    assert "names no folder of images" in builder.problem


def test_ways_and_shots(builder: Shown):
    slider = builder.field("ways").locator("input[type=range]")
    slider.focus()
    slider.press("ArrowLeft")
    builder.settle()
    slider.press("ArrowLeft")
    builder.settle()
    builder.type_in("shots", "2")
    assert builder.notebook.value("session.state.sampling.ways") == 3
    assert builder.notebook.value("list(session.episode.support.y.shape)") == [4, 6]
    until(lambda: pictures(builder, "support") == 6, "six pictures")
    assert pictures(builder, "query") == 9
    assert "3-way 2-shot" in builder.at.inner_text()
    builder.button("Reset ways to 5").click()
    builder.settle()
    assert builder.notebook.value("session.state.sampling.ways") == 5


def test_the_same_seed_draws_the_same_tasks(builder: Shown):
    before = builder.notebook.value("session.episode.sha256()")
    builder.type_in("seed", "7")
    other = builder.notebook.value("session.episode.sha256()")
    assert other != before
    assert draws(ink(builder, 0), in_python(builder, 0))
    builder.type_in("seed", "0")
    assert builder.notebook.value("session.episode.sha256()") == before


def test_pictures_are_what_python_holds_and_keys_choose_among_them(builder: Shown):
    assert draws(ink(builder, 2), in_python(builder, 2))
    assert not draws(ink(builder, 2), in_python(builder, 1))
    builder.column("support").locator(".wb-picture").nth(1).click()
    until(lambda: builder.notebook.value("session.cursor.example") == 1, "the cursor")
    builder.column("support").locator(".wb-picture").nth(1).press("ArrowDown")
    until(lambda: builder.notebook.value("session.cursor.example") == 2, "the cursor")


def test_relabel_swap_drop_duplicate_and_undo(builder: Shown):
    original = builder.notebook.value("session.episode.sha256()")
    names = builder.at.locator('select[aria-label="Class of the chosen example"]')
    names.select_option(index=3)
    builder.settle()
    assert builder.notebook.value("session.episode.support.y[0].tolist()")[0] == 3
    builder.button("Swap").click()
    builder.settle()
    builder.button("Duplicate").click()
    builder.settle()
    until(lambda: pictures(builder, "support") == 6, "one more")
    builder.button("Drop").click()
    builder.settle()
    until(lambda: pictures(builder, "support") == 5, "one less")
    said = builder.notebook.value("[edit['what'] for edit in session.lanes[0].edits]")
    assert said == ["relabel", "swap", "duplicate", "drop"]
    for _ in said:
        builder.button("Undo").click()
        builder.settle()
    assert builder.notebook.value("session.episode.sha256()") == original


def test_a_character_is_drawn_by_mouse_and_by_keys(builder: Shown):
    before = in_python(builder, 0)
    builder.button("Draw").click()
    pad = builder.at.get_by_role("application", name="Drawing pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box
    mouse = builder.page.mouse
    mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"], steps=6)
    mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=6)
    mouse.up()
    builder.settle()
    by_mouse = in_python(builder, 0)
    assert np.abs(by_mouse - before).max() > 0.5
    until(lambda: draws(ink(builder, 0), by_mouse), "what was drawn")
    pad.focus()
    for key in [" ", *["ArrowUp"] * 6, " "]:
        pad.press(key)
    builder.settle()
    by_keys = in_python(builder, 0)
    assert np.abs(by_keys - by_mouse).max() > 0.5
    assert len(builder.notebook.value("session.lanes[0].edits")) == 1  # one drawing
    builder.button("Done").click()


def test_an_episode_is_kept_and_opened_again(builder: Shown):
    builder.at.locator('select[aria-label="Class of the chosen example"]').select_option(index=2)
    builder.settle()
    edited = builder.notebook.value("session.episode.sha256()")
    builder.at.get_by_label("File of the episode").fill("figures/kept.episode")
    builder.button("Save").click()
    builder.settle()
    builder.button("Undo").click()
    builder.settle()
    assert builder.notebook.value("session.episode.sha256()") != edited
    builder.button("Open").click()
    builder.settle()
    assert builder.problem == ""
    assert builder.notebook.value("session.episode.sha256()") == edited


def test_what_a_cell_does_is_shown(builder: Shown):
    builder.notebook.run("session.sample(ways=2)")
    until(lambda: pictures(builder, "support") == 2, "two pictures")


def test_points_of_a_curve_are_dragged(notebook: Notebook):
    waves = Shown(notebook, 1)
    grip = waves.at.locator(".wb-grip").nth(2)
    said = grip.get_attribute("aria-label")
    waves.drag(grip, 0, 40)
    until(lambda: waves.at.locator(".wb-grip").nth(2).get_attribute("aria-label") != said, "it")
    assert "1 edit" in waves.at.inner_text()
    assert waves.problem == ""
    waves.button("Undo").click()
    waves.settle()
    until(lambda: waves.at.locator(".wb-grip").nth(2).get_attribute("aria-label") == said, "back")
