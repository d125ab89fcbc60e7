"""Tasks whose domain shifts: labelled examples of a source, and unlabelled ones of a target.

The support is of the source domain, `info["unlabelled"]` `[task, example, ...]` are inputs of the
target domain whose classes nobody says, and the query is of the target domain. What the shift is,
only the unlabelled inputs show.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.randomness import fold, normal, uniform
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, bounds, task_seeds
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.sampler import FewShot

# Which use a task's seed is put to.
_TURN, _SIDE, _SUPPORT, _UNLABELLED, _QUERY, _PEN = range(21, 27)


class Moons(Tasks):
    """Two crescents that lie into each other, turned for the target domain by `degrees`.

    `info` has `turn` [task], by which the source is turned, and `shift` [task], by which the target
    is turned beyond that: `degrees` to the left or to the right. `shots` counts the labelled and
    the unlabelled points of a class.

    >>> episode = Moons().sample(2, seed=0)
    >>> episode.info["shift"].abs().tolist(), list(episode.info["unlabelled"].shape)
    ([35.0, 35.0], [2, 200, 2])
    """

    name, scheme = "moons", "turned"
    kind: Kind = "classification"
    default_shape = Shape(ways=2, shots=100, queries=100)

    def __init__(self, degrees: float = 35.0, noise: float = 0.1) -> None:
        self.degrees, self.noise = degrees, noise

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        self.check(shape, split)
        seeds = task_seeds(n, seed, split)
        turn = 360 * uniform(fold(seeds, _TURN), ())
        shift = torch.where(uniform(fold(seeds, _SIDE), ()) < 0.5, self.degrees, -self.degrees)
        shots = bounds(shape.shots)[1]
        unlabelled = self._points(fold(seeds, _UNLABELLED), shots, turn + shift)
        info = {
            "turn": turn,
            "shift": shift,
            "unlabelled": unlabelled.x,
            "class_names": ("upper", "lower"),
            "dataset": self.name,
            "scheme": self.scheme,
            "split": split,
        }
        return Episode(
            self._points(fold(seeds, _SUPPORT), shots, turn),
            self._points(fold(seeds, _QUERY), shape.queries, turn + shift),
            seeds,
            2,
            info,
        )

    def check(self, shape: Shape, split: Split = "train") -> None:
        if shape.ways != 2:
            raise UserError(f"ways is {shape.ways} and there are two moons: ask for 2")
        _check_even(self.name, shape)

    def spec(self, shape: Shape) -> TaskSpec:
        return TaskSpec("classification", (2,), 2, train_classes=2)

    def _points(self, seeds: Tensor, each: int, degrees: Tensor) -> Examples:
        """`each` points of both crescents `[task, example, 2]`, turned about their middle."""
        along = math.pi * uniform(fold(seeds, 0), (2, each), torch.float64)
        upper = torch.stack([along[:, 0].cos(), along[:, 0].sin()], dim=-1)
        lower = torch.stack([1 - along[:, 1].cos(), 0.5 - along[:, 1].sin()], dim=-1)
        points = torch.cat([upper, lower], dim=1) - torch.tensor([0.5, 0.25], dtype=torch.float64)
        points = points + self.noise * normal(fold(seeds, 1), (2 * each, 2), torch.float64)
        angle = (degrees.double() * math.pi / 180).view(-1, 1)
        x, y = points.unbind(-1)
        turned = [angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y]
        labels = torch.arange(2).repeat_interleave(each).expand(len(seeds), -1).contiguous()
        return Examples(torch.stack(turned, dim=-1).to(torch.get_default_dtype()), labels)


class NewPen(Tasks):
    """Characters drawn by one pen, to be told apart where another one drew them.

    Each task's target has a pen of its own: a line up to five pixels broader, ink and paper of
    other shades, on rough paper. `info` has `broad`, `ink`, `paper` and `rough`, each [task]; the
    unlabelled drawings are of the task's classes, `shots` of each, and neither in the support nor
    in the query.

    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("glyphs:pen").sample(2, seed=0, shape=Shape(5, 2, 3))
    >>> list(episode.info["unlabelled"].shape)
    [2, 10, 1, 28, 28]
    """

    kind: Kind = "classification"
    default_shape = Shape(ways=5, shots=5, queries=10)

    def __init__(self, below: FewShot) -> None:
        self.below, self.name, self.scheme = below, below.name, "pen"

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        self.check(shape, split)
        ways, shots = bounds(shape.ways)[1], bounds(shape.shots)[1]
        drawn = self.below.sample(n, seed=seed, split=split, shape=self._whole(shape))
        by_class = drawn.support.x.unflatten(1, (ways, 2 * shots))
        rows = drawn.info["support_index"].unflatten(1, (ways, 2 * shots))
        labels = drawn.support.y.unflatten(1, (ways, 2 * shots))
        seeds = fold(drawn.seed, _PEN)
        broad = 1 + 2 * (3 * uniform(fold(seeds, 0), ())).long()  # 1, 3 or 5 pixels
        ink, paper = 0.5 + 0.5 * uniform(fold(seeds, 1), ()), 0.4 * uniform(fold(seeds, 2), ())
        pen = {"broad": broad, "ink": ink, "paper": paper, "rough": 0.2 * uniform(seeds, ())}

        def by_new_pen(x: Tensor, use: int) -> Tensor:
            return redrawn(x, fold(seeds, use), **pen)

        info = {
            **drawn.info,
            **pen,
            "support_index": rows[:, :, :shots].flatten(1),
            "unlabelled": by_new_pen(by_class[:, :, shots:].flatten(1, 2), _UNLABELLED),
            "scheme": self.scheme,
        }
        support = Examples(
            by_class[:, :, :shots].flatten(1, 2), labels[:, :, :shots].flatten(1).contiguous()
        )
        query = replace(drawn.query, x=by_new_pen(drawn.query.x, _QUERY))
        return replace(drawn, support=support, query=query, info=info)

    def class_names(self, split: Split) -> tuple[str, ...]:
        """The classes of a split, as `info["classes"]` numbers them."""
        return self.below.class_names(split)

    def check(self, shape: Shape, split: Split = "train") -> None:
        _check_even(self.name, shape)
        self.below.check(self._whole(shape), split)

    def spec(self, shape: Shape) -> TaskSpec:
        return self.below.spec(shape)

    def _whole(self, shape: Shape) -> Shape:
        """The shape of what is drawn: as many unlabelled as labelled drawings of a class."""
        return replace(shape, shots=2 * bounds(shape.shots)[1])


def redrawn(
    images: Tensor, seed: Tensor, broad: Tensor, ink: Tensor, paper: Tensor, rough: Tensor
) -> Tensor:
    """Drawings `[task, example, channel, height, width]` as each task's pen draws them.

    >>> one = torch.zeros(1, 1, 1, 5, 5)
    >>> one[..., 2, 2] = 1.0
    >>> pen = {"broad": 3, "ink": 0.5, "paper": 0.25, "rough": 0.0}
    >>> redrawn(one, torch.tensor([0]), **{k: torch.tensor([v]) for k, v in pen.items()}).unique()
    tensor([0.2500, 0.5000])
    """

    def of_task(number: Tensor) -> Tensor:
        return number.view(-1, 1, 1, 1, 1)

    lines = images
    for pixels in (3, 5):
        wide = F.max_pool2d(images.flatten(0, 1), pixels, stride=1, padding=pixels // 2)
        lines = torch.where(of_task(broad) == pixels, wide.view_as(images), lines)
    grain = 2 * uniform(seed, tuple(images.shape[1:])).to(images) - 1
    shade = of_task(paper) + (of_task(ink) - of_task(paper)) * lines
    return (shade + of_task(rough) * grain * (1 - lines)).clamp(0, 1)


def _check_even(name: str, shape: Shape) -> None:
    for field, number in (("ways", shape.ways), ("shots", shape.shots)):
        if not isinstance(number, int):
            raise UserError(
                f"{field} is {number} and both domains of {name} are of one size: "
                "give a single number"
            )
