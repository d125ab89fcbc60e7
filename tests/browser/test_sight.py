"""What is operated stays in sight: on a small screen with the file browser, on a narrow one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Locator, Page

from tests.browser.panels import Shown, line_of, until
from tools.browser import Notebook, Server, lab_page

STRONG = "stroke-width: 2"
NOTEBOOK = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer"
HIDDEN = """(panel) => [...panel.querySelectorAll("*")].filter((one) =>
  one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0
  && ["auto", "scroll", "hidden"].includes(getComputedStyle(one).overflowX)
  && !one.matches(".wb-hidden, pre, input")).map((one) => `${one.tagName} ${one.className}`)"""


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    """1400 x 900 with the file browser open."""
    with lab_page(server, width=1400, height=900) as (found, watched):
        found.evaluate("() => jupyterapp.shell.expandLeft()")
        yield found
    assert not watched.errors, f"on the console: {watched.errors}"


@pytest.fixture(scope="module")
def opening(page: Page) -> Iterator[Callable[[str], Notebook]]:
    """A notebook with its cells run, one at a time."""
    notebooks: dict[str, Notebook] = {}

    def opening(name: str) -> Notebook:
        if name not in notebooks:
            while notebooks:
                notebooks.popitem()[1].close()
            notebooks[name] = Notebook(page, f"notebooks/{name}.ipynb")
            notebooks[name].run_all()
        return notebooks[name]

    yield opening
    for notebook in notebooks.values():
        notebook.close()


@pytest.fixture
def stage(opening: Callable[[str], Notebook]) -> Shown:
    notebook = opening("00-start")
    notebook.run("session.reset(); session.move(step=1, task=0, lane=0)")
    shown = Shown(notebook)
    to_top(shown.at)
    shown.settle()
    return shown


def to_top(panel: Locator) -> None:
    panel.evaluate("(panel) => panel.scrollIntoView({block: 'start'})")
    panel.page.wait_for_timeout(200)


def box(place: Locator) -> tuple[float, float, float, float]:
    """Left, top, right, bottom."""
    found = place.bounding_box()
    assert found
    x, y, width, height = found["x"], found["y"], found["width"], found["height"]
    return (x, y, x + width, y + height)


def in_sight(place: Locator) -> bool:
    """Whether all of it is in the notebook's visible part."""
    left, top, right, bottom = box(place)
    seen = box(place.page.locator(NOTEBOOK))
    return left >= seen[0] and top >= seen[1] and right <= seen[2] and bottom <= seen[3]


def needed(panel: Locator, shown: str) -> list[Locator]:
    """What a step takes: what is shown of it, the timeline with its buttons, and the choices."""
    return [panel.locator(part) for part in (shown, ".wb-time", ".wb-choices")]


def test_curve_and_timeline_are_in_sight_whatever_tab_is_open(stage: Shown):
    curve = stage.at.locator(".wb-curve")
    before = box(curve)
    tabs = stage.at.get_by_role("tab")
    assert tabs.count() == 7
    for number in range(tabs.count()):
        stage.press(str(number + 1))
        assert tabs.nth(number).get_attribute("aria-selected") == "true"
        assert all(in_sight(place) for place in needed(stage.at, ".wb-curve")), number
        assert box(curve) == before
        assert all(in_sight(tabs.nth(each)) for each in range(7))
        assert box(stage.column("Why"))[3] <= box(stage.at.locator(".wb-time"))[1]
    stage.press("4")
    panel = stage.column("Why").get_by_role("tabpanel")
    until(lambda: panel.locator("svg").count() > 0, "the anatomy")
    assert panel.evaluate("(one) => one.scrollHeight > one.clientHeight")  # it scrolls inside
    stage.press("1")


def test_settings_open_beside_what_they_change(stage: Shown):
    curve = stage.at.locator(".wb-curve")
    before, time = box(curve), box(stage.at.locator(".wb-time"))
    stage.press("s")
    settings = stage.column("Settings")
    assert in_sight(settings)
    assert box(curve) == before
    assert box(stage.at.locator(".wb-time")) == time
    assert box(settings)[2] <= before[0]
    assert all(in_sight(place) for place in needed(stage.at, ".wb-curve"))
    field = stage.field("seed")
    field.scroll_into_view_if_needed()
    assert box(curve) == before  # that scrolled the settings alone
    stage.press("s")
    assert box(curve) == before


def test_another_learner_stands_beside_on_one_scale(stage: Shown):
    stage.press("b")
    stage.press("ArrowRight")
    stage.button("sinusoid-finetune").click()
    stage.settle()
    lanes = stage.notebook.value("[lane.learner for lane in session.lanes]")
    assert lanes == ["sinusoid-maml", "sinusoid-maml", "sinusoid-finetune"]  # the branch is there
    stage.notebook.run("session.remove(1)")
    until(lambda: stage.at.locator(".wb-lane").count() == 2, "two lanes")
    lines = (
        "(all) => all.map((one) => [...one.querySelectorAll('tspan')].map((t) => t.textContent))"
    )
    names = ["".join(one) for one in stage.at.locator(".wb-lane-name").evaluate_all(lines) if one]
    assert names == ["sinusoid-maml", "sinusoid-finetune"]
    both = [stage.column("sinusoid-maml"), stage.column("sinusoid-finetune")]
    ticks = [one.locator(".wb-curve .wb-axes text").all_text_contents() for one in both]
    assert ticks[0] == ticks[1]
    tops = {box(one.locator(".wb-curve svg[role=group]"))[1] for one in both}
    assert len(tops) == 1
    assert all(in_sight(one) for one in (*both, stage.at.locator(".wb-time")))
    before = [line_of(one, "Curve", STRONG) for one in both]
    stage.drag(both[0].locator(".wb-grip").nth(1), 0, 60)  # the other's lane is the current one
    after = [line_of(one, "Curve", STRONG) for one in both]
    moved = [np.abs(a[:, 1] - b[:, 1]).max() for a, b in zip(before, after, strict=True)]
    assert all(change > 0 for change in moved)  # one episode: both adapt to it
    assert len(stage.notebook.value("session.lanes[0].edits")) == 1


def test_losses_rise_from_zero(stage: Shown):
    stage.button("sinusoid-finetune").click()
    stage.settle()
    least = stage.at.locator(".wb-timeline .wb-tick-label").all_text_contents()
    assert "0" in least


def test_pictures_and_timeline_are_in_sight(opening: Callable[[str], Notebook]):
    panel = opening("02-maml").panels().first
    panel.wait_for()
    to_top(panel)
    assert all(in_sight(place) for place in needed(panel, "[data-area=does]"))


def test_a_compared_task_opens_where_it_is_seen(opening: Callable[[str], Notebook]):
    notebook = opening("05-train-and-compare")
    compare = notebook.page.locator("section.wb[data-view=compare]")
    open_ = compare.get_by_label("Open task").first
    open_.wait_for()
    until(lambda: compare.locator(".wb-working").count() == 0, "the comparison")
    assert "two-sided sign test" in compare.inner_text()
    axes = compare.locator("tfoot .wb-interval svg")
    assert axes.count() == 2
    assert all("0" in axes.nth(n).locator("text").all_text_contents() for n in range(2))
    chart = compare.get_by_role("group", name="By inner step").locator(".wb-axes text")
    assert "0" in chart.all_text_contents()
    open_.click()
    stage = compare.locator("section.wb")
    stage.wait_for()
    until(lambda: in_sight(stage.locator(".wb-time")), "the stage in sight")
    assert all(in_sight(place) for place in needed(stage, "[data-area=other]"))
    assert stage.locator(".wb-lane").count() == 2
    assert stage.locator(".wb-now-step").inner_text() != "before adaptation"
    assert stage.evaluate("(one) => one.contains(document.activeElement)")  # keys step it


@pytest.mark.parametrize("name", ["00-start", "05-train-and-compare"])
def test_nothing_hides_behind_a_scroll_at_800_pixels(
    opening: Callable[[str], Notebook], page: Page, name: str
):
    notebook = opening(name)
    page.evaluate("() => jupyterapp.shell.collapseLeft()")
    page.set_viewport_size({"width": 800, "height": 900})
    try:
        panel = notebook.panels().last
        if name == "00-start":
            notebook.run("session.reset(); session.choose('sinusoid-finetune')")
            until(lambda: panel.locator(".wb-lane").count() == 2, "two lanes")
        else:
            page.get_by_label("Open task").first.wait_for()
        to_top(panel)
        until(lambda: panel.evaluate(HIDDEN) == [], "everything in its width", 5)
        if name == "00-start":
            assert all(in_sight(one) for one in needed(panel, "[data-area=does]"))
            panel.focus()
            page.keyboard.press("d")
            until(lambda: panel.get_by_role("tab").count() == 7, "the tabs")
            assert panel.evaluate(HIDDEN) == []
    finally:
        page.set_viewport_size({"width": 1400, "height": 900})
        page.evaluate("() => jupyterapp.shell.expandLeft()")


def test_settings_of_the_memory_open_beside_its_picture(opening: Callable[[str], Notebook]):
    shown = Shown(opening("03-memory"))
    picture = shown.column("What queries read")
    picture.wait_for()
    shown.settle()
    before = box(picture)[1] - box(shown.at)[1]
    shown.press("s")
    settings, now = box(shown.column("Settings")), box(picture)
    assert settings[2] <= now[0]
    assert now[1] - box(shown.at)[1] == pytest.approx(before, abs=2)
    assert now[2] - now[0] > 200  # and what was there stays wide enough
    assert shown.column("Settings").evaluate(HIDDEN) == []
    shown.press("s")
