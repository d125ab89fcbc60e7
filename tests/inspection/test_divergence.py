"""An inner loop that diverges is traced, and every inspection shows what is finite or says so."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.algorithms.cases import CASES
from workbench.algorithms import MAML, Adapted, MAMLSettings, Prototypical
from workbench.algorithms.divergence import divergence
from workbench.cli import main
from workbench.errors import UserError
from workbench.figures import draw
from workbench.inspection import Tape
from workbench.inspection.kinds import KINDS
from workbench.models import MLP
from workbench.tasks import Examples, Shape, open_tasks
from workbench.widgets import Session

STEPWISE = {
    "sinusoid": {"steps", "curves", "norms", "curvature", "landscape", "embedding"},
    "digits": {"steps", "predictions", "norms", "curvature", "landscape", "embedding"},
}


def diverging(tasks: str, rate: float, steps: int = 12) -> Tape:
    torch.manual_seed(0)
    sizes = (1, 1) if tasks == "sinusoid" else (64, 2)
    learner = MAML(MLP(*sizes, hidden=(8, 8)), MAMLSettings(inner_rate=rate)).eval()
    shape = Shape(1, 5, 5) if tasks == "sinusoid" else Shape(2, 2, 2)
    episode = open_tasks(tasks).sample(3, seed=0, shape=shape)
    return Tape.record(learner, episode, steps=steps)


@pytest.mark.parametrize(
    ("tasks", "rate"), [("sinusoid", 1e3), ("sinusoid", 1e18), ("digits", 1e30), ("digits", 1e38)]
)
def test_every_kind_shows_what_is_finite_or_says_where_it_diverged(tasks, rate, tmp_path):
    tape = diverging(tasks, rate)
    assert "diverged at inner step" in tape.diverged
    assert "lower the inner rate" in tape.diverged
    again = Tape.load(tape.save(tmp_path / "a.metatrace"))
    assert again.diverged == tape.diverged
    assert STEPWISE[tasks] <= set(again.frames)
    for kind in (name for name, one in KINDS.items() if one.cost == "adapts anew"):
        with pytest.raises(UserError, match="diverged at inner step"):
            again.frame(kind)
    for kind in again.frames:
        frame = again.frame(kind)
        for column in frame.select_dtypes("float"):
            assert not np.isinf(frame[column]).any(), (kind, column)
        if "step" in frame and kind != "curves":
            assert len(frame)
        draw(kind, frame)


def test_the_tasks_that_go_on_stay_whole():
    tape = diverging("sinusoid", 0.01, steps=4)
    episode = tape.episode
    x = episode.support.x.clone()
    x[1] *= 1e15  # this one alone diverges
    support = Examples(x, episode.support.y)
    other = Tape.record(
        tape.learner, episode.with_tensors({**episode.tensors(), "support.x": support.x}), 4
    )
    assert other.diverged.startswith("task 2 diverged at inner step")
    for kind in ("steps", "norms", "curvature"):
        mine, whole = other.frame(kind), tape.frame(kind)
        for task in (0, 2):
            assert mine[mine["task"] == task]["step"].max() == whole["step"].max() == 4
        assert mine[mine["task"] == 1]["step"].max() < 4
    steps, before = (t.frame("steps").query("task != 1")["mse"].to_numpy() for t in (other, tape))
    np.testing.assert_allclose(steps, before, rtol=1e-5)
    other.frame("curves", 0)
    other.frame("landscape", 2)
    with pytest.raises(UserError, match="task 2 diverged"):
        other.frame("influence")


def test_what_counts_as_finite():
    def value(step: int, **parts: float) -> Adapted:
        values = {n: torch.tensor([[0.0], [x]]) for n, x in parts.items() if n != "loss"}
        seen = {"loss": torch.tensor([0.0, parts["loss"]])} if "loss" in parts else {}
        values = {n.replace("_", "."): t for n, t in values.items()}
        return Adapted(values, seen, step)

    score = divergence([value(0, scores=-math.inf), value(1, scores=math.inf)])
    assert score.sentence() == ""  # a memory may hide what is not there
    nan = divergence([value(0, scores=0.0), value(1, scores=math.nan)])
    assert (nan.lengths, nan.sentence()) == (
        (2, 1),
        "task 2 diverged at inner step 1 (loss nan): look at the learner's weights",
    )
    loss = divergence([value(0, weights_a=0.0), value(1, weights_a=1.0, loss=math.inf)])
    assert loss.sentence() == "task 2 diverged at inner step 1 (loss inf): lower the inner rate"
    assert loss.sentence([0]) == ""
    assert divergence([Adapted({}), Adapted({}, step=1)]).among([0]) == []  # keeps no values
    start = divergence([value(0, weights_a=math.inf)])
    assert "starts from numbers that are not finite" in start.sentence()


def test_no_method_that_is_well_diverges(subtests):
    for name, case in CASES.items():
        with subtests.test(name):
            learner = case.build()
            episode = case.episode().to(dtype=next(learner.parameters()).dtype)
            assert Tape.record(learner.eval(), episode).diverged == ""


def test_a_learner_of_weights_that_are_not_finite_says_so():
    learner = Prototypical(MLP(64, None, hidden=(4,)))
    with torch.no_grad():
        next(learner.parameters()).fill_(math.nan)
    tape = Tape.record(learner, open_tasks("digits").sample(1, seed=0, shape=Shape(2, 1, 2)))
    with pytest.raises(UserError, match="the adaptation diverged at inner step 1"):
        tape.frame("memory")


def test_the_command_line_and_the_panels_say_it(tmp_path, capsys):
    from workbench.session.showing import Showing

    out = tmp_path / "a.metatrace"
    session = Session("sinusoid-maml", count=2)
    session.vary(inner_rate=1e9)
    assert "diverged at inner step" in Showing(session).about()["limited"]
    session.tape.save(out)
    assert main(["inspect", str(out), "landscape", "--out", str(tmp_path / "a.csv")]) == 0
    assert main(["inspect", str(out), "flow", "--out", str(tmp_path / "b.csv")]) == 2
    assert "diverged at inner step" in capsys.readouterr().err
    assert not (tmp_path / "b.csv").exists()
