"""Few-shot sampling: pure, disjoint, padded, and refused where it can't be done."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.errors import UserError
from workbench.tasks import Shape
from workbench.tasks.sampler import ClassBank, ClassSplit, FewShot, distinct


def bank(classes: int = 12, each: int = 9) -> ClassBank:
    """Images whose top left pixel is their row; groups of four classes."""
    x = torch.zeros(classes * each, 1, 4, 4)
    x[:, 0, 0, 0] = torch.arange(1, classes * each + 1)
    return ClassBank(
        x,
        torch.full((classes,), each),
        tuple(f"group{c // 4}/class{c:02}" for c in range(classes)),
        tuple(f"group{c // 4}" for c in range(classes)),
    )


def family(turned: str = "no", **options: bool) -> FewShot:
    splits = {
        "train": ClassSplit.of(list(range(8)), turned),
        "validation": ClassSplit.of([8, 9]),
        "test": ClassSplit.of([10, 11]),
    }
    return FewShot(bank(), splits, name="toy", scheme="only", **options)


def test_sampling_is_pure() -> None:
    tasks, shape = family("as classes"), Shape((2, 5), (1, 3), 2)
    state = torch.random.get_rng_state()
    one, two = (tasks.sample(6, seed=1, shape=shape) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one.sha256() == two.sha256()
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, two.tensors()[name])
    assert one.sha256() != tasks.sample(6, seed=2, shape=shape).sha256()


def test_a_task_is_the_same_in_any_batch() -> None:
    tasks, shape = family(), Shape(3, 2, 2)
    many, few = (tasks.sample(n, seed=5, shape=shape) for n in (20, 4))
    assert many[:4].sha256() == few.sha256()


def test_splits_draw_different_tasks_from_different_classes() -> None:
    tasks = family("as classes")
    rows = {
        split: set(
            tasks.sample(200, seed=0, split=split, shape=Shape(2, 2, 2))
            .info["support_index"]
            .flatten()
            .tolist()
        )
        for split in ("train", "validation", "test")
    }
    assert rows["train"] == set(range(72))
    assert rows["validation"] == set(range(72, 90))
    assert rows["test"] == set(range(90, 108))


@pytest.mark.parametrize("turned", ["no", "as classes", "at random"])
def test_support_and_query_are_disjoint_and_of_their_class(turned: str) -> None:
    tasks = family(turned)
    episode = tasks.sample(300, seed=0, shape=Shape(5, 4, 5))
    support = episode.info["support_index"].view(300, 5, 4)
    query = episode.info["query_index"].view(300, 5, 5)
    together = torch.cat([support, query], dim=-1).sort(dim=-1).values
    assert bool((together.diff(dim=-1) > 0).all())  # nine examples, all different
    assert bool((together // 9 == together[..., :1] // 9).all())  # all of one class
    names = [tasks.class_names("train")[c] for c in episode.info["classes"].flatten().tolist()]
    rows = support[..., 0].flatten().tolist()
    assert [name.split(" ")[0] for name in names] == [tasks.bank.names[r // 9] for r in rows]
    assert bool((episode.info["classes"].sort(dim=-1).values.diff(dim=-1) > 0).all())
    assert episode.support.y.tolist()[0] == [way for way in range(5) for _ in range(4)]


def test_every_class_and_example_is_as_likely() -> None:
    episode = family().sample(4000, seed=0, shape=Shape(3, 1, 1))
    for drawn, kinds in ((episode.info["classes"], 8), (episode.info["support_index"], 72)):
        for place in range(3):
            counts = drawn[:, place].bincount(minlength=kinds).float()
            mean = 4000 / kinds
            assert bool(((counts - mean).abs() < 5 * math.sqrt(mean)).all())


def test_turned_classes_are_new_classes_of_the_training_split_alone() -> None:
    tasks = family("as classes")
    assert tasks.spec(Shape(3)).train_classes == 32
    assert tasks.class_names("train")[9] == "group0/class01 turned 90°"
    assert tasks.class_names("test") == ("group2/class10", "group2/class11")
    episode = tasks.sample(50, seed=0, shape=Shape(5, 2, 2))
    assert episode.info["rotation"].unique().tolist() == [0, 90, 180, 270]
    for part in ("support", "query"):
        x = getattr(episode, part).x.view(50, 5, 2, 4, 4)
        for turn in range(4):
            mine = x[episode.info["rotation"] == turn * 90]
            corner = torch.rot90(mine, -turn, (-2, -1))[..., 0, 0]
            assert bool((corner > 0).all())
            assert float(mine.sum()) == float(corner.sum())
    test = tasks.sample(50, seed=0, split="test", shape=Shape(2, 2, 2))
    assert test.info["rotation"].unique().tolist() == [0]


def test_rotation_as_augmentation_adds_no_class() -> None:
    tasks = family("at random")
    assert tasks.spec(Shape(3)).train_classes == 8
    episode = tasks.sample(50, seed=0, shape=Shape(8, 1, 1))
    assert episode.info["rotation"].unique().tolist() == [0, 90, 180, 270]
    assert bool((episode.info["classes"].sort(dim=-1).values == torch.arange(8)).all())


def test_the_images_are_those_of_the_index() -> None:
    episode = family().sample(10, seed=0, shape=Shape(3, 2, 2))
    for part in ("support", "query"):
        corner = getattr(episode, part).x[:, :, 0, 0, 0]
        assert torch.equal(corner, episode.info[f"{part}_index"].float() + 1)


def test_bytes_become_scaled_floats() -> None:
    x = torch.tensor([[0], [255], [51], [102]], dtype=torch.uint8)
    stored = ClassBank(x, torch.tensor([2, 2]), ("a", "b"), scale=1 / 255)
    tasks = FewShot(stored, {"train": ClassSplit.of([0, 1])}, name="toy", scheme="only")
    episode = tasks.sample(1, seed=0, shape=Shape(2, 1, 1))
    assert episode.support.x.dtype == torch.float32
    values = torch.cat([episode.support.x, episode.query.x]).flatten().sort().values
    torch.testing.assert_close(values, torch.tensor([0, 0.2, 0.4, 1]))


def test_variable_ways_and_unequal_shots_are_padded() -> None:
    episode = family().sample(200, seed=0, shape=Shape((2, 5), (1, 4), 2))
    ways = (episode.info["classes"] >= 0).sum(1)
    assert ways.unique().tolist() == [2, 3, 4, 5]
    support = episode.support.weight.view(200, 5, 4)
    shots = support.sum(-1)[:, 0]
    assert shots.unique().tolist() == [1, 2, 3, 4]
    assert torch.equal(support.sum((1, 2)), ways * shots)
    assert torch.equal(episode.query.weight.sum(1), ways * 2.0)
    assert torch.equal(episode.present().sum(1), ways)
    for part in ("support", "query"):
        examples = getattr(episode, part)
        empty = examples.weight == 0
        assert float(examples.x[empty].abs().sum()) == 0
        assert bool((episode.info[f"{part}_index"][empty] == -1).all())
        assert bool((episode.info[f"{part}_index"][~empty] >= 0).all())


def test_without_padding_there_are_no_weights() -> None:
    episode = family().sample(2, seed=0, shape=Shape(3, 2, 2))
    assert episode.support.weight is None
    assert episode.query.weight is None
    unequal = family().sample(2, seed=0, shape=Shape(3, (1, 2), 2))
    assert unequal.query.weight is None


def test_within_groups() -> None:
    tasks = family("as classes", within_groups=True)
    episode = tasks.sample(100, seed=0, shape=Shape(4, 1, 1))
    seen = set()
    for row, turns in zip(
        episode.info["classes"].tolist(), episode.info["rotation"].tolist(), strict=True
    ):
        groups = {tasks.class_names("train")[c].split("/")[0] for c in row}
        assert len(groups) == len(set(turns)) == 1
        seen.add((*groups, turns[0]))
    assert len(seen) == 8  # two groups, each in four turns
    with pytest.raises(UserError, match="ways is 5 but the largest group .* has 4 classes"):
        tasks.sample(1, seed=0, shape=Shape(5, 1, 1))


def test_groups_too_small_for_the_ways_are_passed_over() -> None:
    splits = {"train": ClassSplit.of([0, 1, 4, 5, 6])}
    tasks = FewShot(bank(), splits, name="toy", scheme="only", within_groups=True)
    drawn = tasks.sample(50, seed=0, shape=Shape(3, 1, 1)).info["support_index"] // 9
    assert drawn.unique().tolist() == [4, 5, 6]


def test_examples_of_classes_of_unequal_size() -> None:
    x = torch.arange(10.0).view(10, 1)
    uneven = ClassBank(x, torch.tensor([3, 7]), ("small", "large"))
    tasks = FewShot(uneven, {"train": ClassSplit.of([0, 1])}, name="toy", scheme="only")
    index = tasks.sample(200, seed=0, shape=Shape(2, 1, 2)).info["query_index"]
    assert index.unique().tolist() == list(range(10))
    with pytest.raises(UserError, match=r"need 4 examples a class but toy has only 3: .* most 3"):
        tasks.sample(1, seed=0, shape=Shape(2, 2, 2))


def test_refusals_say_the_numbers() -> None:
    tasks = family()
    with pytest.raises(UserError, match=r"ways is 9 but the split 'test' of toy has 2 classes"):
        tasks.check(Shape(9), "test")
    with pytest.raises(UserError, match=r"shots 5 and queries 15 need 20 examples"):
        tasks.sample(1, seed=0, shape=Shape(5, 5, 15))
    with pytest.raises(UserError, match="at least 1"):
        tasks.sample(0, seed=0)
    with pytest.raises(UserError, match="did you mean 'validation'"):
        tasks.sample(1, seed=0, split="validate")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_in_the_data_is_refused(bad: float) -> None:
    x = torch.zeros(6, 3)
    x[4, 1] = bad
    with pytest.raises(UserError, match="NaN or infinity .* class 'b'"):
        ClassBank(x, torch.tensor([3, 3]), ("a", "b"))


def test_the_fingerprint_is_of_the_division_alone() -> None:
    same = family("as classes").split_sha256
    assert family().split_sha256 == same
    episode = family().sample(1, seed=0, shape=Shape(2, 1, 1))
    assert episode.info["split_sha256"] == same
    other = FewShot(bank(), {"train": ClassSplit.of([1, 0])}, name="toy", scheme="only")
    assert other.split_sha256 != same


def test_distinct_draws_every_subset_and_order_alike() -> None:
    drawn = distinct(torch.arange(6000), torch.tensor([[3]]), 2)
    counts = (drawn[:, 0] * 3 + drawn[:, 1]).bincount(minlength=9).tolist()
    assert [counts[i] for i in (0, 4, 8)] == [0, 0, 0]
    assert all(abs(counts[i] - 1000) < 150 for i in (1, 2, 3, 5, 6, 7))


def test_warping_changes_training_images_alone() -> None:
    plain, warped = family(), family(warped_training=True)
    shape = Shape(2, 2, 2)
    before, after = (one.sample(3, seed=4, split="train", shape=shape) for one in (plain, warped))
    assert torch.equal(before.support.y, after.support.y)
    assert torch.equal(before.info["support_index"], after.info["support_index"])
    assert not torch.equal(before.support.x, after.support.x)
    assert after.sha256() == warped.sample(3, seed=4, split="train", shape=shape).sha256()
    tested = [one.sample(3, seed=4, split="test", shape=shape).sha256() for one in (plain, warped)]
    assert tested[0] == tested[1]


def test_splits_that_share_a_class_are_refused() -> None:
    splits = {"train": ClassSplit.of([0, 1, 2]), "test": ClassSplit.of([2, 3], "as classes")}
    with pytest.raises(UserError, match="in the splits 'train' and 'test': let every class be"):
        FewShot(bank(), splits, name="toy", scheme="only")


def test_a_split_that_there_is_not() -> None:
    tasks = FewShot(bank(), {"train": ClassSplit.of([0, 1])}, name="toy", scheme="only")
    for ask in (
        lambda: tasks.check(Shape(2, 1, 1), "test"),
        lambda: tasks.sample(1, seed=0, split="test", shape=Shape(2, 1, 1)),
        lambda: tasks.class_names("validation"),
    ):
        with pytest.raises(UserError, match="toy:only has no split '(test|validation)', only 'tra"):
            ask()
    only_test = FewShot(bank(), {"test": ClassSplit.of([0, 1])}, name="toy", scheme="only")
    assert only_test.spec(Shape(2)).train_classes == 0


def test_ordered_classes_have_their_number_in_every_task() -> None:
    splits = {"train": ClassSplit.of(list(range(8)))}
    tasks = FewShot(bank(), splits, name="toy", scheme="only", within_groups=True, ordered=True)
    episode = tasks.sample(40, seed=0, shape=Shape(4, 1, 2))
    drawn = episode.info["classes"]
    assert torch.equal(drawn % 4, torch.arange(4).expand(40, 4))
    assert (drawn // 4).unique().tolist() == [0, 1]


def test_targets_make_regression_of_one_class_a_task() -> None:
    x = torch.arange(12.0).view(12, 1)
    numbers = ClassBank(x, torch.tensor([6, 6]), ("a", "b"), targets=-x)
    tasks = FewShot(numbers, {"train": ClassSplit.of([0, 1])}, name="toy", scheme="only")
    episode = tasks.sample(20, seed=0, shape=Shape(7, (1, 3), 2))
    assert episode.kind == "regression"
    assert torch.equal(episode.query.y, -episode.query.x)
    assert torch.equal((episode.query.x[:, 0, 0] >= 6).long(), episode.info["group"])
    with pytest.raises(UserError, match="need 7 examples a task but toy has only 6"):
        tasks.check(Shape(1, 5, 2))
    with pytest.raises(UserError, match="these tasks have none: move its target"):
        tasks.another(episode, 0, "support", 0, 0, 0)
    with pytest.raises(UserError, match="NaN or infinity"):
        ClassBank(x, torch.tensor([6, 6]), ("a", "b"), targets=x / 0)
