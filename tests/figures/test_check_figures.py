"""Figures of curvature, influence, embedding and of gradients put to the test: what they draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.figures.test_figures import assert_whole, lines
from workbench.errors import UserError
from workbench.figures import (
    Style,
    arm_pulls,
    embedding_map,
    episode_examples,
    examples,
    gradient_certificate,
    gradient_signal,
    loss_curvature,
    query_predictions,
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
        f"task {task + 1}" for task in range(4)
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
    assert list(drawn) == ["class 1", "class 2", "class 3"]
    own = frame.query("step == 1 and part == 'support' and label == 2")
    np.testing.assert_allclose(drawn["class 3"].get_xdata(), own["x"])
    assert drawn["class 3"].get_markerfacecolor() == Style().look(2)[0]
    hollow = [one for one in plot.axes[1].lines if one.get_label() == "_query"]
    assert all(one.get_markerfacecolor() == "none" for one in hollow)
    assert "100% after 1 inner step" in plot.alt_text


def test_embedding_of_a_regression_has_no_classes():
    frame = examples.embedding().assign(label=pd.array([None] * 30, dtype="Int64"))
    plot = embedding_map(frame)
    assert "class" not in plot.alt_text
    assert_whole(plot)


def test_predictions_cross_out_what_was_taken_for_another_class():
    frame = examples.predictions()
    axes = query_predictions(frame).axes[0]
    table = axes.collections[0].get_array().reshape(6, 3)
    by_class = frame.sort_values(["label", "example"], kind="stable")
    np.testing.assert_allclose(table[:, 2], by_class[by_class["step"] == 2]["truth"])
    crosses = next(line for line in axes.lines if line.get_marker() == "x")
    wrong = frame[~frame["correct"]]
    assert len(crosses.get_xdata()) == len(wrong) == 6
    assert sorted(crosses.get_xdata()) == sorted(wrong["step"])


def test_pulls_stand_where_the_arm_was_pulled_and_say_what_it_paid():
    frame = examples.pulls()
    axes = arm_pulls(frame).axes[0]
    drawn = lines(axes)
    pulled = frame[frame["pulled"]]
    for label, paid in (("paid", 1.0), ("paid nothing", 0.0)):
        own = pulled[pulled["reward"] == paid]
        np.testing.assert_array_equal(drawn[label].get_xdata(), own["step"])
        np.testing.assert_array_equal(drawn[label].get_ydata(), own["arm"])
    assert [text.get_text() for text in axes.get_yticklabels()][2] == "arm 3: 0.9"
    unknown = arm_pulls(frame.assign(chance=np.nan))
    assert "best" not in unknown.alt_text


def test_a_task_is_drawn_as_images_or_as_points():
    images = examples.images().drop(columns=["prediction", "confidence"])
    assert "3-way task" in episode_examples(images).alt_text
    points = pd.DataFrame({"part": ["support", "query"], "label": None, "x": [0.0, 1.0], "y": 2.0})
    drawn = lines(episode_examples(points).axes[0])
    assert drawn["support (1)"].get_markerfacecolor() == Style().ink
    assert drawn["query (1)"].get_markerfacecolor() == Style().ground
    with pytest.raises(UserError, match="save the frame as a table"):
        episode_examples(points.drop(columns="x"))
