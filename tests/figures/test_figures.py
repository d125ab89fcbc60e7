"""The figures, judged by what they draw (artists' data), not by pixels."""

from __future__ import annotations

import importlib
from functools import partial
from operator import attrgetter

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from workbench.errors import UserError
from workbench.figures import (
    PAPER,
    ColumnWidth,
    Style,
    adaptation_progress,
    adapted_curves,
    comparison,
    critical_difference,
    episode_grid,
    examples,
    learning_curves,
    loss_by_step,
    mixture_weights,
    render,
    setting_importance,
    setting_slices,
    study_history,
    sweep_results,
    training_diagnostics,
    trend,
)
from workbench.figures.style import OKABE_ITO
from workbench.figures.summary import interval, smoothed

FIGURES = {
    "adapted_curves": (adapted_curves, examples.curves),
    "episode_grid": (episode_grid, examples.images),
    "loss_by_step": (loss_by_step, examples.steps),
    "learning_curves": (learning_curves, examples.training),
    "comparison": (comparison, examples.methods),
    "critical_difference": (critical_difference, examples.methods),
    "trend": (partial(trend, by="time"), examples.recall),
    "mixture_weights": (mixture_weights, examples.mixture),
    "study_history": (study_history, examples.study),
    "setting_importance": (setting_importance, examples.importance),
    "setting_slices": (setting_slices, examples.study),
    "sweep_results": (sweep_results, examples.sweep),
    "training_diagnostics": (training_diagnostics, examples.diagnostics),
    "adaptation_progress": (adaptation_progress, examples.progress),
}
STYLES = {
    "single": PAPER,
    "double": Style(ColumnWidth.DOUBLE),
    "slide, dark": Style(ColumnWidth.SLIDE, dark=True),
}
every_figure = pytest.mark.parametrize("name", FIGURES)


def lines(axes):
    return {line.get_label(): line for line in axes.lines if line.get_label()[0] != "_"}


@every_figure
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_every_figure_in_every_style_leaves_nothing_behind(name, style):
    make, frame = FIGURES[name]
    data = frame()
    before, rc, kept = plt.get_fignums(), dict(mpl.rcParams), data.copy(deep=True)
    plot = make(data, style=style)
    png = render(plot, "png")
    assert png.startswith(b"\x89PNG")
    assert plt.get_fignums() == before
    assert dict(mpl.rcParams) == rc
    pd.testing.assert_frame_equal(
        data.drop(columns="image", errors="ignore"), kept.drop(columns="image", errors="ignore")
    )
    assert plot.get_size_inches()[0] == style.width.value
    assert to_hex(plot.get_facecolor()) == style.ground.lower()
    assert plot.alt_text.endswith(".")
    assert len(plot.alt_text) > 30


@every_figure
def test_nothing_is_cut_off_at_the_edge(name):
    make, frame = FIGURES[name]
    for style in STYLES.values():
        assert_whole(make(frame(), style=style))


def test_nothing_is_cut_off_where_names_are_long():
    long = "Prototypical Networks with a long name"
    names = {"MAML": long, "pretrained": "another long name", "Matching Networks": long + " too"}
    seeds = examples.methods().replace(names).assign(seed=0, metric="mse")
    assert_whole(comparison(pd.concat([seeds, seeds.assign(seed=1)])))
    assert_whole(loss_by_step(examples.steps().replace(names)))
    frame = examples.training()
    both = pd.concat([frame.assign(method=name) for name in names.values()])
    assert_whole(learning_curves(both))
    assert_whole(episode_grid(examples.images().assign(name=long)))


def assert_whole(plot):
    style = plot.style
    plot.draw_without_rendering()
    tight = plot.get_tightbbox()
    width, height = plot.get_size_inches()
    slack = 0.02 * style.scale
    assert tight.x0 >= -slack
    assert tight.y0 >= -slack
    assert tight.x1 <= width + slack
    assert tight.y1 <= height + slack


@every_figure
def test_a_missing_column_is_named_with_the_cure(name):
    make, frame = FIGURES[name]
    needed = {
        "adapted_curves": "kind",
        "episode_grid": "image",
        "loss_by_step": "part",
        "learning_curves": "split",
        "comparison": "task",
        "critical_difference": "task",
        "trend": "accuracy",
        "mixture_weights": "layer",
        "study_history": "best",
        "setting_importance": "setting",
        "setting_slices": "state",
        "sweep_results": "group",
        "training_diagnostics": "quantity",
        "adaptation_progress": "step",
    }[name]
    with pytest.raises(UserError, match=rf"{name} needs a column '{needed}'.* workbench\."):
        make(frame().drop(columns=needed))


@every_figure
def test_an_empty_frame_and_words_for_numbers_are_refused(name):
    make, frame = FIGURES[name]
    data = frame()
    with pytest.raises(UserError, match="without rows"):
        make(data.iloc[:0])
    number = {
        "adapted_curves": "y",
        "episode_grid": "label",
        "loss_by_step": "loss",
        "learning_curves": "value",
        "comparison": "value",
        "critical_difference": "value",
        "trend": "accuracy",
        "mixture_weights": "weight",
        "study_history": "value",
        "setting_importance": "importance",
        "setting_slices": "value",
        "sweep_results": "mean",
        "training_diagnostics": "value",
        "adaptation_progress": "value",
    }[name]
    with pytest.raises(UserError, match=f"needs numbers in the column '{number}'"):
        make(data.assign(**{number: "much"}))
    with pytest.raises(UserError, match="no finite number"):
        make(data.assign(**{number: np.nan}))


def test_the_makers_named_in_errors_exist():
    for name, (make, _) in FIGURES.items():
        with pytest.raises(UserError) as caught:
            make(pd.DataFrame({"nothing": [1]}))
        part, *maker = str(caught.value).partition("workbench.")[2].split()[0].split(".")
        module = importlib.import_module(f"workbench.{part}")
        assert attrgetter(".".join(maker))(module), name


def test_adapted_curves_draws_truth_thin_before_grey_after_strong():
    frame = examples.curves()
    axes = adapted_curves(frame).axes[0]
    drawn = lines(axes)
    truth, before, after = drawn["truth"], drawn["before"], drawn["step 5"]
    assert truth.get_color() == "#000000"
    assert truth.get_linewidth() < before.get_linewidth() < after.get_linewidth()
    assert before.get_color() == PAPER.before
    assert after.get_color() == PAPER.after
    last = frame[(frame["kind"] == "prediction") & (frame["step"] == 5)]
    np.testing.assert_array_equal(after.get_ydata(), last["y"])
    ghosts = [line for line in axes.lines if line.get_linewidth() == pytest.approx(0.8)]
    assert len(ghosts) == 4
    brightness = [np.mean(line.get_color()[:3]) for line in ghosts]
    assert brightness == sorted(brightness, reverse=True)  # dark is late
    support = drawn["support (5)"]
    assert support.get_markerfacecolor() == PAPER.ink
    np.testing.assert_array_equal(
        np.sort(support.get_xdata()), np.sort(frame.loc[frame["kind"] == "support", "x"])
    )


def test_adapted_curves_on_dark_ground_has_a_white_truth_and_hollow_query():
    frame = examples.curves()
    query = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0], "kind": "query"})
    style = Style(dark=True)
    drawn = lines(adapted_curves(pd.concat([frame, query]), style=style).axes[0])
    assert drawn["truth"].get_color() == "#FFFFFF"
    assert drawn["query (2)"].get_markerfacecolor() == style.ground


def test_adapted_curves_before_any_step_is_only_grey():
    frame = examples.curves()
    start = frame[frame["step"].isna() | (frame["step"] == 0)]
    drawn = lines(adapted_curves(start).axes[0])
    assert drawn["before"].get_color() == PAPER.before
    assert not any(label.startswith("after") for label in drawn)


def test_adapted_curves_gives_every_method_a_panel():
    frame = examples.curves()
    both = pd.concat([frame.assign(method="MAML"), frame.assign(method="other")])
    plot = adapted_curves(both, style=STYLES["double"])
    assert [axes.get_title(loc="left") for axes in plot.axes] == ["MAML", "other"]
    assert plot.axes[0].get_ylim() == plot.axes[1].get_ylim()


def test_adapted_curves_without_a_prediction_says_so():
    frame = examples.curves()
    with pytest.raises(UserError, match="no row of kind 'prediction', only support, truth"):
        adapted_curves(frame[frame["kind"] != "prediction"])


def outlined(plot):
    return [p for p in plot.axes[0].patches if isinstance(p, Rectangle) and p.get_gid() == "wrong"]


def test_episode_grid_shows_each_image_and_outlines_the_wrong_ones():
    frame = examples.images()
    plot = episode_grid(frame)
    images = plot.axes[0].get_images()
    assert len(images) == len(frame)
    np.testing.assert_array_equal(images[0].get_array(), frame["image"].iloc[0])
    (wrong,) = outlined(plot)
    assert wrong.get_linestyle() == "--"  # as on screen, and by no class's colour
    assert to_hex(wrong.get_edgecolor()) not in {c.lower() for c in OKABE_ITO.values()}
    assert "dashed frame: wrong" in [text.get_text().split("; ")[-1] for text in plot.axes[0].texts]
    left, right, low, high = images[0].get_extent()
    assert right - left == pytest.approx(low - high)  # square


def test_episode_grid_without_predictions_and_with_colour():
    frame = examples.images().drop(columns=["prediction", "confidence"])
    frame["image"] = [np.stack([image] * 3, axis=-1) for image in frame["image"]]
    plot = episode_grid(frame)
    assert outlined(plot) == []
    assert plot.axes[0].get_images()[0].get_array().shape == (28, 28, 3)


def test_episode_grid_says_how_many_it_leaves_out():
    frame = examples.images()
    more = pd.concat([frame.assign(shot=frame["shot"] + 4 * k) for k in range(3)])
    texts = [text.get_text() for text in episode_grid(more).axes[0].texts]
    assert "query (5 of 12 a class)" in texts


def test_twenty_classes_stand_in_two_blocks_of_a_double_column():
    image = np.zeros((4, 4))
    frame = pd.DataFrame(
        [
            {"part": part, "label": k, "name": str(k), "shot": 0, "image": image}
            for k in range(20)
            for part in ("support", "query")
        ]
    )
    plot = episode_grid(frame, style=STYLES["double"])
    tops = {round(image.get_extent()[3], 6) for image in plot.axes[0].get_images()}
    assert len(tops) == 10


def test_loss_by_step_draws_means_with_students_interval():
    frame = examples.steps()
    axes = loss_by_step(frame).axes[0]
    drawn = lines(axes)
    query = frame[frame["part"] == "query"]
    for method in ("MAML", "pretrained"):
        groups = query[query["method"] == method].groupby("step")["loss"]
        np.testing.assert_allclose(drawn[method].get_ydata(), groups.mean())
    band = axes.collections[0].get_paths()[0].vertices
    low, high = interval(query[(query["method"] == "MAML") & (query["step"] == 0)]["loss"])
    at_zero = band[band[:, 0] == 0][:, 1]
    assert at_zero.min() == pytest.approx(low)
    assert at_zero.max() == pytest.approx(high)
    assert axes.get_yscale() == "log"
    assert "95% interval over 40 tasks" in axes.get_title(loc="left")
    assert len({drawn[m].get_marker() for m in drawn}) == 2  # not by colour alone


def test_a_trend_draws_means_by_method_and_a_wide_range_by_its_logarithm():
    frame = examples.recall()
    both = pd.concat([frame.assign(method="MANN"), frame.assign(method="SNAIL", accuracy=0.5)])
    axes = trend(both, by="time").axes[0]
    drawn = lines(axes)
    np.testing.assert_allclose(
        drawn["MANN"].get_ydata(), 100 * frame.groupby("time")["accuracy"].mean()
    )
    assert set(drawn["SNAIL"].get_ydata()) == {50}
    assert axes.get_xscale() == "linear"
    wide = both.assign(slots=both["time"] ** 3)
    assert trend(wide, by="slots").axes[0].get_xscale() == "log"


def test_loss_by_step_of_one_method_has_support_solid_and_query_hollow():
    frame = examples.steps()
    axes = loss_by_step(frame[frame["method"] == "MAML"].drop(columns="method")).axes[0]
    drawn = lines(axes)
    assert drawn["support loss"].get_markerfacecolor() == drawn["support loss"].get_color()
    assert drawn["query loss"].get_markerfacecolor() == PAPER.ground


def test_accuracy_is_shown_in_per_cent_on_a_linear_axis():
    frame = examples.steps().rename(columns={"loss": "accuracy"})
    frame["accuracy"] = frame["step"] / 10 + 0.01
    axes = loss_by_step(frame, measure="accuracy").axes[0]
    assert axes.get_ylabel() == "query accuracy (%)"
    assert axes.get_yscale() == "linear"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [1, 11, 21, 31, 41, 51])


def test_learning_curves_average_seeds_and_say_so():
    frame = examples.training()
    axes = learning_curves(frame).axes[0]
    validation = frame[frame["split"] == "validation"].groupby("iteration")["value"].mean()
    np.testing.assert_allclose(lines(axes)["validation"].get_ydata(), validation)
    assert axes.get_title(loc="left") == "mean and 95% interval over 3 seeds"


def test_smoothing_is_the_exponential_mean_of_training_alone_and_is_said():
    frame = examples.training().query("seed == 0").drop(columns="seed")
    train = frame[frame["split"] == "train"]["value"].to_numpy()
    plain, smooth = (learning_curves(frame, smoothing=w) for w in (0.0, 0.8))
    expected = [
        np.average(train[: k + 1], weights=0.8 ** np.arange(k, -1, -1)) for k in range(len(train))
    ]
    assert lines(smooth.axes[0])["train"].get_ydata() == pytest.approx(expected)
    for plot in (plain, smooth):
        shown = lines(plot.axes[0])["validation"].get_ydata()
        assert shown == pytest.approx(frame[frame["split"] == "validation"]["value"].to_numpy())
    assert "smoothed by 0.8" in smooth.axes[0].get_title(loc="left")
    assert smoothed(np.array([np.nan, 2.0, 4.0]), 0.5)[1:].tolist() == pytest.approx([2, 10 / 3])
    with pytest.raises(UserError, match="smoothing is 1"):
        smoothed(train, 1)


def test_curves_go_along_the_time_too():
    frame = examples.training()
    frame = frame.assign(seconds=0.5 * frame["iteration"] * (1 + frame["seed"]))
    axes = learning_curves(frame, by="seconds").axes[0]
    assert axes.get_xlabel() == "training time (s)"
    assert lines(axes)["validation"].get_xdata()[-1] == pytest.approx(2000)  # the seeds' mean
    with pytest.raises(UserError, match="needs a column 'seconds'"):
        learning_curves(examples.training(), by="seconds")


def test_learning_curves_of_one_seed_show_the_interval_over_tasks():
    frame = examples.training().query("seed == 0").drop(columns="seed")
    frame = frame.assign(low=frame["value"] - 0.1, high=frame["value"] + 0.1)
    axes = learning_curves(frame).axes[0]
    band = axes.collections[-1].get_paths()[0].vertices
    first = frame[frame["split"] == "validation"].iloc[0]
    at_first = band[band[:, 0] == first["iteration"]][:, 1]
    np.testing.assert_allclose([at_first.min(), at_first.max()], [first["low"], first["high"]])
    assert "validation tasks" in axes.get_title(loc="left")


def test_learning_curves_have_a_panel_a_metric():
    frame = examples.training()
    frame.loc[frame["split"] == "validation", "metric"] = "accuracy"
    plot = learning_curves(frame)
    assert [axes.get_ylabel() for axes in plot.axes] == ["mean squared error", "accuracy (%)"]


def test_comparison_pairs_tasks():
    frame = examples.methods()
    plot = comparison(frame)
    table = frame.pivot(index="task", columns="method", values="value") * 100
    difference = table["Prototypical Networks"] - table["MAML"]
    points = [p for line in plot.axes[1].lines if len(p := line.get_xdata()) in (1, 3)]
    drawn = np.concatenate([np.asarray(p, dtype=float) for p in points])
    assert np.isclose(drawn, difference.mean()).any()
    bars = [np.asarray(line.get_xdata(), dtype=float) for line in plot.axes[1].lines]
    assert any(len(b) == 2 and np.allclose(np.sort(b), interval(difference)) for b in bars)
    assert plot.axes[1].get_title(loc="left") == "minus MAML"


def test_comparison_of_unpaired_tasks_is_refused():
    frame = examples.methods()
    fewer = frame[(frame["method"] != "MAML") | (frame["task"] < 150)]
    with pytest.raises(UserError, match="'MAML' lacks 50 of the 200 tasks.*same episodes"):
        comparison(fewer)
    with pytest.raises(UserError, match="reference method 'Reptile' is not in the frame"):
        comparison(frame, reference="Reptile")


def test_comparison_shows_each_seed_hollow():
    frame = examples.methods()
    seeds = pd.concat([frame.assign(seed=0), frame.assign(seed=1, value=frame["value"] - 0.01)])
    axes = comparison(seeds).axes[0]
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert [len(line.get_xdata()) for line in hollow] == [2, 2, 2]


def test_a_notebook_shows_the_figure_and_its_description():
    plot = loss_by_step(examples.steps())
    data, metadata = plot._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == plot.alt_text
    assert metadata["image/png"]["width"] == 336
