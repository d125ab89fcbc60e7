"""The critical-difference diagram: what it draws is what the tests of Friedman and Nemenyi find."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.figures.test_figures import STYLES, assert_whole
from workbench.errors import UserError
from workbench.figures import critical_difference, examples
from workbench.ranks import ranked


def many(count: int = 13) -> pd.DataFrame:
    """The accuracy of many methods, some with long names, on 300 tasks."""
    rng = np.random.default_rng(1)
    hard = rng.normal(0, 0.06, 300)
    values = [0.8 + 0.012 * (i % 7) + hard + rng.normal(0, 0.05, 300) for i in range(count)]
    names = [f"method {i}" if i % 3 else f"Another method, number {i}" for i in range(count)]
    pieces = [pd.DataFrame({"method": n, "value": v}) for n, v in zip(names, values, strict=True)]
    return pd.concat([p.assign(task=range(300)) for p in pieces]).assign(metric="accuracy")


def far() -> pd.DataFrame:
    """Methods of which one is always the first, and one the last."""
    frame = many().reset_index(drop=True)
    away = frame["method"].map({"method 4": 9.0, "method 5": -9.0}).fillna(0.0)
    return frame.assign(value=frame["value"] + away)


def test_marks_stand_at_mean_ranks_and_bars_join_what_is_alike():
    frame = many()
    axes = critical_difference(frame).axes[0]
    table = frame.pivot(index="task", columns="method", values="value")[frame["method"].unique()]
    found = ranked(table)
    marks = [line for line in axes.lines if line.get_marker() not in ("None", "")]
    at = np.array([float(line.get_xdata()[0]) for line in marks])
    order = np.argsort(found.mean)
    slope, base = np.polyfit(np.sort(found.mean), np.sort(at), 1)
    np.testing.assert_allclose(np.sort(at), slope * np.array(found.mean)[order] + base, atol=1e-6)
    bars = [line for line in axes.lines if line.get_linewidth() > 2]
    ends = {tuple(np.round((np.array(b.get_xdata()) - base) / slope, 1)) for b in bars}
    wanted = {(found.mean[g[0]], found.mean[g[-1]]) for g in found.alike()}
    reach = 0.03 / slope
    assert ends == {(round(a - reach, 1), round(b + reach, 1)) for a, b in wanted}
    said = {text.get_text() for text in axes.texts}
    assert {f"{mean:.2f}" for mean in found.mean} <= said


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize(
    "frame",
    [many(), far(), many(4), examples.methods(), many(4).query("task < 3")],
    ids=["13", "13, far", "4", "3", "3 tasks"],
)
def test_no_text_meets_another(style, frame):
    plot = critical_difference(frame, style=style)
    assert_whole(plot)
    boxes = [text.get_window_extent() for text in plot.axes[0].texts]
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            width = min(one.x1, other.x1) - max(one.x0, other.x0)
            height = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert width <= 0 or height <= 2 * style.scale  # of empty room above letters
    for line in plot.axes[0].lines:
        if len(line.get_xdata()) == 3:  # from the axis down, and to a name
            stem, corner, _ = plot.axes[0].transData.transform(line.get_xydata())
            for box in boxes:
                assert not box.x0 < stem[0] < box.x1 or box.y0 > stem[1] or box.y1 < corner[1]


def test_seeds_are_averaged_and_what_diverged_is_last():
    frame = many(4).reset_index(drop=True)
    seeds = pd.concat([frame.assign(seed=0), frame.assign(seed=1, value=frame["value"] - 0.01)])
    assert critical_difference(seeds).alt_text == critical_difference(frame).alt_text
    best = frame.groupby("method")["value"].mean().idxmax()
    lost = seeds["value"].mask((seeds["method"] == best) & (seeds["seed"] == 1), math.nan)
    assert f"{best}: 4.00. Friedman" in critical_difference(seeds.assign(value=lost)).alt_text


def test_what_cannot_be_ranked_is_refused():
    frame = examples.methods()
    two = frame[frame["method"] != "MAML"]
    with pytest.raises(UserError, match="the frame has 2: draw the figure comparison"):
        critical_difference(two)
    fewer = frame[(frame["method"] != "MAML") | (frame["task"] < 150)]
    with pytest.raises(UserError, match="'MAML' lacks 50 of the 200 tasks.*same episodes"):
        critical_difference(fewer)
