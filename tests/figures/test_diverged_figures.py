"""Figures of what diverged: the finite lines set the axes, and the sentence stands below."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.errors import UserError
from workbench.figures import adapted_curves, comparison, draw, examples, loss_by_step
from workbench.inspection import Tape, comparison_frame, evaluation_frame, stacked
from workbench.inspection.packing import pack, unpack
from workbench.measures import diverged_in
from workbench.session.showing import Showing
from workbench.training import evaluate
from workbench.widgets import Session
from workbench.wire import to_wire


def lanes() -> Session:
    session = Session("sinusoid-maml", seed=14, count=2)
    session.branch(1, inner_rate=0.5)
    return session


def test_a_lane_that_diverged_does_not_flatten_the_other(tmp_path):
    session = lanes()
    good, bad = (session.frame("steps", lane=lane) for lane in (0, 1))
    assert diverged_in(good) == {}
    (sentence,) = diverged_in(bad).values()
    assert "diverged at inner step" in sentence
    both = stacked({"as trained": good, "five times": bad})
    assert diverged_in(both) == {"five times": sentence}
    plot = loss_by_step(both)
    top = plot.axes[0].get_ylim()[1]
    query = good[good["part"] == "query"].groupby("step")["loss"].mean()
    assert query.max() < top < 10 * query.max()
    assert sentence in plot.alt_text
    curves = {str(lane): session.frame("curves", lane=lane) for lane in (0, 1)}
    plot = adapted_curves(stacked(curves))
    assert max(map(abs, plot.axes[0].get_ylim())) < 50
    assert abs(curves["1"]["y"]).max() > 1e3
    assert "diverged at inner step" in plot.alt_text
    session.tape.save(tmp_path / "a.metatrace")
    again = Tape.load(tmp_path / "a.metatrace").frame("steps")
    assert diverged_in(again) == diverged_in(bad)
    assert to_wire(again)["diverged"] == diverged_in(bad)
    assert diverged_in(unpack(*pack(good))) == {}


def test_what_the_browser_is_told_of_a_lane():
    session = lanes()
    first, second = Showing(session).about()["lanes"]
    assert first["diverged"] is None
    told = second["diverged"]
    assert 1 <= told["follow"] < told["step"] <= 10
    assert f"diverged at inner step {told['step']}" in told["sentence"]


def test_every_stepwise_figure_says_it():
    session = lanes()
    for kind in ("norms", "curves"):
        assert "diverged at inner step" in draw(kind, session.frame(kind)).alt_text


def test_a_line_ends_where_the_first_task_diverged():
    frame = examples.steps()
    frame = frame[frame["method"] == "MAML"].drop(columns="method")
    lost = frame.assign(loss=frame["loss"].where((frame["task"] != 3) | (frame["step"] < 3)))
    line = max(loss_by_step(lost).axes[0].lines, key=lambda line: len(line.get_xdata()))
    assert max(line.get_xdata()) == 2  # and no mean over the tasks that are left


def test_a_comparison_leaves_out_what_diverged_and_says_so():
    session = lanes()
    good, tasks = session.source.learner, session.source.tasks
    bad = session.tape_of(1).learner
    results = {
        name: evaluate(learner, tasks, session.source.shape, episodes=20)
        for name, learner in {"as trained": good, "wild": session.tape.learner}.items()
    }
    assert bad is session.tape.learner
    frame = comparison_frame(results)
    assert "of 20 tasks diverged" in diverged_in(frame)["wild"]
    plot = draw("comparison", frame)
    assert "wild diverged and is left out." in plot.alt_text
    assert "of 20 tasks diverged" in plot.alt_text
    with pytest.raises(UserError, match="every method diverged"):
        comparison(frame[frame["method"] == "wild"].assign(value=[math.nan] * 19 + [1.0]))
    assert "of 20 tasks diverged" in loss_by_step(evaluation_frame(results), measure="mse").alt_text
    assert np.isfinite(loss_by_step(evaluation_frame(results), measure="mse").axes[0].get_ylim()[1])
