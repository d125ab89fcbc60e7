"""MANN: an external memory, written where it is least used, read by content.

Santoro et al. (2016), One-shot Learning with Memory-Augmented Neural Networks, arXiv:1605.06065.

The support comes as a sequence in random order, one example a step, its label one step late: with
x_t comes y_t-1, so that an answer is due before the truth is told. H heads share a memory of slots.

    u_t    = [f(x_t), y_t-1]
    h_t    = LSTM([u_t, r_t-1]; h_t-1)
    gate_t = sigmoid(G h_t), b_t = softplus(B h_t)
    k_t    = tanh(K [h_t, u_t]), c_t = tanh(C [h_t, u_t])   by which is read, and what is written
    w^w_t  = gate_t w^r_t-1 + (1 - gate_t) w^lu_t-1         where the last read was, or least used
    M_t    = M_t-1, its least used slots set to 0, + w^w_t c_t
    w^r_t  = softmax over slots of b_t cosine(k_t, M_t) r_t = w^r_t M_t
    w^u_t  = decay w^u_t-1 + w^r_t + w^w_t              w^lu_t marks the H slots of least w^u_t
    logits = O [h_t, r_t]
    meta-loss = mean of the cross-entropies of every item and of every query

A query is one more item after the support, each by itself. Differences from the paper: an
embedding f takes the place of raw pixels, head i writes to the i-th least used slot, a tiny slope
in the first usage makes fresh slots be taken in their order. And two things are as in Neural Turing
Machines. Reads are as sharp as b_t says: under a plain softmax of cosines, which the paper has, the
best of 128 slots is read by 5% at most. What is written is not the key, which the paper writes: a
label can then be put beside the example that it came late for, while the key looks for the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms.capabilities import Embeds
from workbench.algorithms.classes import (
    check_classification,
    hide,
    indicator,
    labelled,
    one_hot,
    unlikely,
)
from workbench.algorithms.memory.learner import MemoryLearner, check_ways, shuffled
from workbench.algorithms.values import Adapted, last
from workbench.errors import UserError
from workbench.fields import Live, Range, check_fields
from workbench.innerloop import check_stackable
from workbench.models import ModelSettings
from workbench.randomness import fold
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode

_ORDER = 0  # the use made of an episode's seed


@dataclass(frozen=True)
class MANNSettings:
    """Memory-augmented network, as large as the paper's."""

    slots: Annotated[int, Range(1, span=(8, 256))] = 128  # slots of the memory
    width: Annotated[int, Range(1, span=(4, 128))] = 40  # numbers in a slot
    heads: Annotated[int, Range(1, span=(1, 8))] = 4  # heads that read and write at every step
    hidden: Annotated[int, Range(1, span=(8, 512))] = 200  # units of the LSTM
    # how sharply the memory is read, where it starts: higher reads fewer slots
    strength: Annotated[float, Range(0, span=(0, 20))] = 10.0
    # what is left of a slot's usage after a step: lower forgets sooner that it was used
    decay: Annotated[float, Range(0, 1, span=(0.5, 1)), Live()] = 0.99

    def __post_init__(self) -> None:
        check_fields(self, "learner")
        if self.heads > self.slots:
            raise UserError(
                f"learner.heads is {self.heads} and learner.slots {self.slots}: each head writes "
                "to a slot of its own, so ask for at least as many slots"
            )

    def build(self, model: ModelSettings, spec: TaskSpec) -> MANN:
        """The learner around the model as an embedding."""
        check_classification(spec, "MANN")
        embedding = model.build(spec.input_shape, None)
        features = embedding(spec.blank()).shape[-1]
        return MANN(embedding, features, spec.outputs, self)


class MANN(MemoryLearner, Embeds):
    """Reads a task item by item, and keeps what it saw in a memory.

    `features` is the size of the embedding, `ways` the most classes of a task.

    >>> from workbench.algorithms import adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("digits").sample(2, seed=0, shape=Shape(ways=2, shots=3))
    >>> path = list(adapt(MANN(MLP(64, None), features=40, ways=2), episode))
    >>> len(path) - 1, path[-1].values["memory"].shape
    (6, torch.Size([2, 128, 40]))
    """

    kinds = ("classification",)
    slot_values = ("memory",)

    def __init__(
        self,
        embedding: nn.Module,
        features: int,
        ways: int,
        settings: MANNSettings = MANNSettings(),
    ) -> None:
        super().__init__()
        check_stackable(embedding)
        self.embedding, self.settings, self.ways = embedding, settings, ways
        read = settings.heads * settings.width
        self.cell = nn.LSTMCell(features + ways + read, settings.hidden)
        seen = settings.hidden + features + ways
        self.key, self.content = nn.Linear(seen, read), nn.Linear(seen, read)
        self.gate = nn.Linear(settings.hidden, settings.heads)
        self.strength = nn.Linear(settings.hidden, settings.heads)
        nn.init.constant_(self.strength.bias, settings.strength)
        self.out = nn.Linear(settings.hidden + read, ways)

    def steps(self, episode: Episode) -> int:
        """One item of the support a step."""
        return int(episode.support.y.shape[1])

    def begin(self, episode: Episode) -> Adapted:
        """An empty memory, and no item seen."""
        support, ways = labelled(episode)
        check_ways("MANN", self.ways, ways)
        chosen, like = self.settings, self.out.bias
        zeros = like.new_zeros
        n, slots = len(episode), chosen.slots
        numbers = torch.arange(slots, device=like.device).to(like)
        present = one_hot(support, ways, like).sum(dim=2)
        values = {
            "memory": zeros(n, slots, chosen.width),
            # decays like all usage, and so never grows beyond what a read adds
            "usage": (1e-3 * numbers / slots).expand(n, -1),
            "reading": zeros(n, chosen.heads, slots),
            "read": zeros(n, chosen.heads * chosen.width),
            "hidden": zeros(n, chosen.hidden),
            "cell": zeros(n, chosen.hidden),
            "label": zeros(n, self.ways),
            "times": zeros(n, ways),
            "present": (one_hot(support, ways, like).sum(dim=1) > 0).to(like),
            "order": shuffled(present, fold(episode.seed, _ORDER)),
        }
        return Adapted(values | self.remembered(episode))

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Read one item, answer, and be told the label for the next."""
        support, ways = labelled(episode)
        values, i = dict(adapted.values), adapted.step
        if i >= support.y.shape[1]:
            raise UserError(
                f"the support has {support.y.shape[1]} items and MANN reads one a step: "
                "ask for fewer steps, or for more shots"
            )
        if "features" not in values:
            values["features"] = self.embed(adapted, support.x, support.weight, support=True)
        item = values["order"][:, i]
        rows = torch.arange(len(item), device=item.device)
        label = one_hot(support, ways, self.out.bias)[rows, item]
        counts = label.sum(dim=1, keepdim=True)  # 0 where the item only pads
        new, logits, seen = self._present(values, values["features"][rows, item])
        logits = hide(logits[:, :ways], values["present"] > 0)
        new["label"] = F.pad(label, (0, self.ways - ways))
        new["times"] = values["times"] + label
        if support.weight is not None:  # what only pads leaves all as it was
            new = {n: torch.where(_like(counts, t) > 0, t, values[n]) for n, t in new.items()}
            seen = {n: t * _like(counts, t) for n, t in seen.items()}
        seen |= {
            "item": item,
            "counts": counts.squeeze(1),
            "time": (new["times"] * label).sum(dim=1),  # how often its class was seen, with this
            "loss": -(label * logits.log_softmax(dim=-1)).sum(dim=1),
            "correct": (indicator(logits.argmax(dim=1), ways, label) * label).sum(dim=1),
        }
        return Adapted({**values, **new}, seen, i + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Logits of each input as the next item."""
        present = adapted.values["present"]
        if adapted.step == 0:
            return present.new_zeros(*x.shape[:2], present.shape[1])
        logits, _ = self._ask(adapted, x, weight)
        return unlikely(logits[..., : present.shape[1]], present.unsqueeze(1) > 0)

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """Every item of the sequence and every query count alike."""
        items = []

        def kept() -> Iterable[Adapted]:
            for adapted in path:
                if adapted.step:
                    items.append((adapted.seen["loss"], adapted.seen["counts"]))
                yield adapted

        query = episode.query
        query.check_any()
        prediction = self.predict(last(kept()), query.x, query.weight)
        losses = episode.losses(prediction, query)
        counts = torch.ones_like(losses) if query.weight is None else query.weight
        total = (losses * counts).sum(dim=1) + sum(loss for loss, _ in items)
        return total / (counts.sum(dim=1) + sum(count for _, count in items))

    def reads(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """w^r of each input as the next item, by head."""
        _, reading = self._ask(adapted, x, weight)
        return {f"head {k + 1}": reading[:, :, k] for k in range(self.settings.heads)}

    def writes(self, adapted: Adapted, episode: Episode) -> Tensor:
        """w^w of the step's item, over all heads."""
        examples, slots = episode.support.y.shape[1], self.settings.slots
        if adapted.step == 0:
            return self.out.bias.new_zeros(len(episode), slots, examples)
        written, item = adapted.seen["writing"].sum(dim=1), adapted.seen["item"]
        return written.unsqueeze(2) * indicator(item, examples, written).unsqueeze(1)

    def embed(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """f(x), `[task, example, feature]`."""
        return self.vectors(self.embedding, x, adapted, weight, support=support)

    def _ask(self, adapted: Adapted, x: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits and read weights `[task, example, ...]` of inputs that are each the next item."""
        features, examples = self.embed(adapted, x, weight), x.shape[1]
        state = {
            name: adapted.values[name].repeat_interleave(examples, dim=0)
            for name in ("memory", "usage", "reading", "read", "hidden", "cell", "label")
        }
        new, logits, _ = self._present(state, features.flatten(0, 1))
        return logits.unflatten(0, (-1, examples)), new["reading"].unflatten(0, (-1, examples))

    def _present(
        self, values: Mapping[str, Tensor], x: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """The state after an item `x [task, feature]`, its logits, and what the heads did."""
        heads = self.settings.heads
        seen = torch.cat([x, values["label"]], dim=1)
        inputs = torch.cat([seen, values["read"]], dim=1)
        hidden, cell = self.cell(inputs, (values["hidden"], values["cell"]))
        seen = torch.cat([hidden, seen], dim=1)
        keys, contents = (
            layer(seen).tanh().unflatten(1, (heads, -1)) for layer in (self.key, self.content)
        )
        gate = self.gate(hidden).sigmoid().unsqueeze(2)

        least = values["usage"].detach().argsort(dim=1, stable=True)[:, :heads]  # [task, head]
        least_used = indicator(least, self.settings.slots, x)
        erased = least_used.sum(dim=1)
        writing = gate * values["reading"] + (1 - gate) * least_used
        memory = values["memory"] * (1 - erased).unsqueeze(2) + writing.mT @ contents
        strength = F.softplus(self.strength(hidden)).unsqueeze(2)
        reading = (strength * _cosine(keys, memory)).softmax(dim=2)
        read = (reading @ memory).flatten(1)
        usage = self.settings.decay * values["usage"] + (reading + writing).sum(dim=1)
        logits = self.out(torch.cat([hidden, read], dim=1))
        state = {
            "memory": memory,
            "usage": usage,
            "reading": reading,
            "read": read,
            "hidden": hidden,
            "cell": cell,
        }
        return state, logits, {"reading": reading, "writing": writing, "erased": erased}


def _cosine(keys: Tensor, memory: Tensor) -> Tensor:
    """`[task, head, slot]`; smooth where a slot is empty."""
    sizes = [(t.square().sum(dim=2) + 1e-6).sqrt() for t in (keys, memory)]
    return (keys @ memory.mT) / (sizes[0].unsqueeze(2) * sizes[1].unsqueeze(1))


def _like(counts: Tensor, tensor: Tensor) -> Tensor:
    """`[task, 1]` made to broadcast over `[task, ...]`."""
    return counts.reshape(-1, *[1] * (tensor.dim() - 1))
