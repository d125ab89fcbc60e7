"""MetaNet: fast weights made from loss gradients, kept in a memory and read by attention.

Munkhdalai and Yu (2017), Meta Networks, arXiv:1703.00837.

Slow weights are meta-learned; fast weights are made for a task. A layer with both adds what each
makes of the input: layer(W, W*; x) = relu(W x) + relu(W* x) (the output layer without relu).

    v      = trunk(x)                              shared by the two networks below
    u(x)   = layer(Q, Q*; v)                       embedding, whose Q* are the task's
    b(x)   = layer(W2, W2*; layer(W1, W1*; v))     base learner, whose W* are the example's
    Q*     = d(grad_Q of the representation loss of T support examples)          d: an LSTM
    W_i*   = m(grad_W cross-entropy(b_slow(x_i), y_i)),  key_i = u(x_i)          m: an MLP
    W*(x)  = sum_i softmax_i( cosine(u(x), key_i) / tau ) W_i*

m and d work coordinate by coordinate on (log|g|, sign g), as in Andrychowicz et al. (2016).
Step 1 makes Q*, step 2 writes the memory of keys and fast weights; until then the memory is empty
and every class equally likely. Differences from the paper: one trunk serves both networks, the
representation loss is the mean cosine to examples of other classes less that to the same class
(it needs no margin), the gradients are differentiated too, and tau is not fixed at 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms.classes import (
    Temperature,
    check_classification,
    hide,
    labelled,
    one_hot,
    unlikely,
)
from workbench.algorithms.memory.learner import MemoryLearner, each_its_own, shuffled
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Live, Range, check_fields
from workbench.innerloop import check_stackable
from workbench.models import ModelSettings
from workbench.randomness import fold
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode

Named = tuple[dict[str, Tensor], dict[str, Tensor]]  # values to keep, and what was seen


@dataclass(frozen=True)
class MetaNetSettings:
    """MetaNet."""

    # units of the base learner's hidden layer and of the embedding
    hidden: Annotated[int, Range(1, span=(4, 128))] = 32
    # units of the nets that turn gradients into fast weights
    generator: Annotated[int, Range(1, span=(2, 40))] = 10
    # tau: lower reads fewer entries of the memory
    temperature: Annotated[Temperature, Live()] = 0.1
    # T: support examples whose representation loss makes Q*
    sampled: Annotated[int, Range(2, span=(2, 20)), Live()] = 5

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> MetaNet:
        """The learner around the model as a trunk."""
        check_classification(spec, "MetaNet")
        trunk = model.build(spec.input_shape, None)
        features = trunk(spec.blank()).shape[-1]
        return MetaNet(trunk, features, spec.outputs, self)


class MetaNet(MemoryLearner):
    """Reads fast weights out of a memory that loss gradients were written to.

    `features` is the size of what the trunk gives, `ways` the most classes of a task.

    >>> from workbench.algorithms import adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("digits").sample(2, seed=0)
    >>> learner = MetaNet(MLP(64, None), features=40, ways=episode.ways)
    >>> [name for name in list(adapt(learner, episode))[-1].values if "fast" in name]
    ['fast.embedding', 'fast.layer1', 'fast.layer2']
    """

    kinds = ("classification",)
    slot_values = ("keys", "present", "fast.layer1", "fast.layer2")

    def __init__(
        self,
        trunk: nn.Module,
        features: int,
        ways: int,
        settings: MetaNetSettings = MetaNetSettings(),
    ) -> None:
        super().__init__()
        check_stackable(trunk)
        self.trunk, self.settings, self.ways = trunk, settings, ways
        self.embedding = nn.Linear(features, settings.hidden)
        self.layer1 = nn.Linear(features, settings.hidden)
        self.layer2 = nn.Linear(settings.hidden, ways)
        generator, last_layer = settings.generator, nn.Linear(settings.generator, 1)
        self.write = nn.Sequential(nn.Linear(2, generator), nn.ReLU(), last_layer)
        self.descent = nn.Parameter(torch.tensor(0.1))
        self.recur = nn.LSTMCell(2, generator)
        self.emit = nn.Linear(generator, 1)
        small: list[nn.Linear] = [last_layer, self.emit]  # an output sums over many fast weights
        for layer in small:
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def steps(self, episode: Episode) -> int:
        """Fast weights of the embedding, then the memory."""
        return 2

    def begin(self, episode: Episode) -> Adapted:
        """An empty memory."""
        _, ways = labelled(episode)
        if ways != self.ways:
            raise UserError(f"MetaNet was built for {self.ways} ways and the tasks have {ways}")
        count = self.layer2.bias.new_zeros(len(episode), ways)
        return Adapted({"count": count} | self.remembered(episode))

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Make the embedding's fast weights; then write the memory."""
        if adapted.step >= 2:
            raise UserError(f"MetaNet adapts in 2 steps and was asked for step {adapted.step + 1}")
        new, seen = (self._learn_embedding, self._write)[adapted.step](adapted, episode)
        return Adapted({**adapted.values, **new}, seen, adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The base learner's logits under the fast weights that each input reads."""
        values = adapted.values
        if "fast.layer1" not in values:
            return values["count"].new_zeros(*x.shape[:2], self.ways)
        features = _with_one(self._features(adapted, x, weight))
        attention = self._attention(adapted, features)
        hidden = F.relu(features @ _slow(self.layer1).T)
        hidden = _with_one(hidden + F.relu(_read(attention, values["fast.layer1"], features)))
        logits = hidden @ _slow(self.layer2).T + _read(attention, values["fast.layer2"], hidden)
        return unlikely(logits, values["count"].unsqueeze(1) > 0)

    def read(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """How much each input reads of each entry of the memory: `[task, example, support]`."""
        return self._attention(adapted, _with_one(self._features(adapted, x, weight)))

    def reads(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """The attention; each support example is a slot, once the second step has written it."""
        if "keys" not in adapted.values:
            return {}
        return {"attention": self.read(adapted, x, weight)}

    def writes(self, adapted: Adapted, episode: Episode) -> Tensor:
        """Each support example to its own slot, in the second step."""
        return each_its_own(adapted, episode, adapted.values["count"], step=2)

    def _learn_embedding(self, adapted: Adapted, episode: Episode) -> Named:
        """Q*, from the representation-loss gradients of a few support examples."""
        support, ways = labelled(episode)
        features = self._features(adapted, support.x, support.weight, support=True)
        labels = one_hot(support, ways, like=features)
        present = labels.sum(dim=-1)
        order = shuffled(present, fold(episode.seed, adapted.step))
        order = order[:, : self.settings.sampled].unsqueeze(-1)
        labels = labels.gather(1, order.expand(-1, -1, ways))
        inputs = _with_one(features.gather(1, order.expand(-1, -1, features.shape[-1])))
        counts = labels.sum(dim=-1)
        alike = labels @ labels.transpose(1, 2)
        pairs = counts.unsqueeze(1) * counts.unsqueeze(2) - 2 * alike  # 1 differ, -1 same class
        pairs = pairs * (1 - torch.eye(pairs.shape[1], dtype=pairs.dtype, device=pairs.device))
        pairs = pairs / (counts.sum(dim=1) - 1).clamp(min=1)[:, None, None]

        def representation_losses(weights: Tensor) -> Tensor:
            embedded = F.normalize(F.relu(_each(weights, inputs)), dim=-1)
            return (pairs * (embedded @ embedded.transpose(1, 2))).sum(dim=-1)

        losses, (gradients,) = _gradients(representation_losses, inputs, self.embedding)
        coordinates = _preprocess(gradients).transpose(0, 1).flatten(1, -2)  # [T, coordinate, 2]
        counted = (counts > 0).t().repeat_interleave(gradients[0, 0].numel(), dim=1).unsqueeze(-1)
        hidden = memory = coordinates.new_zeros(coordinates.shape[1], self.settings.generator)
        for entries, counts_here in zip(coordinates, counted, strict=True):
            new = self.recur(entries, (hidden, memory))
            hidden = torch.where(counts_here, new[0], hidden)
            memory = torch.where(counts_here, new[1], memory)
        fast = self.emit(hidden).view_as(gradients[:, 0])
        loss = losses.sum(dim=1) / counts.sum(dim=1).clamp(min=1)
        return {"features": features, "fast.embedding": fast}, {"representation_loss": loss}

    def _write(self, adapted: Adapted, episode: Episode) -> Named:
        """A key and fast weights for every support example."""
        support, ways = labelled(episode)
        inputs = _with_one(adapted.values["features"])
        labels = one_hot(support, ways, like=inputs)
        count = labels.sum(dim=1)

        def task_losses(weights1: Tensor, weights2: Tensor) -> Tensor:
            hidden = _with_one(F.relu(_each(weights1, inputs)))
            logits = hide(_each(weights2, hidden), count.unsqueeze(1) > 0)
            return -(labels * logits.log_softmax(dim=-1)).sum(dim=-1)

        losses, gradients = _gradients(task_losses, inputs, self.layer1, self.layer2)
        fast1, fast2 = (self._fast(_preprocess(g)) for g in gradients)
        memory = {
            "keys": self._embed(adapted, inputs),
            "present": labels.sum(dim=-1),
            "fast.layer1": fast1,
            "fast.layer2": fast2,
            "count": count,
        }
        return memory, {"loss": losses.sum(dim=1) / count.sum(dim=1).clamp(min=1)}

    def _fast(self, coordinates: Tensor) -> Tensor:
        """m: an MLP and, for a start that can be learned from, a step against the sign."""
        return self.write(coordinates).squeeze(-1) - self.descent * coordinates[..., 1]

    def _features(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None, *, support: bool = False
    ) -> Tensor:
        return self.vectors(self.trunk, x, adapted, weight, support=support)

    def _embed(self, adapted: Adapted, features: Tensor) -> Tensor:
        """u(x): the slow and the fast layer side by side."""
        fast = adapted.values["fast.embedding"].transpose(1, 2)
        return F.relu(features @ _slow(self.embedding).T) + F.relu(features @ fast)

    def _attention(self, adapted: Adapted, features: Tensor) -> Tensor:
        keys = F.normalize(adapted.values["keys"], dim=-1)
        cosine = F.normalize(self._embed(adapted, features), dim=-1) @ keys.transpose(1, 2)
        present = adapted.values["present"].unsqueeze(1) > 0
        return hide(cosine / self.settings.temperature, present).softmax(dim=-1) * present


def _slow(layer: nn.Linear) -> Tensor:
    """A layer's weights with its bias as their last column."""
    return torch.cat([layer.weight, layer.bias.unsqueeze(1)], dim=1)


def _with_one(inputs: Tensor) -> Tensor:
    """Inputs with a 1 at the end, which the bias multiplies."""
    return F.pad(inputs, (0, 1), value=1.0)


def _each(weights: Tensor, inputs: Tensor) -> Tensor:
    """Every example under weights of its own: `[task, example, output]`."""
    return (weights @ inputs.unsqueeze(-1)).squeeze(-1)


def _read(attention: Tensor, fast: Tensor, inputs: Tensor) -> Tensor:
    """W*(x) x: the product with every entry first, then their mean under the attention."""
    products = inputs.unsqueeze(1) @ fast.transpose(2, 3)  # [task, entry, example, output]
    return (attention.transpose(1, 2).unsqueeze(-1) * products).sum(dim=1)


def _gradients(
    losses: Callable[..., Tensor], inputs: Tensor, *layers: nn.Linear
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Each example's loss and its own gradient in every layer, `[task, example, *weights]`.

    Every example gets a copy of the weights, so the gradient of the sum keeps them apart.
    """
    building = torch.is_grad_enabled()
    with torch.enable_grad():
        copies = [_slow(layer).expand(*inputs.shape[:2], -1, -1) for layer in layers]
        if not building:
            copies = [copy.detach().requires_grad_() for copy in copies]
        value = losses(*copies)
        gradients = torch.autograd.grad(value.sum(), copies, create_graph=building)
    return (value if building else value.detach()), gradients


def _preprocess(gradients: Tensor, p: float = 7.0) -> Tensor:
    """(log|g| / p, sign g), or (-1, e^p g) below e^-p: `[..., 2]`, continuous everywhere."""
    size = gradients.abs()
    large = size >= math.exp(-p)
    log = torch.where(large, size, torch.ones_like(size)).log() / p  # no log 0 on the way back
    first = torch.where(large, log, -torch.ones_like(size))
    second = torch.where(large, gradients.sign(), math.exp(p) * gradients)
    return torch.stack([first, second], dim=-1)
