"""Attention-based meta-learning: a knowledge base, an attention that reads it, a learner of both.

    u     = f(x) / |f(x)|                                    what is seen
    a(x)  = attention over the base's entries, by scores cosine(s * u, s * key) / tau_b
    z(x)  = u + g r(x),   r(x) = sum_i a_i(x) value_i / |...|             fused with what is known
    N(x)  : softmax over the support of cosine(z(x), z(x_i)) / tau,        from which y follows,
            and a(x), over the entries of the base

The three parts can be exchanged. The *base* is a `KnowledgeBase`, filled with labels or without;
without one z is u. A gate g above 0 draws an input to what is known, below 0 it takes away what
the input shares with it, so that what is its own stands out. The *attention* (see `attention`) is
soft, or hard over k entries, trained straight through or by REINFORCE, whose baseline is the mean
loss of the other draws. The *learner* of the scales s, the gate g and the temperatures is neural
(by gradients, the embedding f with them) or evolutionary: a population around them, all of it
computed in one vectorised call,

    meta-gradient = mean over pairs of  (L(theta + sigma e) - L(theta - sigma e)) / (2 sigma) e

with an f that is left as it is. A base keeps its keys while f learns: fill it anew after training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional as F

from workbench.algorithms.base import adapt
from workbench.algorithms.capabilities import Embeds
from workbench.algorithms.classes import (
    Temperature,
    check_classification,
    hide,
    labelled,
    one_hot,
    unlikely,
)
from workbench.algorithms.estimators.evolution import Evolution, Populated
from workbench.algorithms.memory import attention as attend
from workbench.algorithms.memory.knowledge import KnowledgeBase
from workbench.algorithms.memory.learner import MemoryLearner, each_its_own
from workbench.algorithms.values import Adapted, last
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.innerloop import check_stackable
from workbench.models import ModelSettings
from workbench.randomness import fold
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode

_TOGETHER = 100  # examples embedded at once for a knowledge base
_SUPPORT, _QUERY, _DRAW = range(3)  # the uses made of an episode's seed

Head = Mapping[str, Tensor]


@dataclass(frozen=True)
class AttentionSettings:
    """Attention over a knowledge base and the support."""

    files: ClassVar[tuple[str, ...]] = ("base",)  # of which a run keeps copies
    attention: Literal["soft", "gumbel", "reinforce"] = "soft"  # gumbel and reinforce are hard
    entries: Annotated[int, Range(1, span=(1, 20))] = 1  # entries that hard attention reads
    learner: Literal["neural", "evolutionary"] = "neural"  # gradients, or a population
    base: str = ""  # file of the knowledge base; empty is none
    temperature: Temperature = 0.1  # tau, where it starts: lower attends to fewer examples
    base_temperature: Temperature = 0.02  # tau_b, where it starts: lower reads fewer entries
    # g, where it starts: how much of what is known is added, or below 0 taken away
    gate: Annotated[float, Range(-1, 1)] = 0.25
    draws: Annotated[int, Range(2, span=(2, 16))] = 4  # of REINFORCE, of which each is judged

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> AttentionLearner:
        """The learner around the model as an embedding, with the base of the settings' file."""
        check_classification(spec, "Attention-based meta-learning")
        if self.attention != "soft" and not self.base:
            raise UserError(
                f"learner.attention is '{self.attention}', which picks entries of a knowledge base "
                "and there is none: name its file as learner.base, or leave attention 'soft'"
            )
        embedding = model.build(spec.input_shape, None)
        features = embedding(spec.blank()).shape[-1]
        base = KnowledgeBase.load(self.base) if self.base else None
        return AttentionLearner(embedding, features, self, base=base)


class Weights(NamedTuple):
    """N(x): how sure of each class, and what was read of each entry of the base."""

    classes: Tensor  # [task, example, way]
    entries: Tensor  # [task, example, entry]


class AttentionLearner(MemoryLearner, Embeds, Populated):
    """Sees an input in the light of what is known, and takes the labels of what it then resembles.

    `features` is the size of the embedding, and of the base's keys and values.

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("digits").sample(2, seed=0)
    >>> base = KnowledgeBase.from_features(torch.randn(30, 40))
    >>> learner = AttentionLearner(MLP(64, None), 40, base=base)
    >>> weights = learner.weights(last(adapt(learner, episode)), episode.query.x)
    >>> weights.classes.shape[-1], weights.entries.shape[-1]
    (2, 30)
    """

    kinds = ("classification",)
    may_lack_gradient = ("head.gate", "head.base_cold")  # without a base, or where it is read hard
    slot_values = ("fused", "labels")

    def __init__(
        self,
        embedding: nn.Module,
        features: int,
        settings: AttentionSettings = AttentionSettings(),
        *,
        base: KnowledgeBase | None = None,
    ) -> None:
        super().__init__()
        check_stackable(embedding)
        self.embedding, self.features, self.settings = embedding, features, settings
        self.head = nn.ParameterDict(
            {
                "scale": nn.Parameter(torch.ones(features)),
                "cold": nn.Parameter(torch.tensor(settings.temperature).log()),
                "base_cold": nn.Parameter(torch.tensor(settings.base_temperature).log()),
                "gate": nn.Parameter(torch.tensor(settings.gate)),
            }
        )
        self.keys: Tensor
        self.contents: Tensor
        for name in ("keys", "contents"):
            self.register_buffer(name, torch.zeros(0, features))
        if settings.learner == "evolutionary":
            embedding.requires_grad_(False)
            self.estimator = Evolution()
        if base is not None:
            self.know(base)

    @property
    def _head(self) -> dict[str, Tensor]:
        return dict(self.head.items())

    def know(self, base: KnowledgeBase | None) -> None:
        """Read this knowledge base from now on, or none."""
        like = self.head["scale"]
        if base is None:
            self.keys = self.contents = like.new_zeros(0, self.features)
            return
        for name, tensor in (("keys", base.keys), ("values", base.values)):
            if tensor.shape[1] != self.features:
                raise UserError(
                    f"the base's {name} have {tensor.shape[1]} numbers each and the embedding "
                    f"gives {self.features}: fill a base with this embedding"
                )
        count = 1 if self.settings.attention == "soft" else self.settings.entries
        attend.check_count(count, len(base))
        self.keys, self.contents = (t.detach().to(like) for t in (base.keys, base.values))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("keys", "contents"):  # a base of any size
            if f"{prefix}{name}" in state:
                setattr(self, name, state[f"{prefix}{name}"].to(self.head["scale"]).clone())
        super()._load_from_state_dict(state, prefix, *rest)

    def steps(self, episode: Episode) -> int:
        """One read of the support."""
        return 1

    def begin(self, episode: Episode) -> Adapted:
        """An empty memory of the task, with room for the labels."""
        support, ways = labelled(episode)
        labels = self.head["scale"].new_zeros(len(episode), support.y.shape[1], ways)
        values = {"labels": labels}
        if self.training and self.settings.attention != "soft":
            values["draws"] = episode.seed
        return Adapted(values | self.remembered(episode))

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Write the support as it is seen in the light of the base."""
        support, ways = labelled(episode)
        features = self.embed(adapted, support.x, support.weight, support=True)
        labels = one_hot(support, ways, like=features)
        fused, read, chance = self._fuse(self._head, features, self._noise(adapted, _SUPPORT))
        seen = {"features": features, "read": read}
        if chance is not None:
            seen["log_chance"] = (chance * labels.sum(dim=-1)).sum(dim=1)
        memory = {"fused": fused, "labels": labels}
        return Adapted({**adapted.values, **memory}, seen, adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The logarithm of the attention that each class receives, `[task, example, way]`."""
        labels = adapted.values["labels"]
        if adapted.step == 0:
            return labels.new_zeros(*x.shape[:2], labels.shape[-1])
        return self._answer(adapted, x, weight)[0]

    def weights(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Weights:
        """N(x) of each input."""
        features = self.embed(adapted, x, weight)
        _, read, _ = self._fuse(self._head, features, self._noise(adapted, _QUERY))
        return Weights(self.predict(adapted, x, weight).exp(), read)

    def reads(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """Attention to the support and to the base; slots are support examples, then entries."""
        features = self.embed(adapted, x, weight)
        fused, read, _ = self._fuse(self._head, features, self._noise(adapted, _QUERY))
        scores = _resemblance(self._head, fused, adapted.values["fused"])
        present = adapted.values["labels"].sum(dim=-1).unsqueeze(1) > 0
        own = hide(scores, present).softmax(dim=-1) * present
        heads = {"support": F.pad(own, (0, len(self.keys)))}
        return heads | ({"base": F.pad(read, (own.shape[-1], 0))} if len(self.keys) else {})

    def writes(self, adapted: Adapted, episode: Episode) -> Tensor:
        """A slot a support example; the base's entries were there before."""
        own = each_its_own(adapted, episode, self.head["scale"])
        return F.pad(own, (0, 0, 0, len(self.keys)))

    def held_before(self, adapted: Adapted) -> Tensor:
        """The base's entries."""
        tasks, slots = adapted.values["labels"].shape[:2]
        filled = self.keys.new_ones(tasks, len(self.keys))
        return F.pad(filled, (slots, 0))

    def empty(self, adapted: Adapted) -> Tensor | None:
        """Slots of the support; no entry of the base is."""
        own = super().empty(adapted)
        return None if own is None else F.pad(own, (0, len(self.keys)))

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The queries' cross-entropy; under REINFORCE its mean over some draws."""
        query = episode.query
        if not (self.settings.attention == "reinforce" and self.training and len(self.keys)):
            return super().meta_loss(path, episode)
        query.check_any()
        losses, chances = [], []
        for draw in range(self.settings.draws):
            if draw:
                anew = {"seed": fold(episode.seed, _DRAW, draw)}
                drawn = episode.with_tensors(episode.tensors() | anew, checked=True)
                path = adapt(self, drawn)
            adapted = last(path)
            logits, chance = self._answer(adapted, query.x, query.weight)
            assert chance is not None
            counts = torch.ones_like(chance) if query.weight is None else query.weight
            losses.append(episode.loss(logits, query))
            chances.append(adapted.seen["log_chance"] + (chance * counts).sum(dim=1))
        return reinforced(torch.stack(losses), torch.stack(chances))

    def embed(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """f(x), `[task, example, feature]`, before the base is read."""
        return self.vectors(self.embedding, x, adapted, weight, support=support)

    @torch.no_grad()
    def keys_for(self, x: Tensor) -> Tensor:
        """f(x) of any examples `[example, ...]`: what a knowledge base of them is filled with.

        Batch statistics are those of a hundred at a time, so put them in no order.

        >>> from workbench.models import MLP
        >>> learner = AttentionLearner(MLP(64, None), 40)
        >>> learner.know(KnowledgeBase.from_features(learner.keys_for(torch.rand(250, 64))))
        >>> learner.keys.shape
        torch.Size([250, 40])
        """
        alone = Adapted({})
        some = math.ceil(len(x) / _TOGETHER)
        return torch.cat([self.embed(alone, p.unsqueeze(0))[0] for p in x.chunk(some)])

    def _answer(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Log-chances of the classes, and of what was drawn for each input."""
        features = self.embed(adapted, x, weight)
        fused, _, chance = self._fuse(self._head, features, self._noise(adapted, _QUERY))
        labels = adapted.values["labels"]
        return _classify(self._head, fused, adapted.values["fused"], labels), chance

    def _noise(self, adapted: Adapted, use: int) -> Tensor | None:
        return fold(adapted.values["draws"], use) if "draws" in adapted.values else None

    def _fuse(
        self, head: Head, features: Tensor, seed: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """z(x), a(x), and the log-chance of what was drawn (None where nothing was)."""
        own = F.normalize(features, dim=-1)
        entries = len(self.keys)
        if not entries:
            return own, own[..., :0], None
        scores = _resemblance(head, own, self.keys, "base_cold")
        chance = None
        if self.settings.attention == "soft":
            read = attend.soft(scores)
        else:
            noisy = scores.detach()
            if seed is not None:
                noisy = noisy + attend.gumbel(seed, tuple(scores.shape[1:]), scores.dtype)
            chosen = attend.highest(noisy, self.settings.entries)
            read = attend.hard(chosen, entries, scores)
            if seed is not None and self.settings.attention == "gumbel":
                read = attend.straight_through(read, attend.soft(scores))
            elif seed is not None:
                chance = attend.log_chance(scores, chosen)
        known = F.normalize(read @ self.contents, dim=-1)
        return own + _beside(head["gate"].unsqueeze(-1)) * known, read, chance

    def population_losses(self, members: Mapping[str, Tensor], episode: Episode) -> Tensor:
        """Every member a head of its own per task, over inputs that are embedded once."""
        if self.settings.learner != "evolutionary":
            raise UserError(
                "a population of attention learners differs in the head alone: set learner.learner "
                "to 'evolutionary', which keeps the embedding as it is"
            )
        support, ways = labelled(episode)
        query, start = episode.query, self.begin(episode)
        query.check_any()
        ours = self.embed(start, support.x, support.weight, support=True)
        theirs = self.embed(start, query.x, query.weight)
        labels = one_hot(support, ways, like=ours)

        def losses(member: Head) -> Tensor:  # [task]
            memory, _, _ = self._fuse(member, ours, None)
            asked, _, _ = self._fuse(member, theirs, None)
            logits = _classify(member, asked, memory, labels)
            return episode.loss(logits, query)

        heads = {name.removeprefix("head."): tensor for name, tensor in members.items()}
        return vmap(losses, in_dims=1)(heads)


def reinforced(losses: Tensor, log_chances: Tensor) -> Tensor:
    """The mean loss of some draws `[draw, task]`, with the gradient of what is expected of them.

    Each draw's loss is judged by the mean of the others'.
    """
    count = len(losses)
    others = (losses.sum(dim=0) - losses) / (count - 1)
    surprise = ((losses - others).detach() * log_chances).mean(dim=0)
    return losses.mean(dim=0) + (surprise - surprise.detach())


def _resemblance(head: Head, inputs: Tensor, keys: Tensor, cold: str = "cold") -> Tensor:
    """cosine / tau of `[task, example, feature]` with keys `[entry, feature]` or by task."""
    scale = _beside(head["scale"])
    ours, theirs = F.normalize(inputs * scale, dim=-1), F.normalize(keys * scale, dim=-1)
    return ours @ theirs.mT / _beside(head[cold].unsqueeze(-1)).exp()


def _classify(head: Head, asked: Tensor, memory: Tensor, labels: Tensor) -> Tensor:
    """The log of the attention that each class receives."""
    scores = hide(_resemblance(head, asked, memory), (labels.sum(dim=-1) > 0).unsqueeze(1))
    per_class = hide(scores.unsqueeze(-1), labels.unsqueeze(1) > 0).logsumexp(dim=2)
    told = labels.sum(dim=1, keepdim=True) > 0
    return unlikely(per_class - scores.logsumexp(dim=-1, keepdim=True), told)


def _beside(parameter: Tensor) -> Tensor:
    """A head's parameter, each task's own or shared, made to stand beside `[task, example, ...]`"""
    return parameter.unsqueeze(-2)
