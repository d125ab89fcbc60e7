"""What crosses to the panels is said once, in Python; the TypeScript of it is generated."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import nbformat
import pandas as pd
import pytest

from workbench.inspection import Inspection
from workbench.measures import Record
from workbench.server import messages as served
from workbench.server.documents import receipt_of, run_document
from workbench.server.experiment import Presets, notebook_of, shipped_notebooks
from workbench.server.handlers import asked_of
from workbench.server.looking import Lookout
from workbench.session import messages
from workbench.session.drafts import Draft
from workbench.session.session import Session
from workbench.session.showing import Showing
from workbench.training import Run, preset
from workbench.widgets import ComparePanel, TrainPanel
from workbench.widgets.exporting import Exporting, Subject
from workbench.wire import WireFrame

ROOT = Path(__file__).parent.parent

spec = importlib.util.spec_from_file_location("typescript", ROOT / "tools" / "typescript.py")
assert spec is not None
assert spec.loader is not None
typescript: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(typescript)


def test_the_generated_file_is_of_these_types():
    written = (ROOT / "extensions" / "src" / "generated.ts").read_text(encoding="utf-8")
    assert written == typescript.main(), "a message changed: run `make types`"


@dataclasses.dataclass(frozen=True)
class Kept:
    one: int = 0


class Said(TypedDict):
    """What is said.

    And more of it.
    """

    word: NotRequired[str]  # a word
    choice: Literal["a", "b"] | None
    pair: tuple[float, int]
    many: list[int | str]
    named: dict[str, list[bool]]
    kept: typing.Annotated[dict[str, Any], Kept]
    more: Record


def test_a_typed_dictionary_in_typescript():
    assert typescript.interface(Said).splitlines() == [
        "/** What is said. */",
        "export interface Said {",
        "  /** A word. */",
        "  word?: string;",
        '  choice: "a" | "b" | null;',
        "  pair: [number, number];",
        "  many: (number | string)[];",
        "  named: Record<string, boolean[]>;",
        "  kept: Kept;",
        "  more: Measure;",
        "}",
    ]


def test_what_has_no_form_is_refused():
    with pytest.raises(TypeError, match="say it plainer"):
        typescript.spelled(set)


def complaint(hint: Any, value: Any, where: str) -> str:
    """Why a value is not of a hint; nothing where it is."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return ""
    if origin is NotRequired:
        return complaint(inside[0], value, where)
    plain = {typing.Annotated: dict, list: list, tuple: tuple, dict: dict, Mapping: dict}
    kind = dict if typing.is_typeddict(hint) else plain.get(origin)
    if kind is not None and not isinstance(value, kind):
        return f"{where} is {value!r}"
    if origin is typing.Annotated:
        names = {one.name for one in dataclasses.fields(inside[1])}
        return "" if value.keys() == names else f"{where} has {sorted(value)}"
    if origin is Literal:
        return "" if value in inside else f"{where} is {value!r}"
    if typing.is_typeddict(hint):
        hints = typing.get_type_hints(hint, include_extras=True)
        needed = {n for n, h in hints.items() if typing.get_origin(h) is not NotRequired}
        if not needed <= value.keys() <= hints.keys():
            return f"{where} has {sorted(value)}, not {sorted(hints)}"
        found = (complaint(hints[n], v, f"{where}.{n}") for n, v in value.items())
        return next(filter(None, found), "")
    if origin in (list, tuple):
        found = (complaint(inside[0], v, f"{where}[]") for v in value)
        return next(filter(None, found), "")
    if origin in (dict, Mapping):
        found = (complaint(inside[1], v, f"{where}[{n}]") for n, v in value.items())
        return next(filter(None, found), "")
    if inside:
        found = [complaint(arm, value, where) for arm in inside]
        return "" if "" in found else found[0]
    good = isinstance(value, (int, float) if hint is float else hint)
    return "" if good else f"{where} is {value!r}"


@pytest.mark.parametrize("preset", ["sinusoid-maml", "glyphs-matching", "bandit-rl2"])
def test_what_a_session_says_is_what_its_type_says(preset: str):
    session = Session(preset, count=2)
    if preset == "sinusoid-maml":
        session.branch(1, {"inner_rate": 0.1})
    showing = Showing(session)
    assert complaint(messages.SessionAbout, showing.about(), "about") == ""
    json.dumps(showing.about(), allow_nan=False)
    for name, frame in showing.frames().items():
        assert complaint(WireFrame, frame, name) == ""


def test_what_a_session_without_a_learner_says():
    showing = Showing(Session(tasks="digits", ways=2))
    assert complaint(messages.SessionAbout, showing.about(), "about") == ""


def test_what_the_other_panels_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = TrainPanel("runs")
    assert complaint(messages.TrainAbout, training.about, "about") == ""
    assert complaint(list[messages.Setting], Draft("sinusoid-maml").form(), "form") == ""
    compared = ComparePanel()
    assert complaint(messages.CompareAbout, compared.about, "about") == ""

    class Exports(Exporting):
        def subject(self, kind: str, lanes: Sequence[int] | None = None) -> Subject:
            return Subject(kind, pd.DataFrame({"a": [1]}), "frame = …")

    preview = Exports().preview("a", format="csv")
    assert complaint(messages.Preview, preview, "preview") == ""
    for download in (True, False):
        made = Exports().export("a", "a.csv", format="csv", download=download)
        assert complaint(messages.Exported, made, "made") == ""


def test_what_the_server_says_is_what_its_types_say(tmp_path):
    run = Run.create(preset("sinusoid-maml"), tmp_path / "runs" / "mine")
    run.append({"iteration": 5, "split": "validation", "mse": 0.5, "seconds": 1.0})
    page = Lookout(tmp_path).page({"group": "seeds"})
    assert page["total"] == 1
    assert complaint(served.RunsPage, page, "page") == ""
    document = run_document(tmp_path, Lookout(tmp_path), "runs/mine")
    assert complaint(served.RunDocument, document, "document") == ""
    (tmp_path / "a.png").touch()
    receipt = receipt_of(tmp_path, Lookout(tmp_path), "a.png")
    assert complaint(served.FigureReceipt, receipt, "receipt") == ""
    assert complaint(list[served.ShippedNotebook], shipped_notebooks(), "notebooks") == ""
    assert complaint(list[served.PresetChoice], Presets(tmp_path).choices(), "presets") == ""
    asked = asked_of({"preset": "sinusoid-maml"})
    assert complaint(served.Asked, asked, "asked") == ""
    made = {"place": "", "undo": "", "content": notebook_of(asked, 5)}
    assert complaint(served.Done, made, "made") == ""
    nbformat.validate(nbformat.from_dict(made["content"]))


def test_a_method_s_own_inspection_is_a_tab_by_its_name_where_nothing_is_said():
    own = Inspection("spread", lambda *_: None, {}, "How far weights are spread")
    assert (own.view, own.label) == (None, "spread")
    named = Inspection("spread", lambda *_: None, {}, "How far they are", label="Spread")
    assert named.label == "Spread"
    with pytest.raises(Exception, match="view is 'flwo': did you mean 'flow'"):
        Inspection("spread", lambda *_: None, {}, "How far", view="flwo")  # type: ignore[arg-type]
