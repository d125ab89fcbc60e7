"""Export: files that hold what is shown, and receipts whose code makes the same frame again."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench.errors import UserError
from workbench.figures import DRAWN, Receipt, counted, frame_sha256, latex_table, read_receipt
from workbench.inspection import KINDS, Tape
from workbench.training import preset, train
from workbench.widgets import ComparePanel, ExportPanel, Session, TrainPanel, export
from workbench.widgets.exporting import ExportSettings, Subject
from workbench.widgets.views import SessionPanel

_RUN = """
import json, sys
from workbench.figures import frame_sha256
for code in json.load(sys.stdin):
    space = {}
    exec(code, space)
    print(frame_sha256(space["frame"]))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def elsewhere(codes: list[str]) -> list[str]:
    """What the lines make in a process that knows nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN], input=json.dumps(codes), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def sine() -> Session:
    session = Session("sinusoid-maml", seed=3, count=2, queries=5)
    session.edit("move", task=1, part="support", example=1, y=2.0)
    session.branch(2, inner_rate=0.05, steps=4)
    session.move(task=1, step=3)
    return session


def glyphs() -> Session:
    session = Session("glyphs-protonet", count=2, ways=2, queries=2)
    session.edit("relabel", task=0, part="support", example=0, label=1)
    session.edit("relabel", task=0, part="support", example=1, label=0)
    return session


def bandit() -> Session:
    return Session("bandit-rl2", count=2, shots=5)


@pytest.mark.parametrize(
    ("make", "least"),
    [
        (
            sine,
            {"curves", "steps", "examples", "norms", "flow", "anatomy", "agreement", "signal"}
            | {"curvature", "landscape", "influence", "embedding", "certificate"},
        ),
        (glyphs, {"examples", "steps", "predictions", "images", "influence", "memory"}),
        (bandit, {"steps", "pulls", "agreement", "signal", "certificate"}),
    ],
)
def test_every_receipt_makes_the_same_frame_in_a_fresh_process(make, least):
    session = make()
    receipts: dict[str, Receipt] = {}
    for kind in KINDS:
        with contextlib.suppress(UserError):
            receipts[kind] = Subject.of(session, kind).receipt
    assert set(receipts) >= least
    made = elsewhere([receipt.code for receipt in receipts.values()])
    for (kind, receipt), found in zip(receipts.items(), made, strict=True):
        assert found == receipt.data_sha256, kind


@pytest.mark.parametrize("ending", ["pdf", "svg", "png"])
def test_a_figure_carries_its_receipt_and_the_copied_code_writes_the_same_bytes(ending: str):
    panel = ExportPanel(Session("sinusoid-maml", seed=3, count=2, queries=5))
    told = panel.export("curves", format=ending, width="double", dark=True)
    path = Path(told["path"])
    assert path == Path("figures") / f"curves.{ending}"
    content = path.read_bytes()
    assert len(content) == told["bytes"]
    receipt = read_receipt(path)
    assert receipt.data_sha256 == frame_sha256(panel.shown.frame("curves"))
    assert receipt.configuration["tasks"] == "sinusoid:maml"
    assert receipt.seed == 3
    path.unlink()
    exec(told["code"], {})
    assert path.read_bytes() == content
    panel.close()


@pytest.fixture
def panel() -> Iterator[SessionPanel]:
    panel = ExportPanel(Session("sinusoid-maml", count=2, queries=5))
    yield panel
    panel.close()


def test_tables_and_whole_sessions(panel: SessionPanel):
    steps = panel.shown.frame("steps")
    table = Path(panel.export("steps", format="csv")["path"])
    pd.testing.assert_frame_equal(pd.read_csv(table), counted(steps), check_dtype=False)
    text = Path(panel.export("certificate", format="tex")["path"]).read_text()
    note = text.splitlines()[0].removeprefix("% receipt: ")
    assert Receipt.from_json(note).data_sha256 == frame_sha256(panel.shown.frame("certificate"))
    trace = Tape.load(panel.export("steps", format="metatrace")["path"])
    assert trace.frame("steps").equals(panel.shown.tape.frame("steps"))
    page = Path(panel.export("steps", format="html")["path"]).read_text()
    assert page.startswith("<!doctype html>")
    for path in Path("figures").iterdir():
        assert not path.name.startswith(".")


def test_a_csv_leaves_out_whatever_fits_no_cell():
    arrays = [np.zeros(2), np.ones(2)]
    frame = pd.DataFrame({"targets": arrays, "label": [0, 1], "latent": arrays})
    content = Subject("examples", frame, "frame = …").content(ExportSettings(format="csv"))
    assert content == b"label\n1\n2\n"


def test_a_preview_is_of_true_size_and_says_what_is_seen(panel: SessionPanel):
    for width, inches in (("single", 3.5), ("double", 7.16), ("slide", 10.0)):
        told = panel.preview("curves", width=width)
        picture = Image.open(io.BytesIO(base64.b64decode(told["picture"])))
        assert told["inches"][0] == inches
        assert abs(picture.width - 192 * inches) <= 1
        assert "regression task" in told["words"]
    assert json.loads(told["receipt"])["code"] == panel.shown.code("curves")
    assert panel.preview("certificate", format="tex")["text"].startswith("% receipt")
    assert not Path("figures").exists()


def test_a_file_is_replaced_only_when_that_is_asked_for(panel: SessionPanel):
    first = panel.export("steps", format="svg")["path"]
    assert panel.preview("steps", format="svg")["name"] == "steps-2.svg"
    assert panel.export("steps", format="svg")["path"] == "figures/steps-2.svg"
    with pytest.raises(UserError, match="exists: choose another name, or replace it"):
        panel.export("steps", name="steps.svg", format="svg")
    panel.export("steps", name="steps.svg", replace=True, format="svg", dark=True)
    assert b"1b1d21" in Path(first).read_bytes().lower()


def test_a_download_is_the_same_file_and_writes_none(panel: SessionPanel):
    told = panel.export("steps", format="png", download=True)
    assert told["media"] == "image/png"
    assert not Path("figures").exists()
    panel.export("steps", format="png")
    assert Path("figures/steps.png").read_bytes() == base64.b64decode(told["content"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "../a.pdf"}, "names no pdf file"),
        ({"name": "a.png"}, "end it in .pdf"),
        ({"format": "doc"}, "export.format is 'doc'"),
        ({"width": "triple"}, "export.width is 'triple'"),
        ({"kind": "predictions"}, "these tasks have none"),
        ({"kind": "curves", "format": "tex"}, "fits on no page"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_left(panel, asked, message):
    with pytest.raises(UserError, match=message):
        panel.export(**{"kind": "steps", **asked})
    assert not Path("figures").exists()


def test_the_function_refuses_an_ending_that_there_is_not():
    with pytest.raises(UserError, match="export.format is 'doc'"):
        export(Session("bandit-rl2", count=2), "steps", "a.doc")


def test_every_kind_that_a_session_has_can_be_drawn():
    assert set(KINDS) <= set(DRAWN)


def test_curves_and_comparisons_are_exported_too():
    for seed in (0, 1):
        experiment = replace(preset("sinusoid-maml").stretched(20), seed=seed)
        experiment = replace(
            experiment, learner=replace(experiment.learner, inner_rate=0.01 + 0.02 * seed)
        )
        train(experiment, f"runs/r{seed}", progress=False)
    training = TrainPanel()
    comparing = ComparePanel("runs/r0", "runs/r1", episodes=50)
    comparing._worker.join(60)
    for panel, kind in ((training, "training"), (comparing, "comparison")):
        subject = panel.subject(kind)
        assert elsewhere([subject.code]) == [subject.receipt.data_sha256]
        told = panel.export(kind, format="svg")
        assert read_receipt(told["path"]) == subject.receipt
        Path(told["path"]).unlink()
        exec(told["code"], {})
        assert Path(told["path"]).exists()
        with pytest.raises(UserError, match="holds a session, and this is none"):
            panel.export(kind, format="metatrace")
        for ending in ("csv", "tex"):
            with contextlib.suppress(UserError):  # a comparison has too many rows for a page
                told = panel.export(kind, format=ending)
                before = Path(told["path"]).read_text()
                exec(told["code"], {})
                again = Path(told["path"]).read_text()
                assert again == (before if ending == "csv" else before.partition("\n")[2])
        panel.close()


def test_a_table_is_latex():
    frame = pd.DataFrame(
        {
            "name": ["a_b & 5%", None],
            "count": [-3, 1200],
            "value": [1.23456e-7, -np.inf],
            "right": [True, False],
            "image": [np.zeros(2), np.zeros(2)],
        }
    )
    lines = latex_table(frame, "made\nof").splitlines()
    assert lines[:2] == ["% made", "% of"]
    assert lines[3] == r"\begin{tabular}{lrrl}"
    assert lines[7] == r"a\_b \& 5\% & $-$3 & $1.23 \times 10^{-7}$ & yes \\"
    assert lines[8] == r"-- & 1200 & $-\infty$ & no \\"
    powers = latex_table(pd.DataFrame({"x": [1e-4, 2e9, -0.5, 12345.6]}))
    for expected in ("$10^{-4}$", r"$2 \times 10^{9}$", "$-0.5$", "$12{,}300$"):
        assert expected in powers


def test_an_export_is_of_the_lanes_and_on_the_scale_that_are_asked_for(folder: Path):
    session = sine()
    panel = SessionPanel("stage", session)
    asked = {"lanes": [0, 1], "format": "png", "scale": "linear"}
    for kind in ("curves", "steps"):
        shown = panel.preview(kind, **asked)
        assert "branch 1: inner rate 0.05" in str(shown["words"])
        code = panel.export(kind, name=f"{kind}.png", **asked)["code"]
        before = (folder / "figures" / f"{kind}.png").read_bytes()
        exec(code, {})
        assert (folder / "figures" / f"{kind}.png").read_bytes() == before
    assert ", lanes=" not in code  # of losses all lanes are shown anyway
    assert 'scale="linear"' in code
    assert panel.preview("curves", lanes=[1], format="csv")["code"].count("lanes=") == 0
    panel.close()
