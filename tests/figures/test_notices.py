"""What is research only says so: in frames, in every figure, on the wire, and in results."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from workbench.figures import (
    DRAWN,
    Plot,
    Style,
    draw,
    episode_examples,
    episode_rows,
    examples,
    loss_by_step,
)
from workbench.inspection import comparison_frame, example_frame, metrics_frame, stacked
from workbench.inspection.kinds import compute
from workbench.inspection.packing import pack, unpack
from workbench.measures import notice_in, warned
from workbench.tasks import Shape, open_tasks
from workbench.tasks.medicine import NOTICE
from workbench.training import evaluate, gap_frame, preset
from workbench.wire import to_wire

SAID = "For research only: this is no medical device."
FRAMES = {
    "steps": examples.steps,
    "images": examples.images,
    "predictions": examples.predictions,
    "comparison": examples.methods,
    "training": examples.training,
    "reliability": examples.reliability,
    "flow": examples.flow,
    "gaps": examples.gaps,
}


def texts_of(plot: Plot) -> list[str]:
    return [text.get_text() for text in plot.texts]


@pytest.mark.parametrize("name", FRAMES)
def test_a_figure_says_what_its_frame_says(name: str) -> None:
    frame = warned(FRAMES[name](), NOTICE)
    for plot in (draw(name, frame), DRAWN[name](frame)):
        assert plot.alt_text.endswith(SAID)
        assert NOTICE in texts_of(plot)
    silent = draw(name, FRAMES[name]())
    assert "research" not in silent.alt_text
    assert NOTICE not in texts_of(silent)
    assert plot.get_figheight() > silent.get_figheight()
    plot.savefig(io.BytesIO(), format="png")


def test_the_notice_covers_nothing() -> None:
    """It stands in a strip of its own below everything, whatever lays the figure out."""
    for name in ("steps", "images"):
        plot = draw(name, warned(FRAMES[name](), NOTICE))
        FigureCanvasAgg(plot).draw()  # lays it out
        (told,) = plot.texts
        top = told.get_window_extent().y1
        for axes in plot.axes:
            box = axes.get_tightbbox()
            assert box is not None
            if name == "steps":
                assert box.y0 >= top - 1
            else:
                assert axes.get_window_extent().y0 >= top - 4


def test_lanes_below_each_other_say_it_once() -> None:
    one = examples.predictions()
    both = pd.concat([one.assign(method="maml"), one.assign(method="reptile")])
    plot = draw("predictions", warned(both, NOTICE), lanes=(0, 1))
    assert plot.alt_text.count(SAID) == 1
    assert plot.alt_text.endswith(SAID)


def test_frames_keep_it() -> None:
    learner, tasks = preset("clinic-protonet").build()
    shape = Shape(2, 4, 6)
    episode = tasks.sample(2, seed=0, shape=shape)
    from workbench.algorithms import adapt

    path = list(adapt(learner, episode))
    frame = compute("steps", learner, episode, path)
    assert notice_in(frame) == notice_in(example_frame(episode)) == NOTICE
    assert loss_by_step(frame).alt_text.endswith(SAID)
    assert notice_in(unpack(*pack(frame))) == NOTICE
    assert to_wire(frame)["notice"] == NOTICE
    assert "notice" not in to_wire(examples.steps())
    assert notice_in(stacked({"one": frame, "two": frame})) == NOTICE
    result = evaluate(learner, tasks, shape, episodes=3)
    assert result.to_record()["notice"] == NOTICE
    assert notice_in(comparison_frame({"one": result, "two": result})) == NOTICE
    row = {"iteration": 1, "split": "train", "loss": 1.0}
    assert (
        notice_in(metrics_frame([row, {**row, "split": "validation", "notice": NOTICE}])) == NOTICE
    )


def test_gaps_are_measured_on_the_same_tasks() -> None:
    learner, _ = preset("clinic-missing-protonet").build()
    frame = gap_frame(
        {"flags": (learner, ""), "mean": (learner, "mean")},
        "clinic:present",
        Shape(2, 4, 6),
        shares=(0.0, 0.5),
        shots=(8,),
        episodes=3,
    )
    assert notice_in(frame) == NOTICE
    whole = frame[frame["share"] == 0.0].pivot(index="task", columns="method", values="value")
    assert np.allclose(whole["flags"], whole["mean"])  # nothing missing: the same inputs
    assert sorted(frame[frame["share"] == 0.5]["shots"].unique()) == [4, 8]
    assert draw("gaps", frame).alt_text.endswith(SAID)


def test_rows_are_drawn_side_by_side_at_every_width() -> None:
    episode = open_tasks("clinic:present/random-50").sample(1, seed=0, shape=Shape(2, 30, 40))
    frame = example_frame(episode)
    for style in (Style(), Style(dark=True)):
        plot = episode_examples(frame, style=style)
        assert "30 support and 40 query examples of 46 columns" in plot.alt_text
        words = [text.get_text() for text in plot.axes[0].texts]
        assert "age (years)" in words
        assert "—" in words
    assert episode_rows(examples.patients()).axes
