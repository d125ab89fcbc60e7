"""The hand-written derivatives of batch normalisation against central differences."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from workbench.innerloop.batch_norm import batch_norm


def inputs(shape: tuple[int, ...]) -> list[torch.Tensor]:
    torch.manual_seed(0)
    make = {"dtype": torch.float64, "requires_grad": True}
    channels = shape[1]
    return [
        torch.randn(*shape, **make),
        torch.randn(channels, **make),
        torch.randn(channels, **make),
    ]


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2, 2)])
def test_first_and_second_derivatives_equal_differences(shape):
    tensors = inputs(shape)
    assert gradcheck(lambda *t: batch_norm(*t, 1e-5), tensors)
    assert gradgradcheck(lambda *t: batch_norm(*t, 1e-5), tensors)


def test_three_derivatives_equal_differences():
    """A third level differentiates a meta-gradient. (Torch's own third derivative is wrong: its
    double backward takes the saved mean and variance for constants.)"""

    def second(x, scale, shift):
        value = batch_norm(x, scale, shift, 1e-5).sin().sum()
        first = torch.autograd.grad(value, [x, scale, shift], create_graph=True)
        value = sum((g**3).sum() for g in first)
        return torch.autograd.grad(value, [x, scale, shift], create_graph=True)

    assert gradcheck(second, inputs((5, 3)))
