"""Figures of curvature, influence, embedding and of gradients put to the test: what they draw."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.figures.test_figures import assert_whole, lines
from workbench.figures import (
    Style,
    embedding_map,
    examples,
    gradient_certificate,
    gradient_signal,
    loss_curvature,
    support_influence,
)


def test_signal_draws_a_bar_a_layer_and_kind():
    frame = examples.signal()
    plot = gradient_signal(frame)
    for axes, column, factor in ((plot.axes[0], "ratio", 1), (plot.axes[1], "conflict", 100)):
        widths = [patch.get_width() for patch in axes.patches]
        np.testing.assert_allclose(widths, factor * frame[column])
    assert "of 6 tasks and 5 shots" in plot.axes[0].get_title(loc="left")


def test_certificate_says_whether_the_gradient_is_right():
    frame = examples.certificate()
    drawn = lines(gradient_certificate(frame).axes[0])
    np.testing.assert_allclose(drawn["error"].get_xdata(), frame["error"])
    assert "so it is exact" in gradient_certificate(frame).alt_text
    wrong = frame.assign(error=[0.1, 0.0, 0.2, 0.3])
    assert "is 0.3, so it is not that of the meta-loss" in gradient_certificate(wrong).alt_text
    assert_whole(gradient_certificate(wrong))  # an error of 0 has its place on a log axis
    kinked = frame.assign(unsure=0.5)
    assert "they say nothing" in gradient_certificate(kinked).alt_text


def test_influence_tells_help_from_harm_without_colour():
    frame = examples.influence()
    bars = support_influence(frame).axes[0].patches
    assert {round(bar.get_height(), 6): bar.get_hatch() for bar in bars} == {
        0.3: "", 0.15: "", 0.8: "", 0.05: "", -0.2: "////",
    }  # fmt: skip
    many = pd.concat([frame.assign(task=task) for task in range(6)])
    assert [axes.get_title(loc="left") for axes in support_influence(many).axes] == [
        f"task {task}" for task in range(4)
    ]
    odd = pd.concat([frame.assign(task=task) for task in range(3)])
    assert_whole(support_influence(odd))


def test_one_huge_influence_does_not_hide_the_others():
    frame = examples.influence()
    frame.loc[0, "influence"] = 1e6
    assert support_influence(frame).axes[0].get_yscale() == "symlog"


def test_curvature_draws_the_means_of_every_rank():
    frame = examples.curvature()
    plot = loss_curvature(frame)
    drawn = lines(plot.axes[1])
    assert list(drawn) == ["largest", "no. 2", "no. 3"]
    rows = frame[(frame["part"] == "query") & (frame["rank"] == 1)]
    np.testing.assert_allclose(
        drawn["no. 2"].get_ydata(), rows.groupby("step")["eigenvalue"].mean()
    )
    signed = frame.assign(eigenvalue=frame["eigenvalue"] * np.where(frame["rank"] == 2, -1, 1))
    assert loss_curvature(signed).axes[0].get_yscale() == "linear"


def test_embedding_is_drawn_before_and_after_support_solid_and_query_hollow():
    frame = examples.embedding()
    plot = embedding_map(frame)
    titles = [axes.get_title(loc="left") for axes in plot.axes]
    assert titles == ["before adaptation", "after 1 inner step"]
    drawn = lines(plot.axes[1])
    assert list(drawn) == ["class 0", "class 1", "class 2"]
    own = frame.query("step == 1 and part == 'support' and label == 2")
    np.testing.assert_allclose(drawn["class 2"].get_xdata(), own["x"])
    assert drawn["class 2"].get_markerfacecolor() == Style().look(2)[0]
    hollow = [one for one in plot.axes[1].lines if one.get_label() == "_query"]
    assert all(one.get_markerfacecolor() == "none" for one in hollow)
    assert "100% after 1 inner step" in plot.alt_text


def test_embedding_of_a_regression_has_no_classes():
    frame = examples.embedding().assign(label=pd.array([None] * 30, dtype="Int64"))
    plot = embedding_map(frame)
    assert "class" not in plot.alt_text
    assert_whole(plot)
