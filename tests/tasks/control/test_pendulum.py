"""The pendulum, against gymnasium's."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.errors import UserError
from workbench.randomness import fold, normal
from workbench.tasks import open_tasks
from workbench.tasks.control.pendulum import Pendulum

gymnasium = pytest.importorskip("gymnasium")


@pytest.mark.parametrize(("mass", "length"), [(1.0, 1.0), (0.8, 1.2)])
def test_it_moves_as_gymnasiums(mass: float, length: float) -> None:
    other = gymnasium.make("Pendulum-v1").unwrapped
    other.m, other.l = mass, length
    other.reset(seed=3)
    named = {"mass": mass, "length": length}
    task = {name: torch.tensor([value], dtype=torch.float64) for name, value in named.items()}
    for move in range(200):
        action = 0.7 * normal(fold(torch.tensor([1]), move), (1,), torch.float64)
        angle, speed = (torch.tensor([x], dtype=torch.float64) for x in other.state)
        state = {"angle": angle, "speed": speed, "time": torch.tensor([move])}
        seen, reward, _, _, _ = other.step(2 * action[0].numpy())  # cut by both
        after, observation, ours, done = Pendulum().step(task, state, action, torch.tensor([0]))
        assert float(ours) == pytest.approx(float(reward), rel=1e-12)
        found = [float(after["angle"]), float(after["speed"])]
        assert found == pytest.approx(list(other.state), rel=1e-12)
        torch.testing.assert_close(observation[0].float(), torch.from_numpy(seen))
        assert bool(done) == (move == 199)


def test_it_begins_as_gymnasiums() -> None:
    seeds = fold(torch.full((4000,), 7), torch.arange(4000))
    task = {"mass": torch.ones(4000), "length": torch.ones(4000)}
    state, _ = Pendulum().reset(task, seeds)
    for name, most in (("angle", math.pi), ("speed", 1.0)):
        assert -most <= float(state[name].min()) < -0.99 * most
        assert 0.99 * most < float(state[name].max()) <= most
        assert abs(float(state[name].mean())) < 0.05 * most


def test_masses_and_lengths_differ() -> None:
    task = open_tasks("pendulum").sample(1000, seed=0).task
    for name in ("mass", "length"):
        assert 0.75 <= float(task[name].min()) < 0.76 < 1.24 < float(task[name].max()) < 1.25
    assert abs(float(torch.corrcoef(torch.stack([task["mass"], task["length"]]))[0, 1])) < 0.1
    with pytest.raises(UserError, match="no mass"):
        Pendulum().check_task({**task, "mass": -task["mass"]}, 1000)
