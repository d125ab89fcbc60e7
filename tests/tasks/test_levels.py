"""Families of tasks: what is drawn, how tasks are packed into examples, and what is refused."""

from __future__ import annotations

import pytest
import torch

from workbench import UserError
from workbench.tasks import Shape, TaskSpec, name_of, open_tasks
from workbench.tasks.base import SPLITS
from workbench.tasks.families.curve_families import CurveFamilies
from workbench.tasks.families.given_families import GivenFamilies
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


def test_tasks_of_glyphs_are_of_one_alphabet_and_no_alphabet_is_in_two_splits() -> None:
    tasks, shape = open_tasks("families:glyphs"), Shape(ways=1, shots=3, queries=2)
    assert isinstance(tasks, GivenFamilies)
    seen = {split: {t.scheme for t in of_split} for split, of_split in tasks.members.items()}
    assert sum(map(len, seen.values())) == len(set().union(*seen.values())) == 50
    episode = tasks.sample(2, seed=0, split="test", shape=shape)
    member = tasks.members["test"][int(episode.info["member"][1])]
    seeds = torch.arange(6)
    inside = tasks.nested.tasks(episode.support, seeds)
    bank = member.stored  # type: ignore[attr-defined]
    rows = member.splits["test"].classes  # type: ignore[attr-defined]
    counts = member.bank.counts  # type: ignore[attr-defined]
    of_alphabet = torch.isin(torch.arange(len(counts)).repeat_interleave(counts), rows)
    own = member.bank.scaled(bank[: int(counts.sum())][of_alphabet]).flatten(1)  # type: ignore[attr-defined]
    for image in inside.support.x[3:].flatten(0, 1).flatten(1):
        assert bool((own == image).all(dim=1).any())
    assert inside.ways == 5


def test_families_of_classes_are_judged_as_their_tasks_are() -> None:
    tasks, shape = open_tasks("families:glyphs"), Shape(ways=1, shots=3, queries=2)
    episode = tasks.sample(2, seed=0, shape=shape)
    inside = tasks.nested.tasks(episode.query, torch.arange(4))  # type: ignore[attr-defined]
    logits = torch.randn(4, 15, 5, generator=torch.Generator().manual_seed(0))
    packed = logits.reshape(2, 2, 75)
    losses = inside.loss(logits, inside.query).view(2, 2).mean(dim=1)
    torch.testing.assert_close(episode.loss(packed, episode.query), losses)
    right = inside.measured(logits, inside.query).view(2, 2).mean(dim=1)
    torch.testing.assert_close(episode.measured(packed, episode.query), right)
    assert tasks.measure(shape).chance == 0.2


def given(**members: list[str]) -> GivenFamilies:
    opened = {split: [open_tasks(name) for name in of] for split, of in members.items()}
    return GivenFamilies(opened, Shape(ways=2, shots=2, queries=2))  # type: ignore[arg-type]


def test_families_of_different_kinds_are_refused() -> None:
    with pytest.raises(
        UserError,
        match=r"of different kinds: 'sinusoid:maml' is regression of \(1,\) and 'glyphs:alphabets' "
        r"classification of \(1, 28, 28\): give families whose tasks have the same form",
    ):
        given(train=["sinusoid", "glyphs"])


def test_a_family_in_two_splits_is_refused() -> None:
    with pytest.raises(UserError, match="'sinusoid:maml' is in the splits 'train' and 'test': let"):
        given(train=["sinusoid", "harmonics"], test=["sinusoid"])


def test_no_families_are_refused() -> None:
    with pytest.raises(UserError, match="no families were given: give some Tasks"):
        given(train=[])
    few = given(train=["sinusoid"])
    with pytest.raises(UserError, match="there are no families of the split 'test': give some"):
        few.sample(2, seed=0, split="test", shape=Shape(1, 2, 2))


def test_given_families_are_found_by_their_name_again() -> None:
    own = given(train=["sinusoid"], test=["harmonics"])
    assert open_tasks(name_of(own)) is own


def test_nothing_stands_after_the_scheme() -> None:
    with pytest.raises(UserError, match="families takes nothing after its scheme"):
        open_tasks("families:sines/10-shot")
