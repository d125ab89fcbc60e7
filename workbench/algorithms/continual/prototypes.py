"""Prototypes, class by class: a mean of embedded examples needs no second look at any.

The nearest class mean in a learned embedding (Snell, Swersky and Zemel, 2017; for streams Rebuffi
et al., 2017, iCaRL: Incremental Classifier and Representation Learning).

    c_k = mean of f(x_i) over the examples of class k, kept when the class is gone
    p(k | x) = softmax over the classes that came of -|f(x) - c_k|^2 / tau

What it reaches does not depend on the order in which classes come.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.algorithms.classes import check_classification, labelled, one_hot
from workbench.algorithms.continual.inspections import STREAM, TRANSFER
from workbench.algorithms.continual.stream import arriving, examples_at, stages
from workbench.algorithms.memory.prototypical import Prototypical, PrototypicalSettings
from workbench.algorithms.values import Adapted
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode


@dataclass(frozen=True)
class StreamPrototypesSettings(PrototypicalSettings):
    """Prototypical Networks that meet classes one after the other."""

    def build(self, model: ModelSettings, spec: TaskSpec) -> StreamPrototypes:
        """The learner around the model as an embedding."""
        check_classification(spec, "Prototypical Networks")
        return StreamPrototypes(model.build(spec.input_shape, None), self)


class StreamPrototypes(Prototypical):
    """Keeps the mean embedding of each class that came.

    >>> from workbench.algorithms import adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("digits").sample(1, seed=0)
    >>> learner = StreamPrototypes(MLP(64, None))
    >>> [adapted.values["count"].tolist() for adapted in adapt(learner, episode)]
    [[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]]
    """

    inspections = (STREAM, TRANSFER)

    def steps(self, episode: Episode) -> int:
        """One a stage of the stream."""
        return stages(episode)

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Read the examples of one stage: their classes' means go on with them."""
        _, ways = labelled(episode)
        batch = examples_at(episode, *arriving(episode, adapted.step))
        features = self.embed(adapted, batch.x, batch.weight, support=True)
        labels = one_hot(batch, ways, like=features)
        before = adapted.values["count"]
        count = before + labels.sum(dim=1)
        sums = labels.mT @ features
        if "prototypes" in adapted.values:
            sums = sums + adapted.values["prototypes"] * before.unsqueeze(-1)
        memory = {"count": count, "prototypes": sums / count.clamp(min=1).unsqueeze(-1)}
        logits = self.compare(features, memory["prototypes"], count)
        seen = {"loss": episode.loss(logits, batch)}
        return Adapted({**adapted.values, **memory}, seen, adapted.step + 1)

    def writes(self, adapted: Adapted, episode: Episode) -> Tensor:
        """The share of each example of the stage that came last in the mean of its class."""
        count = adapted.values["count"]
        labels = one_hot(episode.support, labelled(episode)[1], like=count)
        if not adapted.step:
            return torch.zeros_like(labels.mT)
        places, weight = arriving(episode, adapted.step - 1)
        came = torch.zeros_like(labels[..., 0]).scatter(1, places, weight)
        return (labels * came.unsqueeze(-1) / count.clamp(min=1).unsqueeze(1)).mT
