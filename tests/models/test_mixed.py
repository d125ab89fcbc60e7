"""The mixture of operations, held against the sum of them one by one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from workbench.innerloop import forward_tasks
from workbench.models import MixedSettings, Mixture
from workbench.models.mixed import OPERATIONS, Operation

NAMES = list(OPERATIONS)


@pytest.mark.parametrize("shape", [(3,), (3, 4, 4)], ids=["dense", "images"])
def test_a_mixture_is_the_weighted_sum_of_its_operations(shape: tuple[int, ...]):
    torch.manual_seed(0)
    mixture, x = Mixture(NAMES).double(), torch.randn(7, 5 * shape[0], *shape[1:]).double()
    alpha = torch.randn(5).double()
    mixture.alpha.data.copy_(alpha)
    shares = alpha.softmax(0)
    expected = sum(
        shares[i] * Operation(name)(x[:, i * 3 : i * 3 + 3]) for i, name in enumerate(NAMES)
    )
    torch.testing.assert_close(mixture(x), expected)


@pytest.mark.parametrize("images", [False, True], ids=["dense", "images"])
def test_over_tasks_each_has_its_own_shares(images: bool):
    """Linear or convolution, normalisation and mixture: stacked as task by task."""
    torch.manual_seed(0)
    layers = [nn.Linear(4, 10), nn.BatchNorm1d(10, track_running_stats=False)]
    if images:
        layers = [nn.Conv2d(2, 10, 3), nn.BatchNorm2d(10, track_running_stats=False)]
    net = nn.Sequential(*layers, Mixture(NAMES)).double()
    x = torch.randn(3, 6, 2, 5, 5).double() if images else torch.randn(3, 6, 4).double()
    stacked = {n: p.detach() + torch.randn(3, *p.shape).double() for n, p in net.named_parameters()}
    found = forward_tasks(net, stacked, x)
    for task in range(3):
        own = {n: p[task] for n, p in stacked.items()}
        expected = torch.func.functional_call(net, own, (x[task],))
        torch.testing.assert_close(found[task], expected)


def test_an_architecture_has_the_size_of_one_operation():
    mixed = MixedSettings(layers=2, width=6).build((1, 28, 28), 5)
    fixed = MixedSettings(layers=2, width=6, architecture="tanh gauss").build((1, 28, 28), 5)
    assert mixed.linear2.weight.shape == (30, 6)
    assert fixed.linear2.weight.shape == (6, 6)
    assert fixed(torch.randn(3, 1, 28, 28)).shape == (3, 5)
