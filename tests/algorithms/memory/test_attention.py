"""Hard attention: draws, their chances, and gradients that agree with enumeration."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from workbench.algorithms.memory import attention as attend
from workbench.algorithms.memory.attentive import reinforced
from workbench.errors import UserError

SCORES = torch.tensor([0.3, -0.2, 1.1, 0.4], dtype=torch.float64)


def test_draws_come_as_often_as_their_chance_says() -> None:
    """Two of four, drawn without putting back: all twelve orders."""
    noise = attend.gumbel(torch.arange(60_000), (4,), torch.float64)
    drawn = attend.highest(SCORES + noise, 2)
    total = 0.0
    for order in permutations(range(4), 2):
        chance = attend.log_chance(SCORES, torch.tensor(order)).exp().item()
        frequency = (drawn == torch.tensor(order)).all(dim=1).double().mean().item()
        assert frequency == pytest.approx(chance, abs=0.006)
        total += chance
    assert total == pytest.approx(1.0)


def test_reinforce_has_the_gradient_of_the_expected_loss() -> None:
    """Judged by the other draws, the estimate stays without bias, and varies less."""
    costs = torch.tensor([5.0, 6.0, 5.5, 7.0], dtype=torch.float64)
    scores = SCORES.clone().requires_grad_()
    expected = torch.autograd.grad((scores.softmax(0) * costs).sum(), scores)[0]
    tasks, draws = 40_000, 4
    noise = attend.gumbel(torch.arange(tasks * draws), (4,), torch.float64)
    chosen = attend.highest(scores.detach() + noise, 1).view(draws, tasks, 1)
    rows = scores.expand(draws, tasks, 4)
    chances = attend.log_chance(rows, chosen)
    losses = costs[chosen.squeeze(-1)]
    value = reinforced(losses, chances)
    torch.testing.assert_close(value.detach(), losses.mean(0))
    found = torch.autograd.grad(value.mean(), scores, retain_graph=True)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)
    plain = torch.autograd.grad((losses * chances).mean(), scores)[0]
    assert (found - expected).norm() < (plain - expected).norm()


def test_straight_through_has_ones_numbers_and_the_others_gradient() -> None:
    scores = SCORES.clone().requires_grad_()
    weights = attend.hard(attend.highest(scores, 1), 4, scores)
    found = attend.straight_through(weights, attend.soft(scores))
    assert torch.equal(found.detach(), torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64))
    costs = torch.arange(4.0, dtype=torch.float64)
    slope = torch.autograd.grad((found * costs).sum(), scores)[0]
    expected = torch.autograd.grad((scores.softmax(0) * costs).sum(), scores)[0]
    torch.testing.assert_close(slope, expected)


def test_refusals() -> None:
    with pytest.raises(UserError, match="asked for 5 entries and the memory has 4"):
        attend.highest(SCORES, 5)
    with pytest.raises(UserError, match="memory is empty"):
        attend.check_count(1, 0)
