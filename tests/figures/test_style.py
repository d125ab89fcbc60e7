"""Colours, numbers, intervals and the hash of a frame."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from workbench.figures import OKABE_ITO, ColumnWidth, Style, frame_sha256
from workbench.figures.axes import ThreeDigits, asks_for_log, dress, number
from workbench.figures.summary import interval, paired


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


def test_the_column_widths_are_the_journals():
    assert [width.value for width in ColumnWidth] == [3.5, 7.16, 10.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.123456, "0.123"),
        (1234, "1,230"),
        (70000, "70,000"),
        (-2.5, "−2.5"),
        (1e-4, "10⁻⁴"),
        (-1e-4, "−10⁻⁴"),
        (2.5e7, "2.5×10⁷"),
        (0.0999999, "0.1"),
        (float("nan"), "nan"),
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
