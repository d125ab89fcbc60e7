"""Digits as streams of domains: the same ten digits come again and again, each time otherwise.

A stage is a domain, all ten digits as one way of seeing shows them, and none comes back:

    permuted   the pixels in another order (Goodfellow et al., 2013; Kirkpatrick et al., 2017)
    turned     further by a fifth of the circle each time, from an angle of the stream's own

Training, validation and test draw from other images (scikit-learn's 8x8 digits), and from other
permutations and angles, since each task has its own. Streams of classes need no family of their
own: they are tasks of many ways, whose classes come in their order.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.randomness import fold, permutation, uniform
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, task_seeds
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.sampler import distinct

STAGES = 5
SCHEMES = ("permuted", "turned")
_DIGITS, _SIDE = 10, 8
_SHARES: dict[Split, tuple[float, float]] = {
    "train": (0.0, 0.6),
    "validation": (0.6, 0.8),
    "test": (0.8, 1.0),
}
_IMAGES, _DOMAINS = range(2)


class DigitStreams(Tasks):
    """Five domains of all digits, one after the other.

    `shots` and `queries` count the images of a digit in each domain. `info` has `stages`,
    `stage_names`, and `support_stage` and `query_stage` [task, example].

    >>> episode = DigitStreams("permuted").sample(2, seed=0, shape=Shape(10, 2, 1))
    >>> episode.support.x.shape, episode.info["query_stage"].unique().tolist()
    (torch.Size([2, 100, 1, 8, 8]), [0, 1, 2, 3, 4])
    """

    kind: Kind = "classification"
    name = "streams"
    default_shape = Shape(ways=_DIGITS, shots=5, queries=5)

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        self.check(shape, split)
        assert isinstance(shape.shots, int)
        seeds = task_seeds(n, seed, split)
        images, counts = _images(split)
        places = fold(seeds.view(-1, 1, 1), _IMAGES, torch.arange(STAGES).view(-1, 1))
        places = fold(places, torch.arange(_DIGITS))  # [task, stage, digit]
        each = shape.shots + shape.queries
        rows = distinct(places, counts.view(-1, 1), each) + (counts.cumsum(0) - counts).view(-1, 1)
        seen = self._seen(images[rows], fold(seeds, _DOMAINS))

        def part(chosen: slice) -> tuple[Examples, Tensor]:
            x = seen[:, :, :, chosen]
            y = torch.arange(_DIGITS).view(-1, 1).expand(x.shape[:4])
            stage = torch.arange(STAGES).view(-1, 1, 1).expand(x.shape[:4])
            return Examples(x.flatten(1, 3), y.flatten(1).contiguous()), stage.flatten(1)

        support, support_stage = part(slice(shape.shots))
        query, query_stage = part(slice(shape.shots, None))
        info = {
            "classes": torch.arange(_DIGITS).expand(n, -1),
            "class_names": tuple(map(str, range(_DIGITS))),
            "stages": STAGES,
            "stage_names": tuple(f"domain {stage + 1}" for stage in range(STAGES)),
            "support_stage": support_stage,
            "query_stage": query_stage,
            "dataset": self.name,
            "scheme": self.scheme,
            "split": split,
        }
        return Episode(support, query, seeds, _DIGITS, info)

    def check(self, shape: Shape, split: Split = "train") -> None:
        if shape.ways != _DIGITS:
            raise UserError(f"ways is {shape.ways} and a stream of digits has 10: ask for ways=10")
        if not isinstance(shape.shots, int):
            raise UserError(f"shots is {shape.shots} and all domains are alike: give one number")
        fewest = int(_images(split)[1].min())
        if shape.shots + shape.queries > fewest:
            raise UserError(
                f"shots {shape.shots} and queries {shape.queries} need more than the {fewest} "
                f"images of a digit in the split '{split}': together ask for at most {fewest}"
            )

    def spec(self, shape: Shape) -> TaskSpec:
        return TaskSpec("classification", (1, _SIDE, _SIDE), _DIGITS, train_classes=_DIGITS)

    def _seen(self, images: Tensor, seeds: Tensor) -> Tensor:
        """Images `[task, stage, digit, image, 1, 8, 8]` as each stage of each task sees them."""
        if self.scheme == "permuted":
            stage = fold(seeds.unsqueeze(1), torch.arange(STAGES))
            order = permutation(stage, _SIDE * _SIDE)[:, :, None, None]
            flat = images.flatten(4)
            return flat.gather(4, order.expand(flat.shape)).view_as(images)
        start = uniform(seeds, (1,)) + torch.arange(STAGES) / STAGES
        angle = 2 * math.pi * start.flatten().double()
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        matrix = torch.stack([cos, -sin, zero, sin, cos, zero], dim=-1).view(-1, 2, 3)
        flat = images.flatten(0, 1).flatten(1, 3)
        size = [len(flat), flat.shape[1], _SIDE, _SIDE]
        grid = F.affine_grid(matrix.to(flat), size, align_corners=False)
        return F.grid_sample(flat, grid, align_corners=False).view_as(images)


@functools.cache
def _images(split: Split) -> tuple[Tensor, Tensor]:
    """A split's images by digit, `[image, 1, 8, 8]` with ink 1, and how many each digit has."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(images).to(torch.get_default_dtype()).view(-1, 1, _SIDE, _SIDE) / 16
    y = torch.from_numpy(labels)
    first, last = _SHARES[split]
    own = []
    for digit in range(_DIGITS):
        of = x[y == digit]
        own.append(of[int(first * len(of)) : int(last * len(of))])
    return torch.cat(own), torch.tensor([len(of) for of in own])
