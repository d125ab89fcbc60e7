"""Panels: commands in, traits and answers out, and every error where it is seen."""

from __future__ import annotations

import base64
import gc
import json
import threading
import weakref
import zlib

import numpy as np
import pandas as pd
import pytest

from tests.test_typescript import complaint
from workbench.errors import UserError
from workbench.files import read_tensors
from workbench.inspection.kinds import KINDS
from workbench.session.messages import SavedTrace
from workbench.session.saved import TRACE, saved_trace
from workbench.session.session import Session
from workbench.session.showing import SHOWN
from workbench.widgets.views import SessionPanel, Stage
from workbench.wire import to_wire


@pytest.fixture
def stage():
    panel = Stage(Session("sinusoid-maml", count=2, queries=5))
    panel.answers = []
    panel.send = lambda content, buffers=None: panel.answers.append(content)
    yield panel
    panel.close()


def ask(panel: SessionPanel, command: str, **args):
    panel.receive({"id": len(panel.answers), "command": command, "args": args})
    return panel.answers[-1]


def column(frame, name):
    (found,) = [c for c in frame["columns"] if c["name"] == name]
    kinds = {"number": "<f8", "integer": "<i4", "boolean": "u1", "words": "<i4", "arrays": "<f4"}
    return np.frombuffer(found["data"], kinds[found["type"]])


def test_it_shows_the_session_at_once(stage):
    assert stage.view == "stage"
    assert {"0:examples", "0:steps", "0:curves"} <= set(stage.frames)
    steps = stage.shown.frame("steps", task=0)
    assert (column(stage.frames["0:steps"], "loss") == steps["loss"].to_numpy()).all()
    about = stage.about
    assert (about["title"], about["kind"], about["tasks"]) == ("sinusoid-maml", "regression", 2)
    assert about["kinds"]["flow"] == "open"
    assert (
        "classification" in about["kinds"]["predictions"]
        or "curve" in (about["kinds"]["predictions"])
    )
    assert set(about["kinds"]) == set(KINDS)


def test_a_command_changes_the_session_and_is_answered(stage):
    answer = ask(stage, "edit", what="move", task=0, part="support", example=1, y=2.0)
    assert answer == {"id": 0, "result": None}
    assert float(stage.shown.episode.support.y[0, 1, 0]) == 2.0
    assert stage.about["edits"] == 1
    lane = ask(stage, "branch", step=2, settings={"inner_rate": 0.1})["result"]
    assert lane == 1
    assert stage.cursor["lane"] == 1
    assert "1:steps" in stage.frames


def test_an_error_is_shown_with_its_cure_and_goes_away(stage):
    answer = ask(stage, "vary", inner_rate=-1)
    assert "inner_rate" in answer["error"]
    assert stage.problem["text"] == answer["error"]
    assert "no command 'refresh'" in ask(stage, "refresh", topic="state")["error"]
    ask(stage, "vary", inner_rate=0.02)
    assert stage.problem == {}


def test_a_fault_is_shown_with_its_traceback(stage, monkeypatch):
    monkeypatch.setattr(stage.shown, "undo", lambda: 1 / 0)
    assert "ZeroDivisionError" in ask(stage, "undo")["error"]
    assert "Traceback" in stage.problem["details"]


def test_kinds_are_computed_when_asked_for_and_kept_up_to_date(stage):
    assert "0:flow" not in stage.frames
    ask(stage, "inspect", kind="flow")
    assert stage.about["kinds"]["flow"] == "ready"
    stage._showing._asked["flow"] = 1.0  # as if it were slow
    ask(stage, "vary", inner_rate=0.02)
    assert stage.about["kinds"]["flow"] == "stale"
    stage._showing._asked["flow"] = 0.0
    ask(stage, "vary", inner_rate=0.015)
    assert stage.about["kinds"]["flow"] == "ready"
    assert "did you mean 'flow'" in ask(stage, "inspect", kind="flwo")["error"]


def test_one_cursor_for_all_panels(stage):
    other = SessionPanel("gradients", stage.shown)
    stage.cursor = {**stage.cursor, "step": 4, "layer": "head"}
    assert other.cursor["step"] == stage.shown.cursor.step == 4
    assert other.cursor["layer"] == "head"
    other.close()
    stage.cursor = {**stage.cursor, "step": 5}
    assert other.cursor["step"] == 4


def test_unchanged_frames_are_not_made_again(stage):
    before = stage._showing._wired[0, "curves", 0]
    ask(stage, "branch", step=1, settings={"inner_rate": 0.1})
    assert stage._showing._wired[0, "curves", 0] is before


def test_events_from_other_threads_are_all_done(stage):
    threads = [
        threading.Thread(
            target=ask,
            args=(stage, "edit"),
            kwargs={"what": "move", "task": 0, "part": "support", "example": k, "y": float(k)},
        )
        for k in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moved = stage.shown.episode.support.y[0, :, 0].tolist()
    assert moved == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert all("error" not in answer for answer in stage.answers)


def test_a_closed_panel_is_forgotten():
    session = Session("sinusoid-maml", count=1, queries=2)
    panel = Stage(session)
    gone = weakref.ref(panel)
    panel.close()
    del panel
    gc.collect()
    assert gone() is None
    assert not session._watchers


def test_frames_on_the_wire_lose_nothing():
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "x": [0.1, np.nan],
            "ok": [True, False],
            "word": ["a", None],
            "maybe": pd.array([1, None], dtype="Int64"),
            "whole": pd.array([1, 2], dtype="Int64"),
            "far": [1, 2**40],
            "image": [np.zeros((2, 2)), np.ones((2, 2))],
        }
    )
    wire = to_wire(frame)
    kinds = [c["type"] for c in wire["columns"]]
    assert kinds == [
        "integer",
        "number",
        "boolean",
        "words",
        *("number", "integer", "number"),
        "arrays",
    ]
    assert np.isnan(column(wire, "maybe")[1])
    assert column(wire, "word").tolist() == [0, -1]
    assert wire["columns"][7]["shape"] == [2, 2]
    assert wire["rows"] == 2


def test_every_kind_shown_at_once_is_one_that_there_is():
    assert set(SHOWN) <= {*KINDS}


def test_a_missing_bundle_says_what_to_do(monkeypatch, tmp_path):
    from workbench.session import bundle

    bundle.bundle.cache_clear()
    monkeypatch.setattr(bundle, "FOLDER", tmp_path)
    with pytest.raises(UserError, match="make setup"):
        Stage("sinusoid-maml", count=1)
    bundle.bundle.cache_clear()


def test_what_was_there_is_left_in_the_notebook(stage, monkeypatch, tmp_path):
    shown: list[tuple] = []
    monkeypatch.setattr("IPython.display.display", lambda *what, **how: shown.append((what, how)))
    stage._ipython_display_()
    ((said,), _), ((kept,), as_it_is), ((data,), how) = shown
    assert "Run the cell again" in said.data
    assert base64.b64decode(kept["image/png"]).startswith(b"\x89PNG")
    assert kept["text/plain"].startswith("A regression task with 5 support points")
    trace = kept[TRACE]
    assert complaint(SavedTrace, trace, "trace") == ""
    assert trace["code"] == stage.shown.code()
    path = tmp_path / "seen.metatrace"
    path.write_bytes(zlib.decompress(base64.b64decode(trace["content"])))
    tensors, header = read_tensors(path, kind="metatrace", schema=1)
    assert {"steps", "curves", "norms"} <= header["frames"].keys()
    assert {name.partition(".")[0] for name in tensors} == {"episode", "frame"}
    assert header["steps"] == stage.shown.tape.steps
    assert "application/vnd.jupyter.widget-view+json" in data
    assert as_it_is == {"raw": True}
    assert how == {"raw": True, "metadata": {}}
    json.dumps(kept)


def test_of_a_panel_that_shows_no_session_a_sentence_is_left(monkeypatch):
    shown: list[tuple] = []
    monkeypatch.setattr("IPython.display.display", lambda *what, **how: shown.append((what, how)))
    from workbench.widgets.training import TrainPanel

    panel = TrainPanel()
    panel._ipython_display_()
    ((said,), _), _ = shown
    assert "Run the cell again" in said.data
    assert "from when the cell ran" not in said.data
    panel.close()


def test_what_would_be_large_in_a_notebook_is_its_picture_alone(stage, monkeypatch):
    monkeypatch.setattr("workbench.session.saved._MOST", 1_000)
    assert set(stage.saved()) == {"image/png", "text/plain"}
    assert saved_trace(Session(tasks="digits", ways=2)) is None
