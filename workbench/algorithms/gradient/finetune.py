"""Fine-tuning: the baseline that meta-learners are held against.

Chen, Liu, Kira, Wang and Huang (2019), A Closer Look at Few-shot Classification (Baseline, with a
linear head, and Baseline++, with a cosine head); for regression the baseline of Finn et al. (2017).

    pre-train   minimise the loss over all training classes (or all training tasks) at once
    adapt       classes: put a new head in place of the last layer, freeze the rest (but for the
                layers that are left free), descend the support loss; numbers: by all of theta
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms.capabilities import Descends
from workbench.algorithms.classes import hide, labelled
from workbench.algorithms.gradient.learner import (
    GradientLearner,
    GradientSettings,
    InnerRate,
    TestSteps,
    TrainSteps,
)
from workbench.algorithms.values import Adapted
from workbench.errors import UserError, nearest
from workbench.fields import Live, Range
from workbench.innerloop import (
    InnerOptimizer,
    Order,
    RuleSettings,
    check_stackable,
    weights_of,
)
from workbench.models import ModelSettings
from workbench.randomness import fold, normal
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.transforms import shifted

_BODY = "body."  # in front of the names of a free layer's weights


def _sees_images(learner: Any) -> bool:
    return isinstance(learner, FineTuning) and learner.sees_images


def _cosine(learner: Any) -> bool:
    return isinstance(learner, FineTuning) and learner.settings.head == "cosine"


def _some_free(learner: Any) -> bool:
    return isinstance(learner, FineTuning) and bool(learner.free)


@dataclass(frozen=True)
class FineTuningSettings(GradientSettings):
    """Pre-train on all training classes, then fit a new head."""

    inner_rate: InnerRate = 0.1  # size of an adaptation step
    train_steps: TrainSteps = 0  # pre-training does not adapt
    test_steps: TestSteps = 50  # adaptation steps in evaluation
    order: Order = "first"  # never differentiated through
    # the adaptation's rule
    optimizer: Annotated[RuleSettings, Live()] = InnerOptimizer("sgd", momentum=0.9)
    head: Literal["linear", "cosine"] = "linear"  # Baseline or Baseline++
    # what the cosine head multiplies cosines by
    scale: Annotated[float, Range(above=0, span=(1, 100), log=True), Live(when=_cosine)] = 10.0
    # move support images by up to so many pixels in each adaptation step
    augment: Annotated[int, Range(0, span=(0, 4)), Live(when=_sees_images)] = 0
    # layers of the body, by name, that adapt with the head; all others are frozen
    free: tuple[str, ...] = ()
    # size of an adaptation step of the free layers
    free_rate: Annotated[float, Range(0, span=(1e-4, 1), log=True), Live(when=_some_free)] = 0.01

    def build(self, model: ModelSettings, spec: TaskSpec) -> FineTuning | PretrainedRegression:
        """The learner for tasks of this kind."""
        self.check_undifferentiated("fine-tuning")
        if spec.kind != "classification":
            if self.free:
                raise UserError(
                    "learner.free names layers that adapt with a new head, and tasks of numbers "
                    "keep their head and adapt all layers: leave it empty"
                )
            return PretrainedRegression(model.build(spec.input_shape, spec.outputs), self)
        if self.proximal:
            raise UserError(
                f"learner.proximal is {self.proximal} and a new head has no theta to be drawn back "
                "to: leave it 0"
            )
        return FineTuning(model.build(spec.input_shape, None), spec, self)


class PretrainedRegression(GradientLearner):
    """One network for all training tasks at once, fine-tuned on the task at hand."""

    kinds = ("regression",)
    differentiates = False

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The unadapted loss on support and query."""
        both = all_examples(episode)
        start = next(iter(path))
        return episode.loss(self.predict(start, both.x, both.weight), both)


class FineTuning(Descends):
    """A body trained on all training classes; each task fits a new head to its support.

    >>> from workbench.models import MLP
    >>> spec = TaskSpec("classification", (3,), outputs=2, train_classes=7)
    >>> FineTuning(MLP(3, None, hidden=(4,)), spec).classifier.shape
    torch.Size([7, 4])
    """

    kinds = ("classification",)
    differentiates = False

    def __init__(
        self,
        body: nn.Module,
        spec: TaskSpec,
        settings: FineTuningSettings = FineTuningSettings(),
    ) -> None:
        super().__init__()
        check_stackable(body)
        self.body, self.settings = body, settings
        self.rule = settings.optimizer.build()
        self.sees_images = len(spec.input_shape) == 3
        self.free = _free(body, settings.free)
        with torch.no_grad():
            self.width = body(spec.blank()).shape[-1]
        linear = settings.head == "linear"
        size = 0.01 if linear else self.width**-0.5
        self.classifier = nn.Parameter(torch.randn(spec.train_classes, self.width) * size)
        self.offset = nn.Parameter(torch.zeros(spec.train_classes)) if linear else None

    def begin(self, episode: Episode) -> Adapted:
        """A new head: zeros where it is linear, random where it is a cosine."""
        _, ways = labelled(episode)
        shape = (ways, self.width)
        like = self.classifier
        if self.settings.head == "linear":
            head = like.new_zeros(len(episode), *shape)
        else:
            way = torch.arange(shape[0], device=episode.seed.device)
            seed = fold(episode.seed.unsqueeze(1), 0, way)  # so more ways change no class's head
            # Of length about 1: a short vector's cosine is so steep that the first step makes it
            # long, and a long one turns no more.
            head = normal(seed, (self.width,), like.dtype) / self.width**0.5
        values = {"weights.head": head} | self.remembered(episode)
        if self.offset is not None:
            values["weights.offset"] = like.new_zeros(len(episode), shape[0])
        present = episode.present()
        if present is not None:
            values["present"] = present
        own = dict(self.body.named_parameters())
        for name in self.free:  # copied: training on must not change what was adapted
            layer = own[name].detach().clone()
            values[f"weights.{_BODY}{name}"] = layer.expand(len(episode), *layer.shape)
        start = Adapted(values)
        if not self.settings.augment and not self.free:  # then they stay the same in every step
            with torch.no_grad():
                values["features"] = self._support_features(start, episode, {})
        return start

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """One step of the head on the support, its images moved anew if they are augmented."""
        kept = adapted.values.get("features")
        names = weights_of(adapted.values)

        def losses(weights: dict[str, Tensor]) -> Tensor:
            features = kept
            if features is None:
                features = self._support_features(adapted, episode, weights)
            return episode.loss(self._own_logits(features, adapted, weights), episode.support)

        values, seen = self.settings.inner_loop(self.rule).step(
            losses,
            adapted.values,
            {n: self._rate(n) for n in names},
            step=adapted.step,
            steps=self.steps(episode),
        )
        return Adapted(values, seen, adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The new head's logits over the body's features."""
        weights = weights_of(adapted.values)
        features = self._features(adapted, weights, x, weight)
        return self._own_logits(features, adapted, weights)

    def steps(self, episode: Episode) -> int:
        """`train_steps` in training mode, `test_steps` in evaluation mode."""
        return self.settings.train_steps if self.training else self.settings.test_steps

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """Pre-training: the loss over all training classes; no adaptation takes place."""
        both = all_examples(episode)
        named = episode.info.get("classes")
        if named is None or named.shape != (len(episode), episode.ways):
            raise UserError(
                "FineTuning is pre-trained to tell all training classes apart, and this episode "
                "does not say which its own are: give it info={'classes': numbers [task, way] of "
                f"the {len(self.classifier)} training classes}}"
            )
        ways = both.y if both.weight is None else both.y.clamp(0, named.shape[1] - 1)
        classes = named.clamp(min=0).gather(1, ways)  # -1 only pads
        start = Adapted(self.remembered(episode))
        features = self.vectors(self.body, both.x, start, both.weight)
        logits = self._logits(features, self.classifier, self.offset)
        return episode.loss(logits, Examples(both.x, classes, both.weight))

    def _rate(self, name: str) -> float:
        return self.settings.free_rate if name.startswith(_BODY) else self.settings.inner_rate

    def _support_features(
        self, adapted: Adapted, episode: Episode, weights: dict[str, Tensor]
    ) -> Tensor:
        x = episode.support.x
        if self.settings.augment:
            x = shifted(x, fold(episode.seed, 1, adapted.step), self.settings.augment)
        return self._features(adapted, weights, x, episode.support.weight, support=True)

    def _features(
        self,
        adapted: Adapted,
        weights: dict[str, Tensor],
        x: Tensor,
        weight: Tensor | None,
        *,
        support: bool = False,
    ) -> Tensor:
        own = {n: weights.get(_BODY + n, p) for n, p in self.body.named_parameters()}
        return self.vectors(self.body, x, adapted, weight, support=support, parameters=own)

    def _own_logits(self, features: Tensor, adapted: Adapted, weights: dict[str, Tensor]) -> Tensor:
        """The logits of the task's own classes; those that only pad have next to no chance."""
        head = {n: w for n, w in weights.items() if not n.startswith(_BODY)}
        logits = self._logits(features, **head)
        present = adapted.values.get("present")
        return logits if present is None else hide(logits, present.unsqueeze(1))

    def _logits(self, features: Tensor, head: Tensor, offset: Tensor | None = None) -> Tensor:
        if self.settings.head == "cosine":
            features = self.settings.scale * F.normalize(features, dim=-1)
            head = F.normalize(head, dim=-1)
        logits = features @ head.transpose(-1, -2)
        if offset is None:
            return logits
        return logits + (offset if offset.dim() == 1 else offset.unsqueeze(1))


def _free(body: nn.Module, layers: tuple[str, ...]) -> tuple[str, ...]:
    """The parameters of the layers that adapt, all of them found."""
    every = [name for name, _ in body.named_parameters()]
    known = list(dict.fromkeys(name.split(".")[0] for name in every))
    for layer in layers:
        if not any(name == layer or name.startswith(f"{layer}.") for name in every):
            raise UserError(
                f"learner.free names '{layer}', and {type(body).__name__} has no such layer with "
                f"parameters: {nearest(layer, known)}"
            )
    return tuple(n for n in every if any(n == f or n.startswith(f"{f}.") for f in layers))


def all_examples(episode: Episode) -> Examples:
    """Support and query together."""
    support, query = episode.support, episode.query
    weight = None
    if support.weight is not None or query.weight is not None:
        weight = torch.cat(
            [e.counts() for e in (support, query)],
            dim=1,
        )
    both = Examples(
        torch.cat([support.x, query.x], dim=1), torch.cat([support.y, query.y], dim=1), weight
    )
    both.check_any()
    return both
