"""The convolution that is differentiated by convolutions, against differences and torch's own."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from workbench.algorithms import MAML, MAMLSettings
from workbench.innerloop.convolution import Geometry, convolution
from workbench.models import Conv4
from workbench.tasks import Episode, Examples

GEOMETRIES = {
    "plain": Geometry((1, 1), (1, 1), (1, 1), 1),
    "groups": Geometry((1, 1), (1, 1), (1, 1), 2),
    "strided": Geometry((2, 2), (1, 1), (1, 1), 2),
    "uneven": Geometry((2, 1), (0, 2), (1, 2), 2),
}


def inputs(geometry: Geometry) -> list[torch.Tensor]:
    torch.manual_seed(0)
    make = {"dtype": torch.float64, "requires_grad": True}
    return [torch.randn(2, 4, 6, 5, **make), torch.randn(4, 4 // geometry.groups, 3, 2, **make)]


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_first_and_second_derivatives_equal_differences(geometry):
    x, w = inputs(geometry)
    own = (geometry.stride, geometry.padding, geometry.dilation, geometry.groups)
    assert torch.equal(convolution(x, w, geometry), torch.conv2d(x, w, None, *own))
    assert gradcheck(lambda *t: convolution(*t, geometry), [x, w])
    assert gradgradcheck(lambda *t: convolution(*t, geometry), [x, w])


def test_three_derivatives_equal_differences():
    geometry = Geometry((2, 2), (1, 1), (1, 1), 2)

    def second(x, w):
        value = convolution(x, w, geometry).sin().sum()
        first = torch.autograd.grad(value, [x, w], create_graph=True)
        value = sum((g**3).sum() for g in first)
        return torch.autograd.grad(value, [x, w], create_graph=True)

    torch.manual_seed(0)
    make = {"dtype": torch.float64, "requires_grad": True}
    tensors = [torch.randn(1, 2, 3, 3, **make), torch.randn(2, 1, 2, 2, **make)]
    assert gradcheck(second, tensors)


def test_nothing_is_computed_for_what_wants_no_gradient(monkeypatch):
    asked = []
    real = torch.ops.aten.convolution_backward

    def counted(*arguments):
        asked.append(arguments[-1])
        return real(*arguments)

    monkeypatch.setattr(torch.ops.aten, "convolution_backward", counted)
    x, w = inputs(GEOMETRIES["plain"])
    convolution(x.detach(), w, GEOMETRIES["plain"]).sum().backward()
    assert asked == [[False, True, False]]


def test_a_bias_before_batch_normalisation_stays_where_it_is():
    model = Conv4((1, 16, 16), 2, filters=3)
    learner = MAML(model, MAMLSettings(train_steps=2))
    x, y = torch.randn(2, 4, 1, 16, 16), torch.tensor([0, 1]).repeat(2, 2)
    episode = Episode(Examples(x, y), Examples(x, y), torch.arange(2))
    gradients = learner.meta_gradient(episode).gradients
    assert isinstance(model.conv1, nn.Conv2d)
    assert gradients["model.conv1.bias"].shape == (3,)
    assert not gradients["model.conv1.bias"].any()
    assert gradients["model.norm1.bias"].any()
