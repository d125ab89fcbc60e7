"""What a panel shows, read off the page, and what a hand does with it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from tools.browser import ROOT, Notebook

AXE = ROOT / "extensions" / "node_modules" / "axe-core" / "axe.min.js"
RULES = """async (place) => (await axe.run(place, {resultTypes: ['violations']})).violations
  .map((one) => `${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(' ')}`)"""
THEMES = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")

SECONDS = 60  # that a change may take on a busy machine


def until(holds: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Ask again until something holds; what it is then."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)
    return found


def violations(place: Locator) -> list[str]:
    """What axe finds wrong in a part of the page."""
    if not place.page.evaluate("() => 'axe' in window"):
        place.page.evaluate(f"() => {{ {AXE.read_text()} }}")
    return place.evaluate(RULES)


def violations_by_theme(places: list[Locator]) -> dict[str, list[str]]:
    """The same of several, each by itself, in every theme that JupyterLab brings."""
    page = places[0].page
    change = "(theme) => jupyterapp.commands.execute('apputils:change-theme', {theme})"
    worn = "(theme) => document.body.dataset.jpThemeName === theme"
    found = {}
    for theme in (*THEMES[1:], THEMES[0]):  # and back
        page.evaluate(change, theme)
        page.wait_for_function(worn, arg=theme)
        if wrong := [one for place in places for one in violations(place)]:
            found[theme] = wrong
    return found


class Shown:
    """A panel on the page."""

    def __init__(self, notebook: Notebook, number: int = 0) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.at: Locator = notebook.panels().nth(number)
        self.at.wait_for()

    def press(self, *keys: str) -> None:
        """Press keys while the panel itself has the focus, and let Python follow."""
        self.at.focus()
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def settle(self) -> None:
        """Wait until Python owes no answer."""
        self.page.wait_for_timeout(50)
        until(lambda: self.at.get_attribute("aria-busy") != "true", "an answer")

    def column(self, name: str) -> Locator:
        """A part of the panel by its heading."""
        return self.at.locator(f'section[aria-label="{name}"]')

    def button(self, name: str) -> Locator:
        """A button by what is written on it or said of it."""
        return self.at.get_by_role("button", name=name, exact=True)

    def field(self, label: str) -> Locator:
        """The row of a form."""
        return self.at.locator(".wb-field").filter(
            has=self.page.locator("label", has_text=re.compile(f"^{re.escape(label)}$"))
        )

    def type_in(self, label: str, text: str) -> None:
        """Type into a field's box, as one does: then leave it."""
        box = self.field(label).locator("input.wb-number")
        box.fill(text)
        box.press("Tab")
        self.settle()

    @property
    def step(self) -> int:
        """The inner step that is shown."""
        said = self.at.locator(".wb-now-step").inner_text()
        if said == "before adaptation":
            return 0
        found = re.search(r"step (\d+) of", said)
        assert found
        return int(found[1])

    @property
    def problem(self) -> str:
        """The error that the panel shows."""
        shown = self.at.locator(".wb-problem")
        return shown.first.inner_text() if shown.count() else ""

    def line(self, chart: str, style: str) -> np.ndarray:
        """The corners of the last line of a chart whose style has these words."""
        return line_of(self.at, chart, style)

    def drag(self, point: Locator, right: float, down: float) -> None:
        """Take hold of something, pull it by so many pixels, let go."""
        self.at.page.wait_for_timeout(50)
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + right, y + down, steps=4)
        mouse.up()
        self.settle()


def line_of(place: Locator, chart: str, style: str) -> np.ndarray:
    """The corners of a chart's line, in pixels."""
    path = place.get_by_role("group", name=chart).locator(f'path[style*="{style}"]').last
    corners = re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", path.get_attribute("d") or "")
    return np.array(corners, dtype=float)


def shows(drawn: np.ndarray, numbers: list[float], pixels: float = 1.0) -> bool:
    """Whether a line on the page goes up and down as these numbers do, to within some pixels."""
    heights = drawn[:, 1]
    if len(heights) != len(numbers):
        return False
    design = np.stack([np.asarray(numbers), np.ones(len(numbers))], axis=1)
    found, *_ = np.linalg.lstsq(design, heights, rcond=None)
    return bool(found[0] < 0 and np.abs(design @ found - heights).max() < pixels)
