"""Small made-up frames of acting: see `examples`."""

from __future__ import annotations

import numpy as np
import pandas as pd


def returns() -> pd.DataFrame:
    """What five episodes of two methods brought on thirty tasks."""
    rng = np.random.default_rng(0)
    rows = [
        (method, task, 10 * episode, episode, 10 + gain * (episode - 1) + noise, 10)
        for method, gain in (("RL²", 1.0), ("PSRL", 0.5))
        for episode in range(1, 6)
        for task, noise in enumerate(rng.normal(0, 2, 30))
    ]
    return pd.DataFrame(rows, columns=["method", "task", "step", "episode", "return", "moves"])


def regret() -> pd.DataFrame:
    """What twenty moves of two methods lost on thirty tasks."""
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 1, 30)
    rows = []
    for method, slower in (("RL²", 0.8), ("Thompson", 0.92)):
        for task, gap in enumerate(start):
            gaps = gap * slower ** np.arange(20)
            for move, (lost, so_far) in enumerate(zip(gaps, gaps.cumsum(), strict=True), 1):
                rows.append((method, task, move, move, lost, so_far))
    return pd.DataFrame(rows, columns=["method", "task", "step", "move", "gap", "regret"])


def expectations() -> pd.DataFrame:
    """Three hundred moves of a critic that expects a little less than what comes."""
    rng = np.random.default_rng(0)
    value = np.tile(np.linspace(9, 0.5, 10), 30) + rng.normal(0, 0.5, 300)
    places = {"task": np.repeat(np.arange(30), 10), "step": np.tile(np.arange(1, 11), 30)}
    came = 1.05 * value + rng.normal(0, 1.5, 300)
    return pd.DataFrame({**places, "move": places["step"], "value": value, "return": came})
