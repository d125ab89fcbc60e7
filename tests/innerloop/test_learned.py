"""Learned update rules: what they start as, what they see, and in anybody's training loop."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from workbench.innerloop import (
    Classic,
    InnerOptimizer,
    LearnedOptimizer,
    LSTMRule,
    LSTMRuleSettings,
    MomentRule,
    UpdateRule,
)
from workbench.innerloop.learned import log_and_sign

TASKS = 3


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def weights(width: int = 4) -> dict[str, torch.Tensor]:
    return {"a.weight": torch.randn(TASKS, width, 2), "a.bias": torch.randn(TASKS, width)}


def walked(rule: UpdateRule, steps: int, start: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Along the gradients of a bowl that is steeper in some directions."""
    at, state = start, rule.init(start)
    rates = dict.fromkeys(start, 0.1)
    for step in range(steps):
        gradients = {n: w * (1 + w.detach().abs()) for n, w in at.items()}
        at, state = rule.step(gradients, at, state, rates, torch.tensor(float(step)))
    return at


def stirred(rule: nn.Module) -> nn.Module:
    for parameter in rule.parameters():
        nn.init.normal_(parameter, std=0.3)
    return rule


def test_the_rule_of_moments_starts_as_adam():
    start = weights()
    adam = walked(Classic(InnerOptimizer("adam")), 7, start)
    for name, found in walked(MomentRule(), 7, start).items():
        torch.testing.assert_close(found, adam[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [LSTMRule, MomentRule])
def test_a_task_moves_as_it_would_alone(make):
    rule, start = stirred(make()), weights()
    together = walked(rule, 4, start)
    for task in range(TASKS):
        alone = walked(rule, 4, {n: w[task : task + 1] for n, w in start.items()})
        for name, found in alone.items():
            torch.testing.assert_close(found[0], together[name][task])


@pytest.mark.parametrize("make", [LSTMRule, MomentRule])
def test_a_net_of_any_width_is_moved(make):
    rule = stirred(make())
    for width in (1, 9):
        assert walked(rule, 2, weights(width))["a.weight"].shape == (TASKS, width, 2)


def test_the_lstm_moves_each_coordinate_by_itself():
    rule, start = stirred(LSTMRule()), weights()
    other = {**start, "a.weight": start["a.weight"].clone()}
    other["a.weight"][:, 0, 0] += 1
    before, after = walked(rule, 3, start), walked(rule, 3, other)
    assert torch.equal(before["a.bias"], after["a.bias"])
    assert torch.equal(before["a.weight"][:, 1:], after["a.weight"][:, 1:])
    assert (before["a.weight"][:, 0, 0] != after["a.weight"][:, 0, 0]).all()


def test_the_lstm_is_torchs_own_two_layers():
    rule, gradient = stirred(LSTMRule(LSTMRuleSettings(hidden=5))), torch.randn(6, 1, 3)
    oracle = nn.LSTM(2, 5, num_layers=2)
    named = {
        f"{kind}_l{i}": tensor
        for i, cell in enumerate(rule.cells)
        for kind, tensor in cell.state_dict().items()
    }
    oracle.load_state_dict(named)
    expected = rule.out(oracle(log_and_sign(gradient[:, 0]))[0])[..., 0]
    start = {"w": torch.zeros(1, 3)}
    at, state = start, rule.init(start)
    for step in range(6):
        new, state = rule.step({"w": gradient[step]}, at, state, {"w": 1.0}, torch.tensor(0.0))
        torch.testing.assert_close((new["w"] - at["w"])[0], expected[step])
        at = new


@pytest.mark.parametrize("size", [1e-300, 1e-8, 1.0, 1e30, 0.0])
def test_gradients_of_any_size_are_seen_as_small_numbers(size):
    for sign in (-1, 1):
        seen = log_and_sign(torch.tensor([sign * size]))
        assert seen.isfinite().all()
        assert seen.abs().max() < 8


def test_a_gradient_of_zero_has_finite_derivatives():
    for rule in (stirred(LSTMRule()), stirred(MomentRule())):
        start = {"w": torch.zeros(1, 2, requires_grad=True)}
        new, _ = rule.step(
            {"w": start["w"] * 0}, start, rule.init(start), {"w": 1.0}, torch.tensor(0.0)
        )
        tensors = [start["w"], *rule.parameters()]
        found = torch.autograd.grad(new["w"].sum(), tensors, allow_unused=True)
        assert all(g is None or g.isfinite().all() for g in found)


# ---- in anybody's training loop --------------------------------------------------------------


def net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        x = torch.linspace(-1, 1, 15).view(5, 3) * (step + 1)
        optimizer.zero_grad()
        (model(x) - x.sum(dim=1, keepdim=True)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", ["sgd", "adam", "rmsprop"])
def test_a_classic_rule_is_torchs_optimizer(kind):
    own, other = net(), net()
    theirs = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}
    trained(
        own, LearnedOptimizer(own.parameters(), Classic(InnerOptimizer(kind)), lr=0.01), range(5)
    )
    trained(other, theirs[kind](other.parameters(), lr=0.01), range(5))
    for found, expected in zip(own.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("make", [LSTMRule, MomentRule])
def test_it_goes_on_from_its_file_with_the_same_bits(make):
    model, rule = net(), stirred(make())
    optimizer = LearnedOptimizer(model.parameters(), rule, lr=0.01)
    trained(model, optimizer, range(3))
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    trained(model, optimizer, range(3, 6))
    file.seek(0)
    saved, again = torch.load(file), net()
    again.load_state_dict(saved["model"])
    resumed = LearnedOptimizer(again.parameters(), make(), lr=0.5)  # its rate is in the file too
    resumed.load_state_dict(saved["optimizer"])
    trained(again, resumed, range(3, 6))
    for found, expected in zip(again.parameters(), model.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_groups_have_rates_of_their_own_and_what_has_no_gradient_stays():
    model = net()
    still = copy.deepcopy(model[0].state_dict())
    groups = [{"params": model[0].parameters(), "lr": 0.0}, {"params": model[2].parameters()}]
    optimizer = LearnedOptimizer(groups, MomentRule(), lr=0.1)
    model[2].bias.requires_grad_(False)
    bias, weight = model[2].bias.clone(), model[2].weight.clone()
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    trained(model, optimizer, range(2))
    assert all(torch.equal(t, still[n]) for n, t in model[0].state_dict().items())
    assert torch.equal(model[2].bias, bias)
    assert not torch.equal(model[2].weight, weight)
    schedule.step()
    assert optimizer.param_groups[1]["lr"] == 0.05
