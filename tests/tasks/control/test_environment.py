"""Actions, against torch's own distributions."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, Normal, kl_divergence

from workbench.randomness import fold
from workbench.tasks.control.environment import Box, Discrete

SEEDS = fold(torch.full((3, 4000), 5), torch.arange(12_000).view(3, 4000))


def given(outputs: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 1, outputs, generator=generator, dtype=torch.float64)


def test_choices_among_actions_are_categorical() -> None:
    actions, out = Discrete(4), given(4)
    out.requires_grad_()
    chosen = actions.choose(out, actions.noise(SEEDS, out.dtype))
    oracle = Categorical(logits=out)
    assert chosen.shape == SEEDS.shape
    assert not chosen.requires_grad
    found = torch.stack([(chosen == a).double().mean(dim=1) for a in range(4)], dim=1)
    torch.testing.assert_close(found, oracle.probs[:, 0].detach(), atol=0.03, rtol=0)
    wide = out.expand(3, 4000, 4)
    torch.testing.assert_close(actions.log_probability(wide, chosen), oracle.log_prob(chosen))
    torch.testing.assert_close(actions.entropy(out), oracle.entropy())
    encoded = actions.encode(chosen, torch.float64)
    assert torch.equal(encoded, torch.nn.functional.one_hot(chosen, 4).double())
    assert (actions.outputs, actions.width) == (4, 4)


def test_no_rounding_chooses_an_action_that_there_is_not() -> None:
    almost = torch.tensor([1.0], dtype=torch.float64)
    assert Discrete(3).choose(torch.zeros(1, 3), almost.view(1, 1)).tolist() == [2]


def test_numbers_are_normal() -> None:
    actions, out = Box(2), given(4).requires_grad_()
    chosen = actions.choose(out, actions.noise(SEEDS, out.dtype))
    mean, logarithm = out.chunk(2, dim=-1)
    oracle = Independent(Normal(mean, logarithm.exp()), 1)
    assert chosen.shape == (*SEEDS.shape, 2)
    assert not chosen.requires_grad
    deviation = oracle.stddev[:, 0].detach()
    error = (chosen.mean(dim=1) - mean[:, 0].detach()).abs() / deviation
    assert float(error.max()) < 0.06
    torch.testing.assert_close(chosen.std(dim=1), deviation, atol=0, rtol=0.06)
    wide = out.expand(3, 4000, 4)
    torch.testing.assert_close(actions.log_probability(wide, chosen), oracle.log_prob(chosen))
    torch.testing.assert_close(actions.entropy(out), oracle.entropy())
    assert torch.equal(actions.encode(chosen, torch.float64), chosen)
    assert (actions.outputs, actions.width) == (4, 2)


@pytest.mark.parametrize("actions", [Discrete(3), Box(2)])
def test_leading_axes_change_nothing(actions: Discrete | Box) -> None:
    out = given(actions.outputs)
    rows = actions.choose(out, actions.noise(SEEDS[:, :5], out.dtype))
    for task in range(3):
        alone = actions.choose(out[task], actions.noise(SEEDS[task, :5], out.dtype))
        assert torch.equal(rows[task], alone)


@pytest.mark.parametrize("actions", [Discrete(3), Box(2)])
def test_how_far_two_policies_are_apart(actions: Discrete | Box) -> None:
    def of(out: torch.Tensor) -> Categorical | Independent:
        if isinstance(actions, Discrete):
            return Categorical(logits=out)
        mean, logarithm = out.chunk(2, dim=-1)
        return Independent(Normal(mean, logarithm.exp()), 1)

    out, other = given(actions.outputs).requires_grad_(), given(actions.outputs).flip(0)
    found, oracle = actions.divergence(out, other), kl_divergence(of(out), of(other))
    assert found.shape == (3, 1)
    torch.testing.assert_close(found, oracle)
    ours, theirs = (torch.autograd.grad(kl.sum(), out)[0] for kl in (found, oracle))
    torch.testing.assert_close(ours, theirs)
    assert torch.equal(actions.divergence(out, out), torch.zeros_like(found))
