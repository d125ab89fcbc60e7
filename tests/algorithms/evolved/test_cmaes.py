"""CMA-ES: against a quadratic whose optimum is known, and against the library `cmaes`."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from workbench.algorithms import CMAES, CMAESSettings
from workbench.algorithms.evolved.cmaes import Constants
from workbench.models import MLP

pytestmark = pytest.mark.usefixtures("double")


def cmaes(**settings: Any) -> CMAES:
    return CMAES(MLP(1, 1), CMAESSettings(**{"code": 2, **settings}))


def ellipsoid(x: Tensor) -> Tensor:
    """Its axes a hundred times as steep from the first to the last, its minimum at 1."""
    return ((x - 1).square() * torch.logspace(0, 2, x.shape[-1])).sum(dim=-1)


@torch.no_grad()
def searched(learner: CMAES, generations: int, score: Any = ellipsoid) -> list[float]:
    """The scores of the best of each generation, told and asked as the estimator does."""
    best, own = [], dict(learner.named_parameters())
    for _ in range(generations):
        state = {**own, **(learner.told() if learner.now() else {})}
        state |= learner.asked(state)
        state["scores"] = score(state["members"])
        for name, p in own.items():
            p.copy_(state[name])
        learner.generation.add_(1)
        best.append(learner.scores.min().item())
    return best


def test_it_finds_the_minimum_of_an_ellipsoid_and_its_shape() -> None:
    learner = cmaes(sigma=0.5)
    best = searched(learner, 150)
    assert best[-1] < 1e-8 * best[0]
    torch.testing.assert_close(learner.genome, torch.ones(8), rtol=0, atol=1e-3)
    along = learner.covariance.diagonal()  # as long as the square root of what is flat
    assert along[0] > 20 * along[-1]


def test_ranks_are_all_that_counts() -> None:
    one, other = cmaes(), cmaes()
    other.load_state_dict(one.state_dict())
    searched(one, 10)
    searched(other, 10, lambda x: 7 * ellipsoid(x).sqrt() - 3)
    torch.testing.assert_close(one.genome, other.genome)
    torch.testing.assert_close(one.covariance, other.covariance)


def test_without_selection_the_step_size_stays() -> None:
    """As the tutorial asks: under random ranks its logarithm is unbiased."""
    ends = []
    for seed in range(20):
        torch.manual_seed(seed)
        learner = cmaes(sigma=1.0)
        searched(learner, 30, lambda x: torch.rand(len(x)))
        ends.append(learner.sigma.log().item())
    mean = sum(ends) / len(ends)
    spread = (sum((e - mean) ** 2 for e in ends) / len(ends)) ** 0.5
    assert abs(mean) < 3 * spread / len(ends) ** 0.5 + 0.05


def test_its_constants_are_those_of_the_tutorial() -> None:
    own = Constants.usual(10)
    assert own.population == 10
    weights, better = own.weights, own.weights[:5]
    assert float(better.sum()) == pytest.approx(1.0)
    assert (weights[5:] <= 0).all()
    mu = 1 / float(better.square().sum())
    assert own.step == pytest.approx((mu + 2) / (10 + mu + 5))
    assert own.one == pytest.approx(2 / (11.3**2 + mu))
    assert own.step_gain == pytest.approx(math.sqrt(own.step * (2 - own.step) * mu))


@pytest.mark.parametrize("population", [None, 7, 24])
def test_it_does_what_the_library_does(population: int | None) -> None:
    library = pytest.importorskip("cmaes")
    import numpy as np

    learner = cmaes(sigma=0.7, population=population)
    own = dict(learner.named_parameters())
    count = learner.own.population
    other = library.CMA(mean=np.zeros(8), sigma=0.7, population_size=count)
    assert population or count == other.population_size
    with torch.no_grad():
        for _ in range(40):
            state = {**own, **(learner.told() if learner.now() else {})}
            for ours, theirs in (
                (state["genome"], other._mean),
                (state["sigma"], other._sigma),
                (state["covariance"], other._C),
                (state["step_path"], other._p_sigma),
                (state["shape_path"], other._pc),
            ):
                np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-8, atol=1e-12)
            state |= learner.asked(state)
            state["scores"] = ellipsoid(state["members"])
            for name, p in own.items():
                p.copy_(state[name])
            learner.generation.add_(1)
            rows = zip(learner.members.numpy(), learner.scores.tolist(), strict=True)
            other.tell([(x.copy(), value) for x, value in rows])
