"""The neural optimizer: its starts, its meta-loss, its windows, and what it is for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from workbench.algorithms import (
    MAML,
    MAMLSettings,
    NeuralOptimizer,
    NeuralOptimizerSettings,
    Truncated,
    adapt,
    last,
)
from workbench.errors import UserError
from workbench.innerloop import (
    InnerLoop,
    InnerOptimizer,
    MomentRuleSettings,
    UpdateRule,
    weights_of,
)
from workbench.models import MLP
from workbench.tasks import open_tasks


def quadratic(**changes) -> NeuralOptimizer:
    torch.manual_seed(0)
    settings = NeuralOptimizerSettings(inner_rate=0.05, optimizer=MomentRuleSettings())
    return NeuralOptimizer(MLP(10, 1, hidden=(), bias=False), replace(settings, **changes))


def test_every_task_starts_anew_with_the_models_own_spread():
    torch.manual_seed(0)
    learner = NeuralOptimizer(MLP(40, 1, hidden=(50,)))
    episode = open_tasks("sinusoid").sample(6, seed=0)
    start = weights_of(learner.begin(episode).values)
    own = learner.model.linear1.weight
    assert float(start["linear1.weight"].std() / own.std()) == pytest.approx(1, abs=0.05)
    assert not torch.equal(start["linear1.weight"][0], start["linear1.weight"][1])
    again = weights_of(learner.begin(episode[2:3]).values)
    assert torch.equal(again["linear1.weight"][0], start["linear1.weight"][2])
    trained = [name for name, p in learner.named_parameters() if p.requires_grad]
    assert trained
    assert all(name.startswith("rule.") for name in trained)


def test_the_meta_loss_is_the_mean_logarithm_where_the_steps_led():
    learner, episode = (
        quadratic(train_steps=3, floor=0.5),
        open_tasks("quadratics").sample(4, seed=0),
    )
    path = list(adapt(learner, episode))
    losses = [episode.loss(learner.predict(a, episode.support.x), episode.support) for a in path]
    expected = torch.stack([(one + 0.5).log() for one in losses[1:]]).mean(dim=0)
    torch.testing.assert_close(learner(episode), expected)


def test_the_loss_of_a_step_is_that_of_the_next_minibatch():
    learner, episode = quadratic(train_steps=2, batch=3), open_tasks("quadratics").sample(4, seed=0)
    _, first, second = adapt(learner, episode)
    third = learner.step(second, episode)
    expected = (second.seen["loss"] + 1e-10).log() + (third.seen["loss"] + 1e-10).log()
    torch.testing.assert_close(learner(episode), expected / 2)
    assert not torch.allclose(first.seen["loss"], second.seen["loss"])


def test_windows_carry_the_rules_state_on():
    learner, episode = quadratic(train_steps=6), open_tasks("quadratics").sample(2, seed=0)
    _, carried = Truncated(3)(learner, episode)
    _, carried = Truncated(3)(learner, episode, carried)
    whole = last(adapt(learner, episode))
    assert carried.step == 6
    for name, value in whole.values.items():
        torch.testing.assert_close(carried.values[name], value.detach())


def test_gradients_as_constants_miss_what_a_step_does_to_the_next_gradient():
    """f = w²/2 in one dimension, w -> w - r f'(w) twice: d log f / dr by hand, at r = 0.2."""

    class Plain(UpdateRule):
        def __init__(self):
            super().__init__()
            self.rate = nn.Parameter(torch.tensor(0.2))

        def step(self, gradients, weights, state, rates, step):
            return {n: w - self.rate * gradients[n] for n, w in weights.items()}, state

    def slope(order):
        rule = Plain()
        loop, start = InnerLoop(rule, order=order), {"weights.w": torch.full((1, 1), 3.0)}
        values = start
        for step in range(2):
            values, _ = loop.step(
                lambda w: w["w"].square().sum(dim=1) / 2, values, {"w": 1.0}, step=step, steps=2
            )
        loss = (values["weights.w"].square() / 2).log().sum()
        return float(torch.autograd.grad(loss, rule.rate)[0])

    # exact: log f = 4 log(1 - r) + c; with constants w'' = w - r (g0 + g1), g1 = (1 - r) g0
    assert slope("second") == pytest.approx(-4 / 0.8, rel=1e-4)
    assert slope("first") == pytest.approx(-2 * (1 + 0.8) / 0.8**2, rel=1e-4)


def test_a_step_along_the_meta_gradient_lowers_what_the_path_loses():
    learner, episode = quadratic(train_steps=20), open_tasks("quadratics").sample(32, seed=0)
    found = learner.meta_gradient(episode)
    with torch.no_grad():
        for name, gradient in found.gradients.items():
            learner.get_parameter(name).sub_(1e-3 * gradient / gradient.norm().clamp(min=1e-9))
        assert learner(episode).mean() < found.losses.mean() - 1e-4


def test_any_rule_can_be_evaluated_from_the_same_starts():
    episode = open_tasks("quadratics").sample(2, seed=0)
    learned, plain = quadratic(), quadratic(optimizer=InnerOptimizer())
    plain.model.load_state_dict(learned.model.state_dict())
    start, other = (weights_of(one.begin(episode).values) for one in (learned, plain))
    assert torch.equal(start["head.weight"], other["head.weight"])
    with pytest.raises(UserError, match="no meta-parameter to train"):
        plain.meta_gradient(episode)


def test_maml_takes_learned_steps_from_a_learned_start():
    settings = MAMLSettings(train_steps=2, optimizer=MomentRuleSettings())
    learner = MAML(MLP(1, 1), settings)
    found = learner.meta_gradient(open_tasks("sinusoid").sample(3, seed=0)).gradients
    assert {name.split(".")[0] for name in found} == {"model", "rule"}
    assert found["rule.net.4.bias"].norm() > 0
