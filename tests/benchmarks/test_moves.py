"""Moves a second: what is counted, and the table."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks import moves


def test_a_run_says_how_many_moves_it_made() -> None:
    assert moves.ours("grid", 3)() == 3 * moves.MOVES
    assert moves.ours("mdp", 3)() == 3 * 10  # no longer than an episode
    assert moves.theirs("Pendulum-v1", 3)() == 3 * moves.MOVES


def test_speed_is_moves_by_the_clock() -> None:
    ticks = iter(range(100))
    found = moves.speed(lambda: 7, lambda: 0.1 * next(ticks))  # begun at 0, over at 0.3
    assert found == pytest.approx(14 / 0.3)


def test_families_without_a_peer_have_empty_cells() -> None:
    frame = pd.DataFrame(
        {
            "family": ["grid", "grid", "pendulum", "pendulum"],
            "trajectories": 20,
            "threads": [1, 2, 1, 2],
            "moves": [1e5, 2e5, 3e4, 4e4],
            "peer": [None, None, 2e4, 2e4],
            "ratio": [None, None, 1.5, 2.0],
        }
    )
    assert moves.table(frame).splitlines()[2:] == [
        "| grid | 20 | 100,000 |  |  | 200,000 |  |  |",
        "| pendulum | 20 | 30,000 | 20,000 | 1.50 | 40,000 | 20,000 | 2.00 |",
    ]
