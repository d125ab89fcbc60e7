"""Encoders of text, trained from nothing.

A text is a row of whole numbers, its characters' code points, with 0 where nothing stands: texts of
unequal lengths stack that way, and what was read can be shown again. Words and the characters'
n-grams within a word are hashed to rows of one table, so that words never met in training have
vectors too (Weinberger et al., 2009, Feature hashing; Bojanowski et al., 2017, Enriching word
vectors with subword information). What only pads is left out of every sum.

    NGramMLP         n-grams, words and pairs of words by how much they count, beside an MLP
    TextCNN          a convolution over words and the largest of each filter (Kim, 2014)
    TextTransformer  self-attention between words (Vaswani et al., 2017), and their mean
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.randomness import fold

_SPACE = 32  # this code point and those below part words
_GRAM, _WORD, _PAIR, _BIN = range(4)  # what a hash is of
_GAIN = 10.0  # of how much an n-gram counts, over other weights
_LENGTH = 5.0  # where the length of a text's vector starts

Buckets = Annotated[int, Range(2, span=(512, 65_536), log=True)]
Width = Annotated[int, Range(1, span=(8, 256))]
Words = Annotated[int, Range(1, span=(4, 64))]
Radius = Annotated[int, Range(1, span=(1, 3))]


class Hashed(NamedTuple):
    """The hashes of texts `[..., character]`.

    grams  [..., character, size] of the 3, 5, ... characters around each, within its word
    words  [..., word], and `there` which words there are
    of     [..., character] which word a character is of; the number of words where of none
    """

    grams: Tensor
    words: Tensor
    there: Tensor
    of: Tensor


def hashed(x: Tensor, words: int, radius: int = 1) -> Hashed:
    """Words and n-grams of texts, at most `words` of each; n-grams reach `radius` to each side.

    >>> def of(text):
    ...     return hashed(torch.tensor([[ord(c) for c in text]]), words=3)
    >>> of("to be to").there.tolist(), of("to  be").of.tolist()
    ([[True, True, True]], [[0, 0, 3, 3, 1, 1]])
    >>> [bool(of("to be to").words[0, 0] == word) for word in of("to be to").words[0]]
    [True, False, True]
    """
    if x.is_floating_point() or x.dim() < 1:
        raise UserError(
            f"an encoder of text reads whole numbers, and these inputs are {x.dtype}: "
            "use tasks of texts, or another model"
        )
    letters = torch.where(x > _SPACE, x, 0).long()
    here = letters > 0
    length = letters.shape[-1]
    left = right = letters
    gram, grams = fold(letters, _GRAM), []
    for reach in range(1, radius + 1):
        before = F.pad(letters, (reach, 0))[..., :length]
        after = F.pad(letters, (0, reach))[..., reach:]
        left, right = torch.where(left > 0, before, 0), torch.where(right > 0, after, 0)
        gram = fold(gram, left, right)
        grams.append(gram)
    starts = here & ~F.pad(here, (1, 0))[..., :length]
    number = starts.cumsum(-1) - 1
    of = torch.where(here & (number < words), number, words)
    # A word is the sum of its 3-grams, in which its ends are marked.
    total = letters.new_zeros(*letters.shape[:-1], words + 1).scatter_add(-1, of, grams[0])
    there = torch.arange(words, device=x.device) < starts.sum(dim=-1, keepdim=True)
    return Hashed(torch.stack(grams, dim=-1), fold(total[..., :words], _WORD), there, of)


def _table(buckets: int, width: int) -> nn.Embedding:
    table = nn.Embedding(buckets, width)
    nn.init.normal_(table.weight, std=width**-0.5)
    return table


def _head(features: int, outputs: int | None) -> nn.Module:
    """The last layer; without outputs there is none, and the module is an embedding."""
    return nn.Identity() if outputs is None else nn.Linear(features, outputs)


class WordVectors(nn.Module):
    """Each word's vector: its own and the mean of its n-grams'; zero where there is no word.

    >>> vectors, there = WordVectors(words=4, buckets=50, width=8)(torch.tensor([[72, 105, 0]]))
    >>> vectors.shape, there.tolist()
    (torch.Size([1, 4, 8]), [[1.0, 0.0, 0.0, 0.0]])
    """

    def __init__(self, words: int, buckets: int, width: int, radius: int = 1) -> None:
        super().__init__()
        self.words, self.buckets, self.radius = words, buckets, radius
        self.table = _table(buckets, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors `[..., word, width]`, and 1 where there is a word `[..., word]`."""
        found = hashed(x, self.words, self.radius)
        own = self.table(found.words % self.buckets)
        grams = self.table(found.grams % self.buckets).mean(dim=-2)
        number = torch.arange(self.words, device=x.device).unsqueeze(-1)
        shares = (found.of.unsqueeze(-2) == number).to(own)
        shares = shares / shares.sum(dim=-1, keepdim=True).clamp(min=1)
        there = found.there.to(own)
        return (own + shares @ grams) * there.unsqueeze(-1), there


def mean_of(vectors: Tensor, there: Tensor) -> Tensor:
    """The mean of `[..., place, width]` over the places that are there; 0 where none is.

    >>> mean_of(torch.tensor([[[2.0], [9.0]]]), torch.tensor([[1.0, 0.0]]))
    tensor([[2.]])
    """
    total = (there.unsqueeze(-2) @ vectors).squeeze(-2)
    return total / there.sum(dim=-1, keepdim=True).clamp(min=1)


class NGramMLP(nn.Module):
    """A text's n-grams, words and pairs of words, each as much as it counts, and an MLP on them.

    How much each counts is learned: e^10a, with an `a` for each row of a table and one for each
    kind, which so move faster than other weights. They are added up, with a sign, at the places of
    a vector of `bins` numbers, which is brought to one length (a learned one). It stands beside
    what the MLP makes of it, in front of the head: rare words are compared as they are, common ones
    by what was learned of them.

    >>> net = NGramMLP(2, buckets=50, bins=8, hidden=(4,))
    >>> texts = torch.tensor([[72, 105, 0], [72, 105, 33]])
    >>> bool((net(texts[:1]) == net(texts[:1, :2])).all())  # padding changes nothing
    True
    """

    def __init__(
        self,
        outputs: int | None,
        buckets: int = 524_288,
        bins: int = 2048,
        hidden: tuple[int, ...] = (128,),
        words: int = 32,
        radius: int = 2,
    ) -> None:
        NGramMLPSettings(buckets, bins, hidden, words, radius)  # refuses what there is not
        super().__init__()
        self.words, self.buckets, self.bins, self.radius = words, buckets, bins, radius
        self.counts = nn.Embedding(buckets, 1)
        nn.init.zeros_(self.counts.weight)
        self.kinds = nn.Parameter(torch.zeros(radius + 2))
        self.length = nn.Parameter(torch.tensor([_LENGTH]))
        self.layers = nn.ModuleList(
            nn.Linear(a, b) for a, b in zip((bins, *hidden), hidden, strict=False)
        )
        self.head = _head(bins + (hidden[-1] if hidden else 0), outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Of texts `[example, character]`."""
        found = hashed(x, self.words, self.radius)
        one, two = found.words[..., :-1], found.words[..., 1:]
        every = [*found.grams.unbind(-1), found.words, fold(one, _PAIR, two)]
        there = [*[x > _SPACE] * self.radius, found.there, found.there[..., 1:]]
        sizes = [kind.shape[-1] for kind in every]
        hashes = torch.cat(every, dim=-1)
        of_kind = torch.cat([k.expand(n) for k, n in zip(self.kinds, sizes, strict=True)])
        counts = (_GAIN * (self.counts(hashes % self.buckets).squeeze(-1) + of_kind)).exp()
        sign = (hashes >> 32) % 2 * 2 - 1
        parts = counts * (torch.cat(there, dim=-1) * sign)
        places = fold(hashes, _BIN) % self.bins
        vector = parts.new_zeros(*x.shape[:-1], self.bins).scatter_add(-1, places, parts)
        size = vector.square().sum(dim=-1, keepdim=True)
        y = vector = self.length * vector * (size + 1e-6).rsqrt()
        for layer in self.layers:
            y = layer(y).relu()
        return self.head(torch.cat([vector, y], dim=-1) if len(self.layers) else vector)


class TextCNN(nn.Module):
    """Filters over three words at a time, the largest answer of each.

    >>> TextCNN(5, buckets=50, width=8, filters=6)(torch.tensor([[72, 105, 0]])).shape
    torch.Size([1, 5])
    """

    def __init__(
        self,
        outputs: int | None,
        buckets: int = 8192,
        width: int = 64,
        filters: int = 128,
        words: int = 32,
        radius: int = 1,
    ) -> None:
        TextCNNSettings(buckets, width, filters, words, radius)  # refuses what there is not
        super().__init__()
        self.vectors = WordVectors(words, buckets, width, radius)
        self.norm = nn.LayerNorm(width)
        self.window = nn.Linear(3 * width, filters)  # a convolution, as a product with windows
        self.head = _head(filters, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Of texts `[example, character]`."""
        vectors, there = self.vectors(x)
        there = there.unsqueeze(-1)
        vectors = self.norm(vectors) * there
        edge = torch.zeros_like(vectors[..., :1, :])
        before = torch.cat([edge, vectors[..., :-1, :]], dim=-2)
        after = torch.cat([vectors[..., 1:, :], edge], dim=-2)
        found = self.window(torch.cat([before, vectors, after], dim=-1)).relu() * there
        return self.head(found.amax(dim=-2))


class TextTransformer(nn.Module):
    """Words that attend to each other, layer after layer, and their mean.

    >>> TextTransformer(5, buckets=50, width=8, layers=1)(torch.tensor([[72, 105, 0]])).shape
    torch.Size([1, 5])
    """

    def __init__(
        self,
        outputs: int | None,
        buckets: int = 8192,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        words: int = 32,
        radius: int = 1,
    ) -> None:
        TextTransformerSettings(buckets, width, layers, heads, words, radius)  # refuses likewise
        super().__init__()
        self.vectors = WordVectors(words, buckets, width, radius)
        self.places = nn.Parameter(torch.randn(words, width) * 0.1 * width**-0.5)
        self.layers = nn.ModuleList(_Attending(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = _head(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Of texts `[example, character]`."""
        y, there = self.vectors(x)
        y = y + self.places
        for layer in self.layers:
            y = layer(y, there)
        return self.head(self.norm(mean_of(y, there)))


class _Attending(nn.Module):
    """A layer of a Transformer, normalised before each of its two parts."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.reads, self.writes = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widens, self.narrows = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        parts = self.reads(self.norm1(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = (part.transpose(-3, -2) for part in parts.unbind(-3))
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        nothing = (there == 0)[..., None, None, :]
        # A text without a word attends to all alike: finite, and left out of the mean.
        attention = scores.masked_fill(nothing, -1e9).softmax(dim=-1)
        x = x + self.writes((attention @ value).transpose(-3, -2).flatten(-2))
        return x + self.narrows(F.gelu(self.widens(self.norm2(x))))


def _check_texts(input_shape: tuple[int, ...], name: str) -> None:
    if len(input_shape) != 1:
        raise UserError(
            f"{name} reads texts (characters,), not inputs of shape {input_shape}: "
            "use an MLP, or tasks of texts such as 'grammar'"
        )


@dataclass(frozen=True)
class NGramMLPSettings:
    """Hashed n-grams and words, weighted, beside a multilayer perceptron on them."""

    # rows of the table of how much each counts
    buckets: Annotated[int, Range(2, span=(512, 1_048_576), log=True)] = 524_288
    # numbers of a text's vector, to which n-grams are hashed
    bins: Annotated[int, Range(2, span=(128, 8_192), log=True)] = 2048
    hidden: Annotated[tuple[int, ...], Range(1)] = (128,)  # width of each hidden layer
    words: Words = 32  # of a text that are read as words
    radius: Radius = 2  # n-grams of 3, 5, ... characters, up to so many on each side

    def __post_init__(self) -> None:
        check_fields(self, "model")

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> NGramMLP:
        """The module for texts; an embedding where `outputs` is None."""
        _check_texts(input_shape, "NGramMLP")
        return NGramMLP(outputs, self.buckets, self.bins, self.hidden, self.words, self.radius)


@dataclass(frozen=True)
class TextCNNSettings:
    """A convolution over words."""

    buckets: Buckets = 8192  # rows of the table that words and n-grams are hashed to
    width: Width = 64  # of a row
    filters: Annotated[int, Range(1, span=(8, 256))] = 128  # of the convolution
    words: Words = 32  # of a text that are read
    radius: Radius = 1  # n-grams of 3, 5, ... characters, up to so many on each side

    def __post_init__(self) -> None:
        check_fields(self, "model")

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> TextCNN:
        """The module for texts; an embedding where `outputs` is None."""
        _check_texts(input_shape, "TextCNN")
        return TextCNN(outputs, self.buckets, self.width, self.filters, self.words, self.radius)


@dataclass(frozen=True)
class TextTransformerSettings:
    """Self-attention between words."""

    buckets: Buckets = 8192  # rows of the table that words and n-grams are hashed to
    width: Width = 64  # of a row and of every layer
    layers: Annotated[int, Range(1, span=(1, 4))] = 2  # of attention
    heads: Annotated[int, Range(1, span=(1, 8))] = 4  # of a layer, which divide its width
    words: Words = 32  # of a text that are read
    radius: Radius = 1  # n-grams of 3, 5, ... characters, up to so many on each side

    def __post_init__(self) -> None:
        check_fields(self, "model")
        if self.width % self.heads:
            raise UserError(
                f"model.width is {self.width} and model.heads {self.heads}: "
                "choose a width that the heads divide"
            )

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> TextTransformer:
        """The module for texts; an embedding where `outputs` is None."""
        _check_texts(input_shape, "TextTransformer")
        return TextTransformer(
            outputs,
            self.buckets,
            self.width,
            self.layers,
            self.heads,
            self.words,
            self.radius,
        )
