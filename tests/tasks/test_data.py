"""Data cards, where data lie, and fetching them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from workbench.errors import UserError
from workbench.tasks import data


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))


@pytest.mark.parametrize("name", data.cards())
def test_every_card_is_complete(name: str) -> None:
    about = data.card(name)
    assert about.title
    assert about.licence
    assert about.source
    assert about.citation
    for file in about.files:
        assert not Path(file.path).is_absolute()
        assert ".." not in file.path
        assert file.url.startswith("https://")
        if name == "heart" and not file.checksum:  # judged by its contents, as a test below says
            continue
        kind, digits = file.checksum.split(":")
        assert len(digits) == 2 * hashlib.new(kind).digest_size


def test_an_unknown_set_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'omniglot'"):
        data.card("omniglott")


def test_describe_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    rows = {row["name"]: row for row in data.describe()}
    assert rows["digits"]["where"] == "built in"
    assert rows["digits"]["get"] == ""
    assert rows["omniglot"]["where"].count("missing") == 2
    assert "workbench data fetch omniglot" in rows["omniglot"]["get"]
    for file in data.card("omniglot").files:
        for folder in ("cache", "data"):  # WORKBENCH_DATA goes before the cache
            path = tmp_path / folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    rows = {row["name"]: row for row in data.describe()}
    assert str(tmp_path / "data") in rows["omniglot"]["where"]
    assert rows["omniglot"]["get"] == ""


def test_fetch_from_a_folder_judges_by_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "downloads"
    source.mkdir()
    with pytest.raises(UserError, match=r"has no images_background.zip or images_evaluation.zip"):
        data.fetch("omniglot", source, say=lambda _: None)
    (source / "images_background.zip").write_bytes(b"PK, but no more")
    with pytest.raises(UserError, match="truncated or damaged"):
        data.fetch("omniglot", source, say=lambda _: None)
    assert not (tmp_path / "cache").exists()

    said: list[str] = []
    monkeypatch.setattr(data, "_judge", lambda *_: None)
    (taken,) = data.fetch("omniglot", source, say=said.append)
    assert taken == tmp_path / "cache/omniglot/images_background.zip"
    assert taken.read_bytes() == b"PK, but no more"
    assert data.locate("omniglot/images_background.zip") == taken
    assert any("licence: MIT" in line for line in said)
    assert [path.name for path in taken.parent.iterdir()] == [taken.name]


def test_a_download_shows_licence_and_checksum_and_names_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch

    calls: list[tuple[str, str]] = []

    def refused(url: str, known_hash: str, path: Path, fname: str) -> str:
        calls.append((url, known_hash))
        raise error

    monkeypatch.setattr(pooch, "retrieve", refused)
    said: list[str] = []
    error: Exception = ValueError("hash")
    with pytest.raises(UserError, match="did not have the checksum md5:68d2"):
        data.fetch("omniglot", say=said.append)
    error = OSError("no network")
    with pytest.raises(UserError, match=r"could not be downloaded \(no network\).*--from"):
        data.fetch("omniglot", say=said.append)
    assert all(known.startswith("md5:") for _, known in calls)
    assert any("MIT" in line for line in said)
    assert any("md5:68d2" in line for line in said)


def test_a_download_without_a_checksum_is_judged_by_its_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch

    patient = "63,1,3,145,233,1,0,150,0,2.3,1,?,?"
    good = f"{patient},0\n{patient},0\n{patient},2\n{patient},1\n"
    contents = iter([good, "<html>", good, good])

    def got(url: str, known_hash: None, path: Path, fname: str) -> str:
        (path / fname).write_text(next(contents))
        return str(path / fname)

    monkeypatch.setattr(pooch, "retrieve", got)
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path)
    with pytest.raises(UserError, match="hungarian.* has 1 values and not 14, with commas"):
        data.fetch("heart", say=lambda _: None)
    kept = [path.name for path in (tmp_path / "heart-disease").iterdir()]
    assert kept == ["processed.cleveland.data"]  # what was refused left nothing


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file"

    def fail() -> None:
        with data.safe_write(target) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(target.parent.iterdir()) == []
    with data.safe_write(target) as part:
        part.write_text("whole")
    assert [path.name for path in target.parent.iterdir()] == ["file"]
