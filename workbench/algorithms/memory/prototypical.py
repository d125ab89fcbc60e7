"""Prototypical Networks: a class is the mean of its embedded examples.

Snell, Swersky and Zemel (2017), Prototypical Networks for Few-shot Learning, arXiv:1703.05175.

    c_k       = mean of f(x_i) over the support examples of class k
    p(k | x)  = softmax_k( -|f(x) - c_k|^2 / tau )      squared Euclidean distance, tau = 1
    p(k | x)  = softmax_k( f(x) . c_k / tau )           dot-product form

The embedding f is all there is to meta-learn. Adapting is one step, a read of the support into a
memory of prototypes. Before it the memory is empty and every class equally likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor, nn

from workbench.algorithms.capabilities import Embeds
from workbench.algorithms.classes import (
    Temperature,
    check_classification,
    labelled,
    one_hot,
    template,
    unlikely,
)
from workbench.algorithms.memory.learner import MemoryLearner
from workbench.algorithms.values import Adapted
from workbench.fields import Live, check_fields
from workbench.innerloop import check_stackable
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode

Distance = Literal["euclidean", "dot"]


@dataclass(frozen=True)
class PrototypicalSettings:
    """Prototypical Networks."""

    # squared Euclidean distance, or the dot product
    distance: Annotated[Distance, Live()] = "euclidean"
    temperature: Annotated[Temperature, Live()] = 1.0  # tau: higher makes predictions softer

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> Prototypical:
        """The learner around the model as an embedding."""
        check_classification(spec, "Prototypical Networks")
        return Prototypical(model.build(spec.input_shape, None), self)


class Prototypical(MemoryLearner, Embeds):
    """Compares a query with the mean embedding of each class.

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("digits").sample(2, seed=0)
    >>> learner = Prototypical(MLP(64, None))
    >>> adapted = last(adapt(learner, episode))
    >>> tuple(adapted.values["prototypes"].shape) == (2, episode.ways, 40)
    True
    """

    kinds = ("classification",)
    slot_values = ("prototypes", "count")

    def __init__(
        self, embedding: nn.Module, settings: PrototypicalSettings = PrototypicalSettings()
    ) -> None:
        super().__init__()
        check_stackable(embedding)
        self.embedding, self.settings = embedding, settings

    def steps(self, episode: Episode) -> int:
        """One read of the support."""
        return 1

    def begin(self, episode: Episode) -> Adapted:
        """An empty memory: no class has an example yet."""
        _, ways = labelled(episode)
        count = template(self.embedding, episode).new_zeros(len(episode), ways)
        return Adapted({"count": count} | self.remembered(episode))

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Read the support: a prototype for every class."""
        support, ways = labelled(episode)
        features = self.embed(adapted, support.x, support.weight, support=True)
        labels = one_hot(support, ways, like=features)
        count = labels.sum(dim=1)
        sums = labels.transpose(1, 2) @ features
        memory = {"prototypes": sums / count.clamp(min=1).unsqueeze(-1), "count": count}
        logits = self.compare(features, memory["prototypes"], count)
        seen = {"features": features, "loss": episode.loss(logits, support)}
        return Adapted({**adapted.values, **memory}, seen, adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Similarity to each prototype; classes without an example have next to no chance."""
        count = adapted.values["count"]
        if "prototypes" not in adapted.values:
            return count.new_zeros(*x.shape[:2], count.shape[1])
        return self.compare(self.embed(adapted, x, weight), adapted.values["prototypes"], count)

    def reads(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """The chance of each class, whose prototype is a slot."""
        return {"prototypes": self.predict(adapted, x, weight).softmax(dim=-1)}

    def writes(self, adapted: Adapted, episode: Episode) -> Tensor:
        """Each support example's share in the mean of its class."""
        support, ways = labelled(episode)
        labels = one_hot(support, ways, like=adapted.values["count"])
        share = labels / labels.sum(dim=1, keepdim=True).clamp(min=1)
        return share.mT * float(adapted.step == 1)

    def distances(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Squared, to each prototype."""
        features = self.embed(adapted, x, weight)
        return (features.unsqueeze(2) - adapted.values["prototypes"].unsqueeze(1)).square().sum(-1)

    def embed(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """f(x), `[task, example, feature]`."""
        return self.vectors(self.embedding, x, adapted, weight, support=support)

    def compare(self, features: Tensor, prototypes: Tensor, count: Tensor) -> Tensor:
        """Logits `[task, example, way]` of embedded examples."""
        if self.settings.distance == "dot":
            similarity = features @ prototypes.transpose(1, 2)
        else:
            similarity = -(features.unsqueeze(2) - prototypes.unsqueeze(1)).square().sum(dim=-1)
        return unlikely(similarity / self.settings.temperature, count.unsqueeze(1) > 0)
