"""Glyphs: fifty invented alphabets drawn by twenty hands each, in Omniglot's shape.

Always there, made in seconds and the same bits on every machine, so that few-shot learning can be
tried and tested without a download. What a character is stands in `_strokes`, how it is drawn in
`_ink`. An alphabet belongs to one split as a whole, as in Omniglot's own division.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.randomness import fold
from workbench.resources import cache_folder
from workbench.tasks.base import Split
from workbench.tasks.data import safe_write
from workbench.tasks.families import _ink, _strokes
from workbench.tasks.sampler import ClassBank, ClassSplit, FewShot

ALPHABETS: dict[Split, int] = {"train": 34, "validation": 6, "test": 10}
FEWEST, MOST = 14, 26  # characters of an alphabet
DRAWERS = 20
SHA256 = "18c9ed66cc9c992de7677c58511a174e8c356a454e95e4c9d64ce874ff5c5dd5"  # of `draw_images`

_SEED = 2015
# What the seed of an alphabet or of a drawing is put to.
_ALPHABET, _STYLE, _CHARACTERS, _NAME, _HABIT, _MOMENT = range(6)
_ONSETS = ("b", "d", "g", "h", "k", "l", "m", "n", "p", "r", "s", "sh", "t", "v", "y", "z")
_VOWELS = ("a", "a", "e", "i", "o", "u")
_CODAS = ("", "", "n", "r", "sh", "k")


@dataclass(frozen=True)
class Alphabet:
    """An alphabet before it is written: all of it follows from its number."""

    name: str
    size: int
    number: int

    def characters(self) -> list[tuple[_strokes.Stroke, ...]]:
        """Its characters, each a few strokes."""
        seed = _seed(self.number)
        style = _strokes.make_style(_strokes.Dice(fold(seed, _STYLE)))
        return _strokes.make_alphabet(style, fold(seed, _CHARACTERS), self.size)


def open_glyphs(*, within_alphabet: bool = False) -> FewShot:
    """The glyphs as few-shot tasks, their alphabets divided into three splits.

    With `within_alphabet` a task's characters are all of one alphabet.

    >>> open_glyphs().sample(2, seed=0, split="test").support.x.shape
    torch.Size([2, 5, 1, 28, 28])
    """
    bank = glyph_bank()
    names = [alphabet.name for alphabet in alphabets()]
    splits: dict[Split, ClassSplit] = {}
    for split, count in ALPHABETS.items():
        mine, names = names[:count], names[count:]
        splits[split] = ClassSplit.of([i for i, group in enumerate(bank.groups) if group in mine])
    return FewShot(bank, splits, name="glyphs", scheme="alphabets", within_groups=within_alphabet)


@functools.cache
def glyph_bank() -> ClassBank:
    """Every image, `[example, 1, 28, 28]` with ink 1 and paper 0 once scaled, by character.

    The first call ever draws them (some seconds) and keeps them in the cache folder.
    """
    characters = [(a.name, i + 1) for a in alphabets() for i in range(a.size)]
    return ClassBank(
        x=torch.from_numpy(cached_images(cache_folder())).view(-1, 1, _ink.SIZE, _ink.SIZE),
        counts=torch.full((len(characters),), DRAWERS),
        names=tuple(f"{name}/{number:02}" for name, number in characters),
        groups=tuple(name for name, _ in characters),
        scale=1 / _ink.LEVELS,
    )


@functools.cache
def alphabets() -> tuple[Alphabet, ...]:
    """Every alphabet, sorted by name.

    >>> len(alphabets())
    50
    """
    found: dict[str, Alphabet] = {}
    for number in itertools.count():
        dice = _strokes.Dice(fold(_seed(number), _NAME))
        name = "".join(dice.pick(_ONSETS) + dice.pick(_VOWELS) for _ in range(dice.pick((2, 3))))
        name = (name + dice.pick(_CODAS)).capitalize()
        found.setdefault(name, Alphabet(name, dice.pick(range(FEWEST, MOST + 1)), number))
        if len(found) == sum(ALPHABETS.values()):
            break
    return tuple(found[name] for name in sorted(found))


def _seed(number: int) -> torch.Tensor:
    return fold(torch.tensor([_SEED]), _ALPHABET, number)


def draw_images() -> NDArray[np.uint8]:
    """Every character by each of its alphabet's drawers: `[character, drawer, 28, 28]`, 0 to 15."""
    points, exists = _ink.stack([c for a in alphabets() for c in a.characters()])
    sizes = torch.tensor([a.size for a in alphabets()])
    alphabet = torch.arange(len(sizes)).repeat_interleave(sizes * DRAWERS)
    drawing = torch.arange(len(points) * DRAWERS)
    root = torch.tensor([_SEED]).expand(len(drawing))
    curves, width = _ink.draw(
        points.repeat(DRAWERS, axis=0),
        habit=fold(root, _HABIT, alphabet, drawing % DRAWERS),
        moment=fold(root, _MOMENT, drawing),
    )
    images = _ink.rasterise(curves, exists.repeat(DRAWERS, axis=0), width)
    return images.reshape(-1, DRAWERS, _ink.SIZE, _ink.SIZE)


def cached_images(folder: Path) -> NDArray[np.uint8]:
    """The images out of a folder; drawn, checked and put there if it has none that are right."""
    path = folder / f"glyphs-{SHA256[:12]}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        images: NDArray[np.uint8] = np.load(path, allow_pickle=False)
        if fingerprint(images) == SHA256:
            return images
    images = draw_images()
    found = fingerprint(images)
    if found != SHA256:
        raise RuntimeError(
            f"the glyphs drawn on this machine have the checksum {found[:12]} in place of "
            f"{SHA256[:12]}, so results on them could not be compared: please report this with "
            "your processor and the versions of numpy and torch"
        )
    try:
        with safe_write(path) as unfinished, unfinished.open("wb") as file:
            np.save(file, images)
    except OSError as error:
        warnings.warn(f"{path} could not be written ({error}): going on without", stacklevel=2)
    return images


def fingerprint(images: NDArray[np.uint8]) -> str:
    """The SHA-256 of the images and their shape."""
    return hashlib.sha256(repr(images.shape).encode() + images.tobytes()).hexdigest()
