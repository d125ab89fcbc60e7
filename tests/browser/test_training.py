"""Training from the page: started, followed, stopped, found again by a new kernel; comparing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator

from tests.browser.panels import Shown, until, violations_by_theme
from tools.browser import Notebook


@pytest.fixture(scope="module")
def notebook(opened: Callable[[str], Notebook]) -> Notebook:
    return opened("05-train-and-compare")


def row(panel: Shown, name: str) -> Locator:
    return panel.at.locator(f'tr[data-run="{name}"]')


def state(panel: Shown, name: str) -> str:
    return row(panel, name).locator(".wb-state").inner_text()


def test_a_training_is_started_followed_stopped_found_again_and_resumed(notebook: Notebook):
    panel = Shown(notebook)
    panel.at.get_by_label("preset", exact=True).select_option("digits-protonet")
    panel.settle()
    # Long enough to be stopped, not so long that compiling it would pay.
    panel.type_in("outer steps", "4900")
    panel.type_in("tasks in a meta-batch", "100")
    panel.at.get_by_label("name", exact=True).fill("mine")
    panel.at.get_by_label("name", exact=True).press("Tab")
    panel.settle()
    panel.button("Start").click()
    until(
        lambda: row(panel, "mine").count() == 1 and state(panel, "mine") == "running", "a run", 90
    )
    until(lambda: panel.at.locator(".wb-chart").count() > 0, "its curve", 90)
    assert notebook.value("__import__('os').path.isfile('runs/mine/config.json')")

    notebook.restart()  # the training goes on without its kernel
    notebook.run_all()
    panel = Shown(notebook)
    until(lambda: state(panel, "mine") == "running", "the same run", 60)
    row(panel, "mine").get_by_role("button", name="Stop").click()
    until(lambda: state(panel, "mine") == "interrupted", "that it stops", 60)
    status = "__import__('workbench.training', fromlist=['x']).Run.open('runs/mine').status()"
    assert notebook.value(f"{status}.state") == "interrupted"
    done = notebook.value(f"{status}.iteration")
    shown = re.search(r"([\d,]+) of 4,900", row(panel, "mine").inner_text())
    assert shown
    assert int(shown[1].replace(",", "")) == done > 0

    row(panel, "mine").get_by_role("button", name="Resume").click()
    until(lambda: state(panel, "mine") == "running", "that it goes on", 90)
    row(panel, "mine").get_by_role("button", name="Stop").click()
    until(lambda: state(panel, "mine") == "interrupted", "that it stops", 60)
    assert notebook.value(f"{status}.iteration") >= done
    assert panel.problem == ""


def test_a_setting_that_cannot_be_is_refused_in_a_sentence(notebook: Notebook):
    panel = Shown(notebook)
    box = panel.at.get_by_label("name", exact=True)
    box.fill("no/name")
    box.press("Tab")
    panel.settle()
    assert "cannot be called 'no/name'" in panel.problem


def test_runs_are_compared_and_a_task_is_opened(notebook: Notebook):
    panel = Shown(notebook, 1)
    until(lambda: panel.at.get_by_label(re.compile("^Open task")).count() > 0, "a comparison", 120)
    until(lambda: panel.at.locator(".wb-working").count() == 0, "the last task", 120)
    text = panel.at.inner_text()
    assert "600 tasks" in text
    notebook.run(
        "from workbench.training import compare, Run; from workbench.resources import resources\n"
        "_runs = [Run.open(resources('data') / 'runs' / n) for n in "
        "('sinusoid-maml', 'sinusoid-finetune')]\n"
        "_said = [g.evaluations[0] for g in compare(_runs).groups]\n"
        "from workbench.numbers import with_interval\n"
        "_said = [with_interval(e.mean, e.ci95) for e in _said]"
    )
    for said in notebook.value("_said"):
        assert said in text
    opens = panel.page.get_by_label(re.compile("^Open task"))
    first = panel.at.locator("tr").filter(has=opens).first
    measured = first.locator("td").first.inner_text()
    first.get_by_role("button").click()
    opened = panel.at.locator('section.wb[data-view="stage"]')
    opened.wait_for()
    assert opened.locator(".wb-grip").count() == 2 * 5  # both learners, beside each other
    notebook.run(
        "_panel = next(o for o in Out.values() if type(o).__name__ == 'ComparePanel')\n"
        "_frame = _panel.opened.shown.frame('steps', task=0).query(\"part == 'query'\")\n"
        "_loss = float(_frame.sort_values('step')['loss'].iloc[-1])"
    )
    assert f"{notebook.value('_loss'):.3g}" == measured


def test_axe_finds_nothing_in_any_theme(notebook: Notebook):
    assert violations_by_theme(notebook.panels().all()) == {}
