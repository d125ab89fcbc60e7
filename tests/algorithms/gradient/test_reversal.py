"""Gradient reversal: the layer, its schedule, and the step against `torch.func` in float64."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from workbench.algorithms import DomainAdversarial, DomainAdversarialSettings, adapt
from workbench.algorithms.gradient.reversal import Domains, reverse
from workbench.errors import UserError
from workbench.models import MLP
from workbench.tasks import Episode, Shape, open_tasks


def _learner(**changes: object) -> DomainAdversarial:
    torch.manual_seed(0)
    body = MLP(2, None, hidden=(6,), activation="tanh")
    settings = DomainAdversarialSettings(inner_rate=0.3, train_steps=2, test_steps=2, critic=5)
    model = Domains(body, width=6, classes=2, critic=5).double()
    return DomainAdversarial(model, dataclasses.replace(settings, **changes))  # type: ignore[arg-type]


def _moons(tasks: int = 3) -> Episode:
    shape = Shape(ways=2, shots=6, queries=6)
    return open_tasks("moons").sample(tasks, seed=0, shape=shape).to(dtype=torch.float64)


def test_the_layer_is_the_identity_and_turns_gradients_round() -> None:
    x = torch.tensor([0.3, -2.0], dtype=torch.float64, requires_grad=True)
    y = reverse(x, 0.7)
    assert torch.equal(y, x)
    (first,) = torch.autograd.grad(y.pow(3).sum(), x)
    assert torch.allclose(first, -0.7 * 3 * x**2)
    stacked = vmap(grad(lambda v: reverse(v, 2.0).square()))(x.detach())
    assert torch.allclose(stacked, -4 * x)


@pytest.mark.parametrize("step", [0, 1])
def test_a_step_descends_classes_and_ascends_domains_below_the_critic(step: int) -> None:
    learner, episode = _learner(), _moons()
    before, after = list(adapt(learner, episode))[step : step + 2]
    strength = learner.strength(step, 2)
    assert strength == pytest.approx((0.0, 0.9866142981514303)[step])

    def pieces(weights, x, y, unlabelled):  # type: ignore[no-untyped-def]
        body = {n.removeprefix("body."): w for n, w in weights.items() if n.startswith("body.")}
        critic = {n.removeprefix("critic."): w for n, w in weights.items() if "critic." in n}
        classes = F.cross_entropy(functional_call(learner.model, weights, x), y)

        def domains(body):  # type: ignore[no-untyped-def]
            features = [functional_call(learner.model.body, body, v) for v in (x, unlabelled)]
            logits = torch.cat([functional_call(learner.model.critic, critic, f) for f in features])
            labels = torch.cat([torch.zeros(len(x)), torch.ones(len(unlabelled))]).double()
            return F.binary_cross_entropy_with_logits(logits.squeeze(-1), labels)

        return classes, domains(body)

    for task in range(len(episode)):
        weights = {
            n.removeprefix("weights."): w[task].detach()
            for n, w in before.values.items()
            if n.startswith("weights.")
        }
        data = (episode.support.x[task], episode.support.y[task], episode.info["unlabelled"][task])
        classes = grad(lambda w, d=data: pieces(w, *d)[0])(weights)
        domains = grad(lambda w, d=data: pieces(w, *d)[1])(weights)
        for name, w in weights.items():
            sign = 1.0 if name.startswith("critic.") else -strength
            expected = w - 0.3 * (classes[name] + sign * domains[name])
            assert torch.allclose(after.values[f"weights.{name}"][task], expected, atol=1e-12), name


def test_without_reversal_the_target_is_not_looked_at() -> None:
    learner, episode = _learner(reversal=0.0), _moons()
    moved = dataclasses.replace(
        episode, info={**episode.info, "unlabelled": episode.info["unlabelled"] + 3}
    )
    ends = [list(adapt(learner, e))[-1].values for e in (episode, moved)]
    assert torch.equal(
        ends[0]["weights.body.linear1.weight"], ends[1]["weights.body.linear1.weight"]
    )
    with_it = [
        list(adapt(_learner(), e))[-1].values["weights.body.linear1.weight"]
        for e in (episode, moved)
    ]
    assert not torch.allclose(*with_it)


def test_the_term_of_the_meta_loss_is_in_the_meta_gradient() -> None:
    plain, with_term = (_learner(meta_reversal=m) for m in (0.0, 1.0))
    found = [learner.meta_gradient(_moons()).gradients for learner in (plain, with_term)]
    body, critic = "model.body.linear1.weight", "model.critic.head.weight"
    assert not torch.allclose(found[0][body], found[1][body])
    assert not torch.allclose(found[0][critic], found[1][critic])


def test_tasks_without_a_target_domain_are_refused() -> None:
    episode = dataclasses.replace(_moons(), info={})
    with pytest.raises(UserError, match="choose tasks with a shift, such as moons:turned"):
        list(adapt(_learner(), episode))


def test_its_inspection_says_how_well_domains_are_told_apart() -> None:
    learner, episode = _learner(), _moons()
    (domains,) = DomainAdversarial.inspections
    frame = domains.make(learner, episode, list(adapt(learner, episode)))
    assert frame.columns.tolist() == list(domains.columns)
    assert frame["step"].tolist() == [0, 1, 2]
    assert frame["domains_told"].between(0, 1).all()


def test_steps_that_are_computed_again_are_refused() -> None:
    with pytest.raises(UserError, match="leave it False"):
        _learner(rematerialise=True)
