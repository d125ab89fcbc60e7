"""CLINC150: its divisions, sentences out of scope, files that are not it, and the real thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from workbench.algorithms import Prototypical, adapt, last
from workbench.errors import UserError
from workbench.models import NGramMLP
from workbench.tasks import Examples, Shape, data, open_tasks
from workbench.tasks.families import clinc150
from workbench.tasks.families.clinc150 import auroc
from workbench.tasks.text import Texts, decoded
from workbench.tasks.text_files import DOMAINS, read_intents

INTENTS = [intent for intents in DOMAINS.values() for intent in intents.split()]


def tiny() -> dict[str, Any]:
    """In the form of the official file."""
    parts: dict[str, Any] = {
        part: [[f"{intent} {part} {n}", intent] for intent in INTENTS for n in range(3)]
        for part in ("train", "val", "test")
    }
    for part in ("oos_train", "oos_val", "oos_test"):
        parts[part] = [[f"nothing {part} {n}", "oos"] for n in range(9)]
    return parts


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    path = tmp_path / clinc150.FILE
    path.parent.mkdir()
    path.write_text(json.dumps(tiny()))
    return path


def opened(name: str) -> Texts:
    tasks = open_tasks(name)
    assert isinstance(tasks, Texts)
    return tasks


def test_there_are_ten_domains_of_fifteen_intents() -> None:
    assert [len(intents.split()) for intents in DOMAINS.values()] == [15] * 10
    assert len(set(INTENTS)) == 150


@pytest.mark.parametrize("scheme", clinc150.SCHEMES)
def test_classes_are_of_one_split(made: Path, scheme: str) -> None:
    tasks = opened(f"clinc150:{scheme}")
    assert {s: len(p) for s, p in tasks.splits.items()} == {
        "train": 90,
        "validation": 30,
        "test": 30,
    }
    rows = [set(part.classes.tolist()) for part in tasks.splits.values()]
    assert len(set.union(*rows)) == 150
    domains = [{tasks.bank.groups[row] for row in own} for own in rows]
    if scheme == "domains":
        assert [len(own) for own in domains] == [6, 2, 2]
        assert len(set.union(*domains)) == 10
    else:
        assert all(len(own) > 6 for own in domains)
    name = tasks.bank.names[40]
    assert decoded(tasks.bank.x[int(tasks.bank.starts[40])]) == f"{name} train 0"


def test_none_of_these_are_asked_but_do_not_count(made: Path) -> None:
    shape = Shape(5, 1, 4)
    tasks = open_tasks("clinc150:domains/none")
    plain = open_tasks("clinc150:domains").sample(3, seed=0, split="test", shape=shape)
    episode = tasks.sample(3, seed=0, split="test", shape=shape)
    assert [metric.name for metric in tasks.objective.metrics] == ["accuracy", "auroc"]
    assert torch.equal(episode.query.x[:, :20], plain.query.x)
    assert episode.query.weight is not None
    assert episode.query.weight.tolist() == [[1.0] * 20 + [0.0] * 4] * 3
    told = {decoded(x) for x in episode.query.x[:, 20:].flatten(0, 1)}
    assert all(text.startswith("nothing oos_test") for text in told)
    assert all(len({decoded(x) for x in row}) == 4 for row in episode.query.x[:, 20:])
    learner = Prototypical(NGramMLP(None, bins=64, hidden=())).eval()
    scores = []
    for one in (plain, episode):
        adapted = last(adapt(learner, one))
        scores.append(learner.predict(adapted, one.query.x, one.query.weight))
    torch.testing.assert_close(scores[1][:, :20], scores[0])
    torch.testing.assert_close(
        episode.measured(scores[1], episode.query), plain.measured(scores[0], plain.query)
    )
    with pytest.raises(UserError, match="queries is 8 and|ask for at most"):
        tasks.sample(1, seed=0, split="test", shape=Shape(5, 1, 10))
    with pytest.raises(UserError, match="clinc150 has no option 'nome': did you mean 'none'"):
        open_tasks("clinc150:domains/nome")


def test_the_area_is_scikit_learns() -> None:
    from sklearn.metrics import roc_auc_score

    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 30, 5, generator=draw).round(decimals=1)  # with ties
    weight = (torch.rand(4, 30, generator=draw) < 0.6).float()
    x = torch.ones(4, 30, 2, dtype=torch.int64)
    found = auroc(logits, Examples(x, torch.zeros(4, 30, dtype=torch.int64), weight))
    for task in range(4):
        expected = roc_auc_score(weight[task].numpy(), logits[task].amax(dim=-1).numpy())
        assert float(found[task]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d.pop("oos_val"), "has not the parts train, val, test, oos_train"),
        (lambda d: d.update(val={"a": 1}), r"'val' of .* is no list of \[sentence, intent\]"),
        (lambda d: d["test"].append(["hi"]), r"'test' of .* is no list"),
        (lambda d: d["test"].append(["hi", 3]), r"'test' of .* is no list"),
        (lambda d: d["train"].append(["hi", "pay_bil"]), "has the unknown intent 'pay_bil'"),
        (
            lambda d: d.update({p: [["hi", "transfer"]] for p in ("train", "val", "test")}),
            r"has no sentence of 149 intents \('freeze_account' among them\)",
        ),
    ],
)
def test_what_is_not_its_form_is_refused(
    made: Path, change: Callable[[Any], Any], complaint: str, tmp_path: Path
) -> None:
    broken = tiny()
    change(broken)
    made.write_text(json.dumps(broken))
    with pytest.raises(UserError, match=complaint) as told:
        open_tasks("clinc150")
    assert "\n" not in str(told.value)
    with pytest.raises(UserError, match=complaint):
        data.fetch("clinc150", tmp_path, say=lambda _: None)
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_missing_or_no_json_is_refused(made: Path) -> None:
    made.write_bytes(made.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"is no JSON \(.*char 1000"):
        open_tasks("clinc150")
    made.write_bytes(b'{"train": [["caf\xe9", "translate"]]}')
    with pytest.raises(UserError, match="is not in UTF-8"):
        open_tasks("clinc150")
    made.unlink()
    with pytest.raises(UserError, match="clinc150 needs .*workbench data fetch clinc150"):
        open_tasks("clinc150")


def test_the_real_file(real_data: Callable[[str], Path]) -> None:
    found = read_intents(real_data(clinc150.FILE))
    assert {len(own) for own in found.sentences.values()} == {150}
    assert {split: len(own) for split, own in found.outside.items()} == {
        "train": 100,
        "validation": 100,
        "test": 1000,
    }
    episode = open_tasks("clinc150:domains/none").sample(20, seed=0, split="test")
    assert episode.query.x.shape == (20, 90, clinc150.LENGTH)
    names = open_tasks("clinc150:intents").sample(2, seed=0).info["class_names"]
    assert set(names) < set(INTENTS)
