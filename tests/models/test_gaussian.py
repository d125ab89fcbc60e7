"""The policy of normal actions: what it gives, stacked or not, and the deviation it keeps."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.errors import UserError
from workbench.innerloop import forward_tasks
from workbench.innerloop.as_task import Context, one_by_one
from workbench.models import Gaussian, GaussianSettings

NET = Gaussian(2, 3, hidden=(5,), deviation=0.7, least=0.5)


def test_it_gives_means_and_the_same_deviations_everywhere() -> None:
    out = NET(torch.randn(4, 2, generator=torch.Generator().manual_seed(0)))
    mean, logarithm = out.chunk(2, dim=-1)
    assert mean.shape == (4, 3)
    assert mean.std(dim=0).min() > 0
    torch.testing.assert_close(logarithm, torch.full((4, 3), math.log(0.7)))
    assert [n for n, _ in NET.named_parameters()][-1] == "deviation.logarithm"


def test_it_starts_without_offsets() -> None:
    net = Gaussian(2, 3, hidden=(100,))
    assert not net.linear1.bias.any()
    assert not net.head.bias.any()
    assert float(net.linear1.weight.detach().abs().max()) == pytest.approx(
        (6 / 102) ** 0.5, rel=0.1
    )


def test_no_deviation_falls_below_the_least() -> None:
    net = Gaussian(2, 2, deviation=1.0, least=0.3)
    with torch.no_grad():
        net.deviation.logarithm.fill_(-5.0)
    torch.testing.assert_close(net(torch.zeros(1, 2))[0, 2:].exp(), torch.tensor([0.3, 0.3]))


@pytest.mark.parametrize("stacked", [True, False])
def test_its_batched_form_is_what_it_gives_task_by_task(stacked: bool) -> None:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(4, 6, 2, generator=draw)
    parameters = {
        n: p.detach() + torch.randn((4, *p.shape) if stacked else p.shape, generator=draw)
        for n, p in NET.named_parameters()
    }
    expected = one_by_one(NET, parameters, x, Context())
    torch.testing.assert_close(forward_tasks(NET, parameters, x), expected)


def test_refusals() -> None:
    for outputs in (3, None):
        with pytest.raises(UserError, match="actions are numbers"):
            GaussianSettings().build((2,), outputs)
    with pytest.raises(UserError, match="least"):
        GaussianSettings(least=0.0)
    with pytest.raises(UserError, match="least"):
        Gaussian(2, 2, least=-1.0)
