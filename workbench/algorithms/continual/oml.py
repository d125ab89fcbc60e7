"""OML: a representation in which learning one class does not undo another.

Javed and White (2019), Meta-Learning Representations for Continual Learning, arXiv:1905.12588.

    phi(x)   the representation, which no inner step changes        W   the prediction network
    W_j+1 = W_j - alpha * gradient of loss(W_j(phi(x_j)), y_j)      one example at a time, in the
                                                                    order of the stream
    phi, W_0 <- minus beta * gradient of the loss of W_k(phi(query)), all classes asked at the end

The meta-gradient goes back through every update. The authors' first code did not (it asked for no
graph of the inner gradients, so that what it followed was the first order); they mended it in July
2020 and found a linear W as good as a deep one, which is the default here. A class's row of W
starts at zero, so that streams may have any number of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.algorithms.capabilities import Descends, Embeds
from workbench.algorithms.classes import check_classification, hide, labelled, template
from workbench.algorithms.continual.inspections import STREAM, TRANSFER
from workbench.algorithms.continual.stream import arriving, at, examples_at, stages
from workbench.algorithms.gradient.learner import InnerRate
from workbench.algorithms.values import Adapted
from workbench.fields import Range, check_fields
from workbench.innerloop import InnerLoop, check_stackable, forward_tasks, weights_of
from workbench.models import MLP, ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples


@dataclass(frozen=True)
class OMLSettings:
    """A representation learned for online updates."""

    inner_rate: InnerRate = 0.1  # size of the update that each example makes
    # exact, or first-order, as the authors' code was before 2020
    order: Literal["second", "first"] = "second"
    # widths of layers of the prediction network below its last; none is the linear one
    hidden: Annotated[tuple[int, ...], Range(1)] = ()

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> OML:
        """The learner around the model as the representation."""
        check_classification(spec, "OML")
        body = model.build(spec.input_shape, None)
        return OML(body, width_of(body, spec), self)


class OML(Descends, Embeds):
    """Learns a stream by single updates of a prediction network; meta-learns what lies below.

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("digits").sample(2, seed=0)
    >>> learner = OML(MLP(64, None), 40)
    >>> last(adapt(learner, episode)).step == episode.ways  # a step a class
    True
    """

    kinds = ("classification",)
    inspections = (STREAM, TRANSFER)
    may_lack_gradient: Sequence[str] = ()

    def __init__(
        self, body: nn.Module, features: int, settings: OMLSettings = OMLSettings()
    ) -> None:
        super().__init__()
        check_stackable(body)
        self.body, self.settings = body, settings
        self.hidden = MLP(features, None, settings.hidden)
        self.width = (features, *settings.hidden)[-1]
        self.loop = InnerLoop(order=settings.order)

    def begin(self, episode: Episode) -> Adapted:
        """The prediction network as it was learned, with a row of zeros for every class."""
        _, ways = labelled(episode)
        like, tasks = template(self.body, episode), len(episode)
        values = {
            f"weights.hidden.{name}": p.clone().expand(tasks, *p.shape)
            for name, p in self.hidden.named_parameters()
        }
        values["weights.head"] = like.new_zeros(tasks, ways, self.width)
        values["weights.offset"] = like.new_zeros(tasks, ways)
        present = episode.present()
        if present is not None:
            values["present"] = present
        start = Adapted(values | self.remembered(episode))
        if "noise" in start.values or any(isinstance(m, _BatchNorm) for m in self.modules()):
            return start  # an example's features depend on what it comes with, and when
        support = episode.support  # the same whenever they are made, and quicker all at once
        features = self.embed(start, support.x, support.weight, support=True)
        return Adapted({**start.values, "features": features})

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Meet the examples of one stage, each once: an update for each."""
        places, weight = arriving(episode, adapted.step)
        batch, known = examples_at(episode, places, weight), adapted.values.get("features")
        if known is None:
            features = self.embed(adapted, batch.x, weight, support=True)
        else:
            features = at(known, places)
        values, rates = (
            dict(adapted.values),
            dict.fromkeys(weights_of(adapted.values), self.settings.inner_rate),
        )
        every: list[dict[str, Tensor]] = []
        counts = batch.counts()
        for place in range(batch.y.shape[1]):
            one = slice(place, place + 1)
            example = Examples(features[:, one], batch.y[:, one], counts[:, one])

            def losses(weights: dict[str, Tensor], example: Examples = example) -> Tensor:
                return episode.loss(self.read(weights, adapted, example.x), example)

            values, seen = self.loop.step(losses, values, rates, step=place, steps=place + 1)
            every.append(seen)
        return Adapted(values, together(every, counts, adapted), adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The prediction network's logits over the representation."""
        return self.read(weights_of(adapted.values), adapted, self.embed(adapted, x, weight))

    def steps(self, episode: Episode) -> int:
        """One a stage of the stream."""
        return stages(episode)

    def embed(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """phi(x), `[task, example, feature]`."""
        return self.vectors(self.body, x, adapted, weight, support=support)

    def read(self, weights: dict[str, Tensor], adapted: Adapted, features: Tensor) -> Tensor:
        """Logits `[task, example, way]` of features; classes that only pad have no chance."""
        own = {n.removeprefix("hidden."): w for n, w in weights.items() if n.startswith("hidden.")}
        if own:
            features = forward_tasks(self.hidden, own, features)
        logits = features @ weights["head"].mT + weights["offset"].unsqueeze(1)
        present = adapted.values.get("present")
        return logits if present is None else hide(logits, present.unsqueeze(1))


def width_of(body: nn.Module, spec: TaskSpec) -> int:
    """How many features an embedding gives for inputs of a kind of tasks."""
    with torch.no_grad():
        return int(body(spec.blank()).shape[-1])


def together(
    every: Sequence[dict[str, Tensor]], counts: Tensor, adapted: Adapted
) -> dict[str, Tensor]:
    """What the updates of a stage saw: their mean loss, and the sum of their gradients."""
    if not every:  # a stage without an example
        weights = weights_of(adapted.values)
        none = {f"gradient.{n}": torch.zeros_like(w.detach()) for n, w in weights.items()}
        return {"loss": counts.new_zeros(len(counts)), **none}
    loss = torch.stack([seen["loss"] for seen in every], dim=1).sum(dim=1)
    found = {"loss": loss / counts.sum(dim=1).clamp(min=1)}
    for name in every[0]:
        if name != "loss":
            found[name] = torch.stack([seen[name] for seen in every]).sum(dim=0)
    return found
