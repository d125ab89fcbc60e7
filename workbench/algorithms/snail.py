"""SNAIL: temporal convolutions gather what came before, causal attention picks from it.

Mishra, Rohaninejad, Chen and Abbeel (2018), A Simple Neural Attentive Meta-Learner,
arXiv:1707.03141.

A task is a sequence of items: examples with their labels and then a query without one, or what was
observed, done and rewarded at every moment of a trial. Each layer adds to what every item is:

    convolution   c_t = tanh(A [h_t, h_t-d]) * sigmoid(B [h_t, h_t-d])      h_t <- [h_t, c_t]
    attention     r_t = softmax_s<=t( q_t . k_s / sqrt(size) ) v_s          h_t <- [h_t, r_t]

    attention, convolutions with d = 1, 2, 4 ... up to the length, attention, the same, attention

Since an item only ever adds to itself, what a net knows of the past is one tensor of all h_s, and
the next item is computed from it alone. A classification task is read in one step, its support in
random order; a trial moves by one item a step. Queries are each the next item, side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms import trials
from workbench.algorithms.base import Adapted
from workbench.algorithms.capabilities import Embeds
from workbench.algorithms.classes import hide, indicator, labelled, one_hot
from workbench.algorithms.memory import MemoryLearner, check_ways, shuffled
from workbench.algorithms.trials import Fraction, Weight
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.innerloop import check_stackable
from workbench.models import ModelSettings, PolicySettings
from workbench.randomness import fold
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode

_ORDER = 2  # the use made of an episode's seed; a trial makes others


@dataclass(frozen=True)
class SNAILSettings:
    """Temporal convolutions and causal attention."""

    # numbers that a convolution adds to an item, and by which attentions are measured
    filters: Annotated[int, Range(4, span=(8, 128))] = 128
    # items that the convolutions reach back over, the query among them
    length: Annotated[int, Range(2, span=(4, 128), log=True)] = 32
    width: Annotated[int, Range(1, span=(8, 128))] = 64  # numbers that an input is brought to
    discount: Fraction = 0.99  # in trials, gamma: what a reward one step later is worth
    trace: Fraction = 0.8  # in trials, lambda: 0 trusts the value net, 1 the rewards that came
    value_weight: Weight = 0.5  # in trials: weight of the value's squared error
    entropy_weight: Weight = 0.03  # in trials: higher keeps the policy exploring for longer

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> SNAIL:
        """The learner around the model as an embedding; a trial's observations need none."""
        if spec.kind == "regression":
            raise UserError(
                "SNAIL reads classes or acts in trials and these tasks are of regression: "
                "use 'omniglot', 'glyphs', 'digits' or 'bandit', or another method"
            )
        if spec.kind == "control":
            size = math.prod(spec.input_shape) + spec.outputs + 2
            return SNAIL(None, size, spec.outputs, self)
        if isinstance(model, PolicySettings):
            raise UserError("SNAIL embeds what it classifies: give it an MLP or Conv4 model")
        embedding = model.build(spec.input_shape, None)
        features = embedding(spec.blank()).shape[-1]
        return SNAIL(embedding, features, spec.outputs, self)


class SNAIL(MemoryLearner, Embeds):
    """Reads a sequence by convolutions and attention, whether of examples or of moments.

    embedding  of examples; None for trials
    features   the size of what it gives, or of a moment (observation, action, reward, done)
    outputs    the most classes of a task, or a trial's actions

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.tasks import open_tasks
    >>> trial = open_tasks("bandit").sample(4, seed=0)
    >>> learner = SNAIL(None, 1 + 5 + 2, 5, SNAILSettings(filters=8))
    >>> last(adapt(learner, trial)).values["past"].shape[:2]
    torch.Size([4, 10])
    """

    slot_values = ("past",)

    def __init__(
        self,
        embedding: nn.Module | None,
        features: int,
        outputs: int,
        settings: SNAILSettings = SNAILSettings(),
    ) -> None:
        super().__init__()
        self.embedding, self.settings, self.outputs = embedding, settings, outputs
        self.kinds = ("control",) if embedding is None else ("classification",)
        self.inward = nn.Linear(features, settings.width)
        width = settings.width
        if embedding is not None:
            check_stackable(embedding)
            width += outputs  # the label beside the example
        filters, dilations = settings.filters, math.ceil(math.log2(settings.length))
        layers: list[_Convolution | _Attention] = []

        def add(layer: _Convolution | _Attention) -> int:
            layers.append(layer)
            return width + layer.size

        width = add(_Attention(width, filters // 2, filters // 4))
        for scale in (2, 4):
            for i in range(dilations):
                width = add(_Convolution(width, filters, 2**i))
            width = add(_Attention(width, scale * filters, scale * filters // 2))
        self.layers = nn.ModuleList(layers)
        self.out = nn.Linear(width, outputs)
        if embedding is None:
            self.value = nn.Linear(width, 1)
            nn.init.orthogonal_(self.out.weight, gain=0.01)  # small logits explore at first
            nn.init.zeros_(self.out.bias)

    def steps(self, episode: Episode) -> int:
        """One read of the support, or the moves of a trial."""
        if self.embedding is not None:
            return 1
        return trials.environment(episode, "SNAIL for trials").horizon

    def begin(self, episode: Episode) -> Adapted:
        """An empty past."""
        empty = self.out.bias.new_zeros(len(episode), 0, self.out.in_features)
        if self.embedding is None:
            opening = trials.opening(episode, "SNAIL for trials", self.outputs, self.out.bias)
            return Adapted({"past": empty} | opening)
        if episode.env is not None:
            raise UserError("this SNAIL was built to classify: build it for control tasks to act")
        support, ways = labelled(episode)
        check_ways("SNAIL", self.outputs, ways)
        labels = one_hot(support, ways, self.out.bias)
        values = {
            "past": empty,
            "present": (labels.sum(dim=1) > 0).to(labels),
            "order": shuffled(labels.sum(dim=2), fold(episode.seed, _ORDER)),
            "length": labels.sum(dim=(1, 2)).long(),
        }
        return Adapted(values | self.remembered(episode))

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Read the support as a sequence; or read the last moment and act."""
        values = adapted.values
        if self.embedding is None:
            moment = self.inward(trials.observed(values)).relu().unsqueeze(1)
            known, logits = self._next(values["past"], moment, None)
            value = self.value(known[:, 0]).squeeze(-1)
            after, seen = trials.move(values, episode, adapted.step, logits[:, 0], value)
            past = torch.cat([values["past"], known], dim=1)
            return Adapted({"past": past} | after, seen, adapted.step + 1)
        support, _ = labelled(episode)
        features = self.embed(adapted, support.x, support.weight, support=True)
        labels = one_hot(support, self.outputs, features)
        items = torch.cat([self.inward(features).relu(), labels], dim=-1)
        order = values["order"].unsqueeze(-1)
        known, _ = self._next(values["past"], items.gather(1, order.expand_as(items)), None)
        return Adapted({**values, "past": known}, {"features": features}, adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Logits of each input as the next item, or as the next observation."""
        values = adapted.values
        if self.embedding is None:
            return self._asked(adapted, x, weight)[0]
        present = values["present"]
        if adapted.step == 0:
            return present.new_zeros(*x.shape[:2], present.shape[1])
        logits, _ = self._asked(adapted, x, weight)
        return hide(logits[..., : present.shape[1]], present.unsqueeze(1) > 0)

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The queries' cross-entropy; a trial's actor-critic loss."""
        if self.embedding is None:
            return trials.actor_critic_loss(path, self.settings)
        return super().meta_loss(path, episode)

    def reads(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """Attention to each item of the past, by attention layer; the rest is to the input itself.

        Slots stand in the order of the sequence.
        """
        _, found = self._asked(adapted, x, weight)
        slots = adapted.values["past"].shape[1]
        return {f"attention {i + 1}": weights[..., :slots] for i, weights in enumerate(found)}

    def writes(self, adapted: Adapted, episode: Episode) -> Tensor:
        """Each item is a slot of its own, in the order of the sequence."""
        support, _ = labelled(episode)
        order, length = adapted.values["order"], adapted.values["length"]
        written = indicator(order, support.y.shape[1], self.out.bias)
        real = torch.arange(written.shape[1], device=length.device) < length.unsqueeze(1)
        return written * real.unsqueeze(2) * float(adapted.step == 1)

    def embed(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """f(x), `[task, example, feature]`."""
        if self.embedding is None:
            raise UserError("SNAIL for trials has no embedding: it reads observations as they are")
        parameters = dict(self.embedding.named_parameters())
        return self.run(self.embedding, parameters, x, adapted, weight, support=support)

    def _asked(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits of inputs that are each the next item, and their attention in each layer."""
        values = adapted.values
        past = values["past"]
        if self.embedding is None:
            items = self.inward(trials.supposed(values, x)).relu()
            length = past.new_full((len(past),), past.shape[1], dtype=torch.long)
        else:
            items = self.inward(self.embed(adapted, x, weight)).relu()
            items = F.pad(items, (0, self.outputs))
            length = values["length"]
        attentions: list[Tensor] = []
        _, logits = self._next(past, items, length, attentions)
        return logits, attentions

    def _next(
        self,
        past: Tensor,
        items: Tensor,
        length: Tensor | None,
        attentions: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """All that items `[task, item, number]` come to be after `past`, and their logits.

        They follow each other, or, where `length [task]` of the past is given, are alternatives.
        """
        before, count = past.shape[1], items.shape[1]
        column = torch.arange(before + count, device=past.device)
        own = before + torch.arange(count, device=past.device)
        if length is None:
            position = own.expand(len(past), -1)
            visible = (column <= own.unsqueeze(1)).expand(len(past), -1, -1)
        else:
            position = length.unsqueeze(1).expand(-1, count)
            seen = (column < length.unsqueeze(1)).unsqueeze(1)
            visible = seen | (column == own.unsqueeze(1))
        for layer in self.layers:
            both = torch.cat([past[..., : items.shape[2]], items], dim=1)
            if isinstance(layer, _Attention):
                added, weights = layer(items, both, visible)
                if attentions is not None:
                    attentions.append(weights)
            else:
                added = layer(items, both, position)
            items = torch.cat([items, added], dim=2)
        return items, self.out(items)


class _Convolution(nn.Module):
    """A causal convolution over an item and the one `dilation` before it, gated."""

    def __init__(self, width: int, size: int, dilation: int) -> None:
        super().__init__()
        self.size, self.dilation = size, dilation
        self.now = nn.Linear(width, 2 * size)
        self.earlier = nn.Linear(width, 2 * size, bias=False)

    def forward(self, items: Tensor, both: Tensor, position: Tensor) -> Tensor:
        index = position - self.dilation
        place = index.clamp(min=0).unsqueeze(-1).expand(-1, -1, both.shape[2])
        earlier = both.gather(1, place) * (index >= 0).unsqueeze(-1)
        candidate, gate = (self.now(items) + self.earlier(earlier)).chunk(2, dim=-1)
        return candidate.tanh() * gate.sigmoid()


class _Attention(nn.Module):
    """Reads of the items that are visible, one head."""

    def __init__(self, width: int, keys: int, size: int) -> None:
        super().__init__()
        self.size = size
        # a bias of the keys would move all scores of a query alike, and so do nothing
        self.query, self.key = nn.Linear(width, keys), nn.Linear(width, keys, bias=False)
        self.content = nn.Linear(width, size)

    def forward(self, items: Tensor, both: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.query(items) @ self.key(both).mT / math.sqrt(self.query.out_features)
        weights = hide(scores, visible).softmax(dim=-1)
        return weights @ self.content(both), weights
