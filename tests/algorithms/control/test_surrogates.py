"""The surrogates' derivatives, against those of the return of all that can happen (float64)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.tasks.control.stories import stories, worth
from workbench.algorithms.control.surrogates import Surrogate, clipped, surrogate

pytestmark = pytest.mark.usefixtures("double")
SCORES = torch.tensor([[0.3, -0.2], [0.9, 0.1]], dtype=torch.float64)  # [state, action]


def derivatives(kind: Surrogate, horizon: int, trusted: bool = True) -> tuple[Tensor, Tensor]:
    """The gradient and the Hessian of what a surrogate makes of every story with its chance."""
    told = stories(SCORES, horizon)
    advantage = told.advantage if trusted else told.advantage + told.baseline

    def loss(scores: Tensor) -> Tensor:
        taken = scores.log_softmax(-1)[told.place, told.action]
        old = SCORES.log_softmax(-1)[told.place, told.action]
        weight = told.chance.unsqueeze(-1).expand_as(taken)
        return -horizon * surrogate(kind, taken, old, advantage, weight)  # of a mean over moves

    return slopes(loss)


def slopes(function) -> tuple[Tensor, Tensor]:
    scores = SCORES.clone().requires_grad_()
    (first,) = torch.autograd.grad(function(scores), scores, create_graph=True)
    rows = [torch.autograd.grad(s, scores, retain_graph=True)[0].flatten() for s in first.flatten()]
    return first.detach(), torch.stack(rows)


def exact(horizon: int) -> tuple[Tensor, Tensor]:
    return slopes(lambda scores: worth(scores, horizon))


def error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_the_stories_are_all_that_can_happen() -> None:
    told = stories(SCORES, 3)
    assert float(told.chance.sum()) == pytest.approx(1)
    paid = (told.chance * told.following[:, 0]).sum()
    torch.testing.assert_close(paid, worth(SCORES, 3))


@pytest.mark.parametrize("kind", ["log", "ratio", "dice"])
@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("trusted", [True, False], ids=["with a baseline", "without"])
def test_the_gradient_of_every_surrogate_is_exact(kind, horizon: int, trusted: bool) -> None:
    found, _ = derivatives(kind, horizon, trusted)
    assert error(found, exact(horizon)[0]) < 1e-12


def test_which_hessian_is_exact() -> None:
    """DiCE's always; the ratio's where there is one move, else it lacks what moves have together;
    that of the plain logarithm never."""
    errors = {
        (kind, horizon): error(derivatives(kind, horizon)[1], exact(horizon)[1])
        for kind in ("log", "ratio", "dice")
        for horizon in (1, 3)
    }
    assert errors["dice", 1] < 1e-12
    assert errors["dice", 3] < 1e-12
    assert errors["ratio", 1] < 1e-12
    assert 0.01 < errors["ratio", 3] < errors["log", 3]
    assert errors["log", 1] > 0.3


def test_what_the_ratio_lacks_are_the_products_of_scores_at_different_times() -> None:
    told, scores = stories(SCORES, 3), SCORES.clone().requires_grad_()
    taken = scores.log_softmax(-1)[told.place, told.action]
    lacking = torch.zeros(4, 4)
    for story in range(len(taken)):
        score = torch.stack(
            [torch.autograd.grad(s, scores, retain_graph=True)[0].flatten() for s in taken[story]]
        )
        for late in range(3):
            for early in range(late):
                product = torch.outer(score[late], score[early])
                share = told.chance[story] * told.advantage[story, late]
                lacking += share * (product + product.T)
    found = derivatives("ratio", 3)[1] + lacking
    torch.testing.assert_close(found, exact(3)[1])


def test_the_ratio_holds_when_the_policy_has_moved_on() -> None:
    """The stories of the old policy, weighed by the ratio: the return of one move, exactly."""
    told, other = stories(SCORES, 1), SCORES + torch.tensor([[0.5, 0.0], [0.0, -0.4]])
    old, new = (s.log_softmax(-1)[told.place, told.action] for s in (SCORES, other))
    found = surrogate("ratio", new, old, told.following, told.chance.unsqueeze(-1))
    torch.testing.assert_close(-found, worth(other, 1))


def test_clipping_takes_the_gain_of_going_further() -> None:
    ratio = torch.tensor([[0.5, 0.9, 1.1, 1.5]], dtype=torch.float64).requires_grad_()
    old, weight = torch.zeros(1, 4), torch.ones(1, 4)
    for sign, free in ((1.0, [True, True, True, False]), (-1.0, [False, True, True, True])):
        loss = clipped(ratio.log(), old, sign * torch.ones(1, 4), weight, 0.2)
        (slope,) = torch.autograd.grad(loss, ratio)
        assert (slope != 0)[0].tolist() == free
        assert float(slope[0, 1]) == pytest.approx(-sign / 4)
