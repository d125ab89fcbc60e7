"""Colours, numbers, intervals and the hash of a frame."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats

from workbench.figures import (
    FIRST_ORDER,
    OKABE_ITO,
    SECOND_ORDER,
    ColumnWidth,
    Style,
    adapted_curves,
    counted,
    examples,
    frame_sha256,
    gradient_agreement,
    layer_norms,
    loss_by_step,
    loss_curvature,
    loss_landscape,
    support_influence,
)
from workbench.figures.axes import ThreeDigits, asks_for_log, dress
from workbench.figures.summary import interval, paired
from workbench.figures.tables import _PLACES
from workbench.numbers import number

ROOT = Path(__file__).parent.parent.parent


def test_sixty_four_classes_look_different():
    for style in (Style(), Style(dark=True)):
        looks = [style.look(k) for k in range(64)]
        assert len(set(looks)) == 64
        assert len({colour for colour, _ in looks[:8]}) == 8
        assert len({marker for _, marker in looks[:8]}) == 8


def test_the_eight_colours_are_okabe_and_itos():
    assert set(OKABE_ITO.values()) == {
        "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
    }  # fmt: skip


def test_blue_and_orange_are_orders_of_gradients_and_nothing_else():
    """Only a seventh and an eighth class come to them; see `extensions/tests/stage` for lanes."""
    orders = {FIRST_ORDER, SECOND_ORDER}
    for style in (Style(), Style(dark=True)):
        assert not orders & {style.look(k)[0] for k in range(6)}
        assert not orders & {style.after, style.before, style.ink}
    theme = (ROOT / "extensions/src/theme.css").read_text().lower()
    for dark, after in enumerate((Style().after, Style(dark=True).after)):
        assert f"--wb-after: {after.lower()};" in theme, dark
    palette = (ROOT / "extensions/src/ui/palette.ts").read_text().upper()
    colours = [Style().look(k)[0] for k in range(8)]
    places = [palette.index("VAR(--WB-INK)" if c == "#000000" else f'"{c}"') for c in colours]
    assert places == sorted(places)


def test_places_count_from_1_for_people_and_from_0_in_frames():
    frame = pd.DataFrame({"task": [0, 1], "step": [0, 3], "slot": [2, 0], "loss": [0.5, 0.25]})
    read = counted(frame)
    assert read["task"].tolist() == [1, 2]
    assert read["slot"].tolist() == [3, 1]
    assert read[["step", "loss"]].equals(frame[["step", "loss"]])  # steps are so many taken
    table = (ROOT / "extensions/src/ui/Table.tsx").read_text()
    listed = re.search(r"PLACES = new Set\(\[(.*?)\]\)", table, re.DOTALL)
    assert listed
    assert set(re.findall(r'"(\w+)"', listed[1])) == _PLACES
    assert "Task 1: example 3" in support_influence(examples.influence()).alt_text
    plot = gradient_agreement(examples.agreement())
    low, high = plot.axes[0].get_xlim()
    assert (low, high) == (0.5, 6.5)


def test_curves_are_drawn_as_of_a_step_on_axes_that_stay():
    frame = examples.curves()
    whole, early = adapted_curves(frame), adapted_curves(frame, step=2)
    assert whole.axes[0].get_ylim() == early.axes[0].get_ylim()
    labels = [text.get_text() for text in early.legends[0].get_texts()]
    assert {"truth", "before", "step 1", "step 2"} <= set(labels)
    assert "after 2 inner steps" in early.alt_text
    before = adapted_curves(frame, step=0)
    assert "step" not in " ".join(text.get_text() for text in before.legends[0].get_texts())
    for draws in (loss_by_step, loss_curvature, layer_norms):
        name = {loss_by_step: "steps", loss_curvature: "curvature", layer_norms: "norms"}[draws]
        axes = draws(getattr(examples, name)(), step=2).axes[0]
        assert [line.get_xdata()[0] for line in axes.lines if line.get_gid() == "step"] == [2]


@pytest.mark.parametrize("width", ColumnWidth)
def test_labels_of_a_landscape_do_not_collide(width: ColumnWidth):
    frame = examples.landscape()
    frame = frame.assign(x=frame["x"] / 137, y=frame["y"] / 137)  # long numbers on the axes
    plot = loss_landscape(frame, style=Style(width), step=2)
    renderer = FigureCanvasAgg(plot).get_renderer()
    plot.draw(renderer)
    texts = [*plot.texts, plot.legends[0]]
    for axes in plot.axes:
        texts += [axes.xaxis.label, axes.yaxis.label, axes._left_title]  # type: ignore[attr-defined]
        for axis in (axes.xaxis, axes.yaxis):
            drawn = axis._update_ticks()
            texts += [tick.label1 for tick in drawn if tick.label1.get_visible()]
    boxes = [one.get_window_extent(renderer) for one in texts]
    shown = [box for box in boxes if box.width > 0 and box.height > 0]
    assert len(shown) > 10
    for index, one in enumerate(shown):
        assert not any(one.overlaps(other) for other in shown[:index])


def test_the_column_widths_are_the_journals():
    assert [width.value for width in ColumnWidth] == [3.5, 7.16, 10.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.123456, "0.123"),
        (1234, "1,234"),  # what counts is told in full
        (1234.5, "1,230"),
        (70000, "70,000"),
        (-2.5, "−2.5"),
        (1e-4, "10⁻⁴"),
        (-1e-4, "−10⁻⁴"),
        (2.5e7, "2.5×10⁷"),
        (0.0999999, "0.1"),
        (float("nan"), "–"),
    ],
)
def test_numbers_have_three_significant_digits(value, text):
    assert number(value) == text


def test_ticks_keep_as_many_digits_as_tell_them_apart():
    assert ThreeDigits().format_ticks([0.98, 0.99, 1.0]) == ["0.98", "0.99", "1"]
    assert ThreeDigits().format_ticks([1000, 1001, 1002]) == ["1,000", "1,001", "1,002"]
    assert ThreeDigits().format_ticks([-0.1, 1e-17, 0.1]) == ["−0.1", "0", "0.1"]
    assert ThreeDigits().format_ticks([]) == []


def test_a_logarithmic_axis_has_no_zero():
    axes = Figure().add_subplot()
    axes.plot([0, 1], [1e-8, 1e4])
    dress(axes.yaxis, log=True)
    labels = axes.yaxis.get_major_formatter().format_ticks([1e-8, 1e-2, 1e4])
    assert labels == ["10⁻⁸", "0.01", "10,000"]


def test_log_axes_are_for_wide_positive_ranges():
    assert asks_for_log(np.array([0.01, 0.5]))
    assert not asks_for_log(np.array([0.1, 0.5]))
    assert not asks_for_log(np.array([-1.0, 100.0]))
    assert not asks_for_log(np.array([np.nan]))


def test_the_interval_is_students():
    values = np.random.default_rng(0).normal(size=17)
    expected = stats.t.interval(0.95, 16, values.mean(), stats.sem(values))
    np.testing.assert_allclose(interval(values), expected)
    assert interval(np.array([2.0])) == (2.0, 2.0)


def test_pairing_averages_seeds_task_by_task():
    frame = pd.DataFrame(
        {"method": ["a", "a", "b", "a", "a", "b"], "task": [0, 0, 0, 1, 1, 1],
         "seed": [0, 1, 0, 0, 1, 0], "value": [1.0, 3.0, 5.0, 0.0, 0.0, 4.0]}
    )  # fmt: skip
    assert paired(frame, "a")["difference"].tolist() == [3.0, 4.0]


def test_the_hash_of_a_frame_sees_every_change():
    frame = pd.DataFrame({"x": [1.0, 2.0], "k": ["a", "b"], "i": [np.zeros(2), np.ones(2)]})
    same = frame.copy(deep=True)
    assert frame_sha256(frame) == frame_sha256(same)
    hashes = {frame_sha256(frame)}
    for column, value in (("x", 1.5), ("k", "c")):
        changed = frame.copy(deep=True)
        changed.loc[0, column] = value
        hashes.add(frame_sha256(changed))
    changed = frame.copy(deep=True)
    changed["i"] = [np.zeros(2), np.zeros(2)]
    hashes.add(frame_sha256(changed))
    hashes.add(frame_sha256(frame.rename(columns={"x": "y"})))
    assert len(hashes) == 5


def test_figures_know_no_torch():
    code = "import sys, workbench.figures; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
