"""Omniglot: its archives (honest, missing, damaged, hostile), its divisions, and the real thing."""

from __future__ import annotations

import io
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.errors import UserError
from workbench.tasks import Shape, archive, data, open_tasks
from workbench.tasks.families import omniglot
from workbench.tasks.sampler import FewShot

TINY = {"background": (30, 60), "evaluation": (20, 40)}  # two characters an alphabet
SPLITS = ("train", "validation", "test")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcd"

# How many characters each alphabet has in the official archives.
BACKGROUND = {
    "Alphabet_of_the_Magi": 20, "Anglo-Saxon_Futhorc": 29, "Arcadian": 26, "Armenian": 41,
    "Asomtavruli_(Georgian)": 40, "Balinese": 24, "Bengali": 46,
    "Blackfoot_(Canadian_Aboriginal_Syllabics)": 14, "Braille": 26, "Burmese_(Myanmar)": 34,
    "Cyrillic": 33, "Early_Aramaic": 22, "Futurama": 26, "Grantha": 43, "Greek": 24,
    "Gujarati": 48, "Hebrew": 22, "Inuktitut_(Canadian_Aboriginal_Syllabics)": 16,
    "Japanese_(hiragana)": 52, "Japanese_(katakana)": 47, "Korean": 40, "Latin": 26,
    "Malay_(Jawi_-_Arabic)": 40, "Mkhedruli_(Georgian)": 41, "N_Ko": 33,
    "Ojibwe_(Canadian_Aboriginal_Syllabics)": 14, "Sanskrit": 42, "Syriac_(Estrangelo)": 23,
    "Tagalog": 17, "Tifinagh": 55,
}  # fmt: skip
EVALUATION = {
    "Angelic": 20, "Atemayar_Qelisayer": 26, "Atlantean": 26, "Aurek-Besh": 26, "Avesta": 26,
    "Ge_ez": 26, "Glagolitic": 45, "Gurmukhi": 45, "Kannada": 41, "Keble": 26, "Malayalam": 47,
    "Manipuri": 40, "Mongolian": 30, "Old_Church_Slavonic_(Cyrillic)": 45, "Oriya": 46,
    "Sylheti": 28, "Syriac_(Serto)": 23, "Tengwar": 25, "Tibetan": 42, "ULOG": 26,
}  # fmt: skip


def official_names(alphabets: dict[str, int]) -> list[str]:
    return sorted(
        f"{name}/character{n:02}" for name, count in alphabets.items() for n in range(1, count + 1)
    )


def png(size: tuple[int, int] = (105, 105), dot: int = 0) -> bytes:
    """White paper with one black square."""
    pixels = np.full(size[::-1], 255, np.uint8)
    pixels[10:40, 3 * dot : 3 * dot + 20] = 0
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("1").save(stream, "PNG")
    return stream.getvalue()


def write_archive(
    path: Path,
    part: str = "background",
    extra: dict[str | zipfile.ZipInfo, bytes] | None = None,
    replace: bytes | None = None,
    drop: int = 0,
) -> Path:
    """A tiny archive in the official layout, with members added, replaced or dropped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [
        f"images_{part}/Alphabet_{a}/character{c:02}/{c:04}_{d:02}.png"
        for a in ("A" + letter for letter in LETTERS[: TINY[part][0]])
        for c in (1, 2)
        for d in range(1, 21)
    ]
    pictures = [png(dot=d) for d in range(20)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name given twice is meant
        file.writestr(f"images_{part}/", b"")
        for row, name in enumerate(reversed(names[drop:])):
            drawn = pictures[int(name[-6:-4]) - 1]
            file.writestr(name, replace if replace and row == 7 else drawn)
        for extra_name, content in (extra or {}).items():
            file.writestr(extra_name, content)
    return path


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Tiny archives are whole, and everything is looked for and kept in a folder of the test."""
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    if "real_data" in request.fixturenames:
        return
    monkeypatch.setattr(archive, "_CONTENTS", TINY)
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))


@pytest.fixture
def background(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "data/omniglot/images_background.zip")


# The divisions


@pytest.mark.parametrize(
    ("scheme", "characters", "alphabets"),
    [
        ("background-evaluation", (None, None, 659), (25, 5, 20)),
        ("vinyals", (1028, 172, 423), (33, 5, 13)),
        ("random", (1100, 100, 423), (None, None, None)),
        ("background-only", (None, None, None), (20, 5, 5)),
    ],
)
def test_the_divisions_have_their_published_sizes(
    scheme: str, characters: tuple[int | None, ...], alphabets: tuple[int | None, ...]
) -> None:
    held_out = [] if scheme == "background-only" else official_names(EVALUATION)
    names = official_names(BACKGROUND) + held_out
    division = omniglot.divide(scheme, names, background=964)
    rows = [division[split] for split in SPLITS]
    assert sorted(row for mine in rows for row in mine) == list(
        range(len(names))
    )  # each character in one split
    for mine, count, groups in zip(rows, characters, alphabets, strict=True):
        assert count in (None, len(mine))
        assert groups in (None, len({names[row].split("/")[0] for row in mine}))
        assert mine == sorted(mine)


def test_vinyals_cuts_gurmukhi_as_its_authors_did() -> None:
    names = official_names(BACKGROUND) + official_names(EVALUATION)
    test = {names[row] for row in omniglot.divide("vinyals", names, background=964)["test"]}
    gurmukhi = sorted(name for name in test if name.startswith("Gurmukhi"))
    assert gurmukhi == [f"Gurmukhi/character{n}" for n in (42, 43, 44, 45)]


def test_alphabets_are_not_shared_between_splits() -> None:
    names = official_names(BACKGROUND)
    division = omniglot.divide("background-only", names, background=964)
    groups = [{names[row].split("/")[0] for row in division[split]} for split in SPLITS]
    assert sum(len(group) for group in groups) == len(set.union(*groups)) == 30


# A tiny archive


def test_a_tiny_archive(background: Path) -> None:
    tasks = open_tasks("omniglot:background-only")
    assert isinstance(tasks, FewShot)
    assert tasks.bank.names == tuple(sorted(tasks.bank.names))
    assert [len(tasks.class_names(split)) for split in SPLITS] == [160, 10, 10]
    episode = tasks.sample(3, seed=0, shape=Shape(5, 1, 2))
    assert episode.support.x.shape == (3, 5, 1, 28, 28)
    assert episode.support.x.dtype == torch.float32
    ink = episode.support.x.mean((2, 3, 4))
    assert bool((ink > 0.02).all())
    assert bool((ink < 0.2).all())  # the paper is 0, the ink 1
    assert (episode.info["dataset"], episode.info["scheme"]) == ("omniglot", "background-only")
    # the first drawer's square stands at the left edge, the last one's further to the right
    first, last = tasks.bank.x[0, 0], tasks.bank.x[19, 0]
    assert int(first[6].argmax()) < 5 < 14 < int(last[6].argmax())


def test_it_comes_from_the_cache_the_second_time(
    background: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_tasks("omniglot:background-only").sample(2, seed=0)
    cached = list((data.cache_folder() / "omniglot").iterdir())
    assert [path.suffix for path in cached] == [".safetensors"]

    def never(*_: object) -> None:
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr(omniglot, "read_archive", never)
        assert open_tasks("omniglot:background-only").sample(2, seed=0).sha256() == first.sha256()
    cached[0].write_bytes(cached[0].read_bytes()[:1000])  # a damaged cache is made again
    assert open_tasks("omniglot:background-only").sample(2, seed=0).sha256() == first.sha256()


def test_a_cache_that_cannot_be_written_is_done_without(background: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a folder should be")
    with pytest.warns(UserWarning, match="going on without"):
        open_tasks("omniglot:background-only").sample(1, seed=0)


def test_the_options(background: Path) -> None:
    plain = open_tasks("omniglot:background-only/no-rotations")
    augmented = open_tasks("omniglot:background-only/rotations-augment")
    within = open_tasks("omniglot:background-only/within-alphabet")
    assert isinstance(within, FewShot)
    shape = Shape(2, 1, 1)
    assert [t.spec(shape).train_classes for t in (plain, augmented, within)] == [40, 40, 160]
    assert within.scheme == "background-only/within-alphabet"
    assert plain.sample(9, seed=0).info["rotation"].unique().tolist() == [0]
    assert augmented.sample(30, seed=0).info["rotation"].unique().tolist() == [0, 90, 180, 270]
    classes = within.sample(20, seed=0, shape=shape).info["classes"]
    for pair in classes.tolist():
        first, second = (within.class_names("train")[c].split("/")[0] for c in pair)
        assert first == second


def test_both_archives(background: Path, tmp_path: Path) -> None:
    write_archive(tmp_path / "data/omniglot/images_evaluation.zip", "evaluation")
    tasks = open_tasks("omniglot")
    assert tasks.scheme == "background-evaluation"
    assert isinstance(tasks, FewShot)
    assert [len(tasks.class_names(split)) for split in SPLITS] == [200, 10, 40]


# Missing archives


def test_a_missing_archive_says_how_to_get_it(background: Path) -> None:
    with pytest.raises(UserError, match=r"images_evaluation.zip.*data fetch omniglot") as caught:
        open_tasks("omniglot:vinyals")
    assert "\n" not in str(caught.value)
    assert "background-only" in str(caught.value)
    background.unlink()
    with pytest.raises(UserError, match=r"images_background.zip.*WORKBENCH_DATA"):
        open_tasks("omniglot:background-only")


# Damaged and hostile archives


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("images_background/Alphabet_AA/character01/0001_21.png")
    info.external_attr = 0o120777 << 16
    return info


GOOD = "images_background/Alphabet_AA/character01/0001_01.png"
HOSTILE: dict[str, tuple[dict[str | zipfile.ZipInfo, bytes], str]] = {
    "parent": ({"images_background/../../evil.png": b"x"}, "points outside"),
    "parent, backslashes": ({"images_background\\..\\evil.png": b"x"}, "points outside"),
    "absolute": ({"/etc/passwd": b"x"}, "points outside"),
    "drive": ({"C:/evil.png": b"x"}, "points outside"),
    "symbolic link": ({link(): b"/etc/passwd"}, "symbolic link"),
    "stranger": ({"setup.py": b"x"}, "no image of the background set"),
    "other part": ({GOOD.replace("background", "evaluation"): png()}, "no image"),
    "twice": ({GOOD: png()}, "twice"),
    "bomb": ({GOOD.replace("_01.png", "_21.png"): b"\0" * (1 << 20)}, "1048576 bytes"),
    "a drawer too many": ({GOOD.replace("_01.png", "_21.png"): png()}, "21 images"),
    "an alphabet too many": ({GOOD.replace("bet_AA", "bet_ZZ"): png()}, "31 alphabets"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused(kind: str, tmp_path: Path) -> None:
    extra, reason = HOSTILE[kind]
    path = write_archive(tmp_path / "data/omniglot/images_background.zip", extra=extra)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=reason) as caught:
        open_tasks("omniglot:background-only")
    assert str(path) in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before  # nothing was written anywhere


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (png((2000, 2000)), "2000, 2000"),
        (png()[:60], "broken image"),
        (b"GIF89a, or so it says", "broken image"),
    ],
)
def test_a_bad_image_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    write_archive(tmp_path / "data/omniglot/images_background.zip", replace=content)
    with pytest.raises(UserError, match=reason):
        open_tasks("omniglot:background-only")
    assert not (tmp_path / "cache").exists()


def test_an_incomplete_archive_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "data/omniglot/images_background.zip", drop=3)
    with pytest.raises(UserError, match="17 images of Alphabet_AA/character01 where there are 20"):
        open_tasks("omniglot:background-only")
    write_archive(path, drop=20)
    with pytest.raises(UserError, match="30 alphabets and 59 characters"):
        open_tasks("omniglot:background-only")


def test_clutter_of_file_managers_is_passed_over(tmp_path: Path) -> None:
    extra = {"__MACOSX/._images_background": b"x", "images_background/.DS_Store": b"x"}
    write_archive(tmp_path / "data/omniglot/images_background.zip", extra=dict(extra))
    open_tasks("omniglot:background-only")


def test_truncated_and_damaged_archives_are_refused_whatever_the_damage(background: Path) -> None:
    whole = background.read_bytes()
    generator = np.random.default_rng(0)
    for kept in (0, 1, 1000, len(whole) // 2, len(whole) - 1):
        background.write_bytes(whole[:kept])
        with pytest.raises(UserError, match="truncated or damaged"):
            open_tasks("omniglot:background-only")
    refused = 0
    for _ in range(12):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 400):
            damaged[place] = generator.integers(256)
        background.write_bytes(damaged)
        try:
            open_tasks("omniglot:background-only")
        except UserError:
            refused += 1
    assert refused == 12


# The real archive


def test_the_real_archive(
    real_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real_data("omniglot/images_background.zip")
    monkeypatch.undo()  # this one uses the ordinary cache: to read 19,280 images takes seconds
    tasks = open_tasks("omniglot:background-only")
    assert isinstance(tasks, FewShot)
    assert sorted(tasks.bank.names) == official_names(BACKGROUND)
    assert tasks.bank.x.shape == (19280, 1, 28, 28)
    assert [len(tasks.class_names(s)) for s in SPLITS] == [4 * 624, 150, 190]
    assert tasks.split_sha256.startswith("8d73ddde3f7593fd")  # published numbers rest on it
    # nearest neighbour in pixels is well above chance and well below a trained net
    episode = tasks.sample(100, seed=0, split="test", shape=Shape(5, 1, 5))
    guess = torch.cdist(episode.query.x.flatten(2), episode.support.x.flatten(2)).argmin(-1)
    assert 0.35 < float((guess == episode.query.y).float().mean()) < 0.75
    shape, best = Shape(5, 1, 15), float("inf")
    for seed in range(10):
        begun = time.process_time()
        tasks.sample(32, seed=seed, shape=shape)
        best = min(best, time.process_time() - begun)
    assert best < 0.02  # 3 ms on an idle core
