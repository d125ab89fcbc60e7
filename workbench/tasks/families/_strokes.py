"""A grammar of invented alphabets: what the characters of `glyphs` are, before anyone draws them.

An alphabet has a `Style`: which strokes it is fond of, where they start and end, what most of its
characters share. A character is one to five strokes, each tied to those before it by a relation
(goes on from an end, leaves from a middle, crosses, mirrors, repeats, stands apart). A stroke is
two cubic Bezier pieces end to end: seven control points.

Everything here adds, multiplies, divides and takes square roots, which IEEE 754 rounds alike on
every machine; sines, cosines and matrix products would not be.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from workbench.randomness import fold, uniform

Item = TypeVar("Item")
Point = tuple[float, float]
Stroke = tuple[Point, ...]  # the seven control points

CONTROL_POINTS = 7
MOST_STROKES = 5

# Each kind of stroke in its own frame: it sets out from (0, 0) for (1, 0).
KINDS: dict[str, Stroke] = {
    "line": ((0, 0), (0.17, 0), (0.33, 0), (0.5, 0), (0.67, 0), (0.83, 0), (1, 0)),
    "bow": ((0, 0), (0.15, 0.12), (0.3, 0.2), (0.5, 0.2), (0.7, 0.2), (0.85, 0.12), (1, 0)),
    "arc": ((0, 0), (0, 0.28), (0.22, 0.5), (0.5, 0.5), (0.78, 0.5), (1, 0.28), (1, 0)),
    "corner": ((0, 0), (0.16, 0.16), (0.33, 0.33), (0.5, 0.5), (0.67, 0.33), (0.84, 0.16), (1, 0)),
    "elbow": ((0, 0), (0.25, 0), (0.5, 0), (0.75, 0), (0.83, 0.08), (0.92, 0.17), (1, 0.3)),
    "hook": ((0, 0), (0.3, 0), (0.55, 0), (0.8, 0), (1.08, 0), (1.12, 0.36), (0.82, 0.38)),
    "wave": ((0, 0), (0.12, 0.4), (0.38, 0.4), (0.5, 0), (0.62, -0.4), (0.88, -0.4), (1, 0)),
    "curl": ((0, 0), (0.05, 0.7), (0.95, 0.8), (1, 0.15), (1, -0.35), (0.4, -0.35), (0.42, 0.1)),
    "loop": ((0, 0), (0, 0.667), (1, 0.667), (1, 0), (1, -0.667), (0, -0.667), (0, 0)),
}  # fmt: skip
ANGULAR = ("line", "corner", "elbow")
ROUND = ("bow", "arc", "hook", "wave", "curl", "loop")
RELATIONS = ("goes on", "branches", "crosses", "mirrors", "repeats", "stands apart", "dot")


class Dice:
    """Choices that follow from a seed alone."""

    def __init__(self, seed: torch.Tensor) -> None:
        self._draws = self._stream(seed)

    @staticmethod
    def _stream(seed: torch.Tensor) -> Iterator[float]:
        for block in itertools.count():
            yield from uniform(fold(seed, block), (64,), torch.float64)[0].tolist()

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * next(self._draws)

    def chance(self, probability: float) -> bool:
        return next(self._draws) < probability

    def pick(self, items: Sequence[Item]) -> Item:
        return items[int(next(self._draws) * len(items))]

    def weighted(self, weights: dict[Item, float]) -> Item:
        """One of the keys, each as often as its weight says."""
        left = self.between(0, sum(weights.values()))
        for item, weight in weights.items():
            left -= weight
            if left < 0:
                break
        return item

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """Several different items, in the order drawn."""
        pool = list(items)
        return [pool.pop(int(next(self._draws) * len(pool))) for _ in range(count)]


@dataclass(frozen=True)
class Style:
    """The habits that make one alphabet look like itself."""

    anchors: tuple[Point, ...]  # where strokes like to start and end
    kinds: dict[str, float]  # how fond it is of each kind of stroke
    relations: dict[str, float]  # how fond it is of each way to tie strokes together
    bow: float  # how far round strokes swell
    strokes: dict[int, float]  # how many a character has
    shared: tuple[Stroke, ...]  # a headline, a stem or a baseline that most characters carry
    upright: float  # how often a stroke runs straight across or straight down
    width: float  # of the box that characters fill; its height is 1


def make_style(dice: Dice) -> Style:
    """Draw up the habits of one alphabet."""
    width = dice.between(0.6, 1.0)
    columns = dice.pick(((0.0, 1.0), (0.0, 0.5, 1.0), (0.0, 0.5, 1.0), (0.0, 0.4, 1.0)))
    rows = dice.pick(((0.0, 0.5, 1.0), (0.0, 0.4, 1.0), (0.0, 0.6, 1.0), (0.0, 0.33, 0.67, 1.0)))
    roundness = dice.pick((0.15, 0.4, 0.6, 0.9))
    fond = [
        *((kind, 1 - roundness) for kind in dice.sample(ANGULAR, 2)),
        *((kind, roundness) for kind in dice.sample(ROUND, 3)),
    ]
    kinds = {kind: share * dice.between(0.4, 1.0) for kind, share in fond}
    kinds["line"] = kinds.get("line", 0.0) + 0.3
    relations = {name: dice.between(0.05, 1.0) for name in RELATIONS}
    relations["goes on"] += 0.3
    relations["branches"] += 0.3
    middle = dice.pick((2, 3, 3))
    strokes = {n: (1.0, 0.7, 0.15)[min(abs(n - middle), 2)] for n in range(1, MOST_STROKES + 1)}
    shared: tuple[Stroke, ...] = ()
    if dice.chance(0.25):
        start, end = dice.pick(
            (
                ((0.0, 0.0), (width, 0.0)),
                ((0.0, 0.0), (0.0, 1.0)),
                ((width, 0.0), (width, 1.0)),
                ((0.0, 1.0), (width, 1.0)),
            )
        )
        shared = (place("line", start, end, 0.0),)
    return Style(
        anchors=tuple((x * width, y) for x in columns for y in rows),
        kinds=kinds,
        relations=relations,
        bow=dice.between(0.6, 1.15),
        strokes=strokes,
        shared=shared,
        upright=dice.between(0.1, 0.8),
        width=width,
    )


def make_character(style: Style, dice: Dice) -> tuple[Stroke, ...]:
    """Write one character of an alphabet, centred on (0, 0), its larger side 0.75 to 1."""
    wanted = dice.weighted(style.strokes)
    strokes: list[Stroke] = []
    if style.shared and wanted < MOST_STROKES and dice.chance(0.8):
        strokes.extend(style.shared)
        wanted += 1
    while len(strokes) < wanted or _is_slight(strokes):
        new = _next_stroke(style, strokes, dice)
        if not strokes or _reaches_beyond(new, strokes) > 0.22:
            strokes.append(new)
        if len(strokes) == MOST_STROKES:
            break
    return _centred(strokes)


def make_alphabet(style: Style, seed: torch.Tensor, characters: int) -> list[tuple[Stroke, ...]]:
    """So many characters in one style, no two of them alike."""
    kept: list[tuple[Stroke, ...]] = []
    sketches: list[list[Point]] = []
    for attempt in itertools.count():
        new = make_character(style, Dice(fold(seed, attempt)))
        sketch = _sketch(new)
        if all(max(_farthest(sketch, s), _farthest(s, sketch)) > 0.2 for s in sketches):
            kept.append(new)
            sketches.append(sketch)
            if len(kept) == characters:
                break
    return kept


def place(kind: str, start: Point, end: Point, bow: float) -> Stroke:
    """A stroke of a kind from start to end; a negative bow swells to the other side."""
    across, down = end[0] - start[0], end[1] - start[1]
    return tuple(
        (start[0] + across * u - down * v * bow, start[1] + down * u + across * v * bow)
        for u, v in KINDS[kind]
    )


def _next_stroke(style: Style, strokes: list[Stroke], dice: Dice) -> Stroke:
    if not strokes:
        return _free(style, dice)
    relation = dice.weighted(style.relations)
    last = dice.pick(strokes)
    if relation == "goes on":
        return _from(dice.pick((last[0], last[-1])), style, dice)
    if relation == "branches":
        return _from(dice.pick(_along(last)[1:-1]), style, dice)
    if relation == "crosses":
        before, middle, after = (_along(last)[i] for i in (1, 2, 3))
        reach = dice.between(0.2, 0.4) / (_distance(before, after) + 1e-6)
        x, y = (after[1] - before[1]) * reach, (before[0] - after[0]) * reach
        return place("line", (middle[0] - x, middle[1] - y), (middle[0] + x, middle[1] + y), 0.0)
    if relation == "mirrors":
        if dice.chance(0.7):
            return tuple((style.width - x, y) for x, y in last)
        return tuple((x, 1 - y) for x, y in last)
    if relation == "repeats":
        x, y = dice.pick(((0.3, 0.0), (0.0, 0.3), (-0.3, 0.0), (0.0, -0.3)))
        return tuple((a + x, b + y) for a, b in last)
    if relation == "dot":
        x, y = dice.pick(style.anchors)
        x, y = 0.15 * style.width + 0.7 * x, 0.1 + 0.8 * y
        return place("loop", (x - 0.03, y), (x + 0.03, y), 1.0)
    return _free(style, dice)


def _free(style: Style, dice: Dice) -> Stroke:
    return _from(dice.pick(style.anchors), style, dice)


def _from(start: Point, style: Style, dice: Dice) -> Stroke:
    """A stroke of one of the alphabet's kinds from a point to an anchor that is not too near."""
    kind = dice.weighted(style.kinds)
    if kind == "loop":  # loops hang on a point and are smaller than the box
        size = dice.between(0.3, 0.55)
        x, y = dice.pick(((1, 0), (-1, 0), (0, 1), (0, -1)))
        return place(kind, start, (start[0] + size * x, start[1] + size * y), style.bow)
    end = dice.pick([p for p in style.anchors if _distance(p, start) > 0.35])
    if dice.chance(style.upright):
        below, beside = (start[0], end[1]), (end[0], start[1])
        end = dice.pick([p for p in (below, beside) if _distance(p, start) > 0.3] or [end])
    return place(kind, start, end, style.bow if dice.chance(0.5) else -style.bow)


def _is_slight(strokes: list[Stroke]) -> bool:
    """Too little to be told from any other: one nearly straight stroke, or hardly any extent."""
    if len(strokes) < 2:
        return all(_reaches_beyond(s, [place("line", s[0], s[-1], 0.0)]) < 0.25 for s in strokes)
    points = [p for stroke in strokes for p in stroke]
    wide = max(x for x, _ in points) - min(x for x, _ in points)
    high = max(y for _, y in points) - min(y for _, y in points)
    return max(wide, high) < 0.45 or wide + high < 0.7


def _centred(strokes: list[Stroke]) -> tuple[Stroke, ...]:
    points = _sketch(strokes)
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    side = max(right - left, bottom - top)
    scale = min(max(side, 0.75), 1.0) / side
    x0, y0 = (left + right) / 2, (top + bottom) / 2
    return tuple(tuple(((x - x0) * scale, (y - y0) * scale) for x, y in s) for s in strokes)


def _along(stroke: Stroke) -> list[Point]:
    """Five points on the stroke: its ends, its joint, and the middles of its two pieces."""

    def middle(a: Point, b: Point, c: Point, d: Point) -> Point:
        return (a[0] + 3 * (b[0] + c[0]) + d[0]) / 8, (a[1] + 3 * (b[1] + c[1]) + d[1]) / 8

    return [stroke[0], middle(*stroke[:4]), stroke[3], middle(*stroke[3:]), stroke[6]]


def _reaches_beyond(stroke: Stroke, others: Sequence[Stroke]) -> float:
    """How far a stroke's farthest point lies from all the others: how much it adds to them."""
    return _farthest(_along(stroke), _sketch(others))


def _sketch(strokes: Sequence[Stroke]) -> list[Point]:
    return [p for stroke in strokes for p in _along(stroke)]


def _farthest(points: list[Point], targets: list[Point]) -> float:
    """The distance to the targets of the point that lies farthest from them (Hausdorff)."""
    worst = 0.0
    for x, y in points:
        nearest = 4.0
        for u, v in targets:
            squared = (x - u) * (x - u) + (y - v) * (y - v)
            if squared < nearest:
                nearest = squared
        if nearest > worst:
            worst = nearest
    return math.sqrt(worst)


def _distance(a: Point, b: Point) -> float:
    x, y = a[0] - b[0], a[1] - b[1]
    return math.sqrt(x * x + y * y)  # x**2 would call the C library's pow
