"""Families of tasks: what is drawn, how tasks are packed into examples, and what is refused."""

from __future__ import annotations

import pytest
import torch

from workbench import UserError
from workbench.tasks import Shape, TaskSpec, open_tasks
from workbench.tasks.base import SPLITS
from workbench.tasks.families.curve_families import CurveFamilies
from workbench.tasks.levels import Nested

SCHEMES = ("sines", "harmonics")
DRAWN = ("scale", "frequency")
SMALL = Shape(ways=1, shots=6, queries=4)


def opened(scheme: str) -> CurveFamilies:
    tasks = open_tasks(f"families:{scheme}")
    assert isinstance(tasks, CurveFamilies)
    return tasks


@pytest.mark.parametrize("scheme", SCHEMES)
def test_families_are_a_function_of_seed_and_split(scheme: str) -> None:
    tasks = opened(scheme)
    again = opened(scheme).sample(3, seed=1, shape=SMALL).sha256()
    assert tasks.sample(3, seed=1, shape=SMALL).sha256() == again
    assert tasks.sample(5, seed=1, shape=SMALL)[:3].sha256() == again
    others = {
        tasks.sample(3, seed=s, split=p, shape=SMALL).sha256() for s in (1, 2) for p in SPLITS
    }
    assert len(others) == 6


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_family_is_in_two_splits(scheme: str) -> None:
    found = [opened(scheme).sample(500, seed=0, split=p, shape=Shape(1, 1, 1)).info for p in SPLITS]
    pairs = [
        tuple(pair)
        for info in found
        for pair in zip(*(info[n].tolist() for n in DRAWN), strict=True)
    ]
    assert len(set(pairs)) == len(pairs) == 1500


@pytest.mark.parametrize("scheme", SCHEMES)
def test_more_tasks_begin_with_the_same_ones(scheme: str) -> None:
    few, many = (opened(scheme).sample(2, seed=0, shape=Shape(1, n, n)) for n in (3, 5))
    assert torch.equal(many.support.x[:, :3], few.support.x)
    assert torch.equal(many.query.y[:, :3], few.query.y)


def test_tasks_of_a_family_are_alike_and_of_others_are_not() -> None:
    episode = opened("sines").sample(300, seed=0, shape=Shape(1, 50, 1))
    largest = episode.support.y.abs().amax(dim=(1, 2))
    assert torch.corrcoef(torch.stack([largest, episode.info["scale"]]))[0, 1] > 0.95


def test_noise_is_the_support_s_alone() -> None:
    tasks, seeds = opened("sines"), torch.arange(200).unsqueeze(1).expand(-1, 40)
    quiet = dict(tasks.about(torch.arange(200), "train"))
    loud = {**quiet, "noise": quiet["noise"] + 0.3}
    one, other = (tasks.tasks_of(family, seeds, "train") for family in (quiet, loud))
    assert torch.equal(one.query.y, other.query.y)
    assert (other.support.y - one.support.y).std() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("classes", [False, True])
def test_what_was_packed_comes_out_again(classes: bool) -> None:
    if classes:
        shape = Shape(ways=3, shots=2, queries=4)
        inner = open_tasks("glyphs")
    else:
        shape = Shape(ways=1, shots=5, queries=10)
        inner = open_tasks("sinusoid")
    tasks = inner.sample(6, seed=0, shape=shape)
    nested = Nested(inner.spec(shape), shape)
    packed = nested.packed(tasks, families=2)
    assert packed.y.shape[:2] == packed.x.shape[:2] == (2, 3)
    found = nested.tasks(packed, tasks.seed)
    for part in ("support", "query"):
        assert torch.equal(getattr(found, part).x, getattr(tasks, part).x)
        assert torch.equal(getattr(found, part).y, getattr(tasks, part).y)
    assert found.ways == tasks.ways
    assert found.kind == tasks.kind


def test_targets_of_a_query_are_nowhere_in_its_task() -> None:
    shape = Shape(1, 5, 10)
    tasks = open_tasks("sinusoid").sample(6, seed=0, shape=shape)
    packed = Nested(TaskSpec("regression", (1,), 1), shape).packed(tasks, families=2)
    assert not packed.x[:, :, 5:, 1].any()


def test_unequal_numbers_of_tasks_are_padded() -> None:
    episode = opened("sines").sample(50, seed=0, shape=Shape(1, (2, 5), 3))
    weight = episode.support.weight
    assert weight is not None
    assert set(weight.sum(dim=1).tolist()) == {2, 3, 4, 5}
    assert not episode.support.x[weight == 0].any()


def test_families_have_as_many_tasks_each() -> None:
    shape = Shape(1, 5, 10)
    tasks = open_tasks("sinusoid").sample(4, seed=0, shape=shape)
    with pytest.raises(UserError, match="4 tasks cannot be those of 3 families: give each family"):
        Nested(TaskSpec("regression", (1,), 1), shape).packed(tasks, families=3)


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (TaskSpec("control", (1,), 2), Shape(), "cannot hold tasks of moves"),
        (TaskSpec("regression", (4,), 1, whole_numbers=True), Shape(), "tasks of whole numbers"),
        (TaskSpec("regression", (1,), 1), Shape(1, (1, 3), 2), "all of one size: give shots"),
    ],
)
def test_tasks_that_cannot_be_packed_are_refused(
    spec: TaskSpec, shape: Shape, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Nested(spec, shape)


def test_nothing_stands_after_the_scheme() -> None:
    with pytest.raises(UserError, match="families takes nothing after its scheme"):
        open_tasks("families:sines/10-shot")
