"""Returns, regret and expectations of control, against sums made by hand and exact values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.algorithms.strides import Strides
from tests.tasks.control.worlds import SMALL, small
from workbench.algorithms import (
    MAML,
    RL2,
    Adapted,
    BanditBaseline,
    BanditBaselineSettings,
    MDPBaseline,
    MDPBaselineSettings,
    RL2Settings,
    adapt,
)
from workbench.algorithms.control.maml_rl import MAMLRL, MAMLRLSettings
from workbench.algorithms.control.planning import backward_induction
from workbench.errors import UserError
from workbench.inspection import Tape, expectation_frame, regret_frame, return_frame
from workbench.models import MLP, Gaussian, Policy
from workbench.tasks import Episode, Shape, open_tasks
from workbench.tasks.base import task_seeds
from workbench.tasks.control.repeated import Repeated


def mdps(tasks: int = 3, episodes: int = 3) -> Episode:
    return open_tasks("mdp").sample(tasks, seed=0, shape=Shape(ways=3, shots=episodes))


def played(steps: int = 2) -> tuple[MAMLRL, Episode, list]:
    torch.manual_seed(0)
    episode = open_tasks("navigation").sample(3, seed=0, shape=Shape(ways=2, shots=4))
    learner = MAMLRL(Gaussian(2, 2, hidden=(8,)), MAMLRLSettings(test_steps=steps)).eval()
    return learner, episode, [adapted.detach() for adapted in adapt(learner, episode)]


def test_returns_are_sums_of_the_rewards_of_an_episode() -> None:
    torch.manual_seed(0)
    episode, learner = mdps(), RL2(Policy(10, 3, hidden=4)).eval()
    path = list(adapt(learner, episode))
    frame = return_frame(learner, episode, path)
    assert frame.groupby("task").size().tolist() == [3, 3, 3]
    assert frame["episode"].tolist() == 3 * [1, 2, 3]
    assert frame["step"].tolist() == 3 * [10, 20, 30]
    assert (frame["moves"] == 10).all()
    for row in frame.itertuples():
        own = path[row.step - 9 : row.step + 1]
        total = sum(float(adapted.seen["reward"][row.task]) for adapted in own)
        assert row[4] == pytest.approx(total, rel=1e-5)  # 'return' is a word of Python's
    few = return_frame(learner, episode, path[:25])
    assert few["episode"].tolist() == 3 * [1, 2]  # the third was not ended
    with pytest.raises(UserError, match="no episode was over after 9 moves"):
        return_frame(learner, episode, path[:10])


def test_an_episode_ends_where_it_is_done_and_not_at_the_horizon() -> None:
    episode, learner = mdps(tasks=2), RL2(Policy(10, 3, hidden=4))
    reward = torch.arange(8.0).reshape(2, 4)
    done = torch.tensor([[0.0, 1, 1, 0], [0, 0, 0, 1]])
    steps = [  # of two moves each
        Adapted({}, {"reward": reward[:, at : at + 2], "done": done[:, at : at + 2]}, at // 2 + 1)
        for at in (0, 2)
    ]
    frame = return_frame(learner, episode, [Adapted({}), *steps])
    assert frame.values.tolist() == [
        [0, 1, 1, 1.0, 2],
        [0, 2, 2, 2.0, 1],
        [1, 2, 1, 22.0, 4],
    ]


def test_a_policy_that_plays_has_a_return_for_each_trajectory_after_each_step() -> None:
    learner, episode, path = played()
    frame = return_frame(learner, episode, path)
    assert frame.groupby("step").size().to_dict() == {0: 12, 1: 12, 2: 12}
    for step in range(3):
        shown = frame[frame["step"] == step]["return"].to_numpy().reshape(3, 4)
        again = learner.play(path[step], episode)  # what the next step has seen
        expected = (again["trajectory.reward"] * again["trajectory.mask"]).sum(-1)
        np.testing.assert_allclose(shown, expected.numpy(), rtol=1e-5)


def test_the_regret_of_a_bandit_is_what_other_arms_pay_less() -> None:
    episode = open_tasks("bandit").sample(4, seed=0, shape=Shape(ways=3, shots=5))
    learner = BanditBaseline(BanditBaselineSettings("random"))
    path = list(adapt(learner, episode))
    frame = regret_frame(learner, episode, path)
    means = episode.task["means"]
    for task in range(4):
        own = frame[frame["task"] == task]
        gaps = [float(means[task].max() - means[task, a.seen["action"][task]]) for a in path[1:]]
        np.testing.assert_allclose(own["gap"], gaps, atol=1e-6)
        np.testing.assert_allclose(own["regret"], np.cumsum(gaps), atol=1e-6)
    best = BanditBaseline(BanditBaselineSettings("optimal"))
    assert (regret_frame(best, episode, list(adapt(best, episode)))["regret"] == 0).all()


def test_the_regret_of_an_mdp_is_on_average_what_its_policy_brings_less_than_the_best() -> None:
    n, episodes = 4000, 2
    env = Repeated(SMALL, episodes)
    episode = Episode(None, None, task_seeds(n, 0, "test"), env=env, task=small((n,)))
    learner = MDPBaseline(MDPBaselineSettings("random"))
    path = list(adapt(learner, episode))
    regret = regret_frame(learner, episode, path)
    total = regret[regret["move"] == env.horizon]["regret"]
    brought = return_frame(learner, episode, path).groupby("task")["return"].sum()
    pays, leads = (episode.task[name][:1].double() for name in ("pays", "leads"))
    best = episodes * float(backward_induction(pays, leads, SMALL.horizon)[0, 0, 0].max())
    assert best - brought.mean() == pytest.approx(total.mean(), abs=0.1)
    assert (regret["gap"] >= 0).all()
    knows = MDPBaseline(MDPBaselineSettings("optimal"))
    assert regret_frame(knows, episode, list(adapt(knows, episode)))["regret"].max() < 1e-5


def test_expectations_are_held_against_discounted_returns_of_the_whole_trial() -> None:
    torch.manual_seed(0)
    episode = mdps(episodes=2)
    learner = RL2(Policy(10, 3, hidden=4), RL2Settings(discount=0.9)).eval()
    path = list(adapt(learner, episode))
    frame = expectation_frame(learner, episode, path)
    reward = torch.stack([adapted.seen["reward"] for adapted in path[1:]], dim=1)
    for row in frame.sample(10, random_state=0).itertuples():
        came = sum(
            0.9 ** (m - row.move) * float(reward[row.task, m - 1]) for m in range(row.move, 21)
        )
        assert row[5] == pytest.approx(came, rel=1e-4)
        assert row.value == pytest.approx(float(path[row.move].seen["value"][row.task].detach()))
    with pytest.raises(UserError, match="needs a trial to its end .* 4 of 20 moves"):
        expectation_frame(learner, episode, path[:5])


def test_expectations_of_trajectories_end_with_them() -> None:
    learner, episode, path = played()
    frame = expectation_frame(learner, episode, path)
    seen = path[1].seen
    first = frame[(frame["step"] == 0) & (frame["task"] == 1) & (frame["trajectory"] == 2)]
    assert len(first) == int(seen["trajectory.mask"][1, 2].sum())
    reward = seen["trajectory.reward"][1, 2].tolist()
    came = sum(0.99**m * r for m, r in enumerate(reward))
    assert first["return"].iloc[0] == pytest.approx(came, rel=1e-4)
    np.testing.assert_allclose(
        first["value"], seen["trajectory.value"][1, 2][: len(first)].numpy(), rtol=1e-5
    )


def test_what_cannot_be_shown_is_said() -> None:
    learner, episode, path = played(steps=1)
    with pytest.raises(UserError, match="for at least 1 step"):
        regret_frame(learner, episode, path[:1])
    rule = BanditBaseline()
    trial = open_tasks("bandit").sample(2, seed=0)
    with pytest.raises(UserError, match="BanditBaseline expects nothing"):
        expectation_frame(rule, trial, list(adapt(rule, trial)))
    tape = Tape.record(rule, trial)
    assert len(tape.frame("returns")) == 2
    assert len(tape.frame("regret")) == 20
    with pytest.raises(UserError, match="'expectations' holds what was expected against"):
        tape.frame("expectations")
    sine = open_tasks("sinusoid").sample(2, seed=0)
    maml = MAML(MLP(1, 1)).eval()
    for make in (return_frame, regret_frame):
        with pytest.raises(UserError, match="moves of control tasks, and there are none"):
            make(maml, sine, list(adapt(maml, sine)))
    grid = open_tasks("grid").sample(2, seed=0, shape=Shape(ways=5, shots=1))
    walker = RL2(Policy(grid.env.observation_size, 5, hidden=4)).eval()
    with pytest.raises(UserError, match="use the tasks 'bandit' or 'mdp'"):
        regret_frame(walker, grid, list(adapt(walker, grid, steps=3)))


def test_steps_of_several_moves_have_to_say_where_episodes_end() -> None:
    torch.manual_seed(0)
    trial = mdps(episodes=1)
    learner = Strides(Policy(10, 3, hidden=4)).eval()
    path = list(adapt(learner, trial))
    with pytest.raises(UserError, match="let what it has seen name 'done'"):
        return_frame(learner, trial, path)
