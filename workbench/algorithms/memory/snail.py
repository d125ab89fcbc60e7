"""SNAIL: temporal convolutions gather what came before, causal attention picks from it.

Mishra, Rohaninejad, Chen and Abbeel (2018), A Simple Neural Attentive Meta-Learner,
arXiv:1707.03141.

A task is a sequence of items: examples with their labels and then a query without one, or what was
observed, done and rewarded at every moment of a trial. Two learners read it by one net (see
`snail_net`): `SNAIL` classifies, its support read in one step and in random order, its queries
each the next item, side by side; `SNAILPolicy` acts, and reads one moment a step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms.capabilities import Acts, Embeds, Expects
from workbench.algorithms.classes import (
    indicator,
    labelled,
    one_hot,
    unlikely,
)
from workbench.algorithms.control import trials
from workbench.algorithms.control.trials import Fraction, Scale, Usual, Weight
from workbench.algorithms.memory.learner import MemoryLearner, check_ways, shuffled
from workbench.algorithms.memory.snail_net import ReadsSequences
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.innerloop import check_stackable
from workbench.models import ModelSettings, PolicySettings
from workbench.models.policy import held
from workbench.randomness import fold
from workbench.tasks.base import TaskSpec
from workbench.tasks.control.environment import Box, Discrete
from workbench.tasks.control.rollout import Moment
from workbench.tasks.episode import Episode

_ORDER = 2  # the use made of an episode's seed


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
    # in trials, weight of the squared error in foretelling what each move brings
    prediction_weight: Weight = 0.0
    usual_reward: Usual = 0.0  # in trials, what is taken off each reward before it is learned from
    reward_scale: Scale = 1.0  # in trials, what it is then multiplied by

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> SNAIL | SNAILPolicy:
        """The learner around the model as an embedding; a trial's observations need none."""
        if spec.kind == "regression":
            raise UserError(
                "SNAIL reads classes or acts in trials and these tasks are of regression: "
                "use 'omniglot', 'glyphs', 'digits' or 'bandit', or another method"
            )
        if spec.kind == "control":
            if model != PolicySettings():
                raise UserError(
                    f"SNAIL acts by its own net, on which {type(model).__name__} would change "
                    "nothing: leave the model PolicySettings() as it comes, and set "
                    "learner.filters, learner.length or learner.width"
                )
            actions = trials.actions_of(spec)
            size = math.prod(spec.input_shape) + actions.width + 2
            numbers = isinstance(actions, Box)
            return SNAILPolicy(size, actions.size, self, numbers=numbers)
        if isinstance(model, PolicySettings):
            raise UserError("SNAIL embeds what it classifies: give it an MLP or Conv4 model")
        embedding = model.build(spec.input_shape, None)
        features = embedding(spec.blank()).shape[-1]
        return SNAIL(embedding, features, spec.outputs, self)


class SNAIL(ReadsSequences, MemoryLearner, Embeds):
    """Reads examples with their labels as a sequence.

    embedding  of examples
    features   the size of what it gives
    outputs    the most classes of a task

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("digits").sample(4, seed=0, shape=Shape(ways=2, shots=3))
    >>> learner = SNAIL(nn.Flatten(), 64, 2, SNAILSettings(filters=8))
    >>> last(adapt(learner, episode)).values["past"].shape[:2]
    torch.Size([4, 6])
    """

    kinds = ("classification",)
    slot_values = ("past",)

    def __init__(
        self,
        embedding: nn.Module,
        features: int,
        outputs: int,
        settings: SNAILSettings = SNAILSettings(),
    ) -> None:
        super().__init__()
        check_stackable(embedding)
        self.embedding, self.settings, self.outputs = embedding, settings, outputs
        net = (settings.filters, settings.length, settings.width)
        self.make_net(features, outputs, outputs, *net)

    def steps(self, episode: Episode) -> int:
        """One read of the support."""
        return 1

    def begin(self, episode: Episode) -> Adapted:
        """An empty past."""
        if episode.env is not None:
            raise UserError("this SNAIL was built to classify: build it for control tasks to act")
        support, ways = labelled(episode)
        check_ways("SNAIL", self.outputs, ways)
        labels = one_hot(support, ways, self.out.bias)
        values = {
            "past": self.out.bias.new_zeros(len(episode), 0, self.out.in_features),
            "present": (labels.sum(dim=1) > 0).to(labels),
            "order": shuffled(labels.sum(dim=2), fold(episode.seed, _ORDER)),
            "length": labels.sum(dim=(1, 2)).long(),
        }
        return Adapted(values | self.remembered(episode))

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Read the support as a sequence."""
        values = adapted.values
        support, _ = labelled(episode)
        features = self.embed(adapted, support.x, support.weight, support=True)
        labels = one_hot(support, self.outputs, features)
        items = torch.cat([self.inward(features).relu(), labels], dim=-1)
        order = values["order"].unsqueeze(-1)
        known, _ = self.following(values["past"], items.gather(1, order.expand_as(items)), None)
        return Adapted({**values, "past": known}, {"features": features}, adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Logits of each input as the next item."""
        present = adapted.values["present"]
        if adapted.step == 0:
            return present.new_zeros(*x.shape[:2], present.shape[1])
        logits, _ = self._asked(adapted, x, weight)
        return unlikely(logits[..., : present.shape[1]], present.unsqueeze(1) > 0)

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
        return self.vectors(self.embedding, x, adapted, weight, support=support)

    def _asked(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits of inputs that are each the next item, and their attention in each layer."""
        items = self.inward(self.embed(adapted, x, weight)).relu()
        items = F.pad(items, (0, self.outputs))
        attentions: list[Tensor] = []
        past, length = adapted.values["past"], adapted.values["length"]
        _, logits = self.following(past, items, length, attentions)
        return logits, attentions


class SNAILPolicy(ReadsSequences, Acts, Expects):
    """Reads the moments of a trial as a sequence, and acts.

    features  the size of a moment: observation, action, reward and done
    actions   among which it chooses, or numbers that an action is
    numbers   whether actions are numbers

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.tasks import open_tasks
    >>> trial = open_tasks("bandit").sample(4, seed=0)
    >>> learner = SNAILPolicy(1 + 5 + 2, 5, SNAILSettings(filters=8))
    >>> last(adapt(learner, trial)).values["past"].shape[:2]
    torch.Size([4, 10])
    """

    kinds = ("control",)

    def __init__(
        self,
        features: int,
        actions: int,
        settings: SNAILSettings = SNAILSettings(),
        *,
        numbers: bool = False,
    ) -> None:
        super().__init__()
        self.settings, self.actions = settings, (Box if numbers else Discrete)(actions)
        net = (settings.filters, settings.length, settings.width)
        self.make_net(features, 0, self.actions.outputs, *net)
        self.value = nn.Linear(self.out.in_features, 1)
        nn.init.orthogonal_(self.out.weight, gain=0.01)  # small logits explore at first
        nn.init.zeros_(self.out.bias)
        if settings.prediction_weight:
            self.foresight = trials.Foresight(
                self.out.in_features, self.actions, features - self.actions.width - 2
            )

    def steps(self, episode: Episode) -> int:
        """The moves of a trial."""
        return trials.environment(episode, "SNAIL for trials").horizon

    def begin(self, episode: Episode) -> Adapted:
        """An empty past, and nothing done yet."""
        values = trials.begun(episode, "SNAIL for trials", self.actions, self.out.bias)
        empty = self.out.bias.new_zeros(len(episode), 0, self.out.in_features)
        return Adapted({"past": empty} | values)

    def act(self, moment: Moment, past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What chooses, the value of going on and the longer past: a policy for rollouts."""
        known, out, value = self._read(past, trials.observed(moment).unsqueeze(1))
        return out[:, 0], value[:, 0], torch.cat([past, known], dim=1)

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Read the last moment and act."""
        return trials.moved(self.act, adapted, episode, "past")

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """What chooses an action, were the next observation each of `x [task, example, ...]`."""
        past = adapted.values["past"]
        items = self.inward(trials.supposed(adapted.values, x)).relu()
        length = past.new_full((len(past),), past.shape[1], dtype=torch.long)
        return held(self.following(past, items, length)[1], self.actions.width)

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """Each trial's actor-critic loss: `[task]`."""
        path, weight = list(path), self.settings.prediction_weight
        loss = trials.actor_critic_loss(path, episode, self.settings)
        if weight:
            known = path[-1].values["past"]
            loss = loss + weight * self.foresight.error_along(path, known, self.settings)
        return loss

    def collect(self, episode: Episode) -> Adapted:
        """A whole trial, and what came of it."""
        return trials.collected(self.act, self.begin(episode), episode, "past", self.settings)

    def surrogate(self, collected: Adapted, episode: Episode, clip: float) -> Tensor:
        """Each trial's clipped loss, read anew in one pass over its moves: `[task]`."""
        read = collected.values["read"]
        known, out, value = self._read(read.new_zeros(len(read), 0, self.out.in_features), read)
        loss = trials.clipped_loss(out, value, collected, episode, clip, self.settings)
        if self.settings.prediction_weight:
            kept = collected.values
            error = self.foresight.error(known, kept["action"], kept["brought"])
            loss = loss + self.settings.prediction_weight * error
        return loss

    def _read(self, past: Tensor, moments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What moments that follow each other come to be, what then chooses, and the values."""
        known, out = self.following(past, self.inward(moments).relu(), None)
        return known, held(out, self.actions.width), self.value(known).squeeze(-1)
