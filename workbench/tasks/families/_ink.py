"""Drawers and ink: how the characters of `glyphs` become images.

`draw` perturbs the control points of every character as a hand does, `rasterise` inks the curves
by their distance to each pixel. Element by element only, and no function but the square root:
the images are then the same bits on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.randomness import fold, uniform
from workbench.tasks.families._strokes import CONTROL_POINTS, MOST_STROKES, Stroke

SIZE = 28  # pixels on a side
LEVELS = 15  # shades of ink above blank paper
PIECE_STEPS = 6  # straight segments a Bezier piece is drawn with
_REACH = 4  # pixels from a segment's middle that its ink may touch
_MARGIN = 4  # pixels around the image, so that no brush leaves the canvas
_EDGE = 2.0  # pixels from the paper's edge that a pen keeps away
_CHUNK = 512  # images inked at once: small enough for the processor's cache

Floats = NDArray[np.float64]


def stack(characters: Sequence[Sequence[Stroke]]) -> tuple[Floats, NDArray[np.bool_]]:
    """Control points `[character, stroke, point, 2]`, and which strokes exist."""
    points = np.zeros((len(characters), MOST_STROKES, CONTROL_POINTS, 2))
    exists = np.zeros((len(characters), MOST_STROKES), dtype=bool)
    for i, strokes in enumerate(characters):
        points[i, : len(strokes)] = strokes
        exists[i, : len(strokes)] = True
    return points, exists


class Hand:
    """What varies from drawing to drawing, each quantity a function of the drawing's seed."""

    def __init__(self, seed: torch.Tensor) -> None:
        self._seed, self._used = seed, 0

    def spread(self, *shape: int, scale: float) -> Floats:
        """About normal, deviation `scale`: a sum of four uniform draws, so never far out."""
        self._used += 1
        draws = uniform(fold(self._seed, self._used), (4, *shape), torch.float64).numpy()
        total = (draws[:, 0] + draws[:, 1]) + (draws[:, 2] + draws[:, 3])
        return (total - 2.0) * (1.7320508 * scale)

    def between(self, low: float, high: float) -> Floats:
        """Uniform, one number a drawing."""
        self._used += 1
        return low + (high - low) * uniform(fold(self._seed, self._used), (), torch.float64).numpy()


def draw(points: Floats, habit: torch.Tensor, moment: torch.Tensor) -> tuple[Floats, Floats]:
    """Each character as one hand draws it: curves in pixels, and the pen's half width.

    points          `[drawing, stroke, point, 2]`, as `stack` gives them
    habit, moment   `[drawing]` seeds: of the drawer, and of this one drawing
    """
    drawer, now = Hand(habit), Hand(moment)
    strokes = points.shape[1]

    # Strokes: rounder or flatter, their ends astray, too long or too short.
    start, end = points[:, :, :1], points[:, :, -1:]
    along = (np.arange(CONTROL_POINTS) / (CONTROL_POINTS - 1))[:, None]
    chord = start + (end - start) * along
    swell = 1 + drawer.spread(1, 1, 1, scale=0.12) + now.spread(strokes, 1, 1, scale=0.12)
    points = chord + (points - chord) * swell
    astray = now.spread(strokes, 2, 2, scale=0.045)
    points = points + astray[:, :, :1] * (1 - along) + astray[:, :, 1:] * along
    points = points + now.spread(strokes, 1, 2, scale=0.06) * (along * (1 - along) * 4)
    points = points + now.spread(strokes, CONTROL_POINTS, 2, scale=0.012)
    over = now.spread(strokes, 2, 1, scale=0.25)
    points[:, :, 0] += (points[:, :, 0] - points[:, :, 1]) * over[:, :, 0]
    points[:, :, 6] += (points[:, :, 6] - points[:, :, 5]) * over[:, :, 1]

    # The whole: bent smoothly, then sheared, turned, stretched.
    x, y = points[..., 0], points[..., 1]
    bend = now.spread(6, 1, 1, scale=0.14)
    x, y = (
        x + bend[:, 0] * (x * x) + bend[:, 1] * (x * y) + bend[:, 2] * (y * y),
        y + bend[:, 3] * (x * x) + bend[:, 4] * (x * y) + bend[:, 5] * (y * y),
    )
    slant = drawer.spread(1, 1, scale=0.13) + now.spread(1, 1, scale=0.07)
    turn = drawer.spread(1, 1, scale=0.05) + now.spread(1, 1, scale=0.07)
    aspect = 1 + now.spread(1, 1, scale=0.07)
    size = drawer.between(15.0, 19.5)[:, None, None] * (1 + now.spread(1, 1, scale=0.06))
    x, y = x * aspect - y * slant, y / aspect
    x, y = (x - y * turn) * size, (y + x * turn) * size

    # On the paper: somewhere near the middle, and never over the edge.
    x = _onto_paper(x, SIZE / 2 + now.spread(1, 1, scale=0.8))
    y = _onto_paper(y, SIZE / 2 + now.spread(1, 1, scale=0.8))
    width = drawer.between(0.55, 1.0) * (1 + now.spread(scale=0.08))
    return np.stack([x, y], axis=-1), width


def _onto_paper(x: Floats, centre: Floats) -> Floats:
    """One coordinate of the drawings moved to their centre, then off the paper's edges."""
    x = x + centre
    low, high = x.min(axis=(1, 2), keepdims=True), x.max(axis=(1, 2), keepdims=True)
    room = SIZE - 2 * _EDGE
    squeeze = room / np.maximum(high - low, room)
    middle = (low + high) * 0.5
    half = (high - low) * (squeeze * 0.5)
    return (x - middle) * squeeze + np.clip(middle, half + _EDGE, SIZE - _EDGE - half)


def rasterise(curves: Floats, exists: NDArray[np.bool_], width: Floats) -> NDArray[np.uint8]:
    """Images `[drawing, 28, 28]` of curves in pixels, in shades 0 (blank) to 15 (ink)."""
    images = np.empty((len(curves), SIZE, SIZE), dtype=np.uint8)
    for first in range(0, len(curves), _CHUNK):
        part = slice(first, first + _CHUNK)
        images[part] = _ink(curves[part], exists[part], width[part])
    return images


def _ink(curves: Floats, exists: NDArray[np.bool_], width: Floats) -> NDArray[np.uint8]:
    """The shade of a pixel falls off over one pixel at the pen's rim."""
    wide = SIZE + 2 * _MARGIN
    squared = np.full(len(curves) * wide * wide, 1e6, dtype=np.float32)  # distance to the curve
    brush = np.arange(2 * _REACH + 1)
    window = (brush[:, None] * wide + brush).reshape(-1)
    lines = _polylines(curves)
    for stroke in range(curves.shape[1]):
        drawn = np.flatnonzero(exists[:, stroke])
        line = lines[drawn, stroke]
        for a, b in zip(line.swapaxes(0, 1)[:-1], line.swapaxes(0, 1)[1:], strict=True):
            corner = np.floor((a + b) * 0.5).astype(np.int64) - _REACH
            cells = (drawn * wide + corner[:, 1] + _MARGIN) * wide + corner[:, 0] + _MARGIN
            pixels = cells[:, None] + window
            near = _squared_distances(corner, a, b, brush).reshape(pixels.shape)
            squared[pixels] = np.minimum(squared[pixels], near)
    paper = squared.reshape(-1, wide, wide)[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    rim = (width + 0.5).astype(np.float32)[:, None, None]
    shade = np.clip(rim - np.sqrt(paper), 0, 1) * np.float32(LEVELS)
    return np.floor(shade + np.float32(0.5)).astype(np.uint8)


def _squared_distances(
    corner: NDArray[np.int64], a: Floats, b: Floats, brush: NDArray[np.int64]
) -> NDArray[np.float32]:
    """From every pixel's centre in a window to the segment from a to b: `[drawing, y, x]`."""
    start = (a - corner - 0.5).astype(np.float32)
    reach = (b - a).astype(np.float32)
    x0, y0 = start[:, 0, None, None], start[:, 1, None, None]
    dx, dy = reach[:, 0, None, None], reach[:, 1, None, None]
    px = brush.astype(np.float32)[None, None, :] - x0
    py = brush.astype(np.float32)[None, :, None] - y0
    t = np.clip((px * dx + py * dy) / (dx * dx + dy * dy + np.float32(1e-9)), 0, 1)
    ex, ey = px - t * dx, py - t * dy
    return np.asarray(ex * ex + ey * ey, dtype=np.float32)


def _polylines(curves: Floats) -> Floats:
    """Points on each stroke's two Bezier pieces: `[drawing, stroke, 2 * PIECE_STEPS + 1, 2]`."""
    points = []
    for piece in (0, 3):
        p0, p1, p2, p3 = (curves[:, :, piece + i] for i in range(4))
        for step in range(PIECE_STEPS + (piece == 3)):
            t = step / PIECE_STEPS
            u = 1 - t
            near_start = p0 * (u * u * u) + p1 * (3 * u * u * t)
            points.append(near_start + (p2 * (3 * u * t * t) + p3 * (t * t * t)))
    return np.stack(points, axis=2)
