"""Matching Networks: a query takes the labels of the support examples it attends to.

Vinyals et al. (2016), Matching Networks for One Shot Learning, arXiv:1606.04080.

    a(x, x_i) = softmax_i( cosine(f(x), g(x_i)) / tau )
    p(k | x)  = sum of a(x, x_i) over the support examples of class k

Without context f = g is the embedding f'. With full-context embeddings (appendix A) g reads the
whole support by a bidirectional LSTM over it, and f looks at it for some steps:

    g(x_i)     = forward_i + backward_i + f'(x_i)
    r_k        = sum_i softmax_i(h_k . g(x_i)) g(x_i)      h_0 = f'(x)
    h_k+1      = LSTM(f'(x), r_k; h_k) + f'(x)             f(x) is the last h

The paper has tau = 1, which bounds the odds of two examples by e^2; a smaller one trains faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms.capabilities import Embeds
from workbench.algorithms.classes import (
    Temperature,
    check_classification,
    hide,
    labelled,
    one_hot,
    template,
    unlikely,
)
from workbench.algorithms.memory.learner import MemoryLearner, each_its_own
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Live, Range, check_fields
from workbench.innerloop import check_stackable
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode


def _full_context(learner: Any) -> bool:
    return bool(learner.settings.full_context)


@dataclass(frozen=True)
class MatchingSettings:
    """Matching Networks."""

    # tau: lower attends to fewer support examples
    temperature: Annotated[Temperature, Live()] = 0.1
    full_context: bool = False  # embed support and query in the light of the whole support
    # times a query looks at the support in its full-context embedding
    looks: Annotated[int, Range(1, 1000, span=(1, 10)), Live(when=_full_context)] = 3

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> Matching:
        """The learner around the model as an embedding."""
        check_classification(spec, "Matching Networks")
        embedding = model.build(spec.input_shape, None)
        features = embedding(spec.blank()).shape[-1]
        return Matching(embedding, self, features=features)


class Matching(MemoryLearner, Embeds):
    """Attends to the support and takes its labels.

    `features` is the size of the embedding; only the full context needs to be told.

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("digits").sample(2, seed=0)
    >>> learner = Matching(MLP(64, None))
    >>> attention = learner.read(last(adapt(learner, episode)), episode.query.x)
    >>> attention.shape[-1] == episode.support.y.shape[1]
    True
    """

    kinds = ("classification",)
    slot_values = ("keys", "labels")

    def __init__(
        self,
        embedding: nn.Module,
        settings: MatchingSettings = MatchingSettings(),
        *,
        features: int | None = None,
    ) -> None:
        super().__init__()
        check_stackable(embedding)
        self.embedding, self.settings = embedding, settings
        if settings.full_context:
            if features is None:
                raise UserError("full_context needs the size of the embedding: pass features=")
            self.forwards = nn.LSTMCell(features, features)
            self.backwards = nn.LSTMCell(features, features)
            self.looking = nn.LSTMCell(2 * features, features)

    def steps(self, episode: Episode) -> int:
        """One read of the support."""
        return 1

    def begin(self, episode: Episode) -> Adapted:
        """An empty memory, with room for the labels."""
        support, ways = labelled(episode)
        labels = template(self.embedding, episode).new_zeros(len(episode), support.y.shape[1], ways)
        return Adapted({"labels": labels} | self.remembered(episode))

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Write the embedded support and its labels into the memory."""
        support, ways = labelled(episode)
        keys = self.embed(adapted, support.x, support.weight, support=True)
        labels = one_hot(support, ways, like=keys)
        if self.settings.full_context:
            keys = keys + self._context(keys, labels.sum(dim=-1))
        memory = {"keys": keys, "labels": labels}
        return Adapted({**adapted.values, **memory}, {"features": keys}, adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The logarithm of the attention that each class receives, `[task, example, way]`."""
        labels = adapted.values["labels"]
        if "keys" not in adapted.values:
            return labels.new_zeros(*x.shape[:2], labels.shape[-1])
        scores = self._scores(adapted, x, weight)
        # log of a sum of softmax terms, without leaving the logarithm: never log 0
        per_class = hide(scores.unsqueeze(-1), labels.unsqueeze(1) > 0).logsumexp(dim=2)
        told = labels.sum(dim=1, keepdim=True) > 0
        return unlikely(per_class - scores.logsumexp(dim=-1, keepdim=True), told)

    def read(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """How much each input attends to each support example: `[task, example, support]`."""
        there = adapted.values["labels"].sum(dim=-1).unsqueeze(1) > 0  # not one: nothing is read
        return self._scores(adapted, x, weight).softmax(dim=-1) * there

    def reads(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """The attention; each support example is a slot."""
        return {"attention": self.read(adapted, x, weight)}

    def writes(self, adapted: Adapted, episode: Episode) -> Tensor:
        """Each support example to its own slot."""
        return each_its_own(adapted, episode, adapted.values["labels"])

    def embed(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """f'(x), `[task, example, feature]`, without context."""
        return self.vectors(self.embedding, x, adapted, weight, support=support)

    def _scores(self, adapted: Adapted, x: Tensor, weight: Tensor | None) -> Tensor:
        keys, present = adapted.values["keys"], adapted.values["labels"].sum(dim=-1) > 0
        queries = self.embed(adapted, x, weight)
        if self.settings.full_context:
            queries = self._look(queries, keys, present)
        cosine = F.normalize(queries, dim=-1) @ F.normalize(keys, dim=-1).transpose(1, 2)
        return hide(cosine / self.settings.temperature, present.unsqueeze(1))

    def _context(self, features: Tensor, weight: Tensor) -> Tensor:
        """What the two LSTMs say at each support example; padding leaves their state alone."""
        examples = range(features.shape[1])
        total = torch.zeros_like(features)
        for cell, order in ((self.forwards, examples), (self.backwards, reversed(examples))):
            hidden = memory = torch.zeros_like(features[:, 0])
            outputs = {}
            for i in order:
                new = cell(features[:, i], (hidden, memory))
                counts = weight[:, i : i + 1] > 0
                hidden, memory = (
                    torch.where(counts, after, before)
                    for after, before in zip(new, (hidden, memory), strict=True)
                )
                outputs[i] = hidden
            total = total + torch.stack([outputs[i] for i in examples], dim=1)
        return total

    def _look(self, features: Tensor, keys: Tensor, present: Tensor) -> Tensor:
        """The query's embedding after `looks` looks at the support, each query by itself."""
        shape = features.shape
        hidden, memory = features, torch.zeros_like(features).flatten(0, 1)
        for _ in range(self.settings.looks):
            attention = hide(hidden @ keys.transpose(1, 2), present.unsqueeze(1)).softmax(dim=-1)
            inputs = torch.cat([features, attention @ keys], dim=-1).flatten(0, 1)
            output, memory = self.looking(inputs, (hidden.flatten(0, 1), memory))
            hidden = output.view(shape) + features
        return hidden
