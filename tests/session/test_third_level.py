"""A meta-training is stepped through as any adaptation: a step is an outer step."""

import pytest
import torch

from workbench.errors import UserError
from workbench.widgets import Session, Stage


def test_a_third_level_opens_in_a_session() -> None:
    session = Session("sines-meta-optimised", count=1, shots=8, queries=3)
    stage = Stage(session)
    kinds = stage.about["kinds"]
    assert kinds["steps"] == "ready"
    assert "one input" in kinds["curves"]  # an example is a whole task, and no point of a curve
    names = [control["name"] for control in stage.about["forms"]["settings"]]
    assert {"test_steps", "batch", "proximal"} <= set(names)
    assert "inner_rate" not in names  # it is learned
    frame = stage.shown.frame("steps")
    assert {"loss", "mse"} <= set(frame)
    assert list(frame["step"].unique()) == list(range(len(frame["step"].unique())))
    stage.close()


FEW = {"shots": 24, "queries": 3}


@pytest.mark.parametrize(
    "name", ["sines-meta-optimised", "sines-meta-recurrent", "sines-meta-strategist"]
)
def test_one_level_below_is_the_learner_that_made_the_next_outer_step(name: str) -> None:
    """Its meta-gradient on its tasks is the gradient that the outer step descended."""
    session = Session(name, count=2, **FEW)
    session.vary(test_steps=3)
    session.move(task=1, step=2)
    below = session.below()
    assert (len(below.episode), below.tape.steps, below.seen) == (8, 3, "curves")
    found = below.tape.learner.meta_gradient(below.episode).gradients
    for parameter, slope in found.items():
        if not parameter.startswith("rates."):
            expected = session.tape[3].seen[f"gradient.{parameter}"][1]
            if name == "sines-meta-recurrent":  # which is pulled back to its start as well
                start, now = (
                    session.tape[2].values[f"{of}.{parameter}"][1] for of in ("start", "weights")
                )
                expected = expected - float(_pull(session)) * (now - start)
            torch.testing.assert_close(slope, expected, rtol=1e-3, atol=1e-4)
    assert below.frame("curves")["kind"].nunique() == 3
    assert below.frame("rates")["step"].nunique() == 3
    first = session.below(0)
    assert next(iter(first.sources)) == "MAML after 0 outer steps"
    weights = first.tape[0].values["weights.head.bias"]
    assert below.tape.learner is not first.tape.learner
    start = session.tape[0].values["weights.model.head.bias"]
    assert torch.equal(weights[0], start[1])


def _pull(session: Session) -> torch.Tensor:
    upper = session.tape.learner
    settled = upper.settled(session.tape[2], session.episode)
    return upper.pull(settled, 2)[1].detach()


def test_what_was_opened_can_be_edited_and_branched() -> None:
    below = Session("sines-meta-optimised", count=1, **FEW).below(5)
    below.edit("move", task=0, part="support", example=1, y=2.0)
    below.branch(1, test_steps=4)
    assert below.tape.episode.support.y[0, 1, 0] == 2.0
    assert below.draw("curves").alt_text


def test_a_stage_opens_the_level_below_and_closes_it_with_itself() -> None:
    session = Session("sines-meta-optimised", count=1, **FEW)
    stage = Stage(session)
    assert stage.about["trains"]
    assert "below" not in stage.about
    session.move(step=4)
    lines = stage.open_below()
    assert lines.endswith("session.move(step=4)\nStage(session.below())")
    assert stage.about["below"] == stage.opened.model_id
    assert stage.opened.about["title"] == "MAML after 4 outer steps"
    assert not stage.opened.about["trains"]
    first = stage.opened
    stage.open_below()
    assert first.shown is None  # closed
    opened = stage.opened
    stage.close()
    assert opened.shown is None


def test_below_what_trains_no_other_there_is_nothing() -> None:
    session = Session("sinusoid-maml", count=1)
    with pytest.raises(UserError, match="opens the learner that is trained at each step, and MAML"):
        session.below()
    with pytest.raises(UserError, match="there is no step 99 to open: choose 0 to 50"):
        Session("sines-meta-optimised", count=1, **FEW).below(99)
