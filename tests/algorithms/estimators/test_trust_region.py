"""The trust region, against the whole matrix and the bounds that it promises."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from tests.algorithms.cases import CASES
from tests.tasks.control.worlds import Line
from workbench.algorithms import MAMLRL, Adapted, MAMLRLSettings, TrustRegion
from workbench.algorithms.estimators.trust_region import _Judged
from workbench.algorithms.values import trainable
from workbench.errors import UserError
from workbench.models import Gaussian
from workbench.tasks import Episode
from workbench.tasks.control.repeated import Repeated
from workbench.training import preset
from workbench.training.trainer import Trainer


def built(**settings) -> tuple[MAMLRL, Episode]:
    torch.manual_seed(0)
    learner = MAMLRL(Gaussian(1, 1, hidden=(3,), activation="tanh"), MAMLRLSettings(**settings))
    goal = torch.linspace(-1, 1, 4, dtype=torch.float64).unsqueeze(1)
    env = Repeated(Line(), 10)
    return learner.double(), Episode(None, None, torch.arange(4), env=env, task={"goal": goal})


def judged(learner: MAMLRL, episode: Episode, row: Tensor, collected: Adapted) -> tuple:
    """Loss and divergence at the parameters that a row holds."""
    moved, place = {}, 0
    for name, p in trainable(learner):
        moved[f"learner.{name}"] = row[place : place + p.numel()].view_as(p)
        place += p.numel()
    losses, apart = functional_call(_Judged(learner), moved, (collected, episode))
    return losses.mean(), apart.mean()


@pytest.mark.parametrize("order", ["second", "first"])
def test_the_step_is_the_natural_gradient_of_the_length_allowed(order: str) -> None:
    learner, episode = built(order=order)
    collected = learner.collect(episode)
    theta = torch.cat([p.detach().flatten() for _, p in trainable(learner)])

    def loss(row: Tensor) -> Tensor:
        return judged(learner, episode, row, collected)[0]

    def apart(row: Tensor) -> Tensor:
        return judged(learner, episode, row, collected)[1]

    gradient = torch.autograd.functional.jacobian(loss, theta)
    fisher = torch.autograd.functional.hessian(apart, theta)
    damped = fisher + 1e-3 * torch.eye(len(theta), dtype=theta.dtype)
    way = torch.linalg.solve(damped, gradient)
    full = (2 * 0.01 / (way @ damped @ way)).sqrt() * way

    estimator = TrustRegion(limit=0.01, conjugate=40, damping=1e-3, shrink=0.5)
    found, carried = estimator(learner, episode)
    step = torch.cat([g.flatten() for g in found.gradients.values()])
    factor = float((step @ full) / (full @ full))
    assert factor in [pytest.approx(0.5**k, rel=1e-4) for k in range(6)]
    torch.testing.assert_close(step, factor * full, rtol=1e-4, atol=1e-6)
    after, far = (t.detach() for t in judged(learner, episode, theta - step, collected))
    before = loss(theta).detach()
    assert after < before
    assert 0 < float(far) <= 0.01
    if factor < 1:  # no longer one would have done
        worse, further = (t.detach() for t in judged(learner, episode, theta - 2 * step, collected))
        assert float(further) > 0.01 or float(worse) >= float(before)
    assert carried is None
    torch.testing.assert_close(found.losses.mean(), before)


def test_the_parameters_stay_until_the_outer_step() -> None:
    learner, episode = built()
    before = [p.detach().clone() for p in learner.parameters()]
    TrustRegion()(learner, episode)
    for p, old in zip(learner.parameters(), before, strict=True):
        assert torch.equal(p, old)
        assert p.grad is None


def test_where_nothing_is_gained_no_step_is_made() -> None:
    learner, episode = built(order="first")
    plain = learner.collect

    def worthless(episode: Episode) -> Adapted:
        values = plain(episode).values
        return Adapted({n: t * (not n.endswith("advantage")) for n, t in values.items()})

    learner.collect = worthless
    found, _ = TrustRegion()(learner, episode)
    assert not any(g.any() for g in found.gradients.values())


def test_an_outer_sgd_of_rate_1_makes_exactly_that_step() -> None:
    experiment = preset("navigation-maml-trpo")
    assert (experiment.training.optimizer, experiment.training.rate) == ("SGD", 1.0)
    trainer = Trainer(_smaller(experiment))
    before = {n: p.detach().clone() for n, p in trainer.parameters.items()}
    step = trainer.learner.meta_gradient(trainer.episodes[0]).gradients
    trainer.update()
    assert any(s.any() for s in step.values())
    for name, p in trainer.parameters.items():
        torch.testing.assert_close(p.detach(), before[name] - step[name])


def _smaller(experiment):
    shape = replace(experiment.train, shots=4)
    model = replace(experiment.model, hidden=(8,))
    training = replace(experiment.training, tasks=3)
    return replace(experiment, train=shape, test=shape, model=model, training=training)


def test_refusals() -> None:
    with pytest.raises(UserError, match="RL2 does not tell how far it is"):
        case = CASES["RL², GRU"]
        TrustRegion()(case.build(), case.episode())
    with pytest.raises(UserError, match="limit"):
        TrustRegion(limit=0.0)
    with pytest.raises(UserError, match="shrink"):
        TrustRegion(shrink=1.0)
