"""Other ways of computing a function: tried in order, held against it, and refused aloud."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from workbench.innerloop import Captured, Certified, Way, Ways, computing
from workbench.innerloop.certified import Function, relative_error


class Faked(Way):
    """Multiplies what it was given by a factor; fails where there is none."""

    doing = "faking"

    def __init__(self, name: str, factor: float | None = 1.0, why: str | None = None) -> None:
        self.name, self.factor, self.why, self.made = name, factor, why, 0

    def refusal(self) -> str | None:
        return self.why

    def ready(self, function: Function, tensors: Sequence[Tensor]) -> Function:
        self.made += 1
        if self.factor is None:
            raise ValueError("not\ntoday")
        return lambda given: [self.factor * t for t in function(given)]


def doubled(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [2 * tensors[0]]


def called(run: Certified, size: int = 3) -> Tensor:
    x = torch.ones(size)
    return run([x], lambda: doubled([x]))[0]


def test_ways_follow_each_other_and_each_is_certified() -> None:
    one, two = Faked("compiled"), Faked("captured")
    run = Certified(doubled, Ways([one, two]))
    for _ in range(3):
        assert torch.equal(called(run), 2 * torch.ones(3))
    assert str(run.ways) == "compiled and captured"
    assert [(c.way, c.error, c.holds) for c in run.certificates] == [
        ("compiled", 0.0, True),
        ("captured", 0.0, True),
    ]
    called(run, 4)
    assert (one.made, two.made) == (2, 2)  # once for each shape


def test_where_one_fails_the_other_goes_on_alone() -> None:
    good = Faked("captured")
    run = Certified(doubled, Ways([Faked("compiled", None), good]))
    said = r"running captured only: faking failed \(ValueError: not today\)"
    with pytest.warns(RuntimeWarning, match=said):
        called(run)
    assert str(run.ways) == "captured"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(called(run), 2 * torch.ones(3))
    assert good.made == 1
    assert [c.way for c in run.certificates] == ["captured"]


def test_a_way_that_is_refused_for_one_shape_is_gone_for_all() -> None:
    late = Faked("captured")
    run = Certified(doubled, Ways([late]))
    called(run)
    late.factor = 1.001
    with pytest.warns(RuntimeWarning, match="running eagerly: the captured graph differs"):
        called(run, 4)
    assert str(run.ways) == "eager"
    assert torch.equal(called(run), 2 * torch.ones(3))


def test_functions_that_share_ways_lose_them_together() -> None:
    ways = Ways([Faked("captured")])
    one, other = (Certified(doubled, ways) for _ in range(2))
    called(one)
    ways.left[0].factor = None  # type: ignore[attr-defined]
    with pytest.warns(RuntimeWarning, match="running eagerly"):
        called(other)
    assert one.ways.left == ()


def test_a_tolerance_may_be_given() -> None:
    run = Certified(doubled, Ways([Faked("captured", 1.001)]), tolerance=1e-2)
    called(run)
    assert run.certificates[0].holds
    assert run.certificates[0].tolerance == 1e-2


def test_without_a_gpu_nothing_is_captured_and_one_sentence_says_so() -> None:
    ways = Ways([Captured(torch.device("cpu"))])
    assert ways.left == ()
    assert ways.refusals == ["a CUDA graph is captured on a GPU, and this computes on cpu"]
    assert torch.equal(called(Certified(doubled, ways)), 2 * torch.ones(3))


def test_a_difference_of_what_is_not_finite_is_infinite() -> None:
    assert relative_error([torch.tensor([float("nan")])], [torch.ones(1)]) == float("inf")


def test_a_precision_sets_nothing_on_a_cpu() -> None:
    before = torch.get_float32_matmul_precision()
    with computing("bf16", torch.device("cpu")):
        assert torch.get_float32_matmul_precision() == before
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
