"""The convolution that is differentiated by convolutions, against differences and torch's own."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from workbench.algorithms import MAML, MAMLSettings
from workbench.innerloop import products
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


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_as_products_it_and_its_derivatives_are_the_same(geometry, monkeypatch):
    x, w = inputs(geometry)

    def derivatives():
        y = convolution(x, w, geometry)
        first = torch.autograd.grad(y.sin().sum(), [x, w], create_graph=True)
        return [y, *first, *torch.autograd.grad(sum((g**3).sum() for g in first), [x, w])]

    expected = derivatives()
    monkeypatch.setattr(products, "ON", {"cpu"})
    called = []
    real = products.output
    monkeypatch.setattr(products, "output", lambda *t: called.append(1) or real(*t))
    for one, other in zip(derivatives(), expected, strict=True):
        torch.testing.assert_close(one, other)
    assert bool(called) == (geometry.groups > 1 and geometry.dilation == (1, 1))


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 2), (3, 1)])
def test_products_of_any_stride_and_padding(stride, padding, monkeypatch):
    monkeypatch.setattr(products, "ON", {"cpu"})
    geometry = Geometry(stride, padding, (1, 1), 2)
    x, w = inputs(geometry)
    expected = torch.conv2d(x, w, None, stride, padding, (1, 1), 2)
    torch.testing.assert_close(convolution(x, w, geometry), expected)
    assert gradcheck(lambda *t: convolution(*t, geometry), [x, w])


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
