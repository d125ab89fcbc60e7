"""Gymnasium's environments as tasks: what goes, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.tasks.control.worlds import constant
from workbench.errors import UserError
from workbench.tasks import Shape, save_episode
from workbench.tasks.control.environment import Box, Discrete
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.control.rollout import opening, rollout
from workbench.tasks.control.wrapped import from_gymnasium

gymnasium = pytest.importorskip("gymnasium")


def vector(name: str, seeds: Sequence[int], mode: str = "SAME_STEP", **kwargs: Any) -> Any:
    from gymnasium.vector import AutoresetMode

    kept = {"autoreset_mode": AutoresetMode[mode]}
    return gymnasium.make_vec(name, len(seeds), "sync", vector_kwargs=kept, **kwargs)


def swings() -> Any:
    return from_gymnasium(lambda seeds: vector("Pendulum-v1", seeds), "swing")


def test_a_rollout_is_gymnasiums_own() -> None:
    episode = swings().sample(3, seed=0)
    env = episode.env.env
    assert isinstance(episode.env, Repeated)
    assert (env.actions, env.observation_size, env.horizon) == (Box(1), 3, 200)
    found = rollout(env, episode.task, constant(torch.tensor([0.5, 0.0])), episode.seed, length=9)
    assert found.observation.shape == (3, 9, 3)
    other = gymnasium.make("Pendulum-v1").unwrapped
    for task in range(3):
        other.reset(seed=0)
        cos, sin, speed = found.observation[task, 0].double().tolist()
        other.state = np.array([np.arctan2(sin, cos), speed])
        for move in range(9):
            seen, reward, *_ = other.step(found.action[task, move].numpy())
            assert float(found.reward[task, move]) == pytest.approx(float(reward), abs=1e-3)
            if move < 8:
                expected = torch.from_numpy(seen)
                torch.testing.assert_close(
                    found.observation[task, move + 1], expected, atol=1e-3, rtol=0
                )
    again = rollout(env, episode.task, constant(torch.tensor([0.5, 0.0])), episode.seed, length=9)
    assert torch.equal(again.reward, found.reward)  # from the beginning it is the same


def test_an_episode_begins_where_one_ends() -> None:
    tasks = from_gymnasium(lambda seeds: vector("CartPole-v1", seeds), "pole")
    episode = tasks.sample(4, seed=0, shape=Shape(ways=2, shots=3))
    assert episode.env.actions == Discrete(2)
    found = rollout(
        episode.env, episode.task, constant(torch.zeros(2)), episode.seed, ends=False, length=120
    )
    ends = found.done[:, :-1].nonzero()
    assert len(ends) > 4
    for task, move in ends.tolist():  # a pole that begins stands almost straight
        assert float(found.observation[task, move + 1].abs().max()) < 0.06


def test_trajectories_of_a_task_are_of_its_own_environment() -> None:
    made = []

    def make(seeds: Sequence[int]) -> Any:
        made.append(list(seeds))
        return vector("Pendulum-v1", seeds)

    episode = from_gymnasium(make, "swing").sample(2, seed=0)
    which = episode.task["which"].unsqueeze(-1).expand(2, 3)
    found = rollout(
        episode.env.env,
        {"which": which},
        constant(torch.zeros(2)),
        torch.arange(6).view(2, 3),
        length=4,
    )
    assert found.reward.shape == (2, 3, 4)
    assert made[-1] == [int(one) for one in episode.task["which"] for _ in range(3)]
    begins = found.observation[..., 0, :].flatten(0, 1)
    assert len({str(row.tolist()) for row in begins}) == 6


def test_what_lies_behind_is_not_gone_back_to() -> None:
    episode = swings().sample(2, seed=0)
    env, act = episode.env, constant(torch.zeros(2))
    first = rollout(env, episode.task, act, episode.seed, ends=False, length=3)
    rollout(env, episode.task, act, episode.seed, ends=False, length=2, start=first.end)
    with pytest.raises(UserError, match="cannot go back to a state, branch or replay"):
        rollout(env, episode.task, act, episode.seed, ends=False, length=2, start=first.end)
    begun = opening(env, episode.task, episode.seed)
    opening(env, episode.task, episode.seed)
    with pytest.raises(UserError, match="cannot go back"):
        rollout(env, episode.task, act, episode.seed, start=begun)


def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path) -> None:
    with pytest.raises(UserError, match="SAME_STEP"):
        from_gymnasium(lambda seeds: vector("Pendulum-v1", seeds, "NEXT_STEP"), "swing")
    with pytest.raises(UserError, match="gave 2 environments for 1 seeds"):
        from_gymnasium(lambda seeds: vector("Pendulum-v1", [0, 1]), "swing")
    with pytest.raises(UserError, match="gave no environments"):
        from_gymnasium(lambda seeds: gymnasium.make("Pendulum-v1"), "swing")
    with pytest.raises(UserError, match="FlattenObservation"):
        from_gymnasium(lambda seeds: vector("Blackjack-v1", seeds), "cards")
    with pytest.raises(UserError, match="cannot be saved"):
        save_episode(tmp_path / "a.episode", swings().sample(1, seed=0))
    with pytest.raises(UserError, match="ways is 2 and swing has 1 numbers an action"):
        swings().sample(1, seed=0, shape=replace(swings().default_shape, ways=2))


def test_without_gymnasium_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="need gymnasium: run `pip install"):
        swings()
