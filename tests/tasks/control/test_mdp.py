"""Tabular MDPs: what is drawn of them, what they pay and where they lead."""

from __future__ import annotations

import pytest
import torch

from tests.tasks.control.worlds import PAYS, SMALL, TO_ONE, small
from workbench.errors import UserError
from workbench.randomness import fold
from workbench.tasks import Shape, open_tasks
from workbench.tasks.control.environment import Discrete
from workbench.tasks.control.mdp import TabularMDP
from workbench.tasks.control.repeated import Repeated


def test_the_family_is_that_of_the_paper() -> None:
    tasks = open_tasks("mdp")
    episode = tasks.sample(400, seed=0)
    assert episode.env == Repeated(TabularMDP(states=10, choices=5, horizon=10), 10)
    assert (episode.env.horizon, episode.env.actions) == (100, Discrete(5))
    pays, leads = episode.task["pays"].double(), episode.task["leads"].double()
    assert pays.shape == (400, 10, 5)
    assert abs(float(pays.mean()) - 1) < 0.03
    assert abs(float(pays.std()) - 1) < 0.03
    torch.testing.assert_close(leads.sum(-1), torch.ones(400, 10, 5).double(), atol=1e-6, rtol=0)
    # of a flat Dirichlet distribution over k: mean 1/k, variance (k - 1) / (k^2 (k + 1))
    assert abs(float(leads.mean()) - 0.1) < 1e-6
    assert float(leads.var()) == pytest.approx(9 / (100 * 11), rel=0.03)
    spec = tasks.spec(Shape(ways=5, shots=3))
    assert (spec.kind, spec.input_shape, spec.outputs) == ("control", (10,), 5)
    with pytest.raises(UserError, match="a mdp has ways = .* give one number for each"):
        tasks.check(Shape(ways=5, shots=(1, 2)))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("action", [0, 1])
def test_a_step_pays_and_leads_as_the_task_says(place: int, action: int) -> None:
    n = 20_000
    task, seeds = small((n,)), fold(torch.full((n,), 3), torch.arange(n))
    state = {"place": torch.full((n,), place), "time": torch.full((n,), 1)}
    after, observation, reward, done = SMALL.step(task, state, torch.full((n,), action), seeds)
    assert float(reward.mean()) == pytest.approx(float(PAYS[place, action]), abs=0.03)
    assert float(reward.std()) == pytest.approx(1, abs=0.03)
    to_one = float((after["place"] == 1).double().mean())
    assert to_one == pytest.approx(float(TO_ONE[place, action]), abs=0.015)
    assert torch.equal(observation, torch.nn.functional.one_hot(after["place"], 2).float())
    joint = torch.corrcoef(torch.stack([reward, after["place"].float()]))[0, 1]
    assert abs(float(joint)) < 0.03  # what is paid and where it leads are drawn apart
    assert not done.any()
    last = SMALL.step(task, {**state, "time": torch.full((n,), 2)}, after["place"], seeds)
    assert last[3].all()
    assert state["place"].eq(place).all()  # pure


def test_a_task_that_is_none_is_refused() -> None:
    good = {name: tensor.clone() for name, tensor in small((2,)).items()}
    SMALL.check_task(good, 2)
    for name, change, said in (
        ("pays", lambda t: t[:, :1], "pays is no"),
        ("leads", lambda t: t[..., :1], "leads is no"),
        ("leads", lambda t: -t, "no chances"),
        ("leads", lambda t: t / 2, "no chances"),
        ("pays", lambda t: t * torch.nan, "no numbers"),
    ):
        with pytest.raises(UserError, match=said):
            SMALL.check_task({**good, name: change(good[name])}, 2)
