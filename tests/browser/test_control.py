"""Control on the stage: trajectories step by step, a goal that is dragged, a trial move by move."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.browser.panels import Shown, shows, until
from tools.browser import Notebook

STRONG = "stroke-width: 2"  # the trajectory that is looked at
PATH = """(lambda f: f[(f["part"] == "path") & (f["step"] == {step}) & (f["trajectory"] == {which})]
["y"].tolist())(session.frame("trajectories"))""".replace("\n", "")
RETURN = """(lambda f: f[(f["step"] == {step}) & (f["trajectory"] == {which})]["reward"].sum())
(session.frame("trajectories"))""".replace("\n", "")
GOAL = "session.episode.task['goal'][0].tolist()"


@pytest.fixture(scope="module")
def notebook(opened: Callable[[str], Notebook]) -> Notebook:
    return opened("11-control")


@pytest.fixture
def stage(notebook: Notebook) -> Shown:
    """The policy that adapts by gradient steps, as it began, after one of them."""
    notebook.run("session.reset(); session.move(step=1, task=0, example=0)")
    shown = Shown(notebook, 1)
    shown.settle()
    return shown


@pytest.fixture
def trial(notebook: Notebook) -> Shown:
    """The agent on a grid, within its third episode."""
    notebook.run("trial.reset(); trial.move(step=45, task=0)")
    shown = Shown(notebook, 0)
    shown.settle()
    return shown


def test_trajectories_are_those_of_the_step_and_of_the_one_that_is_chosen(stage: Shown):
    for step in (1, 2):
        drawn = stage.line("Trajectories", STRONG)
        assert shows(drawn, stage.notebook.value(PATH.format(step=step, which=0)))
        if step == 1:
            stage.press("ArrowRight")
            assert stage.step == 2
    items = stage.column("Episode").get_by_role("listitem")
    assert items.count() == 20
    items.nth(4).get_by_role("button").click()
    until(lambda: stage.notebook.value("session.cursor.example") == 4, "Python's cursor")
    drawn = stage.line("Trajectories", STRONG)
    assert shows(drawn, stage.notebook.value(PATH.format(step=2, which=4)))
    brought = stage.notebook.value(RETURN.format(step=2, which=4))
    said = items.nth(4).inner_text().split()[-1].replace("−", "-")
    assert float(said) == pytest.approx(brought, rel=0.01)


def test_the_goal_is_dragged_and_the_adaptation_follows(stage: Shown):
    before, goal = stage.line("Trajectories", STRONG), stage.notebook.value(GOAL)
    at_first = stage.notebook.value(PATH.format(step=0, which=0))
    stage.drag(stage.at.locator(".wb-grip"), 40, -30)
    x, y = until(lambda: (lambda g: g != goal and g)(stage.notebook.value(GOAL)), "another goal")
    assert x > goal[0]
    assert y > goal[1]
    stage.settle()
    after = stage.line("Trajectories", STRONG)
    assert shows(after, stage.notebook.value(PATH.format(step=1, which=0)))
    assert len(before) != len(after) or np.abs(before - after).max() > 1
    assert stage.notebook.value(PATH.format(step=0, which=0)) == at_first  # not seen before a step
    assert stage.notebook.value("len(session.lanes[0].edits)") == 1
    stage.button("Undo").click()
    until(lambda: stage.notebook.value(GOAL) == goal, "the goal of before")


def test_the_goal_is_moved_by_keys(stage: Shown):
    goal = stage.notebook.value(GOAL)
    grip = stage.at.locator(".wb-grip")
    assert "goal" in (grip.get_attribute("aria-label") or "")
    grip.focus()
    stage.page.keyboard.press("Shift+ArrowUp")
    x, y = until(lambda: (lambda g: g != goal and g)(stage.notebook.value(GOAL)), "another goal")
    assert x == pytest.approx(goal[0], abs=1e-3)
    assert y > goal[1]
    stage.settle()
    assert stage.step == 1  # the key was the goal's


def test_one_goes_through_a_trajectory_move_by_move(stage: Shown):
    slider = stage.at.locator(".wb-moves input")
    moves = int(slider.get_attribute("max") or 0)
    slider.focus()
    stage.page.keyboard.press("Home")
    stage.page.keyboard.press("ArrowRight")
    until(lambda: slider.get_attribute("aria-valuetext") == f"1 of {moves}", "the first move")
    assert len(stage.line("Trajectories", STRONG)) == 2
    assert stage.step == 1


def test_what_is_exported_is_what_is_on_screen(stage: Shown):
    stage.press("e")
    view = stage.page.get_by_label("view", exact=True)
    view.wait_for()
    assert view.input_value() == "trajectories"
    stage.page.keyboard.press("Escape")


def test_a_trial_is_stepped_through_its_episodes(trial: Shown):
    items = trial.column("Episode").get_by_role("listitem")
    assert items.count() == 4
    assert items.nth(2).get_attribute("aria-current") == "true"
    assert items.nth(3).get_attribute("data-later") == "true"
    items.nth(1).get_by_role("button").click()
    until(lambda: trial.step == 40, "the end of the second episode")
    trial.press("ArrowLeft")
    until(lambda: trial.notebook.value("trial.cursor.step") == 39, "Python's cursor")
    assert trial.column("What it does").get_by_role("list", name="5 actions").count() == 1


def test_a_goal_on_the_grid_goes_from_cell_to_cell(trial: Shown):
    goal = trial.notebook.value("trial.episode.task['goal'][0].tolist()")
    to = [4.0 - goal[0], 4.0 - goal[1]] if goal != [2.0, 2.0] else [0.0, 0.0]
    trial.notebook.run(f"trial.edit('aim', task=0, x={to[0] + 0.3}, y={to[1] - 0.2})")
    trial.settle()
    assert trial.notebook.value("trial.episode.task['goal'][0].tolist()") == to
    label = trial.at.locator(".wb-grip").get_attribute("aria-label") or ""
    assert f"goal: {to[0]:g}, {to[1]:g}" in label
