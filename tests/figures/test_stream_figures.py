"""Figures of streams and rankings: what is drawn is what the frames hold."""

from __future__ import annotations

import pytest

from tests.figures.test_gradient_figures import STYLES, assert_whole
from workbench.errors import UserError
from workbench.figures import examples, render
from workbench.figures.rankings import film_ranking
from workbench.figures.streams import stream_accuracy, stream_transfer

FIGURES = {
    "stream": (stream_accuracy, examples.stream, "accuracy"),
    "transfer": (stream_transfer, examples.transfer, "learned"),
    "ranking": (film_ranking, examples.ranking, "place"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_style_is_whole(name: str) -> None:
    make, frame, _ = FIGURES[name]
    for style in STYLES.values():
        plot = make(frame(), style=style)
        assert plot.get_size_inches()[0] == style.width.value
        assert_whole(plot)
    assert render(plot, "svg")


@pytest.mark.parametrize("name", FIGURES)
def test_a_frame_that_does_not_fit_is_refused(name: str) -> None:
    make, frame, column = FIGURES[name]
    with pytest.raises(UserError, match=column):
        make(frame().drop(columns=column))


def test_what_has_not_come_is_left_blank() -> None:
    (mesh,) = list(stream_accuracy(examples.stream()).axes[0].collections)
    table = mesh.get_array().reshape(6, 5)
    assert [int((~row.mask).sum()) for row in table] == [0, 1, 2, 3, 4, 5]


def test_the_first_of_a_ranking_stands_at_the_top() -> None:
    axes = film_ranking(examples.ranking()).axes[0]
    low, high = axes.get_ylim()
    assert low > high
    first = next(line for line in axes.lines if line.get_label().startswith("Harbour"))
    assert first.get_ydata().tolist() == [3, 1, 1]
