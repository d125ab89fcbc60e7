"""Figures of acting: what is drawn is what the frames hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.figures.test_gradient_figures import STYLES, assert_whole
from workbench.errors import UserError
from workbench.figures import (
    episode_returns,
    examples,
    regret_by_move,
    render,
    value_against_return,
)

FIGURES = {
    "episode_returns": (episode_returns, examples.returns, "return"),
    "regret_by_move": (regret_by_move, examples.regret, "regret"),
    "value_against_return": (value_against_return, examples.expectations, "value"),
}
every_figure = pytest.mark.parametrize("name", FIGURES)


@every_figure
def test_every_style_is_whole(name: str) -> None:
    make, frame, _ = FIGURES[name]
    for style in STYLES.values():
        plot = make(frame(), style=style)
        assert plot.get_size_inches()[0] == style.width.value
        assert len(plot.alt_text) > 30
        assert_whole(plot)
    assert render(plot, "svg")


@every_figure
def test_a_frame_that_does_not_fit_is_refused_with_the_cure(name: str) -> None:
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


def test_lines_go_through_the_means_of_each_method() -> None:
    frame = examples.returns()
    drawn = {line.get_label(): line for line in episode_returns(frame).axes[0].get_lines()}
    for method, rows in frame.groupby("method"):
        expected = rows.groupby("episode")["return"].mean()
        np.testing.assert_allclose(drawn[method].get_ydata(), expected)
        np.testing.assert_allclose(drawn[method].get_xdata(), expected.index)
    axes = regret_by_move(examples.regret()).axes[0]
    assert axes.get_ylim()[0] == 0
    assert axes.get_xlabel() == "move"


def test_trajectories_of_a_task_count_by_their_mean() -> None:
    rows = [(task, step, k, 10.0 * task + step + k) for task in (0, 1) for step in (0, 1, 2)
            for k in range(1 + 3 * task)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["task", "step", "trajectory", "return"])
    plot = episode_returns(frame)
    (line,) = plot.axes[0].get_lines()
    np.testing.assert_allclose(line.get_ydata(), [5.75, 6.75, 7.75])
    assert plot.axes[0].get_xlabel() == "gradient step"
    assert plot.alt_text.startswith("Return by gradient step 0 to 2, mean of 2 tasks. 5.75 at")


def test_a_critic_that_is_right_lies_on_the_line_and_explains_all() -> None:
    value = np.linspace(0, 9, 40)
    plot = value_against_return(pd.DataFrame({"value": value, "return": value}))
    assert "explains 100% of the variance" in plot.alt_text
    means = next(x for x in plot.axes[0].get_lines() if x.get_label() == "mean of what came")
    np.testing.assert_allclose(means.get_xdata(), means.get_ydata())
    same = value_against_return(pd.DataFrame({"value": [1.0, 2.0], "return": [1.0, 1.0]}))
    assert "explains" not in same.alt_text
