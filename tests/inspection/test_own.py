"""Inspections are records: what is listed and shown is from them, and a method brings its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests.algorithms.cases import CASES
from workbench.cli import main
from workbench.errors import UserError
from workbench.figures import DRAWN, draw, read_receipt
from workbench.files import read_tensors, save_tensors
from workbench.inspection import KINDS, Inspection, Tape, compute, inspections_of
from workbench.session.page import write_page
from workbench.widgets import ExportPanel, GradientInspector, Session, Stage, export

METHOD = '''
"""MAML that shows how far apart its tasks' weights are."""

from dataclasses import dataclass, replace
from typing import Annotated

import pandas as pd

from workbench.algorithms import MAML, MAMLSettings
from workbench.algorithms.capabilities import Descends
from workbench.algorithms.memory.learner import MemoryLearner
from workbench.fields import Live, Range
from workbench.inspection import Inspection
from workbench.training import preset


def lengths(learner, episode, path, task):
    rows = [(a.step, sum(float(w[task].norm()) for w in a.values.values())) for a in path]
    return pd.DataFrame(rows, columns=["step", "length"])


def drawn(frame, *, style):
    from workbench.figures.style import drawing

    with drawing(style, 2.0) as plot:
        axes = plot.subplots()
        axes.plot(frame["step"], frame["length"])
        plot.alt_text = "How long the weights are."
    return plot


def spread(learner, episode, path):
    rows = [(a.step, float(a.values["weights.head.bias"].std())) for a in path]
    return pd.DataFrame(rows, columns=["step", "spread"])


STEP = {"step": "after how many inner steps"}


class Mine(MAML):
    """MAML."""

    inspections = (
        Inspection(
            "lengths",
            lengths,
            STEP | {"length": "of a task's weights"},
            "How long weights are",
            needs=(Descends,),
            figure=drawn,
        ),
        Inspection(
            "spread", spread, STEP | {"spread": "over the tasks"}, "How apart tasks are", "episode"
        ),
        Inspection("never", spread, STEP, "What it cannot show", needs=(MemoryLearner,)),
    )


@dataclass(frozen=True)
class MineSettings(MAMLSettings):
    """MAML."""

    def build(self, model, spec):
        return Mine(model.build(spec.input_shape, spec.outputs), self)


base = preset("sinusoid-maml").stretched(2)
quick = replace(base.training, compiled="off", tasks=2, validate_every=0)
PRESETS = {"mine": ("Mine", replace(base, learner=MineSettings(test_steps=2), training=quick))}
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "methods").mkdir()
    (folder / "methods" / "mine.py").write_text(METHOD)
    return folder


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = {name for name in sys.modules if name.partition(".")[0] == "methods"}
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    if not Path("run").exists():
        assert main(["train", "mine", "--run", "run"]) == 0
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "methods"]:
        del sys.modules[name]


@pytest.fixture
def workbench(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return run


def test_the_command_line_lists_makes_and_draws_what_a_method_brings(
    workbench: Callable[..., tuple[int, str, str]],
) -> None:
    said = workbench("inspect", "run", "--help")[1]
    assert "- lengths: How long weights are" in said
    assert "- flow: " in said
    assert "lengths" not in workbench("inspect", "--help")[1]
    assert workbench("inspect", "run", "spread", "--out", "a.csv", "--episodes", "3")[0] == 0
    assert pd.read_csv("a.csv").columns.tolist() == ["step", "spread"]
    assert workbench("inspect", "run", "lengths", "--out", "a.svg", "--task", "1")[0] == 0
    assert read_receipt("a.svg").code.startswith("workbench inspect run lengths")
    assert b"How long the weights are" in Path("a.svg").read_bytes()
    code, _, error = workbench("inspect", "run", "spread", "--out", "a.pdf")
    assert (code, error.count("\n")) == (2, 1)
    assert "has no figure" in error
    assert "did you mean 'lengths'" in workbench("inspect", "run", "lenghts", "--out", "a.csv")[2]
    code, _, error = workbench("inspect", "run", "never", "--out", "a.csv")
    assert (code, "no memory that queries read" in error) == (2, True)


def test_a_trace_holds_them_and_lists_them_without_the_method(
    workbench: Callable[..., tuple[int, str, str]],
) -> None:
    assert workbench("trace", "run", "--out", "a.metatrace", "--episodes", "3")[0] == 0
    tape = Tape.load("a.metatrace")
    assert {"lengths", "spread"} <= set(tape.frames)
    assert tape.inspections["spread"].sentence == "How apart tasks are"
    assert tape.frame("spread", 2) is tape.frame("spread")
    assert not tape.frame("lengths", 2).equals(tape.frame("lengths"))
    with pytest.raises(UserError, match="no memory"):
        tape.frame("never")
    assert "- spread: " in workbench("inspect", "a.metatrace", "--help")[1]
    assert workbench("inspect", "a.metatrace", "spread", "--out", "b.csv")[0] == 0
    about = Stage("a.metatrace").about
    assert about["kinds"]["spread"] == "open"
    offered = {one["name"] for one in about["inspections"]}
    assert {"lengths", "spread", "flow", "curves"} <= offered
    assert not offered & {"never", "memory", "predictions", "pulls"}  # it has none of these
    tensors, header = read_tensors("a.metatrace", kind="metatrace", schema=1)
    for wrong in ([{"name": "a"}], [5], [{"name": "a", "sentence": "A", "scope": "world"}]):
        header["about"]["inspections"] = wrong
        save_tensors("bad.metatrace", tensors, header, kind="metatrace")
        with pytest.raises(UserError, match="damaged or no metatrace"):
            Tape.load("bad.metatrace")


def test_a_session_steps_exports_and_pages_them() -> None:
    session = Session("run", count=2, queries=3)
    assert session.frame("spread").columns.tolist() == ["step", "spread"]
    panel = GradientInspector(session)
    told = {one["name"]: one for one in panel.about["inspections"]}
    learner = session.tape.learner
    fitting = [name for name, one in KINDS.items() if one.fits(learner, session.kind)]
    assert {"flow", "curves", "embedding"} <= set(fitting)
    assert list(told) == [*fitting, "lengths", "spread"]  # 'never' and 'pulls' cannot be had of it
    assert (told["spread"]["view"], told["flow"]["view"]) == (None, "flow")
    assert "spread" in panel.about["whole"]
    assert "lengths" not in panel.about["whole"]
    assert panel.about["kinds"]["lengths"] == "open"
    assert "no memory" in panel.about["kinds"]["never"]
    panel.inspect("lengths")
    assert "0:lengths" in panel.frames
    panel.close()
    exporter = ExportPanel(session)
    path = Path(exporter.export("lengths", format="svg")["path"])
    assert b"How long the weights are" in path.read_bytes()
    with pytest.raises(UserError, match="no figure, only its frame"):
        exporter.export("spread", format="pdf")
    assert Path(exporter.export("spread", format="tex")["path"]).exists()
    exporter.close()
    assert export(session, "lengths", "c.png").exists()
    assert "How long weights are" in write_page(session, "c.html").read_text()


def test_what_is_brought_wrongly_is_refused_in_a_sentence() -> None:
    case = CASES["MAML"]
    learner, episode = case.build().double(), case.episode()

    def frame(learner: Any, episode: Any, path: Any, task: int = 0) -> Any:
        return [1, 2]

    mine = Inspection("mine", frame, {}, "Mine")
    learner.inspections = (mine,)
    tape = Tape.record(learner, episode)
    with pytest.raises(UserError, match="made a list and no data frame"):
        tape.frame("mine")
    learner.inspections = (Inspection("flow", frame, {}, "Mine"),)
    with pytest.raises(UserError, match="'flow', which there is already"):
        inspections_of(learner)
    learner.inspections = (frame,)  # type: ignore[assignment]
    with pytest.raises(UserError, match="holds a function"):
        inspections_of(learner)
    with pytest.raises(UserError, match="cannot be named 'My own'"):
        Inspection("My own", frame, {}, "Mine")
    with pytest.raises(UserError, match="did you mean 'task'"):
        Inspection("mine", frame, {}, "Mine", "tsk")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no function that makes"):
        Inspection("mine", None, {}, "Mine")  # type: ignore[arg-type]

    def nothing(frame: pd.DataFrame, *, style: Any) -> None:
        pass

    with pytest.raises(UserError, match="nothing returned NoneType and no figure"):
        draw(nothing, pd.DataFrame({"x": [1]}))  # type: ignore[arg-type]

    class Rare:
        pass

    learner.inspections = (Inspection("mine", frame, {}, "Mine", needs=(Rare,)),)
    with pytest.raises(UserError, match="'mine' needs a method that is a Rare, and MAML is none"):
        Tape.record(learner, episode).frame("mine")


@pytest.mark.parametrize("name", [n for n in CASES if "Conv4" not in n])
def test_every_column_is_documented_and_what_is_needed_is_said(name: str) -> None:
    case = CASES[name]
    learner, episode = case.build().double().eval(), case.episode()
    path = list(Tape.record(learner, episode))
    for kind, one in KINDS.items():
        if one.missing(learner) is not None:  # its function would refuse too
            with pytest.raises(UserError):
                one.make(learner, episode, path)
            continue
        try:
            with torch.no_grad():
                frame = compute(kind, learner, episode, path)
        except UserError:
            continue
        measured = {m.name for m in episode.objective.metrics} if "..." in one.columns else set()
        assert set(frame.columns) <= {*one.columns, *measured}, kind


def test_every_record_is_whole() -> None:
    labelled = [one.view for one in KINDS.values() if one.label]
    names = [one.label for one in KINDS.values() if one.label]
    assert len({*names}) == len(names)  # a view's tab is called by the first that there is for it
    assert len({one.sentence for one in KINDS.values()}) == len(KINDS)
    for name, one in KINDS.items():
        assert one.name == name
        assert one.view in {*labelled, "stage", "export"}
        assert one.figure in DRAWN
        assert all(one.columns.values())
        assert one.sentence[0].isupper()
        assert not one.sentence.endswith(".")
