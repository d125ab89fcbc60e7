"""2D navigation: the goals that are drawn, what a move does and pays, and where it ends."""

from __future__ import annotations

import pytest
import torch

from workbench.errors import UserError
from workbench.randomness import fold
from workbench.tasks import Shape, open_tasks
from workbench.tasks.control.environment import Box
from workbench.tasks.control.navigation import Navigation
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.control.rollout import rollout

WORLD = Navigation()


def test_the_family_is_that_of_the_paper() -> None:
    tasks = open_tasks("navigation")
    episode = tasks.sample(2000, seed=0)
    assert episode.env == Repeated(Navigation(speed=0.1, near=0.01, horizon=100), 20)
    goal = episode.task["goal"]
    assert goal.shape == (2000, 2)
    assert -0.5 <= float(goal.min()) < -0.49
    assert 0.49 < float(goal.max()) < 0.5
    assert float(goal.mean(0).abs().max()) < 0.02
    assert float(goal.var()) == pytest.approx(1 / 12, rel=0.05)
    spec = tasks.spec(Shape(ways=2, shots=3))
    assert (spec.kind, spec.input_shape, spec.outputs) == ("control", (2,), Box(2).outputs)
    with pytest.raises(UserError, match="ways is 5 and navigation has 2 numbers an action"):
        tasks.check(Shape(ways=5, shots=3))
    with pytest.raises(UserError, match="a navigation has .* give one number for each"):
        tasks.check(Shape(ways=2, shots=(1, 2)))


def test_a_move_goes_where_it_points_and_no_further_than_its_limit() -> None:
    task = {"goal": torch.tensor([[0.3, 0.4]] * 3)}
    state, observation = WORLD.reset(task, torch.arange(3))
    assert not observation.any()
    action = torch.tensor([[0.5, -1.0], [7.0, -7.0], [3.0, 0.2]])
    after, seen, reward, done = WORLD.step(task, state, action, torch.arange(3))
    torch.testing.assert_close(seen, torch.tensor([[0.05, -0.1], [0.1, -0.1], [0.1, 0.02]]))
    assert torch.equal(after["place"], seen)
    torch.testing.assert_close(reward, -(seen - task["goal"]).square().sum(-1).sqrt())
    assert not done.any()
    assert not state["place"].any()  # pure


def test_an_episode_ends_near_the_goal_or_at_the_horizon() -> None:
    task = {"goal": torch.zeros(4, 2)}
    place = torch.tensor([[0.009, -0.009], [0.011, 0.0], [0.0, -0.011], [0.4, 0.4]])
    state = {"place": place, "time": torch.tensor([3, 3, 3, 99])}
    *_, done = WORLD.step(task, state, torch.zeros(4, 2), torch.arange(4))
    assert done.tolist() == [True, False, False, True]


def test_walking_to_the_goal_is_worth_more_than_standing_still() -> None:
    episode = open_tasks("navigation").sample(50, seed=0, split="test")
    assert episode.env is not None

    def returns(aim: float) -> torch.Tensor:
        def policy(moment, memory):
            mean = aim * (episode.task["goal"] - moment["observation"]) / WORLD.speed
            out = torch.cat([mean, torch.full_like(mean, -9.0)], dim=-1)
            return out, mean[..., 0], memory

        return rollout(WORLD, episode.task, policy, fold(episode.seed, 1)).reward.sum(-1)

    away = episode.task["goal"].norm(dim=-1)
    torch.testing.assert_close(returns(0.0), -100 * away, rtol=1e-3, atol=0.05)
    assert bool((returns(1.0) > -away * 5).all())


def test_what_is_drawn() -> None:
    task = {"goal": torch.ones(3, 4, 2)}
    state, _ = WORLD.reset(task, torch.zeros(3, 4, dtype=torch.long))
    drawn = WORLD.drawn(task, state)
    assert {name: points.shape for name, points in drawn.items()} == {
        "path": (3, 4, 1, 2),
        "goal": (3, 4, 1, 2),
    }


def test_a_task_that_is_none_is_refused() -> None:
    WORLD.check_task({"goal": torch.zeros(2, 2)}, 2)
    for goal, said in (
        (torch.zeros(2, 3), "goal is no"),
        (torch.zeros(2, 2, dtype=torch.long), "goal is no"),
        (torch.full((2, 2), torch.nan), "goal is not finite"),
    ):
        with pytest.raises(UserError, match=said):
            WORLD.check_task({"goal": goal}, 2)
