"""Bandits: what they pay."""

from __future__ import annotations

import hashlib

import pytest
import torch

from workbench.errors import UserError
from workbench.tasks import Shape, open_tasks
from workbench.tasks.control.bandits import BernoulliBandit
from workbench.tasks.control.environment import Discrete


def test_bandits_pay_as_their_means_say() -> None:
    tasks = open_tasks("bandit")
    episode = tasks.sample(2000, seed=0, shape=Shape(ways=3, shots=4))
    env, task = episode.env, dict(episode.task)
    assert env is not None
    assert (env.actions, env.horizon, env.observation_size) == (Discrete(3), 4, 1)
    assert tasks.spec(Shape(ways=3, shots=4)).input_shape == (1,)
    assert list(task) == ["means"]  # what changes in a trial is no part of a task
    state, seen = env.reset(task, episode.seed)
    assert seen.shape == (2000, 1)
    before = {name: tensor.clone() for name, tensor in (task | dict(state)).items()}
    action = torch.full((2000,), 1)
    rewards, dones = [], []
    current = state
    for _ in range(4):
        current, observation, reward, done = env.step(task, current, action, episode.seed)
        rewards.append(reward)
        dones.append(bool(done.all()))
        assert observation.shape == (2000, 1)
    assert dones == [False, False, False, True]
    assert all(torch.equal((task | dict(state))[name], before[name]) for name in before)  # pure
    paid = torch.stack(rewards)
    assert paid.unique().tolist() == [0, 1]
    assert abs(float((paid.mean(0) - task["means"][:, 1]).mean())) < 0.02
    assert not torch.equal(paid[0], paid[1])
    again = env.step(task, state, action, episode.seed)[2]
    assert torch.equal(again, rewards[0])
    assert 0 <= float(task["means"].min()) < 0.01 < 0.99 < float(task["means"].max()) < 1


def test_the_chances_are_those_that_were_always_drawn() -> None:
    digest = hashlib.sha256()
    for split in ("train", "validation", "test"):
        episode = open_tasks("bandit").sample(20, seed=0, split=split)
        digest.update(episode.task["means"].numpy().tobytes() + episode.seed.numpy().tobytes())
    assert digest.hexdigest()[:16] == "d6bdcfe45dce4b2e"


def test_bandits_have_one_size_a_batch() -> None:
    with pytest.raises(UserError, match="one number for each"):
        open_tasks("bandit").sample(1, seed=0, shape=Shape(ways=(2, 5), shots=10))
    with pytest.raises(UserError, match=r"environment\.horizon is 0"):
        BernoulliBandit(arms=2, horizon=0)
