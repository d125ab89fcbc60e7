"""Rules for bandits: against counting by hand, tables that were published, and each other."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import get_args

import pytest
import torch

from workbench.algorithms import BanditBaseline, BanditBaselineSettings, adapt
from workbench.algorithms.control.bandit_baselines import BanditRule, beta_draws, gittins_indices
from workbench.errors import UserError
from workbench.tasks import Episode, Shape, open_tasks

RULES = get_args(BanditRule)


def trials(n: int, arms: int = 3, pulls: int = 6, seed: int = 0) -> Episode:
    return open_tasks("bandit").sample(n, seed=seed, shape=Shape(ways=arms, shots=pulls))


def build(rule: str, **more) -> BanditBaseline:
    return BanditBaseline(BanditBaselineSettings(rule=rule, **more))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_counts_what_it_did(rule: str) -> None:
    episode = trials(5)
    path = list(adapt(build(rule), episode))
    assert len(path) == 7
    pulled, won = torch.zeros(5, 3), torch.zeros(5, 3)
    for adapted in path[1:]:
        rows = torch.arange(5)
        pulled[rows, adapted.seen["action"]] += 1
        won[rows, adapted.seen["action"]] += adapted.seen["reward"]
        assert torch.equal(adapted.values["pulled"], pulled)
        assert torch.equal(adapted.values["won"], won)


@pytest.mark.parametrize("rule", ["greedy", "ucb1", "gittins", "optimal"])
def test_the_best_is_taken_and_of_equals_any(rule: str) -> None:
    episode = trials(2000, pulls=1)
    learner = build(rule)
    start, after = adapt(learner, episode)
    chances = after.seen["probabilities"]
    if rule == "optimal":
        best = episode.task["means"].argmax(dim=1)
        assert torch.equal(after.seen["action"], best)
        assert chances.amax(dim=1).min() > 1 - 1e-6
        return
    torch.testing.assert_close(chances, torch.full((2000, 3), 1 / 3))
    counts = after.seen["action"].bincount(minlength=3) / 2000
    torch.testing.assert_close(counts, torch.full((3,), 1 / 3), atol=0.04, rtol=0)
    logits = learner.predict(start, torch.zeros(2000, 2, 1))
    assert logits.shape == (2000, 2, 3)


def test_ucb1_is_its_formula() -> None:
    episode, learner = trials(4), build("ucb1", width=0.7)
    for adapted in adapt(learner, episode):
        n, w = adapted.values["pulled"] + 2, adapted.values["won"] + 1
        log = torch.log(torch.tensor(adapted.step + 1.0))
        torch.testing.assert_close(adapted.values["plan"], w / n + 0.7 * (2 * log / n).sqrt())


def test_a_share_of_moves_is_made_at_random() -> None:
    episode, learner = trials(4, pulls=2), build("optimal", epsilon=0.3)
    _, after, _ = adapt(learner, episode)
    best = episode.task["means"].argmax(dim=1)
    expected = torch.full((4, 3), 0.1).scatter(1, best[:, None], 0.8)
    torch.testing.assert_close(after.seen["probabilities"], expected)


def test_thompson_draws_the_posterior() -> None:
    one, other = torch.tensor([3.0, 1.0]), torch.tensor([2.0, 5.0])
    seeds = torch.arange(20_000)
    drawn = beta_draws(one.expand(20_000, 2), other.expand(20_000, 2), seeds)
    expected = torch.distributions.Beta(one, other)
    torch.testing.assert_close(drawn.mean(0).float(), expected.mean, atol=5e-3, rtol=0)
    torch.testing.assert_close(drawn.var(0).float(), expected.variance, atol=1e-3, rtol=0)
    # an arm is pulled as often as it is the best of two draws: P(Beta(2, 1) > Beta(1, 1)) = 2/3
    episode = trials(20_000, arms=2, pulls=1)
    learner = build("thompson")
    values = dict(learner.begin(episode).values)
    plan = beta_draws(torch.tensor([2.0, 1.0]).expand(20_000, 2), torch.ones(20_000, 2), seeds)
    best = learner.predict(replace(learner.begin(episode), values={**values, "plan": plan}),
                           torch.zeros(20_000, 1, 1)).argmax(-1)  # fmt: skip
    assert float((best == 0).float().mean()) == pytest.approx(2 / 3, abs=0.01)


# Gittins (1979) and Gittins, Glazebrook, Weber (2011), table 8.1: Bernoulli arms at discount 0.9,
# by alpha and beta of the posterior; as far as three digits of it are reproduced by hand below
PUBLISHED = {(1, 1): 0.7029, (1, 2): 0.5001, (2, 1): 0.8001, (2, 2): 0.6346, (1, 3): 0.3796}


@cache
def worth(alpha: int, beta: int, wage: float, left: int, discount: float) -> float:
    """What an arm is worth that can be left for a wage for good, by plain recursion."""
    if left == 0:
        return 0.0
    p = alpha / (alpha + beta)
    win = worth(alpha + 1, beta, wage, left - 1, discount)
    loss = worth(alpha, beta + 1, wage, left - 1, discount)
    leave = wage * sum(discount**i for i in range(left))
    return max(leave, p * (1 + discount * win) + (1 - p) * discount * loss)


def index_by_bisection(alpha: int, beta: int, left: int, discount: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(40):
        wage = (low + high) / 2
        paid = wage * sum(discount**i for i in range(left))
        stays = worth(alpha, beta, wage, left, discount) > paid + 1e-12
        low, high = (wage, high) if stays else (low, wage)
    return (low + high) / 2


def test_gittins_indices_are_those_of_the_tables() -> None:
    found = gittins_indices(100, 0.9)  # 0.9^90 of what follows is left out
    for (alpha, beta), index in PUBLISHED.items():
        left = 102 - alpha - beta
        assert float(found[left, alpha - 1, beta - 1]) == pytest.approx(index, abs=1e-4)


@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_gittins_indices_are_those_of_a_plain_search(discount: float) -> None:
    found = gittins_indices(8, discount)
    for alpha, beta, left in [(1, 1, 8), (1, 1, 2), (2, 1, 6), (3, 2, 5), (1, 4, 3), (2, 2, 1)]:
        expected = index_by_bisection(alpha, beta, left, discount)
        index = float(found[left, alpha - 1, beta - 1])
        assert index == pytest.approx(expected, abs=5e-5)
    # with one move left an arm is its mean; with more, what may be learned is worth something
    assert float(found[1, 2, 1]) == pytest.approx(3 / 5)
    assert bool((found[1:, 0, 0] > found[:-1, 0, 0]).all())


def best_return(counts: tuple, left: int) -> float:
    """Expected reward of the Bayes-optimal policy of two arms."""
    if left == 0:
        return 0.0
    worths = []
    for arm in range(2):
        won, lost = counts[arm]
        p = (1 + won) / (2 + won + lost)
        after = [list(counts), list(counts)]
        after[0][arm], after[1][arm] = (won + 1, lost), (won, lost + 1)
        win, loss = (best_return(tuple(a), left - 1) for a in after)
        worths.append(p * (1 + win) + (1 - p) * loss)
    return max(worths)


def test_rules_are_ranked_as_they_should_be() -> None:
    episode = trials(20_000, arms=2, pulls=4)

    def reward(rule: str) -> float:
        path = list(adapt(build(rule), episode))
        return float(sum(a.seen["reward"] for a in path[1:]).mean())

    found = {rule: reward(rule) for rule in RULES}
    assert found["random"] == pytest.approx(2.0, abs=0.03)
    assert found["optimal"] == pytest.approx(4 * 2 / 3, abs=0.03)
    assert max(found, key=found.get) == "optimal"
    assert min(found, key=found.get) == "random"
    best = best_return(((0, 0), (0, 0)), 4)
    assert best - 0.04 < found["gittins"] < best + 0.03  # near to what Bayes' rule reaches


def test_refusals() -> None:
    with pytest.raises(UserError, match="did you mean 'thompson'"):
        BanditBaselineSettings(rule="thomson")
    with pytest.raises(UserError, match="use the tasks 'bandit'"):
        build("greedy").begin(open_tasks("mdp").sample(1, seed=0))
    with pytest.raises(UserError, match="at most 200"):
        build("gittins").begin(trials(1, pulls=201))
    with pytest.raises(UserError, match="learns control"):
        list(adapt(build("greedy"), open_tasks("sinusoid").sample(1, seed=0)))
    with pytest.raises(UserError, match="over after 6 moves"):
        list(adapt(build("greedy"), trials(1), steps=7))
