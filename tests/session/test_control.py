"""A session of control tasks: trajectories on the wire, a goal that is moved, and code for both."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.algorithms import MAMLRL, RL2
from workbench.errors import UserError
from workbench.models import Gaussian, Policy
from workbench.session.session import Session
from workbench.session.showing import Showing
from workbench.tasks import load_episode
from workbench.tasks.control.grid import Grid


@pytest.fixture
def session() -> Session:
    """A policy that has learned nothing, on goals in the plane, by a few trajectories."""
    torch.manual_seed(0)
    return Session(
        MAMLRL(Gaussian(2, 2, hidden=(8,))), tasks="navigation", ways=2, shots=3, count=2
    )


def test_only_what_can_be_had_of_a_policy_is_offered(session: Session) -> None:
    about = Showing(session).about()
    offered = {one["name"] for one in about["inspections"]}
    assert {"steps", "norms", "flow", "anatomy", "agreement", "sampling", "returns"} <= offered
    labels = {one["name"]: one["label"] for one in about["inspections"]}
    assert labels["steps"] == "Reward"  # a policy has no loss to be looked at
    assert not offered & {"landscape", "curvature", "influence", "memory", "embedding", "curves"}
    for kind in session.inspections.keys() - offered:
        assert about["kinds"][kind] not in ("open", "ready", "stale"), kind
    assert about["kinds"]["landscape"] == (
        "'landscape' is of classification or regression, and these tasks are control"
    )


def path_of(frame: pd.DataFrame, step: int) -> np.ndarray:
    rows = frame[(frame["part"] == "path") & (frame["step"] == step)]
    return rows[["x", "y"]].to_numpy()


def test_a_stage_is_told_trajectories_and_rewards_by_step(session):
    showing = Showing(session)
    assert {"0:trajectories", "0:steps"} <= set(showing.frames())
    about = showing.about()
    assert about["aims"] is True
    assert about["kinds"]["trajectories"] == "ready"
    assert about["kinds"]["sampling"] == "open"
    assert "pull_frame" in about["kinds"]["pulls"]
    assert session.seen == "trajectories"
    frame, steps = session.frame("trajectories"), session.frame("steps")
    means = frame.groupby(["step", "trajectory"])["reward"].sum().groupby("step").mean()
    np.testing.assert_allclose(steps[steps["task"] == 0]["reward"], means, rtol=1e-5)


def test_a_goal_is_moved_and_the_adaptation_follows(session):
    before = session.frame("trajectories")
    session.edit("aim", task=0, x=0.25, y=-0.5)
    session.edit("aim", task=0, x=0.5, y=0.25)
    assert len(session.lanes[0].edits) == 1  # a drag is one edit
    after = session.frame("trajectories")
    goal = after[after["part"] == "goal"]
    assert goal[["x", "y"]].to_numpy().tolist() == [[0.5, 0.25]]
    np.testing.assert_array_equal(path_of(before, 0), path_of(after, 0))  # not seen before a step
    assert not np.array_equal(path_of(before, 1), path_of(after, 1))
    other = session.frame("trajectories", task=1)
    session.undo()
    pd.testing.assert_frame_equal(session.frame("trajectories"), before)
    pd.testing.assert_frame_equal(session.frame("trajectories", task=1), other)


def test_the_copied_code_moves_the_goal_and_draws_the_trajectories(session):
    session.edit("aim", task=0, x=0.5, y=0.25)
    session.move(step=2)
    *lines, last = session.code().splitlines()
    assert last == 'session.draw("trajectories")'
    assert 'session.edit("aim", task=0, x=0.5, y=0.25)' in lines
    name = next(line.split()[1] for line in lines if line.startswith("# maml"))
    space = {name: session.sources["MAMLRL"].learner}
    exec("\n".join([*lines, f"plot = {last}"]), space)
    assert space["plot"].alt_text == session.draw().alt_text
    assert "after 2 inner steps" in session.draw().alt_text


def test_a_branch_has_a_goal_of_its_own(session, tmp_path):
    session.branch(1, inner_rate=0.01)
    session.edit("aim", task=0, x=0.5, y=0.25)
    goals = [session.episode_of(lane).task["goal"][0].tolist() for lane in (0, 1)]
    assert goals[1] == [0.5, 0.25] != goals[0]
    path = session.save_episode(tmp_path / "goal.episode")
    assert load_episode(path).task["goal"][0].tolist() == [0.5, 0.25]
    session.open_episode(path)
    assert session.frame("trajectories").query("part == 'goal'")["x"].tolist() == [0.5]


def test_a_goal_on_a_grid_is_a_cell_that_can_be_reached():
    torch.manual_seed(0)
    grid = Session(RL2(Policy(25, 5, hidden=4)), tasks="grid:walls", ways=5, shots=2, count=1)
    walls = grid.episode.task["walls"][0]
    x, y = Grid().reachable(walls).nonzero()[0].tolist()
    grid.edit("aim", task=0, x=x + 0.2, y=y - 0.1)
    assert grid.episode.task["goal"][0].tolist() == [x, y]
    wall = walls.nonzero()[0].tolist()
    with pytest.raises(UserError, match="cannot be reached.*: move the goal elsewhere"):
        grid.edit("aim", task=0, x=wall[0], y=wall[1])
    assert grid.episode.task["goal"][0].tolist() == [x, y]
    assert grid.frame("trajectories")["part"].drop_duplicates().tolist() == [
        "path",
        "goal",
        "walls",
    ]
    grid.move(step=25)
    assert grid.draw().alt_text.startswith("A trial after 25 moves: 2 episodes with the rewards")


def test_what_has_no_goal_says_so():
    trial = Session("bandit-rl2", count=1, shots=3)
    assert Showing(trial).about()["aims"] is False
    with pytest.raises(UserError, match="no goal to aim at"):
        trial.edit("aim", task=0, x=1.0)
