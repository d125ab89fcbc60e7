"""The gradient figures, judged by what they draw."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tests.figures.test_figures import STYLES, assert_whole, lines
from workbench.errors import UserError
from workbench.figures import (
    DRAWN,
    FIRST_ORDER,
    SECOND_ORDER,
    arm_pulls,
    draw,
    embedding_map,
    examples,
    gradient_agreement,
    gradient_anatomy,
    gradient_certificate,
    gradient_flow,
    gradient_sampling,
    gradient_signal,
    inner_rates,
    layer_norms,
    loss_curvature,
    loss_landscape,
    loss_shape,
    memory_reads,
    memory_slots,
    memory_usage,
    policy_paths,
    query_predictions,
    reliability,
    render,
    robot_pictures,
    support_influence,
)

FIGURES = {
    "gradient_flow": (gradient_flow, examples.flow, "norm"),
    "gradient_anatomy": (gradient_anatomy, examples.anatomy, "share"),
    "gradient_agreement": (gradient_agreement, examples.agreement, "cosine"),
    "layer_norms": (layer_norms, examples.norms, "norm"),
    "loss_landscape": (loss_landscape, examples.landscape, "loss"),
    "loss_shape": (loss_shape, examples.loss_shape, "learned"),
    "memory_reads": (memory_reads, examples.memory, "value"),
    "memory_slots": (memory_slots, examples.slots, "weight"),
    "memory_usage": (memory_usage, examples.usage, "held"),
    "reliability": (reliability, examples.reliability, "accuracy"),
    "gradient_sampling": (gradient_sampling, examples.sampling, "ratio"),
    "gradient_signal": (gradient_signal, examples.signal, "ratio"),
    "gradient_certificate": (gradient_certificate, examples.certificate, "error"),
    "support_influence": (support_influence, examples.influence, "influence"),
    "loss_curvature": (loss_curvature, examples.curvature, "eigenvalue"),
    "embedding_map": (embedding_map, examples.embedding, "x"),
    "query_predictions": (query_predictions, examples.predictions, "truth"),
    "inner_rates": (inner_rates, examples.rates, "rate"),
    "arm_pulls": (arm_pulls, examples.pulls, "probability"),
    "robot_pictures": (robot_pictures, examples.rendered, "move"),
    "policy_paths": (policy_paths, examples.trajectories, "reward"),
}
every_figure = pytest.mark.parametrize("name", FIGURES)


@every_figure
def test_every_style_is_whole_and_leaves_nothing_behind(name):
    make, frame, _ = FIGURES[name]
    data, before = frame(), plt.get_fignums()
    for style in STYLES.values():
        plot = make(data, style=style)
        assert plot.get_size_inches()[0] == style.width.value
        assert to_hex(plot.get_facecolor()) == style.ground.lower()
        assert len(plot.alt_text) > 30
        assert_whole(plot)
    pd.testing.assert_frame_equal(data, frame())
    assert plt.get_fignums() == before
    assert render(plot, "svg")


@every_figure
def test_a_frame_that_does_not_fit_is_refused_with_the_cure(name):
    import workbench.inspection

    make, frame, number = FIGURES[name]
    with pytest.raises(UserError, match=rf"{name} needs a column '{number}'.*") as caught:
        make(frame().drop(columns=number))
    maker = str(caught.value).partition("workbench.inspection.")[2].split()[0]
    assert hasattr(workbench.inspection, maker)
    with pytest.raises(UserError, match="without rows"):
        make(frame().iloc[:0])
    with pytest.raises(UserError, match="needs numbers"):
        make(frame().assign(**{number: "much"}))


def test_flow_draws_second_order_orange_and_first_order_blue():
    frame = examples.flow()
    plot = gradient_flow(frame)
    drawn = lines(plot.axes[0])
    assert drawn["second order"].get_color() == SECOND_ORDER
    assert drawn["first order"].get_color() == FIRST_ORDER
    assert drawn["second order"].get_linestyle() != drawn["first order"].get_linestyle()
    rows = frame[(frame["order"] == "second") & (frame["layer"] == "all")]
    means = rows.groupby("step")["norm"].mean()
    np.testing.assert_allclose(drawn["second order"].get_ydata(), means)
    cells = plot.axes[1].collections[0].get_array().reshape(3, 11)
    head = frame.query("layer == 'head' and order == 'second'").groupby("step")["norm"].mean()
    np.testing.assert_allclose(cells[2], np.log10(head / head.iloc[-1]), atol=1e-12)


def test_a_flow_that_vanishes_altogether_is_still_drawn():
    frame = examples.flow()
    frame.loc[frame["step"] < 3, "norm"] = 0.0
    assert_whole(gradient_flow(frame))


def test_anatomy_draws_shares_and_corrections():
    frame = examples.anatomy()
    plot = gradient_anatomy(frame)
    bars = {to_hex(patch.get_facecolor()): [] for patch in plot.axes[0].patches}
    for patch in plot.axes[0].patches:
        bars[to_hex(patch.get_facecolor())].append(patch.get_width())
    for term, colour in (("first order", FIRST_ORDER), ("second order", SECOND_ORDER)):
        shares = 100 * frame[frame["term"] == term]["share"]
        np.testing.assert_allclose(bars[colour.lower()], shares)
    steps = frame[(frame["term"] == "step") & (frame["layer"] == "all")]
    line = next(line for line in plot.axes[1].lines if line.get_color() == SECOND_ORDER)
    np.testing.assert_allclose(line.get_ydata(), steps["norm"])


def test_agreement_is_symmetric_and_of_the_layer_asked_for():
    frame = examples.agreement()
    frame.loc[frame["layer"] == "head", "cosine"] = 0.5
    table = gradient_agreement(frame, layer="head").axes[0].collections[0].get_array().reshape(6, 6)
    np.testing.assert_allclose(table, 0.5 + 0.5 * np.eye(6))
    both = pd.concat([frame, frame.assign(between="shots")])
    assert_whole(gradient_agreement(both))
    with pytest.raises(UserError, match="no layer 'tail': choose head, all"):
        gradient_agreement(frame, layer="tail")


def test_landscape_draws_the_path_and_says_what_the_plane_explains():
    frame = examples.landscape()
    plot = loss_landscape(frame)
    path = frame[(frame["kind"] == "path") & (frame["part"] == "support")]
    drawn = next(line for line in plot.axes[0].lines if line.get_linestyle() == "-")
    np.testing.assert_allclose(drawn.get_xdata(), path["x"])
    assert plot.get_supxlabel() == "direction 1 (92%)"
    with pytest.raises(UserError, match="both kinds"):
        loss_landscape(frame[frame["kind"] == "grid"])
    assert_whole(loss_landscape(frame.assign(loss=1.0)))  # flat, but drawn


def test_norms_leave_blue_and_orange_to_the_orders():
    drawn = lines(layer_norms(examples.norms()).axes[0])
    assert list(drawn) == ["linear1", "linear2", "head"]
    assert not {line.get_color() for line in drawn.values()} & {FIRST_ORDER, SECOND_ORDER}
    expected = examples.norms().query("kind == 'gradient' and layer == 'head'")
    np.testing.assert_allclose(
        drawn["head"].get_ydata(), expected.groupby("step")["norm"].mean(), rtol=1e-12
    )


def test_memory_counts_who_is_read_rightly():
    frame = examples.memory()
    plot = memory_reads(frame)
    assert "5 of 6" in plot.axes[0].get_title(loc="left")
    far = frame.assign(kind="distance", value=1 - frame["value"])
    assert "5 of 6" in memory_reads(far).alt_text


def test_memory_is_the_mean_over_heads_and_may_hold_what_has_no_class():
    frame = examples.memory().assign(head="one")
    other = frame.assign(head="two", value=1 / 3)
    drawn = memory_reads(pd.concat([frame, other])).axes[0].collections[0].get_array().flatten()
    assert sorted(set(np.round(drawn, 4))) == [0.2417, 0.5167]
    unknown = frame.assign(**{"class": frame["class"].astype("Int64").where(frame["entry"] > 0)})
    assert "3 of 6" in memory_reads(unknown).alt_text
    assert_whole(memory_reads(unknown.assign(label=pd.NA)))


def test_usage_marks_what_had_to_go():
    plot = memory_usage(examples.usage())
    assert plot.axes[0].collections[1].get_offsets().tolist() == [[5.0, 1.0]]
    plain = examples.usage().assign(usage=np.nan, evicted=False)
    assert memory_usage(plain).alt_text.startswith("Content of 4 slots")


def test_a_kind_without_a_figure_says_so():
    with pytest.raises(UserError, match="has no figure"):
        draw("certainty", pd.DataFrame())


def test_every_kind_of_inspection_has_a_figure():
    from workbench.inspection import KINDS

    assert set(KINDS) <= set(DRAWN)


def test_the_names_of_targets_do_not_run_into_each_other_in_a_column() -> None:
    """Nor have the two losses the colours that first and second order have."""
    frame = examples.loss_shape()
    names = ("lowest: −4.3", "middle: 0.00352", "highest: 4.3")
    three = [frame[frame["target"] == "1"].assign(target=name) for name in names]
    plot = loss_shape(pd.concat(three))
    plot.canvas.draw()
    boxes = [axes._left_title.get_window_extent() for axes in plot.axes if axes.get_title("left")]
    assert len(boxes) == 3
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))
    used = {to_hex(line.get_color()) for axes in plot.axes for line in axes.lines}
    assert not used & {FIRST_ORDER.lower(), SECOND_ORDER.lower()}
