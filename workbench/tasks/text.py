"""Texts as inputs: a row of code points a text, 0 where nothing stands, so that it can be read.

What an encoder makes of the characters (words, n-grams) is its own affair: see `models/text.py`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.tasks.bank import ClassBank
from workbench.tasks.base import Shape, Split
from workbench.tasks.episode import Episode
from workbench.tasks.sampler import FewShot

TEXT = "text"  # what `info["inputs"]` of an episode of texts is


class Texts(FewShot):
    """Few-shot tasks of texts; `info["inputs"]` says so."""

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        episode = super().sample(n, seed=seed, split=split, shape=shape)
        return replace(episode, info={**episode.info, "inputs": TEXT})


def text_bank(
    classes: Mapping[str, Sequence[str]], groups: Sequence[str], length: int
) -> ClassBank:
    """Texts by class, each cut after so many characters; of two that then are alike one is kept.

    >>> text_bank({"greeting": ["hi", "hello", "Hi"]}, (), length=4).x.tolist()
    [[104, 105, 0, 0], [104, 101, 108, 108]]
    """
    own = [
        list(dict.fromkeys(plain(text)[:length] for text in texts)) for texts in classes.values()
    ]
    return ClassBank(
        x=encoded([text for texts in own for text in texts], length),
        counts=torch.tensor([len(texts) for texts in own]),
        names=tuple(classes),
        groups=tuple(groups),
        scale=None,
    )


def plain(text: str) -> str:
    """A text in lower case, with single spaces between words.

    >>> plain(" Good\\tMorning ")
    'good morning'
    """
    return " ".join(unicodedata.normalize("NFKC", text).lower().replace("\0", " ").split())


def encoded(texts: Sequence[str], length: int) -> Tensor:
    """Code points `[text, length]` of texts made plain.

    >>> encoded(["Hi  you"], 8).tolist()
    [[104, 105, 32, 121, 111, 117, 0, 0]]
    """
    points: NDArray[np.int32] = np.zeros((len(texts), length), dtype=np.int32)
    for row, text in enumerate(texts):
        kept = plain(text)[:length].encode("utf-32-le", "replace")
        points[row, : len(kept) // 4] = np.frombuffer(kept, dtype="<u4")
    return torch.from_numpy(points)


def decoded(points: Any) -> str:
    """The text of a row of code points; what is none shows as �.

    >>> decoded(encoded(["Ọ dị mma"], 20)[0])
    'ọ dị mma'
    """
    return "".join(chr(p) if p <= 0x10FFFF else "�" for p in map(int, points) if p > 0)
