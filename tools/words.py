"""Every sentence that panels and extension say, and which of them a language lacks.

    python tools/words.py           what `zh_CN` lacks, as lines to fill in

A sentence stands in English where it is said, `trans.__("It has %1 runs", count)`; what it is in
another language stands in `workbench/locale/LANGUAGE/LC_MESSAGES/metalearning_workbench.json`, in
the form in which JupyterLab reads it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

from workbench.fields import describe
from workbench.inspection import KINDS
from workbench.session.drafts import Draft
from workbench.session.state import Sampling
from workbench.tasks.objectives import Kind, measures, standard
from workbench.widgets.comparing import Comparing
from workbench.widgets.exporting import ExportSettings
from workbench.widgets.training import Looks

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "extensions" / "src"
SCHEMA = ROOT / "extensions" / "schema" / "experiments.json"
DOMAIN = "metalearning_workbench"
LOCALE = ROOT / "workbench" / "locale"
USUAL = ("sinusoid-maml", "omniglot-maml")  # whose settings a form has in all languages

_TEXT = r'\s*"((?:[^"\\]|\\.)*)"'
_ONE = re.compile(rf"(?:\btrans\.__|\bnew Told)\({_TEXT}")
_MANY = re.compile(rf"\btrans\._n\({_TEXT},{_TEXT}")


def catalogue(language: str) -> dict[str, list[str]]:
    """A language's sentences by the English ones, without the header.

    >>> catalogue("zh_CN")["Runs"]
    ['运行']
    """
    path = LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.json"
    return {key: said for key, said in json.loads(path.read_text()).items() if key}


def used() -> dict[str, str | None]:
    """Every sentence; of one that counts something, that of many too.

    >>> used()["%1 run"], used()["Runs"]
    ('%1 runs', None)
    """
    found: dict[str, str | None] = {}
    for path in sorted(SOURCES.rglob("*.ts*")):
        text = path.read_text()
        found |= {_plain(one): None for one in _ONE.findall(text)}
        found |= {_plain(one): _plain(many) for one, many in _MANY.findall(text)}
    schema = json.loads(SCHEMA.read_text())
    for one in (schema, *schema["properties"].values()):
        found |= {one["title"]: None, one["description"]: None}
    for one in KINDS.values():
        found |= {said: None for said in (one.label, one.sentence, *one.called.values()) if said}
    # A method's or a family's own settings and measures keep their names, which code has too.
    labels = {one["label"] for name in USUAL for one in Draft(name).form()}
    for shown in (Sampling(), Comparing(), Looks(), ExportSettings()):
        labels |= {one["label"] for one in describe(shown)}
    found |= {f"setting\4{label}": None for label in labels}
    for kind in get_args(Kind):
        found |= {one.label or one.name: None for one in measures(standard(kind))}
    return found


def _plain(literal: str) -> str:
    return json.loads(f'"{literal}"')


if __name__ == "__main__":
    known = catalogue("zh_CN")
    lacking = {k: [""] * (2 if many else 1) for k, many in used().items() if k not in known}
    print(json.dumps(lacking, ensure_ascii=False, indent=1))  # noqa: T201
