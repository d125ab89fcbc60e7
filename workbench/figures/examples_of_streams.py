"""Made-up frames of streams and tastes: classes half forgotten in time, films that are ranked."""

from __future__ import annotations

import pandas as pd

STAGES = 5


def _after(step: int, stage: int) -> float:
    """Accuracy on a stage after so many: right after it 0.9 or 1, then a tenth lost each time."""
    return max(0.0, 1.0 - 0.05 * (stage % 3) - 0.125 * (step - stage)) if step >= stage else 0.0


def stream() -> pd.DataFrame:
    """Accuracy on every class after every class."""
    rows = [
        (step, stage, f"class {stage}", int(stage <= step), _after(step, stage))
        for step in range(STAGES + 1)
        for stage in range(1, STAGES + 1)
    ]
    return pd.DataFrame(rows, columns=["step", "asked", "name", "met", "accuracy"])


def transfer() -> pd.DataFrame:
    """What was learned and forgotten of each class."""
    rows = []
    for stage in range(1, STAGES + 1):
        learned, last = _after(stage, stage), _after(STAGES, stage)
        forward = float("nan") if stage == 1 else 0.0
        rows.append(
            (stage, f"class {stage}", learned, last, learned - last, last - learned, forward)
        )
    columns = ["stage", "name", "learned", "last", "forgetting", "backward", "forward"]
    return pd.DataFrame(rows, columns=columns)


def ranking() -> pd.DataFrame:
    """Three films that change places as two others are rated."""
    stars = {"Harbour": (3.0, 3.8, 4.5), "Garden": (3.5, 3.4, 3.2), "Lantern": (3.2, 2.6, 2.0)}
    rows = []
    for ratings in range(3):
        now = {film: values[ratings] for film, values in stars.items()}
        best = sorted(now, key=lambda film: -now[film])
        rows += [(ratings, film, now[film], best.index(film) + 1) for film in now]
    return pd.DataFrame(rows, columns=["ratings", "film", "prediction", "place"])
