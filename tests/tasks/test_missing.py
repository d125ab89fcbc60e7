"""Missing values: how many, which, what stands in their place, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.errors import UserError
from workbench.inspection import example_frame
from workbench.tasks import Episode, Shape, open_tasks
from workbench.tasks.families.clinic import COLUMNS
from workbench.tasks.missing import MOST
from workbench.tasks.tables import FLAG, widths

VALUES = sum(widths(COLUMNS))
SHAPE = Shape(2, 5, 15)


def clinic(options: str, n: int = 40) -> Episode:
    return open_tasks(f"clinic:present{options}").sample(n, seed=0, split="test", shape=SHAPE)


def there(episode: Episode) -> torch.Tensor:
    """1 where a value is, 0 where its flag says that it is missing."""
    return 1 - torch.cat([episode.support.x, episode.query.x], dim=1)[..., VALUES:] / FLAG


def training_means() -> torch.Tensor:
    tasks = open_tasks("clinic")
    bank = tasks.bank  # type: ignore[attr-defined]
    train = tasks.splits["train"].classes  # type: ignore[attr-defined]
    rows = torch.cat([torch.arange(int(bank.counts[c])) + bank.starts[c] for c in train])
    return bank.x[rows, :VALUES].mean(dim=0)


@pytest.mark.parametrize("share", [0, 25, 50, 90])
def test_values_are_missing_at_random_and_what_is_left_is_as_it_was(share: int) -> None:
    whole, episode = clinic(""), clinic(f"/random-{share}")
    left, means = there(episode), training_means()
    assert float(left.mean()) == pytest.approx(1 - share / 100, abs=0.01)
    for part, before in ((episode.support, whole.support), (episode.query, whole.query)):
        expected = torch.where(part.x[..., VALUES:] == 0, before.x[..., :VALUES], means)
        torch.testing.assert_close(part.x[..., :VALUES], expected)
        assert torch.equal(part.y, before.y)
    assert left.mean(dim=(1, 2)).std() < 0.03  # every task lacks about as much


def test_each_task_has_a_share_of_its_own_that_does_not_hang_on_the_others() -> None:
    left = there(clinic("/random", 200)).mean(dim=(1, 2))
    assert float(left.min()) < 1 - MOST + 0.05
    assert float(left.max()) > 0.95
    assert clinic("/random", 3).sha256() == clinic("/random", 200)[:3].sha256()


def test_by_rule_what_is_remarkable_is_missing() -> None:
    whole, episode = clinic("", 200), clinic("/rule-50", 200)
    x = torch.cat([whole.support.x, whole.query.x], dim=1)
    left = there(episode)
    assert 0.35 < float((1 - left).mean()) < 0.55
    for column in range(len(COLUMNS)):
        high = x[..., column] > x[..., column].mean()
        assert float(left[..., column][high].mean()) < float(left[..., column][~high].mean()) - 0.1


def test_estimates_stand_beside_flags_where_that_is_asked() -> None:
    lacking, filled, flagged = (clinic(f"/random-50{o}") for o in ("", "/iterative", "/flagged"))
    assert torch.equal(flagged.query.x[..., :VALUES], filled.query.x[..., :VALUES])
    assert torch.equal(flagged.query.x[..., VALUES:], lacking.query.x[..., VALUES:])


def test_whole_groups_of_columns_are_missing_in_a_task() -> None:
    left, groups = there(clinic("/groups-50", 100)), [column.group for column in COLUMNS]
    assert bool((left == left[:, :1]).all())
    for name in set(groups):
        own = left[..., [k for k, group in enumerate(groups) if group == name]]
        assert bool((own == own[..., :1]).all())
    assert bool(left.any(dim=-1).all())  # one is left
    assert 0.4 < float(left.mean()) < 0.6


def test_filled_by_the_mean_only_the_flags_differ() -> None:
    lacking, filled = clinic("/random-50"), clinic("/random-50/mean")
    assert bool((there(filled) == 1).all())
    assert torch.equal(filled.query.x[..., :VALUES], lacking.query.x[..., :VALUES])
    assert torch.equal(filled.support.y, lacking.support.y)


def test_iterative_imputation_is_nearer_the_truth_than_the_mean() -> None:
    whole = clinic("")
    apart = {
        fill: (clinic(f"/random-50/{fill}").query.x - whole.query.x).square().mean()
        for fill in ("mean", "iterative")
    }
    assert float(apart["iterative"]) < 0.98 * float(apart["mean"])


def test_iterative_imputation_is_scikit_learns() -> None:
    pytest.importorskip("sklearn")
    from workbench.tasks.missing import iterative

    generator = torch.Generator().manual_seed(0)
    base = torch.randn(300, 1, generator=generator)
    values = base + 0.1 * torch.randn(300, 4, generator=generator)
    fill = iterative(values, torch.ones_like(values).bool())
    there = torch.tensor([[True, True, True, False]])
    found = fill(torch.tensor([[2.0, 2.1, 1.9, 99.0]]), there)
    assert found[0, :3].tolist() == pytest.approx([2.0, 2.1, 1.9])
    assert float(found[0, 3]) == pytest.approx(2.0, abs=0.2)


def test_iterative_imputation_stays_within_what_was_seen(real_data: Callable[[str], Path]) -> None:
    """Switzerland lacks all of a column, and half of others: it once made 1e26 of them."""
    real_data("heart-disease/processed.switzerland.data")
    name, shape = "heart:leave-out/switzerland", Shape(2, 10, 40)
    apart = [
        open_tasks(f"{name}{fill}").sample(20, seed=0, split="test", shape=shape).query.x
        for fill in ("", "/iterative")
    ]
    assert float(apart[1].abs().amax()) < 100
    assert float(apart[0].abs().amax()) < 100


def test_patches_of_digits_are_missing() -> None:
    tasks, whole = open_tasks("digits:patches/random-50"), open_tasks("digits")
    episode = tasks.sample(20, seed=0, shape=SHAPE)
    before = whole.sample(20, seed=0, shape=SHAPE)
    assert tasks.spec(SHAPE).input_shape == (2, 8, 8)
    ink, missing = episode.query.x.unbind(2)
    seen = 1 - missing / FLAG
    assert torch.equal(ink * seen, before.query.x[:, :, 0] * seen)
    patches = seen.unflatten(-1, (4, 2)).unflatten(-3, (4, 2))
    assert bool((patches == patches[..., :1, :, :1]).all())
    assert float(seen.mean()) == pytest.approx(0.5, abs=0.03)
    image = example_frame(episode)["image"][0]
    assert image.shape == (8, 8, 3)
    unseen = image[episode.support.x[0, 0, 1].numpy() == FLAG]
    assert np.ptp(unseen, axis=0).max() == 0  # of one colour, that no ink has


def test_padding_holds_nothing_whatever_is_put_in_gaps() -> None:
    episode = open_tasks("clinic:present/random-50/mean").sample(
        20, seed=0, shape=Shape(2, (2, 9), 4)
    )
    weight = episode.support.weight
    assert weight is not None
    assert not episode.support.x[weight == 0].any()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("clinic:present/radom-50", "no option 'radom-50': did you mean 'random-50'"),
        (
            "clinic:present/random-500",
            "does not say how much is missing: give per cent from 0 to 99",
        ),
        ("clinic:present/random-x", "such as random-50, or nothing"),
        ("clinic:present/mean/iterative", "the second of its kind: leave one out"),
    ],
)
def test_options_that_there_are_not(name: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        open_tasks(name)


def test_a_row_is_shown_with_names_units_and_gaps() -> None:
    frame = example_frame(clinic("/random-50"), 1)
    heads, found = frame["header"][0].split("\t"), frame["cells"][0].split("\t")
    assert heads[:2] == ["age (years)", "sex"]
    assert len(found) == len(heads) == len(COLUMNS)
    assert 10 < found.count("—") < 36
    assert frame.attrs["notice"] == "for research only: this is no medical device"
