"""What a genome says is in force, a population is its members one by one, and ES has its limits."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.algorithms.cases import CASES, sines
from workbench import UserError
from workbench.algorithms import (
    MAML,
    Directions,
    Evolution,
    Exact,
    MAMLSettings,
    Strategies,
    StrategiesSettings,
    adapt,
    last,
)
from workbench.algorithms.evolved.genome import finite
from workbench.innerloop import Quantised, QuantisedOptimizer, weights_of
from workbench.models import MLP
from workbench.tasks import Shape
from workbench.training import Experiment, preset
from workbench.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("double")

_SETTINGS = {"inner_rate": 0.05, "train_steps": 3, "test_steps": 4}
_FEW = Shape(ways=1, shots=5, queries=10)


def net() -> MLP:
    torch.manual_seed(0)
    return MLP(1, 1, hidden=(6, 5), activation="tanh")


def strategies(**settings: Any) -> Strategies:
    learner = Strategies(net(), StrategiesSettings(**{**_SETTINGS, "code": 3, **settings}))
    with torch.no_grad():
        learner.genome.copy_(torch.linspace(-0.5, 0.7, learner.genes))
    return learner


@pytest.mark.parametrize("rates", ["layer", "step"])
def test_code_and_rates_are_in_force(rates: str) -> None:
    """As MAML from the start that the code makes, at the rates that the genes make, by hand."""
    learner, episode = strategies(rates=rates), sines(3)
    maml = MAML(net(), MAMLSettings(**_SETTINGS, rates=rates))  # type: ignore[arg-type]
    with torch.no_grad():
        code, genes = learner.genome.split([3, learner.genes - 3])
        made = sum(z * d for z, d in zip(code, learner.directions, strict=True))
        place = 0
        for p in maml.model.parameters():
            p += made[place : place + p.numel()].reshape(p.shape)
            place += p.numel()
        rows = genes.reshape(6, -1)
        for (name, _), row in zip(maml.model.named_parameters(), rows, strict=True):
            rate = maml.rates[name.replace(".", "/")]
            rate.copy_(0.05 * row.exp().reshape(rate.shape))
    for mode in (True, False):
        one, other = (last(adapt(m.train(mode), episode)) for m in (learner, maml))
        for name, w in weights_of(other.values).items():
            torch.testing.assert_close(weights_of(one.values)[name], w)


def test_a_population_is_its_members_one_by_one() -> None:
    learner, episode = strategies(rates="step", proximal=0.3), sines(3)
    members = learner.genome.detach() + 0.3 * torch.randn(3, 4, learner.genes)
    before = learner.genome.detach().clone()
    together = learner.population_losses({"genome": members}, episode)
    assert together.shape == (4, 3)
    for member in range(4):
        for task in range(3):
            with torch.no_grad():
                learner.genome.copy_(members[task, member])
                alone = learner(episode[task : task + 1])
            torch.testing.assert_close(together[member, task : task + 1], alone)
    assert not torch.equal(before, learner.genome)


def test_the_exact_gradient_of_a_genome_is_what_central_differences_find() -> None:
    learner, episode = strategies(rates="step"), sines(3)
    (found,) = Exact()(learner, episode)[0].gradients.values()
    for gene in range(learner.genes):
        losses = []
        for by in (1e-6, -1e-6):
            with torch.no_grad():
                learner.genome[gene] += by
                losses.append(float(learner(episode).mean()))
                learner.genome[gene] -= by
        slope = (losses[0] - losses[1]) / 2e-6
        assert float(found[gene]) == pytest.approx(slope, rel=1e-5, abs=1e-8)


# ---- how well a population knows the gradient ----------------------------------------------------


def cosine(learner: Any, pairs: int, draws: int) -> float:
    """Between the exact gradient of a task and what so many pairs make of it, the mean."""
    found = []
    for draw in range(draws):
        episode = dataclasses.replace(sines(1), seed=torch.tensor([draw]))
        exact, estimate = (
            torch.cat([g.flatten() for g in own(learner, episode)[0].gradients.values()])
            for own in (Exact(), Evolution(2 * pairs, 1e-4))
        )
        found.append(float(torch.cosine_similarity(exact, estimate, dim=0)))
    return sum(found) / draws


def test_the_cosine_grows_with_the_population_as_theory_says() -> None:
    """A sum of n random vectors, each weighted by its length along the gradient: of d dimensions
    n / (n + d + 1) of its square is along it."""
    maml = MAML(net(), MAMLSettings(**_SETTINGS))
    size = sum(p.numel() for p in maml.parameters())
    for pairs in (4, 16, 64, 256):
        expected = (pairs / (pairs + size + 1)) ** 0.5
        assert cosine(maml, pairs, 40) == pytest.approx(expected, rel=0.12, abs=0.03)
    few = strategies()
    assert cosine(few, 16, 40) > 1.5 * cosine(maml, 16, 40)


def test_a_diverged_member_is_the_worst_and_no_more() -> None:
    losses = torch.tensor([0.3, 9.0, 11.0, 1e30, float("inf"), float("nan")])
    found = finite(losses)
    assert found.isfinite().all()
    assert torch.equal(found[:2], losses[:2])
    assert (found.diff() >= 0).all()
    learner, episode = strategies(inner_rate=1e4), sines(3)
    gradient, _ = Evolution(8, 0.5)(learner, episode)
    assert gradient.gradients["genome"].isfinite().all()


# ---- what has no derivative ----------------------------------------------------------------------


def quantised(learner: Any) -> Any:
    learner.rule = Quantised(QuantisedOptimizer(grid=0.0625))
    return learner


def test_the_exact_gradient_through_quantised_steps_is_0() -> None:
    for order in ("second", "first"):
        learner = quantised(MAML(net(), MAMLSettings(**_SETTINGS, rates="layer", order=order)))
        found = learner.meta_gradient(sines(3)).gradients
        assert all((g == 0).all() for g in found.values())
    found = quantised(strategies()).meta_gradient(sines(3)).gradients
    assert found["genome"].norm() > 0.01


def test_evolution_learns_through_quantised_steps_where_maml_stays() -> None:
    plan = preset("sinusoid-cmaes-quantised")
    plan = dataclasses.replace(plan, dtype="float64").stretched(30)
    maml = dataclasses.replace(
        preset("sinusoid-maml"),
        learner=MAMLSettings(optimizer=plan.learner.optimizer),  # type: ignore[attr-defined]
        dtype="float64",
    ).stretched(5)
    held, evolved = Trainer(maml), Trainer(plan)
    start = [p.detach().clone() for p in held.parameters.values()]
    while not held.finished:
        held.update()
    assert all(torch.equal(p, q) for p, q in zip(held.parameters.values(), start, strict=True))
    episode = evolved.tasks.sample(100, seed=1, shape=_FEW).to(dtype=torch.float64)

    def loss() -> float:
        with torch.no_grad():
            return float(evolved.learner.train()(episode).mean())

    before = loss()
    while not evolved.finished:
        evolved.update()
    assert loss() < 0.85 * before
    weights = weights_of(last(adapt(evolved.learner, episode)).values).values()
    assert all(torch.equal(w, (w / 0.0625).round() * 0.0625) for w in weights)


# ---- directions ----------------------------------------------------------------------------------


def flat(values: Any) -> Tensor:
    return torch.cat([w.flatten(1) for w in weights_of(values).values()], dim=1)


def test_principal_directions_are_those_in_which_tuned_networks_differ() -> None:
    maml, episode = MAML(net(), MAMLSettings(inner_rate=0.1)), sines(8)
    found = Directions.principal(maml, episode, 7, steps=20)
    tuned = flat(last(adapt(maml, episode, steps=20)).values).detach()
    torch.testing.assert_close(found.start, tuned.mean(dim=0))
    covariance = (tuned - found.start).T @ (tuned - found.start) / 7
    torch.testing.assert_close(found.along.T @ found.along, covariance)  # 7 are all there are
    lengths = found.along.norm(dim=1)
    assert (lengths.diff() < 0).all()
    with pytest.raises(UserError, match="8 principal directions were asked of 8 tasks"):
        Directions.principal(maml, episode, 8, steps=1)


def test_principal_directions_are_found_when_training_begins() -> None:
    plan = dataclasses.replace(preset("sinusoid-es"), dtype="float64").stretched(2)
    learner, _ = plan.build()
    drawn = learner.directions.clone()  # type: ignore[operator, union-attr]
    one, two = Trainer(plan), Trainer(plan)
    for trainer in (one, two):
        assert not torch.equal(trainer.learner.directions, drawn)  # type: ignore[arg-type]
    assert torch.equal(one.learner.directions, two.learner.directions)  # type: ignore[arg-type]
    other = dataclasses.replace(plan.learner, directions="random")  # type: ignore[type-var]
    kept = Trainer(dataclasses.replace(plan, learner=other)).learner
    assert torch.equal(kept.directions, drawn)  # type: ignore[arg-type]
    lengths = one.learner.directions.norm(dim=1)  # type: ignore[operator, union-attr]
    assert (lengths.diff() < 0).all()
    start = one.tasks.sample(50, seed=1, shape=_FEW).to(dtype=torch.float64)
    with torch.no_grad():
        mean, fresh = (m.eval()(start).mean() for m in (one.learner, kept))
    assert mean < 0.9 * fresh


def test_what_is_frozen_stays_as_it_is() -> None:
    model = net()
    model.linear1.requires_grad_(False)  # type: ignore[union-attr]
    learner = Strategies(model, StrategiesSettings(**_SETTINGS, code=3))
    assert learner.directions.shape[1] == sum(p.numel() for p in model.parameters()) - 12
    before = model.linear1.weight.clone()  # type: ignore[union-attr, operator]
    learner.prepare(lambda count: sines(count))
    assert torch.equal(model.linear1.weight, before)  # type: ignore[union-attr, arg-type]
    learner.meta_gradient(sines(2))


def test_directions_of_another_model_and_nothing_to_evolve_are_refused() -> None:
    with pytest.raises(UserError, match="make them with this model, and as many as learner.code"):
        strategies().search(Directions.random(net().parameters(), 4))
    with pytest.raises(UserError, match="nothing evolves"):
        Strategies(net(), StrategiesSettings(code=0, rates="none"))


def test_the_table_has_them_all() -> None:
    assert {"Genetic", "CMA-ES", "Evolution strategies"} <= set(CASES)
    assert isinstance(preset("sinusoid-es"), Experiment)
