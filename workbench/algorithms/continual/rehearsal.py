"""What learners of streams are held against: a network that goes on by gradient descent.

    pre-train   minimise the loss over all training classes at once, as fine-tuning does (or not
                at all: then it learns the stream from nothing, with all its layers free)
    stream      for each example that comes: descend the mean loss of it and of all that is kept,
                the first examples of each class that is gone (experience replay: Robins, 1995,
                Catastrophic Forgetting, Rehearsal and Pseudorehearsal; Chaudhry et al., 2019, On
                Tiny Episodic Memories in Continual Learning)

With nothing kept it is the plain network that forgets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from workbench.algorithms.classes import check_classification
from workbench.algorithms.continual.inspections import STREAM, TRANSFER
from workbench.algorithms.continual.oml import together
from workbench.algorithms.continual.stream import arriving, at, examples_at, stages
from workbench.algorithms.gradient.finetune import FineTuning
from workbench.algorithms.values import Adapted
from workbench.fields import Live, Range, check_fields
from workbench.innerloop import InnerLoop, InnerOptimizer, weights_of
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples


def _in_evaluation(learner: Any) -> bool:
    return not learner.training


def _frees(learner: Any) -> bool:
    return bool(_in_evaluation(learner) and learner.free)


@dataclass(frozen=True)
class RehearsalSettings:
    """Pre-train on all training classes, then learn a stream by gradient descent."""

    # size of the update that each example makes
    inner_rate: Annotated[float, Range(0, span=(1e-4, 1), log=True), Live(when=_in_evaluation)] = (
        0.01
    )
    # examples of each class that is gone which go on being learned
    kept: Annotated[int, Range(0, span=(0, 20)), Live(when=_in_evaluation)] = 0
    # times that a class's examples are gone through while they are here
    passes: Annotated[int, Range(1, span=(1, 10)), Live(when=_in_evaluation)] = 1
    # layers of the body, by name, that learn with the head; all others are frozen
    free: tuple[str, ...] = ()
    # size of an update of the free layers
    free_rate: Annotated[float, Range(0, span=(1e-4, 1), log=True), Live(when=_frees)] = 0.01

    # what fine-tuning could be told otherwise
    head: ClassVar[str] = "linear"
    augment: ClassVar[int] = 0
    optimizer: ClassVar[InnerOptimizer] = InnerOptimizer()

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> Rehearsal:
        """The learner for classes."""
        check_classification(spec, "rehearsal")
        return Rehearsal(model.build(spec.input_shape, None), spec, self)


class Rehearsal(FineTuning):
    """Learns a stream by a new head (and what is left free), and rehearses what it keeps.

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> tasks = open_tasks("digits")
    >>> learner = Rehearsal(MLP(64, None), tasks.spec(tasks.default_shape)).eval()
    >>> last(adapt(learner, tasks.sample(2, seed=0))).step
    2
    """

    settings: RehearsalSettings
    inspections = (STREAM, TRANSFER)

    def __init__(
        self, body: Any, spec: TaskSpec, settings: RehearsalSettings = RehearsalSettings()
    ) -> None:
        super().__init__(body, spec, settings)  # type: ignore[arg-type]  # as far as it reads them

    def steps(self, episode: Episode) -> int:
        """None in pre-training; in evaluation one a stage."""
        return 0 if self.training else stages(episode)

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Meet the examples of one stage, one by one, and rehearse with each."""
        new = self._stage(adapted, episode, *arriving(episode, adapted.step))
        old = self._kept(adapted, episode)
        values = dict(adapted.values)
        every: list[dict[str, Tensor]] = []
        loop = InnerLoop(self.rule, order="first")
        rates = {name: self._rate(name) for name in weights_of(values)}
        for _ in range(self.settings.passes):
            for place in range(new.y.shape[1]):
                one = slice(place, place + 1)
                example = Examples(new.x[:, one], new.y[:, one], new.counts()[:, one])

                def losses(weights: dict[str, Tensor], example: Examples = example) -> Tensor:
                    found = self._loss(weights, adapted, episode, example)
                    if old is None:
                        return found
                    # what only pads teaches nothing, and so rehearses nothing
                    again = self._loss(weights, adapted, episode, old) * example.counts().sum(1)
                    many = old.counts().sum(dim=1)
                    return (found + many * again) / (1 + many)

                values, seen = loop.step(losses, values, rates, step=len(every), steps=0)
                every.append(seen)
        return Adapted(values, together(every, new.counts(), adapted), adapted.step + 1)

    def _kept(self, adapted: Adapted, episode: Episode) -> Examples | None:
        """What is kept of earlier stages."""
        kept = self.settings.kept
        if not (kept and adapted.step):
            return None
        before = [arriving(episode, earlier) for earlier in range(adapted.step)]
        places = torch.cat([places[:, :kept] for places, _ in before], dim=1)
        weight = torch.cat([weight[:, :kept] for _, weight in before], dim=1)
        return self._stage(adapted, episode, places, weight)

    def _stage(
        self, adapted: Adapted, episode: Episode, places: Tensor, weight: Tensor
    ) -> Examples:
        """The support's examples at some places; their features, where no layer is free."""
        found, features = examples_at(episode, places, weight), adapted.values.get("features")
        return found if features is None else replace(found, x=at(features, places))

    def _loss(
        self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode, batch: Examples
    ) -> Tensor:
        """The mean loss of some examples, `[task]`."""
        x = batch.x
        if "features" not in adapted.values:
            x = self._features(adapted, weights, x, batch.weight, support=True)
        return episode.loss(self._own_logits(x, adapted, weights), batch)
