"""Rules for tabular MDPs: against counting by hand, exact posteriors, and each other."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest
import torch

from tests.tasks.control.worlds import SMALL, Line, small
from workbench.algorithms import MDPBaseline, MDPBaselineSettings, adapt
from workbench.algorithms.control.mdp_baselines import MDPRule, dirichlet_draws
from workbench.algorithms.control.planning import backward_induction
from workbench.errors import UserError
from workbench.tasks import Episode, Shape, open_tasks
from workbench.tasks.base import task_seeds
from workbench.tasks.control.repeated import Repeated

RULES = get_args(MDPRule)


def trials(n: int, actions: int = 2, episodes: int = 3) -> Episode:
    return open_tasks("mdp").sample(n, seed=0, shape=Shape(ways=actions, shots=episodes))


def of_the_small(n: int, episodes: int) -> Episode:
    env = Repeated(SMALL, episodes)
    return Episode(None, None, task_seeds(n, 0, "test"), env=env, task=small((n,)))


def build(rule: str, **more) -> MDPBaseline:
    return MDPBaseline(MDPBaselineSettings(rule=rule, **more))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_counts_what_it_did(rule: str) -> None:
    path = list(adapt(build(rule), trials(3)))
    assert len(path) == 31
    visits, paid = torch.zeros(3, 10, 2), torch.zeros(3, 10, 2)
    led = torch.zeros(3, 10, 2, 10)
    for before, after in zip(path, path[1:], strict=False):
        place, action = before.values["state.place"], after.seen["action"]
        for task in range(3):
            at = task, int(place[task]), int(action[task])
            visits[at] += 1
            paid[at] += after.seen["reward"][task]
            if after.step % 10:  # what follows the last move of an episode is a new one
                led[(*at, int(after.values["state.place"][task]))] += 1
        for name, expected in (("visits", visits), ("led", led), ("paid", paid)):
            torch.testing.assert_close(after.values[name], expected)


def test_a_plan_is_made_before_each_episode_and_followed_through_it() -> None:
    path = list(adapt(build("psrl"), trials(4)))
    for before, after in zip(path, path[1:], strict=False):
        assert torch.equal(before.values["plan"], after.values["plan"]) == (after.step % 10 > 0)
        place = before.values["state.place"]
        worth = before.values["plan"][torch.arange(4), before.step % 10, place]
        assert torch.equal(after.seen["action"], worth.argmax(-1))


def test_greed_plans_by_the_means_of_the_posterior() -> None:
    learner = build("greedy", prior_mean=0.5, prior_visits=0.2)
    path = list(adapt(learner, trials(3)))
    values = path[10].values
    n, paid = values["visits"].double(), values["paid"].double()
    leads = (0.2 + values["led"].double()) / (2 + values["led"].double().sum(-1, keepdim=True))
    expected = backward_induction((0.5 + paid) / (1 + n), leads, 10)
    torch.testing.assert_close(values["plan"].double(), expected, rtol=1e-5, atol=1e-5)


def test_draws_are_of_the_dirichlet_distribution() -> None:
    weights = torch.tensor([1.0, 3.0, 0.4], dtype=torch.float64)
    drawn = dirichlet_draws(weights.expand(40_000, 3), torch.arange(40_000))
    expected = torch.distributions.Dirichlet(weights)
    torch.testing.assert_close(drawn.sum(-1), torch.ones(40_000).double())
    torch.testing.assert_close(drawn.mean(0), expected.mean, atol=5e-3, rtol=0)
    torch.testing.assert_close(drawn.var(0), expected.variance, atol=2e-3, rtol=0)


def test_what_is_drawn_is_pays_and_leads_of_the_posterior() -> None:
    """Of an episode of one move the plan is what an action pays: its posterior by sampling."""
    env = Repeated(type(SMALL)(states=2, choices=2, horizon=1), 2)
    n = 40_000
    episode = Episode(None, None, task_seeds(n, 0, "test"), env=env, task=small((n,)))
    _, after, _ = adapt(build("psrl", prior_mean=2.0), episode)
    visits, paid = after.values["visits"], after.values["paid"]
    away = after.values["plan"][:, 0] - (2 + paid) / (1 + visits)
    for often in (0, 1):
        own = away[visits == often]
        assert float(own.mean()) == pytest.approx(0, abs=0.02)
        assert float(own.var()) == pytest.approx(1 / (1 + often), rel=0.03)


def test_optimism_takes_the_greatest_of_its_draws_and_confidence_shrinks() -> None:
    episode = trials(50)
    one, many = (build("optimistic", draws=n).begin(episode).values["plan"] for n in (1, 8))
    assert torch.equal(build("psrl").begin(episode).values["plan"], one)
    assert bool((many >= one).all())
    narrow, wide = (build("ucrl2", width=w).begin(episode).values["plan"] for w in (0.0, 0.1))
    assert torch.equal(narrow, build("greedy").begin(episode).values["plan"])
    assert bool((wide > narrow).all())
    path = list(adapt(build("ucrl2", width=0.1), episode))
    means = list(adapt(build("ucrl2", width=0.0), episode))
    assert bool((path[0].values["plan"] > means[0].values["plan"]).all())


def test_ucrl2_promises_what_its_formula_says() -> None:
    """Of an episode of one move: the mean and what a confidence interval adds."""
    env = Repeated(type(SMALL)(states=2, choices=2, horizon=1), 2)
    episode = Episode(None, None, task_seeds(6, 0, "test"), env=env, task=small((6,)))
    _, after, _ = adapt(build("ucrl2", width=0.5), episode)
    visits, paid = after.values["visits"], after.values["paid"]
    log = torch.log(torch.tensor(2 * 2 * 2 * 2 / 0.05))
    expected = (1 + paid) / (1 + visits) + 0.5 * (7 * log / (2 * visits.clamp(min=1))).sqrt()
    torch.testing.assert_close(after.values["plan"][:, 0], expected)


def test_q_learning_moves_where_it_was_by_its_formula() -> None:
    path = list(adapt(build("q-learning", rate=0.3, discount=0.8, epsilon=0.2), trials(3)))
    q = torch.zeros(3, 10, 2)
    for before, after in zip(path, path[1:], strict=False):
        place, action = before.values["state.place"], after.seen["action"]
        for task in range(3):
            s, a, z = int(place[task]), int(action[task]), int(after.values["state.place"][task])
            later = 0.8 * q[task, z].max() if after.step % 10 else 0.0
            q[task, s, a] += 0.3 * (after.seen["reward"][task] + later - q[task, s, a])
        torch.testing.assert_close(after.values["plan"][:, 0], q)


def test_who_knows_the_mdp_gets_what_it_is_worth_and_beats_all_others() -> None:
    episode = of_the_small(4000, episodes=4)

    def reward(rule: str) -> float:
        path = list(adapt(build(rule, width=0.05), episode))
        return float(sum(a.seen["reward"] for a in path[1:]).mean())

    found = {rule: reward(rule) for rule in RULES}
    plan = backward_induction(*(episode.task[n][:1].double() for n in ("pays", "leads")), 3)
    assert found["optimal"] == pytest.approx(4 * float(plan[0, 0, 0].max()), abs=0.15)
    assert max(found, key=found.get) == "optimal"
    assert min(found, key=found.get) == "random"


def test_refusals() -> None:
    with pytest.raises(UserError, match="rule is 'psrll': did you mean 'psrl'"):
        MDPBaselineSettings(rule="psrll")
    with pytest.raises(UserError, match="use the tasks 'mdp'"):
        build("psrl").begin(open_tasks("bandit").sample(1, seed=0))
    grid = open_tasks("grid").sample(1, seed=0, shape=Shape(ways=5, shots=1))
    line = Episode(None, None, torch.arange(2), env=Line(), task={"goal": torch.zeros(2, 1)})
    for episode in (grid, dataclasses.replace(grid, task={}), line):
        with pytest.raises(UserError, match="use the tasks 'mdp'"):
            build("psrl").begin(episode)
    with pytest.raises(UserError, match="prior_visits is 0"):
        MDPBaselineSettings(prior_visits=0)
