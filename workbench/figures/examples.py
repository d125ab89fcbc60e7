"""Small made-up frames with the columns the figures ask for: for docstrings and first tries."""

from __future__ import annotations

import numpy as np
import pandas as pd


def curves() -> pd.DataFrame:
    """A sinusoid task whose prediction closes in on the truth by nearly half a step."""
    x = np.linspace(-5, 5, 201)
    truth, start = 3 * np.sin(x - 1), 0.4 * np.sin(x) + 0.2
    support = np.array([-4.2, -1.7, 0.3, 1.9, 4.4])
    pieces = [
        pd.DataFrame({"x": x, "y": truth, "kind": "truth", "step": np.nan}),
        pd.DataFrame({"x": support, "y": 3 * np.sin(support - 1), "kind": "support"}),
    ]
    for step in range(6):
        y = truth + (start - truth) * 0.55**step
        pieces.append(pd.DataFrame({"x": x, "y": y, "kind": "prediction", "step": step}))
    return pd.concat(pieces, ignore_index=True)


def images() -> pd.DataFrame:
    """A task of three classes of strokes, one query image of which is taken for another."""
    rng = np.random.default_rng(0)
    rows = []
    for label, name in enumerate(("bar", "bow", "cross")):
        for part, count in (("support", 2), ("query", 4)):
            for shot in range(count):
                wrong = (label, part, shot) == (1, "query", 2)
                rows.append(
                    {
                        "part": part,
                        "label": label,
                        "name": name,
                        "shot": shot,
                        "image": _stroke(label, rng.normal(0, 0.06, 2)),
                        "prediction": (2 if wrong else label) if part == "query" else np.nan,
                        "confidence": (0.5 if wrong else 0.9) if part == "query" else np.nan,
                    }
                )
    return pd.DataFrame(rows)


def _stroke(label: int, shift: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[-1:1:28j, -1:1:28j] - shift[:, None, None]
    distances = (
        np.maximum(np.abs(x), np.abs(y) - 0.6),
        np.abs(np.hypot(x, y) - 0.5) + np.maximum(y - 0.1, 0),
        np.minimum(np.abs(x - y), np.abs(x + y)) / 1.4 + np.maximum(np.abs(x) - 0.5, 0),
    )
    return np.clip(1.6 - distances[label] / 0.09, 0, 1)


def steps() -> pd.DataFrame:
    """The loss of two methods on forty tasks after none to five inner steps."""
    rng = np.random.default_rng(0)
    start = rng.lognormal(1.0, 0.5, 40)
    rows = []
    for method, rate, floor in (("MAML", 0.3, 0.06), ("pretrained", 0.8, 0.03)):
        for step in range(6):
            for part, more in (("support", 0.8), ("query", 1.0)):
                for task, loss in enumerate(start * rng.lognormal(0, 0.1, 40)):
                    value = more * (loss * rate**step + floor)
                    rows.append((method, task, step, part, value))
    return pd.DataFrame(rows, columns=["method", "task", "step", "part", "loss"])


def training() -> pd.DataFrame:
    """Training and validation errors of three seeds over 2,000 iterations."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(3):
        for iteration in range(20, 2001, 20):
            error = 0.45 + 3 * np.exp(-iteration / 350) * (1 + 0.1 * seed)
            value = error * rng.lognormal(0, 0.12)
            rows.append((seed, iteration, "train", "mse", value))
            if iteration % 200 == 0:
                rows.append((seed, iteration, "validation", "mse", error * 1.02))
    return pd.DataFrame(rows, columns=["seed", "iteration", "split", "metric", "value"])


def methods() -> pd.DataFrame:
    """The accuracy of three methods on the same 200 tasks."""
    rng = np.random.default_rng(0)
    hardness = rng.normal(0, 0.02, 200)
    pieces = []
    for name, mean in (
        ("MAML", 0.94),
        ("Prototypical Networks", 0.978),
        ("Matching Networks", 0.972),
    ):
        value = mean + hardness + rng.normal(0, 0.03, 200)
        pieces.append(pd.DataFrame({"method": name, "task": range(200), "value": value}))
    return pd.concat(pieces, ignore_index=True).assign(metric="accuracy")
