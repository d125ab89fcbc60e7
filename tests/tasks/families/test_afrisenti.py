"""AfriSenti: languages left out, files that are not it, and the real thing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.errors import UserError
from workbench.tasks import Shape, data, open_tasks
from workbench.tasks.families import afrisenti
from workbench.tasks.families.afrisenti import LANGUAGES, PARTS
from workbench.tasks.text import Texts, decoded
from workbench.tasks.text_files import LABELS


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    for language in LANGUAGES:
        for part in PARTS:
            lines = [
                f"{language} {part} {label} {n}\t{label}" for label in LABELS for n in range(4)
            ]
            path = tmp_path / "afrisenti" / language / f"{part}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(["tweet\tlabel", *lines]))
    return tmp_path / "afrisenti"


def opened(name: str) -> Texts:
    tasks = open_tasks(name)
    assert isinstance(tasks, Texts)
    return tasks


def languages(tasks: Texts) -> dict[str, set[str]]:
    return {
        split: {tasks.bank.groups[row] for row in part.classes.tolist()}
        for split, part in tasks.splits.items()
    }


def test_a_language_is_trained_validated_or_tested(made: Path) -> None:
    tasks = opened("afrisenti")
    found = languages(tasks)
    assert found == {
        "train": {"amh", "arq", "ary", "hau", "ibo"},
        "validation": {"swa"},
        "test": {"pcm", "tso"},
    }
    other = opened("afrisenti:leave-out/hau/arq")
    assert other.scheme == "leave-out/arq/hau"
    assert languages(other)["test"] == {"arq", "hau"}
    assert languages(other)["validation"] == {"ary"}


def test_a_task_is_of_one_language_and_its_classes_stand_in_order(made: Path) -> None:
    episode = open_tasks("afrisenti").sample(30, seed=0, split="test", shape=Shape(3, 2, 3))
    names = episode.info["class_names"]
    for task in range(30):
        told = [names[c] for c in episode.info["classes"][task].tolist()]
        language = told[0].split("/")[0]
        assert told == [f"{language}/{label}" for label in LABELS]
        for x, y in zip(episode.query.x[task], episode.query.y[task].tolist(), strict=True):
            text = decoded(x)
            assert text.startswith(language)
            assert LABELS[y] in text
    with pytest.raises(UserError, match="tells the same 3 classes apart: ask for ways=3"):
        open_tasks("afrisenti").sample(1, seed=0, shape=Shape(2, 1, 1))


def test_a_tweet_that_stands_twice_counts_once(made: Path) -> None:
    path = made / "tso" / "test.tsv"
    path.write_text(path.read_text() + "\nTSO  train negative 0\tpositive")
    assert opened("afrisenti").bank.counts.tolist() == [12] * 24


def test_unknown_languages_and_too_many_are_refused(made: Path) -> None:
    with pytest.raises(UserError, match="afrisenti has no language 'hua': did you mean 'hau'"):
        open_tasks("afrisenti:leave-out/hua")
    most = "/".join(list(LANGUAGES)[:7])
    with pytest.raises(UserError, match="leave out 7 of its 8 languages.*at most 6"):
        open_tasks(f"afrisenti:leave-out/{most}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("tweet\tlabel\nna so\tpositive\n", "has no text labelled negative"),
        ("tweet\tlabel\nna so\tpositif\n", "line 2 of .* negative or neutral or positive"),
        ("na so\tpositive\n", "begins with 'na so.*workbench data fetch afrisenti"),
    ],
)
def test_a_broken_file_is_refused_and_nothing_of_the_set_is_copied(
    made: Path, tmp_path: Path, content: str, complaint: str
) -> None:
    (made / "tso" / "dev.tsv").write_text(content)
    with pytest.raises(UserError, match=complaint) as told:
        open_tasks("afrisenti")
    assert "\n" not in str(told.value)
    with pytest.raises(UserError, match=complaint):  # though it is the last but two to be copied
        data.fetch("afrisenti", tmp_path, say=lambda _: None)
    assert not (tmp_path / "cache").exists()


def test_the_set_is_copied_language_by_language(made: Path, tmp_path: Path) -> None:
    taken = data.fetch("afrisenti", made, say=lambda _: None)  # from the set's own folder
    assert len(taken) == 24
    copied = tmp_path / "cache/afrisenti/ibo/dev.tsv"
    assert copied.read_text() == (made / "ibo/dev.tsv").read_text()


def test_the_real_files(real_data: Callable[[str], Path]) -> None:
    real_data("afrisenti/tso/test.tsv")
    tasks = opened("afrisenti")
    assert 70_000 < len(tasks.bank.x) < 74_236  # without what stands twice
    assert int(tasks.bank.counts.min()) > 200
    episode = tasks.sample(4, seed=0, split="test")
    assert episode.support.x.shape == (4, 15, afrisenti.LENGTH)
