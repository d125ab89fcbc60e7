"""Every sentence of panels and extension has its Chinese, and the Chinese has nothing else."""

from __future__ import annotations

import json
import re

import pytest

from tools.words import DOMAIN, LOCALE, SOURCES, catalogue, used

LANGUAGES = sorted(folder.name for folder in LOCALE.iterdir())


def places(text: str) -> set[str]:
    """The values that a sentence has room for."""
    return set(re.findall(r"%\d", text))


@pytest.fixture(scope="module")
def said() -> dict[str, str | None]:
    return used()


def test_chinese_is_among_them():
    assert "zh_CN" in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_sentence_and_no_other(language: str, said: dict[str, str | None]):
    known = catalogue(language)
    assert known.keys() - said.keys() == set(), "nobody says this any more"
    assert said.keys() - known.keys() == set(), "run `python tools/words.py`, and translate"


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_have_their_places(language: str, said: dict[str, str | None]):
    """JupyterLab passes over a translation of another number of forms, and takes %% for one %."""
    for text, found in catalogue(language).items():
        many = said[text]
        assert len(found) == (1 if many is None else 2), text
        for one, own in zip(found, (text, many), strict=False):
            assert one.strip() == one != "", text
            assert places(one) == places(many or own or ""), text
            assert "%%" not in one, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_header_is_what_jupyterlab_reads(language: str):
    text = (LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.json").read_text()
    head = json.loads(text)[""]
    assert head["domain"] == DOMAIN
    assert head["language"] == language.replace("_", "-")
    assert re.fullmatch(r"nplurals=\d; plural=[n0-9!=]+;", head["plural_forms"])
    keys = [key for key in json.loads(text) if key]
    assert keys == sorted(keys)


def test_sentences_stand_where_they_are_said():
    """A sentence made of parts, or under another quote, would be found by nobody."""
    for path in SOURCES.rglob("*.ts*"):
        for call in re.findall(r"\btrans\._(?:_|n)\(\s*(\S)", path.read_text()):
            assert call not in "`'", path
