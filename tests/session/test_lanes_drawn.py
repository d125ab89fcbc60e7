"""Figures of lanes: the same lanes, colours and legend as on screen, and code that draws them."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex

from workbench.errors import UserError
from workbench.figures import PAPER, Plot, Style
from workbench.session.session import Session


@pytest.fixture(scope="module")
def session() -> Session:
    """MAML beside the pretrained network, and a branch, at step 2 of the first."""
    found = Session("sinusoid-maml", "sinusoid-finetune", count=2, queries=5, seed=3)
    found.choose("sinusoid-finetune")
    found.move(lane=0)
    found.branch(1, inner_rate=0.02)
    found.move(lane=0, step=2)
    return found


def strong(plot: Plot) -> dict[str, str]:
    """The colour of the curve after the step, by the title of its panel."""
    return {
        axes.get_title("left").replace("-\n", "-").replace("\n", " "): next(
            to_hex(line.get_color()) for line in axes.lines if line.get_label() == "step 2"
        )
        for axes in plot.axes
    }


def test_curves_of_lanes_have_the_lanes_colours_and_names(session: Session) -> None:
    names = [session.state.name_of(lane) for lane in range(3)]
    colours = [PAPER.lane(lane)[0].lower() for lane in range(3)]
    assert len(set(colours)) == 3
    plot = session.draw("curves", lanes=[0, 1, 2])
    assert strong(plot) == dict(zip(names, colours, strict=True))
    two = session.draw("curves", lanes=[0, 1])
    assert [sum(line.get_label() == "the other" for line in axes.lines) for axes in two.axes] == [
        1,
        1,
    ]
    assert strong(session.draw("curves", lanes=[2])) == {"": colours[2]}


def test_losses_are_those_of_all_lanes_and_both_parts(session: Session) -> None:
    (axes,) = session.draw("steps").axes
    names = [session.state.name_of(lane) for lane in range(3)]
    shown = {
        line.get_label(): to_hex(line.get_color())
        for line in axes.lines
        if "," in str(line.get_label())
    }
    assert shown == {
        f"{part} loss, {name}": PAPER.lane(lane)[0].lower()
        for lane, name in enumerate(names)
        for part in ("support", "query")
    }


def test_the_scale_is_the_one_that_is_asked_for(session: Session) -> None:
    scales = [
        session.draw("steps", style=Style(log=log)).axes[0].get_yscale() for log in (True, False)
    ]
    assert scales == ["log", "linear"]


def test_the_usual_lanes_are_those_of_a_stage(session: Session) -> None:
    assert session.beside("steps") == (0, 1, 2)
    assert session.beside("curves") == (0, 2)
    assert session.beside("anatomy") == (0,)
    alone = Session("sinusoid-maml", count=1, queries=2)
    alone.branch(1)
    assert alone.beside("curves") == (1,)
    assert session.code(lanes=[0, 2]).endswith('session.draw("curves")')
    last = session.code(lanes=[0, 1]).splitlines()[-1]
    assert last == 'session.draw("curves", lanes=[0, 1])'
    assert session.code("curves", [0, 1]).endswith('frame = session.frame("curves", [0, 1])')
    with pytest.raises(UserError, match="no lane 7: choose 0 to 2"):
        session.draw("curves", lanes=[0, 7])


def test_pictures_of_lanes_stand_one_below_the_other() -> None:
    session = Session("glyphs-protonet", "glyphs-matching", count=1, queries=2)
    session.choose("glyphs-matching")
    alone, both = session.draw("images", lanes=[0]), session.draw("images")
    assert len(both.subfigs) == 2
    assert both.get_figheight() > 2 * alone.get_figheight()
    assert both.alt_text.startswith(f"glyphs-protonet: {alone.alt_text} glyphs-matching: ")


def test_what_is_drawn_is_of_the_task_under_the_cursor_as_on_screen() -> None:
    """A panel shows a task's losses, norms and flow: a mean in the file would be another number."""
    found = Session("sinusoid-maml", count=3, queries=5)
    found.move(task=1, step=2)
    (axes,) = found.draw("steps").axes
    lines = {str(line.get_label()): line for line in axes.lines}
    frame = found.frame("steps")
    for part in ("support", "query"):
        own = frame[(frame["task"] == 1) & (frame["part"] == part)].sort_values("step")
        assert list(lines[f"{part} loss"].get_ydata()) == pytest.approx(list(own["loss"]))
    assert "query loss, other tasks" in lines
    for kind in ("steps", "norms", "flow", "curvature"):
        assert "task 2 of 3" in found.draw(kind).alt_text
    assert found.draw("influence").alt_text.count("Task ") == 1
    found.branch(1, inner_rate=0.02)  # beside other lanes, other tasks are left out
    both = found.draw("steps")
    assert "task 2 of 3" in both.alt_text
    assert not [line for line in both.axes[0].lines if "other" in str(line.get_label())]
