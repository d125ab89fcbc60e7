"""Texts as inputs: to code points and back, and files that are not what they should be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from workbench.errors import UserError
from workbench.inspection import example_frame
from workbench.tasks import Shape, edited, open_tasks
from workbench.tasks.sampler import ClassSplit
from workbench.tasks.text import Texts, decoded, encoded, text_bank
from workbench.tasks.text_files import read_json, read_pairs

HEADER, LABELS = ("tweet", "label"), ("bad", "good")


def test_a_text_can_be_read_again() -> None:
    texts = ["ያለ ነው 😂", "nna ọ dị mma", "مرحبا", "", "a\0b"]
    assert [decoded(row) for row in encoded(texts, 20)] == [*texts[:4], "a b"]
    assert decoded(encoded(["longer than that"], 6)[0]) == "longer"
    assert decoded(torch.tensor([0x110000, 65])) == "�A"
    assert encoded(["\ud800"], 3).shape == (1, 3)  # half a character, as broken JSON may hold


def test_texts_that_are_alike_once_plain_are_one_example() -> None:
    bank = text_bank({"a": ["Hi there", "hi  there", "hi"], "b": ["hi thereafter"]}, (), 8)
    assert bank.counts.tolist() == [2, 1]


def test_an_episode_of_texts_is_shown_as_texts_and_edited(tmp_path: Path) -> None:
    tasks = open_tasks("grammar")
    episode = tasks.sample(2, seed=0, shape=Shape(2, 1, 2))
    frame = example_frame(episode, 1)
    assert frame["text"][0] == decoded(episode.support.x[1, 0])
    assert {"text"} == {"text", "inputs", "image", "x"} & set(frame.columns)
    with pytest.raises(UserError, match="whole numbers, such as a text's characters, and noise"):
        edited(episode, [{"what": "noise", "task": 0, "part": "support", "example": 0}])
    swap = {"what": "swap", "task": 0, "part": "support", "example": 0, "seed": 1}
    swapped = example_frame(edited(episode, [swap], tasks))
    assert swapped["text"][0] != example_frame(episode)["text"][0]
    assert swapped["name"][0] == example_frame(episode)["name"][0]


def test_padding_of_unequal_shots_holds_no_text() -> None:
    bank = text_bank({name: [f"{name} {n}" for n in range(9)] for name in "abcdef"}, (), 12)
    splits = {"train": ClassSplit.of([0, 1, 2]), "test": ClassSplit.of([3, 4, 5])}
    tasks = Texts(bank, splits, name="own", scheme="own")  # type: ignore[arg-type]
    episode = tasks.sample(20, seed=0, shape=Shape((2, 3), (1, 3), 2))
    assert episode.support.weight is not None
    assert not episode.support.x[episode.support.weight == 0].any()
    assert tasks.spec(Shape(2)).whole_numbers


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"tweet\tlabel\nna so\tgood\n\xff\xfe no\tbad\n", r"is not in UTF-8 \(byte 23\): get it"),
        ("twéet\tlabel\n".encode("utf-16"), r"is not in UTF-8 \(byte 0\): get it"),
        (b"text,label\nna so,good\n", "begins with 'text,label' and not with the columns tweet"),
        (b"", "begins with '' and not with the columns tweet and label, a tab between"),
        (b"tweet\tlabel\nna so\tgood\nno\n", "line 3 of .* is 'no', and not a text, a tab and bad"),
        (b"tweet\tlabel\nna so\tgreat\n", "line 2 of .* and not a text, a tab and bad or good"),
        (b"tweet\tlabel\n \tgood\n", "line 2 of"),
        (b"tweet\tlabel\nna so\tgood\nyes\tgood\n", "has no text labelled bad: get it"),
    ],
)
def test_a_table_that_is_none_is_refused_in_a_sentence(
    content: bytes, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "train.tsv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=complaint) as told:
        read_pairs(path, HEADER, LABELS, "get it again")
    assert "\n" not in str(told.value)


def test_a_table_as_other_systems_write_it(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_bytes(b"\xef\xbb\xbftweet\tlabel\r\nna \tso\tgood\r\n\r\nno\tbad")
    assert read_pairs(path, HEADER, LABELS, "") == {"bad": ["no"], "good": ["na \tso"]}


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    for content in ("{", "[" * 100_000):
        path.write_text(content)
        with pytest.raises(UserError, match=r"is no JSON \(.*\): get it again"):
            read_json(path, "get it again")
    with pytest.raises(UserError, match="cannot be read"):
        read_json(tmp_path, "get it again")


def test_episodes_of_texts_say_what_they_are() -> None:
    episode = open_tasks("grammar").sample(1, seed=0)
    assert episode.info["inputs"] == "text"
    plain = dataclasses.replace(
        episode, info={k: v for k, v in episode.info.items() if k != "inputs"}
    )
    assert example_frame(plain)["text"][0].endswith("…")  # tokens of another kind: their numbers
