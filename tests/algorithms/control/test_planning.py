"""Planning against the enumeration of all policies and of all distributions within reach."""

from __future__ import annotations

from itertools import product

import torch

from workbench.algorithms.control.planning import backward_induction, promised
from workbench.randomness import fold, normal, uniform


def drawn(tasks: int, states: int, actions: int) -> tuple[torch.Tensor, torch.Tensor]:
    seeds = fold(torch.arange(tasks), 3)
    pays = normal(fold(seeds, 0), (states, actions), torch.float64)
    leads = -torch.log1p(-uniform(fold(seeds, 1), (states, actions, states), torch.float64))
    return pays, leads / leads.sum(-1, keepdim=True)


def value_of(policy: tuple, pays: torch.Tensor, leads: torch.Tensor, start: int) -> float:
    """The expected return of a policy `[time][state]`, by pushing a distribution forwards."""
    at, total = torch.zeros(len(pays), dtype=torch.float64), 0.0
    at[start] = 1.0
    for actions in policy:
        total += float(sum(at[s] * pays[s, a] for s, a in enumerate(actions)))
        at = sum(at[s] * leads[s, a] for s, a in enumerate(actions))
    return total


def test_backward_induction_finds_the_best_of_all_policies() -> None:
    pays, leads = drawn(3, states=2, actions=2)
    found = backward_induction(pays, leads, horizon=3)
    assert found.shape == (3, 3, 2, 2)
    rules = list(product(range(2), repeat=2))
    for task, start in product(range(3), range(2)):
        values = [value_of(p, pays[task], leads[task], start) for p in product(rules, repeat=3)]
        assert abs(max(values) - float(found[task, 0, start].max())) < 1e-12
    # and each action's own worth, that of the best policies which begin by it
    for action in range(2):
        begun = [p for p in product(rules, repeat=3) if p[0][1] == action]
        best = max(value_of(p, pays[0], leads[0], 1) for p in begun)
        assert abs(best - float(found[0, 0, 1, action])) < 1e-12


def test_what_is_promised_is_the_most_that_any_distribution_within_reach_gives() -> None:
    _, leads = drawn(2, states=3, actions=2)
    worth = normal(torch.tensor([5, 6]), (3,), torch.float64)
    slack = uniform(torch.tensor([7, 8]), (3, 2), torch.float64)
    found = promised(leads, slack, worth)
    steps = torch.linspace(0, 1, 101, dtype=torch.float64)
    simplex = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1).flatten(0, 1)
    simplex = simplex[simplex.sum(-1) <= 1 + 1e-9]
    simplex = torch.cat([simplex, 1 - simplex.sum(-1, keepdim=True)], dim=-1)
    for task, state, action in product(range(2), range(3), range(2)):
        near = (simplex - leads[task, state, action]).abs().sum(-1) <= slack[task, state, action]
        best = float((simplex[near] @ worth[task]).max())
        exact = float(found[task, state, action])
        assert best <= exact + 1e-9
        assert exact - best < 0.05 * float(worth[task].max() - worth[task].min())


def test_extended_value_iteration_is_optimistic() -> None:
    pays, leads = drawn(4, states=3, actions=2)
    exact = backward_induction(pays, leads, horizon=5)
    none = backward_induction(pays, leads, 5, torch.zeros_like(pays))
    torch.testing.assert_close(none, exact)
    before = exact
    for slack in (0.1, 0.5, 2.0):
        more = backward_induction(pays, leads, 5, torch.full_like(pays, slack))
        assert bool((more >= before - 1e-12).all())
        before = more
    # at a slack of 2 anything may follow: the best state there is
    free = pays.amax(dim=-1).amax(dim=-1)
    torch.testing.assert_close(before[:, -2], pays + free[:, None, None])
