"""A trial is its episodes, one after the other."""

from __future__ import annotations

import torch

from tests.tasks.control.worlds import SMALL, Line, constant, small
from workbench.randomness import fold
from workbench.tasks.control.environment import Environment
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.control.rollout import RESET, rollout


def test_an_episode_begins_where_one_ended() -> None:
    env = Repeated(SMALL, 4)
    assert (env.horizon, env.observation_size, env.actions) == (12, 2, SMALL.actions)
    seeds = torch.arange(50)
    found = rollout(env, small((50,)), constant(torch.zeros(2)), seeds, ends=False)
    assert found.done.nonzero()[:, 1].unique().tolist() == [2, 5, 8, 11]
    begins = found.observation[:, ::3]
    assert torch.equal(begins, torch.tensor([1.0, 0.0]).expand(50, 4, 2))
    assert (found.observation[:, 1:3, 1] == 1).any()  # it went elsewhere in between
    assert found.end.state["time"].eq(0).all()


def test_episodes_that_end_early_are_followed_by_others() -> None:
    """Each trajectory's next episode begins at its own time, from a seed of that move."""
    env: Environment = Line()
    trial, task = Repeated(env, 2), {"goal": torch.zeros(200, 1)}
    seeds, action, ends = torch.arange(200), torch.full((200, 1), 0.4), []
    state, _ = trial.reset(task, seeds)
    for move in range(8):
        own = fold(seeds, 9, move)
        plain, following, reward, done = env.step(task, state, action, own)
        after, seen, same, ended = trial.step(task, state, action, own)
        fresh, first = env.reset(task, fold(own, RESET))
        assert torch.equal(same, reward)
        assert torch.equal(ended, done)
        assert torch.equal(seen[done], first[done])
        assert torch.equal(seen[~done], following[~done])
        assert torch.equal(after["place"][done], fresh["place"][done])
        assert torch.equal(after["place"][~done], plain["place"][~done])
        ends.append(int(done.sum()))
        state = after
    assert all(0 < count < 200 for count in ends)
