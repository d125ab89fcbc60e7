"""The gradient inspector where gradients are those of a policy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from tests.algorithms.cases import CASES
from workbench.algorithms import MAMLRL, RL2, MAMLRLSettings, adapt
from workbench.errors import UserError
from workbench.inspection import (
    agreement_frame,
    anatomy,
    certificate_frame,
    curvature_frame,
    flow_frame,
    sampling_frame,
    shot_gradients,
    signal_frame,
)
from workbench.inspection.sampling import _signal
from workbench.models import Gaussian, Policy
from workbench.tasks import open_tasks
from workbench.tasks.control.navigation import Navigation
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.episode import Episode


def goals(count: int = 3, trajectories: int = 5, moves: int = 8) -> Episode:
    """Short navigation in which no trajectory ends before the others."""
    episode = open_tasks("navigation").sample(count, seed=0)
    env = Repeated(Navigation(near=0, horizon=moves), trajectories)
    return dataclasses.replace(episode, env=env)


def learner(**settings: Any) -> MAMLRL:
    torch.manual_seed(0)
    made = Gaussian(2, 2, hidden=(6,), activation="tanh")
    return MAMLRL(made, MAMLRLSettings(train_steps=2, test_steps=2, **settings)).train()


def test_trajectories_gradients_have_the_mean_that_the_step_descended() -> None:
    maml, episode = learner(), goals()
    path = list(adapt(maml, episode))
    for step in (0, 1):
        gradients = shot_gradients(maml, episode, path[step], task=1)
        assert len(gradients) == 5
        for name, tensor in path[step + 1].seen.items():
            if name.startswith("gradient."):
                own = torch.stack([g[name.removeprefix("gradient.")][0] for g in gradients])
                torch.testing.assert_close(own.mean(dim=0), tensor[1], rtol=1e-4, atol=1e-6)


def test_agreement_and_signal_are_between_tasks_and_between_trajectories() -> None:
    maml, episode = learner(), goals()
    path = list(adapt(maml, episode))
    agreement, signal = (make(maml, episode, path) for make in (agreement_frame, signal_frame))
    pairs = agreement[agreement["layer"] == "all"]["between"].value_counts().to_dict()
    assert pairs == {"trajectories": 10, "tasks": 3}
    assert signal.query("layer == 'all'")["count"].tolist() == [3, 5]


def test_the_anatomy_of_a_policys_meta_gradient_sums_to_it() -> None:
    maml, episode = learner(), goals()
    parts = anatomy(maml, episode, list(adapt(maml, episode)))
    exact = maml.meta_gradient(episode).gradients
    for name, gradient in parts.full.items():
        torch.testing.assert_close(gradient, exact[name], rtol=1e-3, atol=1e-5)
    assert any(float(part.norm()) > 1e-4 for part in parts.correction.values())
    flow = flow_frame(maml, episode, list(adapt(maml, episode)))
    assert set(flow["order"]) == {"second", "first"}
    assert np.isfinite(flow["norm"]).all()


@pytest.mark.parametrize("kind", ["ratio", "log"])
def test_the_meta_gradient_is_that_of_the_surrogate_of_what_was_done(kind: Any) -> None:
    frame = certificate_frame(learner(surrogate=kind), goals())
    assert (frame["error"] < 1e-5).all()
    assert (frame["measured"].abs() > 1e-6).any()


def test_a_first_order_meta_gradient_is_not() -> None:
    frame = certificate_frame(learner(order="first"), goals())
    assert (frame["error"] > 1e-4).any()


def test_signal_to_noise_grows_as_the_root_of_the_number_of_trajectories() -> None:
    maml, episode = learner(), goals(moves=20)
    path = list(adapt(maml, episode, steps=0))
    frame = sampling_frame(maml, episode, path, task=1, counts=[5, 80], draws=24)
    few, many = frame[frame["layer"] == "all"].to_dict("records")
    assert 2.5 < few["noise"] / many["noise"] < 6  # 4, had the baseline nothing to do with it
    for row in (few, many):
        assert row["low"] <= row["ratio"] <= row["high"]
        assert row["ratio"] == pytest.approx(row["signal"] / row["noise"])


def test_what_noise_adds_to_the_mean_is_taken_off() -> None:
    torch.manual_seed(0)
    noise = torch.randn(400, 1000, dtype=torch.float64)
    mean = torch.zeros(1000, dtype=torch.float64)
    assert _signal(noise @ noise.T)["ratio"] < 0.02
    mean[0] = 3.0
    found = _signal((noise + mean) @ (noise + mean).T)
    assert found["signal"] == pytest.approx(3, rel=0.1)
    assert found["noise"] == pytest.approx(1000**0.5, rel=0.02)
    assert found["low"] < 3 / 1000**0.5 < found["high"]


def test_what_has_no_trajectories_of_its_own_is_refused() -> None:
    trial, recurrent = open_tasks("mdp").sample(1, seed=0), RL2(Policy(10, 5, hidden=4))
    with pytest.raises(UserError, match="plays whole episodes, and RL2 is none"):
        sampling_frame(recurrent, trial, [])
    maml, episode = learner(), goals()
    with pytest.raises(UserError, match="control tasks have none"):
        curvature_frame(maml, episode, list(adapt(maml, episode)))


@pytest.mark.parametrize("name", ["RL², GRU", "RL², PPO", "RL², numbers", "SNAIL, trials"])
def test_the_certificate_of_what_learns_in_a_trial_is_of_what_it_did(name: str) -> None:
    case = CASES[name]
    frame = certificate_frame(case.build().double(), case.episode())
    assert (frame["error"] < 1e-6).all()
