"""The linear baseline and the advantages over it, against plain loops and least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.algorithms.control.baseline import (
    estimates,
    linear_baseline,
    normalised,
    returns,
)

DRAW = torch.Generator().manual_seed(0)
LENGTHS = [[6, 3, 6], [2, 6, 5]]
MASK = torch.tensor([[[1.0] * n + [0.0] * (6 - n) for n in row] for row in LENGTHS]).double()
SEEN = torch.randn(2, 3, 6, 2, generator=DRAW, dtype=torch.float64)
REWARD = torch.randn(2, 3, 6, generator=DRAW, dtype=torch.float64) * MASK


def test_returns_are_what_follows() -> None:
    found = returns(REWARD, 0.9)
    for move in range(6):
        following = sum(0.9 ** (t - move) * REWARD[..., t] for t in range(move, 6))
        torch.testing.assert_close(found[..., move], following)


@pytest.mark.parametrize("task", [0, 1])
def test_the_baseline_is_ridge_regression_on_a_tasks_own_moves(task: int) -> None:
    following = returns(REWARD, 0.9)
    found = linear_baseline(SEEN, following, MASK)
    rows, targets = [], []
    for trajectory, length in enumerate(LENGTHS[task]):
        for move in range(length):
            o, t = SEEN[task, trajectory, move].numpy(), move / 100
            rows.append([*o, *o**2, t, t**2, t**3, 1.0])
            targets.append(float(following[task, trajectory, move]))
    x, y = np.array(rows), np.array(targets)
    padded = np.vstack([x, np.sqrt(1e-5) * np.eye(x.shape[1])])  # ridge as more rows
    fitted, *_ = np.linalg.lstsq(padded, np.concatenate([y, np.zeros(x.shape[1])]), rcond=None)
    expected = torch.from_numpy(x @ fitted)
    torch.testing.assert_close(found[task][MASK[task] == 1], expected, rtol=1e-6, atol=1e-8)
    assert not found[MASK == 0].any()


def test_advantages_end_where_a_trajectory_ends() -> None:
    value = torch.randn(2, 3, 6, generator=DRAW, dtype=torch.float64) * MASK
    found = estimates(REWARD, value, 0.9, 0.7)
    for task, row in enumerate(LENGTHS):
        for trajectory, length in enumerate(row):
            own, ahead = REWARD[task, trajectory], value[task, trajectory]
            later = 0.0
            for move in reversed(range(length)):
                after = float(ahead[move + 1]) if move + 1 < length else 0.0
                later = float(own[move]) + 0.9 * after - float(ahead[move]) + 0.63 * later
                assert float(found[task, trajectory, move]) == pytest.approx(later)
    assert not found[MASK == 0].any()


def test_normalised_over_the_moves_that_count() -> None:
    found = normalised(estimates(REWARD, torch.zeros_like(REWARD), 0.9, 1.0) + 3 * MASK, MASK)
    for task in range(2):
        own = found[task][MASK[task] == 1]
        assert float(own.mean()) == pytest.approx(0, abs=1e-12)
        assert float(own.std(unbiased=False)) == pytest.approx(1, rel=1e-6)
    assert not found[MASK == 0].any()
    same = normalised(MASK, MASK)  # nothing was better than anything else
    assert bool(same.isfinite().all())
    assert float(same.abs().max()) < 1e-6
