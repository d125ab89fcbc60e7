"""A pen: strokes drawn by hand become an image like those of a data set.

Paper, ink and the width of a line are those of the images that the drawing is to stand among.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.errors import UserError

Strokes = Sequence[Sequence[Sequence[float]]]
_MOST_POINTS = 5_000
_AT_ONCE = 256  # segments whose distance to every pixel is computed at once


@dataclass(frozen=True, eq=False)
class Pen:
    """What draws like some images: `paper` and `ink` [channel], and half a line's width in pixels.

    >>> images = torch.zeros(1, 1, 9, 9)
    >>> images[..., 3:6, 2:7] = 1.0
    >>> pen = Pen.like(images)
    >>> float(pen.paper), float(pen.ink), round(pen.half, 1)
    (0.0, 1.0, 1.0)
    """

    paper: Tensor
    ink: Tensor
    half: float

    @staticmethod
    def like(images: Tensor) -> Pen:
        """The pen that images `[image, channel, height, width]` may have been drawn by."""
        images = images.double()
        side = images.shape[-1]
        edges = (images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1])
        paper = torch.cat(edges, dim=-1).movedim(1, 0).flatten(1).median(dim=1).values
        extremes = (
            torch.stack(  # of an image, in the middle over images: one blot makes no ink
                [images.flatten(2).amin(dim=2), images.flatten(2).amax(dim=2)]
            )
            .median(dim=1)
            .values
        )
        farther = (extremes[1] - paper).abs() >= (extremes[0] - paper).abs()
        ink = torch.where(farther, extremes[1], extremes[0])
        contrast = (ink - paper).abs().amax()
        if not float(contrast) > 0:  # blank images
            return Pen(paper, paper + 1, 0.03 * side)
        shade = ((images - paper.view(-1, 1, 1)).abs().amax(dim=1) / contrast).clamp(max=1)
        # A line of width w has w of ink and two rims for every pixel of its length.
        down = shade[:, 1:, :-1] - shade[:, :-1, :-1]
        right = shade[:, :-1, 1:] - shade[:, :-1, :-1]
        rims = float((down.square() + right.square()).sqrt().sum())
        return Pen(paper, ink, max(float(shade.sum()) / max(rims, 1e-9), 0.3))

    def draw(self, strokes: Strokes, height: int, width: int) -> Tensor:
        """An image `[channel, height, width]` of strokes of points (x, y), in 0..1 from the top."""
        corner = torch.tensor([width, height], dtype=torch.float64)
        starts, ends = [], []
        for stroke in strokes:
            points = torch.tensor(stroke, dtype=torch.float64) * corner
            starts.append(points[:-1] if len(points) > 1 else points)
            ends.append(points[1:] if len(points) > 1 else points)
        rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
        pixels = torch.cartesian_prod(rows, columns).flip(1).double()
        nearest = torch.full((height * width,), float("inf"), dtype=torch.float64)
        pairs = zip(torch.cat(starts).split(_AT_ONCE), torch.cat(ends).split(_AT_ONCE), strict=True)
        for a, b in pairs:
            along, to = (b - a).unsqueeze(1), pixels - a.unsqueeze(1)
            length = along.square().sum(dim=-1).clamp(min=1e-12)
            place = ((to * along).sum(dim=-1) / length).clamp(0, 1).unsqueeze(-1)
            away = (to - place * along).norm(dim=-1)
            nearest = torch.minimum(nearest, away.amin(dim=0))
        shade = (self.half + 0.5 - nearest).clamp(0, 1).view(1, height, width)
        paper, ink = self.paper.view(-1, 1, 1), self.ink.view(-1, 1, 1)
        return paper + (ink - paper) * shade


def read_strokes(strokes: object) -> list[list[list[float]]]:
    """Strokes as plain numbers, or a refusal of what is none."""
    cure = "give lists of points [x, y], each number between 0 and 1"
    try:
        plain = [[[float(x), float(y)] for x, y in stroke] for stroke in strokes]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise UserError(f"the strokes are not made of points: {cure}") from None
    points = [number for stroke in plain for point in stroke for number in point]
    if not plain or not all(plain):
        raise UserError(f"there is a stroke without a point, or none at all: {cure}")
    if not all(-1 <= number <= 2 for number in points):  # a pen may leave the paper a little
        raise UserError(f"a stroke leads far off the paper: {cure}")
    if len(points) > 2 * _MOST_POINTS:
        raise UserError(
            f"the drawing has {len(points) // 2} points: draw with at most {_MOST_POINTS}"
        )
    return plain
