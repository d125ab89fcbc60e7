"""The reacher's dynamics, against Lagrange's equations by automatic differentiation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.tasks import open_tasks
from workbench.tasks.control.reacher import Reacher, acceleration, joints

BODY = {"mass": torch.tensor([0.7, 1.9]).double(), "length": torch.tensor([0.4, 0.6]).double()}


def kinetic(angles: Tensor, speeds: Tensor) -> Tensor:
    """The energy of two rods, from where their points are and how fast they move."""
    total = torch.zeros((), dtype=torch.float64)
    elbow = torch.zeros(2, dtype=torch.float64)
    moved = torch.zeros(2, dtype=torch.float64)
    turned, turning = torch.zeros(()).double(), torch.zeros(()).double()
    for link in range(2):
        turned, turning = turned + angles[link], turning + speeds[link]
        along = torch.stack([turned.cos(), turned.sin()])
        across = torch.stack([-turned.sin(), turned.cos()])
        middle = moved + BODY["length"][link] / 2 * turning * across
        inertia = BODY["mass"][link] * BODY["length"][link] ** 2 / 12
        total = total + BODY["mass"][link] * middle.square().sum() / 2 + inertia * turning**2 / 2
        elbow = elbow + BODY["length"][link] * along
        moved = moved + BODY["length"][link] * turning * across
    return total


@pytest.mark.parametrize("seed", range(5))
def test_an_arm_turns_as_lagrange_says(seed: int) -> None:
    """d/dt dT/dv - dT/dq = torque - friction v."""
    draw = torch.Generator().manual_seed(seed)
    angles, speeds, torque = torch.randn(3, 2, generator=draw, dtype=torch.float64) * 2
    hessian = torch.autograd.functional.hessian(kinetic, (angles, speeds))
    (pull, _) = torch.autograd.functional.jacobian(kinetic, (angles, speeds))
    mass, drift = hessian[1][1], hessian[1][0] @ speeds
    oracle = torch.linalg.solve(mass, torque - 0.3 * speeds + pull - drift)
    torch.testing.assert_close(acceleration(BODY, angles, speeds, torque), oracle)


def test_a_move_is_four_steps_of_euler() -> None:
    task = {"goal": torch.tensor([0.3, 0.2]).double(), **BODY}
    angles, speeds = torch.tensor([0.4, 1.1]).double(), torch.tensor([-0.5, 2.0]).double()
    state = {"angles": angles, "speeds": speeds, "time": torch.tensor(48)}
    action = torch.tensor([3.0, -0.5])
    after, seen, reward, done = Reacher().step(task, state, action, torch.tensor(5))
    cut = torch.tensor([1.0, -0.5]).double()
    for _ in range(4):
        speeds = speeds + 0.0125 * acceleration(BODY, angles, speeds, cut)
        angles = angles + 0.0125 * speeds
    assert torch.equal(after["angles"], angles)
    tip = [0.4 * f(float(angles[0])) + 0.6 * f(float(angles.sum())) for f in (math.cos, math.sin)]
    away = math.hypot(tip[0] - 0.3, tip[1] - 0.2)
    assert float(reward) == pytest.approx(-away - 0.01 * 1.25, abs=1e-7)
    assert torch.equal(seen, torch.cat([angles.cos(), angles.sin(), speeds]))
    assert (bool(done), int(after["time"])) == (False, 49)
    assert bool(Reacher().step(task, after, action, torch.tensor(5))[3])
    assert joints(task, angles)[-1].tolist() == pytest.approx(tip)


@pytest.mark.parametrize("scheme", ["goal", "mass", "length"])
def test_goals_are_within_reach(scheme: str) -> None:
    task = open_tasks(f"reacher:{scheme}").sample(2000, seed=0).task
    away, (upper, lower) = task["goal"].norm(dim=-1), task["length"].unbind(dim=-1)
    assert bool((away < upper + lower).all())
    assert bool((away > (upper - lower).abs() - 1e-6).all())
    if scheme == "goal":
        assert 0.3 <= float(away.min()) < 0.32
        assert 0.89 < float(away.max()) <= 0.9001
        assert float(task["goal"].mean(dim=0).abs().max()) < 0.03
    if scheme == "mass":
        assert 0.25 <= float(task["mass"].min()) < 0.26 < 3.9 < float(task["mass"].max()) < 4


def test_a_link_of_nothing_is_refused() -> None:
    task = dict(open_tasks("reacher").sample(2, seed=0).task)
    with pytest.raises(UserError, match="no mass"):
        Reacher().check_task({**task, "mass": 0 * task["mass"]}, 2)
