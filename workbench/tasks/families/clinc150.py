"""CLINC150: what people ask an assistant, 150 intents of ten domains, 150 sentences each.

Larson et al. (2019), An evaluation dataset for intent classification and out-of-scope prediction.
Classes are divided at random, 90, 30 and 30, or, which is harder, by domain: six, two and two.

With `/none` each task is also asked sentences that belong to none of its classes (the set's own
sentences out of scope). They have weight 0, so that neither loss nor accuracy counts them; the
metric `auroc` does: how often the largest logit of a sentence in scope is above that of one out of
scope (Hendrycks et al., 2022, Scaling out-of-distribution detection).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from workbench.errors import UserError, nearest
from workbench.randomness import fold, permutation
from workbench.tasks import data
from workbench.tasks.bank import ClassBank
from workbench.tasks.base import Shape, Split
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.objectives import CrossEntropy, Kind, Metric, area
from workbench.tasks.sampler import ClassSplit, distinct
from workbench.tasks.text import Texts, encoded, text_bank
from workbench.tasks.text_files import DOMAINS, Stamp, read_intents

FILE = "clinc150/data_full.json"
LENGTH = 96  # characters; one sentence in two hundred is longer
SCHEMES = ("intents", "domains")

_SPLIT_SEED = 0
_OUTSIDE = 21  # the use made of a task's seed, beside the sampler's


class WithNone(Texts):
    """Intents, with as many sentences out of scope in the query as a class has there."""

    def __init__(self, *args: Any, outside: Mapping[Split, Tensor], **how: Any) -> None:
        super().__init__(*args, **how)
        self.outside = outside
        self.objective = NoneOfThese()

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        episode = super().sample(n, seed=seed, split=split, shape=shape)
        query, stock = episode.query, self.outside[split]
        rows = distinct(fold(episode.seed, _OUTSIDE), torch.tensor([len(stock)]), shape.queries)
        none = torch.zeros_like(rows)
        query = Examples(
            torch.cat([query.x, stock[rows]], dim=1),
            torch.cat([query.y, none], dim=1),
            torch.cat([query.counts(), none.to(query.counts())], dim=1),
        )
        index = torch.cat([episode.info["query_index"], none - 1], dim=1)
        return replace(episode, query=query, info={**episode.info, "query_index": index})

    def check(self, shape: Shape, split: Split = "train") -> None:
        super().check(shape, split)
        if shape.queries > len(self.outside[split]):
            raise UserError(
                f"queries is {shape.queries} and the split '{split}' has "
                f"{len(self.outside[split])} sentences out of scope: ask for at most as many"
            )


def auroc(prediction: Tensor, examples: Examples) -> Tensor:
    """Each task's area under the ROC curve of the largest logit: sentences in scope against others.

    Out of scope is what has weight 0 and holds a text; an example that only pads holds none.

    >>> x, weight = torch.tensor([[[7], [7], [7], [0]]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    >>> logits = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [9.0, 9.0]]])
    >>> auroc(logits, Examples(x, torch.zeros(1, 4, dtype=torch.int64), weight))
    tensor([0.7500])
    """
    score, counts = prediction.amax(dim=-1), examples.counts()
    outside = (counts == 0) & (examples.x != 0).any(dim=-1)
    return area(score, counts > 0, outside)


@dataclass(frozen=True)
class NoneOfThese:
    """Cross-entropy, and how well the largest logit tells what belongs to none of the classes."""

    kind: ClassVar[Kind] = "classification"
    loss_measure = CrossEntropy.loss_measure
    metrics = (*CrossEntropy.metrics, Metric("auroc", "higher", "%", 0.5, auroc))

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """Cross-entropy, `[task, example]`."""
        return CrossEntropy().losses(prediction, examples)


def open_clinc150(scheme: str, options: list[str]) -> Texts:
    """CLINC150's tasks: its classes divided by intent, or by domain."""
    for option in options:
        if option != "none":
            raise UserError(f"clinc150 has no option '{option}': {nearest(option, ['none'])}")
    bank, outside = _read(Stamp.of(data.require("clinc150", FILE)))
    of = list(bank.names if scheme == "intents" else bank.groups)
    kinds = sorted(set(of))
    order = permutation(torch.tensor([_SPLIT_SEED]), len(kinds))[0].tolist()
    rows: dict[Split, list[int]] = {}
    start = 0
    for split, tenths in (("train", 6), ("validation", 2), ("test", 2)):
        end = start + len(kinds) * tenths // 10
        own = {kinds[place] for place in order[start:end]}
        rows[split] = [row for row, kind in enumerate(of) if kind in own]  # type: ignore[index]
        start = end
    splits = {split: ClassSplit.of(own) for split, own in rows.items()}
    if not options:
        return Texts(bank, splits, name="clinc150", scheme=scheme)
    return WithNone(bank, splits, name="clinc150", scheme=f"{scheme}/none", outside=outside)


@functools.lru_cache(maxsize=1)
def _read(stamp: Stamp) -> tuple[ClassBank, Mapping[Split, Tensor]]:
    """The sentences by intent, grouped by domain, and those out of scope."""
    found = read_intents(stamp.path)
    names = [(domain, intent) for domain, intents in DOMAINS.items() for intent in intents.split()]
    bank = text_bank(
        {intent: found.sentences[intent] for _, intent in names},
        [domain for domain, _ in names],
        LENGTH,
    )
    return bank, {split: encoded(texts, LENGTH) for split, texts in found.outside.items()}
