"""Diagnosis: patients as rows of a table, ill or not, and what a diagnosis is judged by.

A task is a place where patients come (a hospital, a clinic asked about one disease), and K of them
have been diagnosed. They are drawn as they come, whoever is ill, except that support and query hold
at least one of each kind. All of it is for research and no medical device; `NOTICE` says so in
every picture and result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.randomness import fold, uniform
from workbench.tasks.base import Shape, Split, bounds, task_seeds
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.objectives import CrossEntropy, Kind, Metric, area
from workbench.tasks.sampler import whole
from workbench.tasks.tables import Rows

NOTICE = "for research only: this is no medical device"
FINDINGS = ("absent", "present")  # the classes of a diagnosis, in order
SPECIFICITY = 0.9  # at which sensitivity is measured
_BINS = 10  # of calibration
_PLACE, _ORDER, _SHOTS = range(31, 34)  # which use a task's seed is put to


def _ill(prediction: Tensor) -> Tensor:
    """The probability that the disease is present, `[task, example]`."""
    if prediction.shape[-1] != 2:
        raise UserError(
            f"a diagnosis is of 2 classes and the predictions are of {prediction.shape[-1]}: "
            "choose tasks of present or absent"
        )
    return prediction.softmax(dim=-1)[..., 1]


def auroc(prediction: Tensor, examples: Examples) -> Tensor:
    """Each task's area under the ROC curve: how often who is ill has the higher score.

    >>> logits = torch.tensor([[[0.0, 3.0], [0.0, 1.0], [0.0, 2.0], [0.0, 0.0]]])
    >>> auroc(logits, Examples(torch.zeros(1, 4, 1), torch.tensor([[1, 1, 0, 0]])))
    tensor([0.7500])
    """
    score = prediction[..., 1] - prediction[..., 0]
    _ill(prediction)
    counts = examples.counts() > 0
    return area(score, (examples.y == 1) & counts, (examples.y == 0) & counts)


def sensitivity(prediction: Tensor, examples: Examples) -> Tensor:
    """Each task's share of the ill who are found where at most a tenth of the others are alarmed.

    The threshold is the lowest score that leaves a specificity of 0.9; who ties with it is not
    found.

    >>> logits = torch.tensor([[[0.0, 3.0], [0.0, 1.0], [0.0, 2.0], [0.0, 0.0]]])
    >>> sensitivity(logits, Examples(torch.zeros(1, 4, 1), torch.tensor([[1, 1, 0, 0]])))
    tensor([0.5000])
    """
    score, counts = prediction[..., 1] - prediction[..., 0], examples.counts() > 0
    _ill(prediction)
    well, ill = (examples.y == 0) & counts, (examples.y == 1) & counts
    order = score.masked_fill(~well, -torch.inf).sort(dim=1, descending=True).values
    alarms = ((1 - SPECIFICITY) * well.sum(dim=1) + 1e-6).long()  # who may be above the threshold
    threshold = order.gather(1, alarms.unsqueeze(1))
    found = (score > threshold) & ill
    return found.sum(dim=1).to(score) / ill.sum(dim=1)


def calibration_error(prediction: Tensor, examples: Examples) -> Tensor:
    """Each task's mean distance of the stated chance of illness from the share who are ill.

    In ten bins of the stated chance, weighted by the patients in each (Naeini, Cooper and
    Hauskrecht, 2015, Obtaining well calibrated probabilities using Bayesian binning).

    >>> both_ill = Examples(torch.zeros(1, 2, 1), torch.tensor([[1, 1]]))
    >>> calibration_error(torch.zeros(1, 2, 2), both_ill)
    tensor([0.5000])
    """
    chance, weight = _ill(prediction), examples.counts()
    bins = (chance * _BINS).long().clamp(0, _BINS - 1)
    apart = weight * (chance - examples.y.to(chance))
    total = torch.zeros(len(chance), _BINS).to(chance).scatter_add(1, bins, apart)
    return total.abs().sum(dim=1) / weight.sum(dim=1)


@dataclass(frozen=True)
class Diagnosis:
    """Cross-entropy, and how well the predictions tell the ill from the others."""

    kind: ClassVar[Kind] = "classification"
    loss_measure = CrossEntropy.loss_measure
    metrics = (
        Metric("auroc", "higher", "%", 0.5, auroc, "area under the ROC curve"),
        *CrossEntropy.metrics,
        Metric(
            *("sensitivity", "higher", "%", 1 - SPECIFICITY, sensitivity),
            label="sensitivity at 90% specificity",
        ),
        Metric("calibration_error", "lower", "%", None, calibration_error),
    )

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """Cross-entropy, `[task, example]`."""
        return CrossEntropy().losses(prediction, examples)


class Patients(Rows):
    """Places with patients of whom `shots` are diagnosed, whichever way, and `queries` are asked.

    A place is a group of the bank with the classes absent and present; shots and queries count
    patients and not, as elsewhere, those of a class.
    """

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, within_groups=True, ordered=True, notice=NOTICE, **how)
        self.objective = Diagnosis()
        self._places = {
            split: torch.stack(
                [pool.classes[pool.starts], pool.classes[pool.starts + 1]], dim=-1
            )  # [place, class] rows of the bank's classes
            for split, pool in self._pools.items()
        }

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        seeds = task_seeds(n, seed, split)
        self.check(shape, split)
        pool, places = self._pool_of(split), self._places[split]
        least, most = bounds(shape.shots)
        place = whole(uniform(fold(seeds, _PLACE), ()), 0, len(places) - 1)
        counts = self.bank.counts[places[place]]  # [task, class]
        first = self._starts[places[place]]

        largest = int(self.bank.counts[places].sum(dim=1).max())
        number = torch.arange(largest)
        row = torch.where(
            number < counts[:, :1], first[:, :1] + number, first[:, 1:] + number - counts[:, :1]
        )
        draw = uniform(fold(seeds, _ORDER), (largest,))
        draw = draw.masked_fill(number >= counts.sum(dim=1, keepdim=True), 2.0)
        sick = number >= counts[:, :1]
        # one of each kind is set aside for the support, and one for the query
        aside = [draw.masked_fill(one, 3.0).topk(2, dim=1, largest=False) for one in (sick, ~sick)]
        for found in aside:
            draw = draw.scatter(1, found.indices, 2.0)
        rest = draw.topk(most + shape.queries - 4, dim=1, largest=False).indices
        support = torch.cat([*(f.indices[:, :1] for f in aside), rest[:, : most - 2]], dim=1)
        query = torch.cat([*(f.indices[:, 1:] for f in aside), rest[:, most - 2 :]], dim=1)

        own = whole(uniform(fold(seeds, _SHOTS), (1,)), least, most)
        real = torch.arange(most) < own
        info: dict[str, Any] = {
            "classes": 2 * place.unsqueeze(-1) + torch.arange(2),
            "rotation": torch.zeros(n, 2, dtype=torch.int64),
            "class_names": pool.names,
            "dataset": self.name,
            "scheme": self.scheme,
            "split": split,
            "split_sha256": self.split_sha256,
            **self._said,
        }
        parts = {}
        for part, held in (("support", support), ("query", query)):
            rows, y = row.gather(1, held), sick.gather(1, held).long()
            x, weight = self.bank.x[rows], None
            if part == "support" and least < most:
                x, y, weight = x * real.unsqueeze(-1), y * real, real.to(x)
                rows = rows.masked_fill(~real, -1)
            parts[part] = Examples(x, y, weight)
            info[f"{part}_index"] = rows
        return Episode(parts["support"], parts["query"], seeds, 2, info)

    def check(self, shape: Shape, split: Split = "train") -> None:
        places = self.bank.counts[self._places[split]] if split in self._pools else None
        if places is None:
            self._pool_of(split)  # says which splits there are
        if shape.ways != 2:
            raise UserError(f"ways is {shape.ways} and a disease is absent or present: ask for 2")
        least, most = bounds(shape.shots)
        for name, number in (("shots", least), ("queries", shape.queries)):
            if number < 2:
                raise UserError(
                    f"{name} is {number} and must hold a patient of each kind: ask for at least 2"
                )
        assert places is not None
        fewest = int(places.sum(dim=1).min())
        if most + shape.queries > fewest:
            raise UserError(
                f"shots {most} and queries {shape.queries} need {most + shape.queries} patients "
                f"but a place of {self.name} has only {fewest}: together ask for at most {fewest}"
            )
