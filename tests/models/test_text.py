"""Encoders of text: padding, words, derivatives, and what they refuse."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from workbench.errors import UserError
from workbench.innerloop import forward_tasks
from workbench.models import NGramMLPSettings, TextCNNSettings, TextTransformerSettings
from workbench.models.text import hashed
from workbench.tasks.text import encoded

ENCODERS: dict[str, Any] = {
    "n-grams": NGramMLPSettings(buckets=40, bins=12, hidden=(5,), words=6),
    "CNN": TextCNNSettings(buckets=40, width=6, filters=5, words=6),
    "Transformer": TextTransformerSettings(buckets=40, width=6, layers=1, heads=2, words=6),
}
TEXTS = ["pay my bill", "a", "where is the nearest bank please", "", "ሰላም ነው 😂"]


def build(name: str, outputs: int | None = 3) -> torch.nn.Module:
    torch.manual_seed(0)
    return ENCODERS[name].build((40,), outputs).double()


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("outputs", [None, 3])
def test_padding_changes_neither_an_output_nor_a_gradient(name: str, outputs: int | None) -> None:
    net = build(name, outputs)

    def of(x: Tensor) -> tuple[Tensor, list[Tensor]]:
        y = net(x)
        grads = torch.autograd.grad(y.square().sum(), list(net.parameters()), allow_unused=True)
        return y, [g for g in grads if g is not None]

    together, gradients = of(encoded(TEXTS, 40))
    assert bool(together.isfinite().all())
    longer, same = of(encoded(TEXTS, 90))  # every text has more behind it that is not there
    torch.testing.assert_close(longer, together, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(same, gradients, rtol=1e-10, atol=1e-12)
    for text, expected in zip(TEXTS, together, strict=True):  # as long as it is, and alone
        alone = net(encoded([text], max(1, len(text))))[0]
        torch.testing.assert_close(alone, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ENCODERS)
def test_stacked_tasks_are_what_each_is_alone(name: str) -> None:
    net = build(name)
    x = encoded(["one text", "and another", "a third one", "the last"], 20).view(2, 2, 20)
    draw = torch.Generator().manual_seed(1)
    weights = {
        n: torch.stack([p + torch.randn(p.shape, generator=draw, dtype=p.dtype) for _ in range(2)])
        for n, p in net.named_parameters()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it would say that it runs task by task
        found = forward_tasks(net, weights, x)
    for task in range(2):
        alone = functional_call(net, {n: w[task] for n, w in weights.items()}, (x[task],))
        torch.testing.assert_close(found[task], alone)


@pytest.mark.parametrize("name", ENCODERS)
def test_second_derivatives_are_those_of_differences(name: str) -> None:
    net = build(name)
    x = encoded(["is it so", "no it is"], 12)
    names = [n for n, _ in net.named_parameters()]
    values = [p.detach() + 0.3 for p in net.parameters()]  # away from where a ReLU bends

    def loss(*parameters: Tensor) -> Tensor:
        return functional_call(net, dict(zip(names, parameters, strict=True)), (x,)).tanh().sum()

    starts = [v.requires_grad_() for v in values]
    draw = torch.Generator().manual_seed(2)
    along = [torch.randn(v.shape, generator=draw, dtype=v.dtype) for v in values]
    slopes = torch.autograd.grad(loss(*starts), starts, create_graph=True)
    slope = sum((s * a).sum() for s, a in zip(slopes, along, strict=True))
    second = torch.autograd.grad(slope, starts)
    exact = sum(float((g * a).sum()) for g, a in zip(second, along, strict=True))

    def slope_at(step: float) -> float:
        moved = [
            (v + step * a).detach().requires_grad_() for v, a in zip(starts, along, strict=True)
        ]
        found = torch.autograd.grad(loss(*moved), moved)
        return sum(float((g * a).sum()) for g, a in zip(found, along, strict=True))

    h = 1e-5
    assert exact == pytest.approx((slope_at(h) - slope_at(-h)) / (2 * h), rel=1e-4, abs=1e-6)
    assert abs(exact) > 1e-3


def test_a_word_is_the_same_wherever_it_stands_and_no_other() -> None:
    found = hashed(encoded(["bank the bank banks knab"], 30), words=6)
    one, _, two, three, four, none = found.words[0]
    assert one == two
    assert len({int(w) for w in (one, three, four, none)}) == 4
    assert found.there.tolist() == [[True] * 5 + [False]]


def test_n_grams_stay_inside_their_word() -> None:
    together = hashed(encoded(["an ox"], 5), words=2, radius=2).grams[0]
    apart = hashed(encoded(["ox an"], 5), words=2, radius=2).grams[0]
    assert torch.equal(together[:2], apart[3:])
    assert not bool((together[3] == together[4]).any())


def test_words_beyond_those_that_are_read_are_left_out() -> None:
    found = hashed(encoded(["a b c d"], 9), words=2)
    assert found.there.tolist() == [[True, True]]
    assert found.of.tolist() == [[0, 2, 1, 2, 2, 2, 2, 2, 2]]


@pytest.mark.parametrize("name", ENCODERS)
def test_what_is_no_text_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"reads texts .*not inputs of shape \(1, 28, 28\): use"):
        ENCODERS[name].build((1, 28, 28), 5)
    with pytest.raises(UserError, match="reads whole numbers, and these inputs are torch.float64"):
        build(name)(torch.zeros(2, 40, dtype=torch.float64))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(UserError, match="model.width is 10 and model.heads 4: choose a width"):
        TextTransformerSettings(width=10, heads=4)
