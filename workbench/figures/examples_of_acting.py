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


def trajectories() -> pd.DataFrame:
    """Three trajectories of five moves that come nearer to a goal with two inner steps."""
    rng = np.random.default_rng(0)
    goal = np.array([0.6, 0.3])
    rows: list[tuple[object, ...]] = [(0, "goal", None, None, 0, *goal, np.nan, np.nan)]
    for step, drawn in enumerate((0.0, 0.3, 0.5)):
        for trajectory in range(3):
            place, reward = np.zeros(2), np.nan
            for move in range(6):
                rows.append((step, "path", trajectory, move, 0, *place, reward, np.nan))
                noise = rng.normal(0, 0.3 - 0.5 * drawn, 2)
                place = place + drawn * (goal - place) + noise
                reward = -4 * float(np.linalg.norm(goal - place))
    columns = ["step", "part", "trajectory", "move", "point", "x", "y", "reward", "value"]
    return pd.DataFrame(rows, columns=columns).astype({"trajectory": "Int64", "move": "Int64"})


def sampling() -> pd.DataFrame:
    """The signal to noise of a policy gradient in two layers, by the number of trajectories."""
    rows = []
    for layer, single in (("linear1", 0.24), ("head", 0.4), ("all", 0.3)):
        for count in (1, 2, 5, 10, 20, 40):
            ratio = single * count**0.5 * (1.2 if count == 10 else 1)
            rows.append((layer, count, 0.5, 0.5 / ratio, ratio, 0.8 * ratio, 1.2 * ratio))
    columns = ["layer", "trajectories", "signal", "noise", "ratio", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def rendered() -> pd.DataFrame:
    """Four pictures of a box that goes on with each, before and after an inner step."""
    rows = []
    for step in (0, 1):
        for move in (0, 30, 60, 90):
            image = np.ones((18, 24, 3), dtype="float32")
            image[8:14, 2 + move * (step + 1) // 12 :][:, :5] = (0.3, 0.2, 0.5)
            rows.append({"step": step, "trajectory": 0, "move": move, "image": image})
    return pd.DataFrame(rows)
