"""The contract that every meta-learner fulfils, and the one loop that drives them all.

A meta-learner is an `nn.Module` with a few functions on values: `begin` makes the value an
adaptation starts from, `step` turns it into the next, `predict` reads it. `adapt` yields one
value after the other. Training, stepping by hand, inspection and evaluation all run this text.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from workbench.algorithms.losses import example_loss
from workbench.errors import UserError
from workbench.innerloop import forward_tasks
from workbench.randomness import fold
from workbench.tasks.base import Kind
from workbench.tasks.episode import Episode


@dataclass(frozen=True, eq=False)
class Adapted:
    """The state of an adaptation after `step` inner steps; nothing ever changes it.

    values  what the adaptation changes (fast weights, optimizer state, memory, hidden state)
    seen    what it observed on the way (loss, gradients, reads, rewards)
    Both map names to tensors with a leading task axis.
    """

    values: Mapping[str, Tensor]
    seen: Mapping[str, Tensor] = field(default_factory=dict)
    step: int = 0

    def detach(self) -> Adapted:
        """The same numbers, cut from the graph that made them."""
        return Adapted(
            {name: t.detach() for name, t in self.values.items()},
            {name: t.detach() for name, t in self.seen.items()},
            self.step,
        )


class MetaGradient(NamedTuple):
    """What one meta-step needs: a gradient for every meta-parameter, and each task's meta-loss."""

    gradients: dict[str, Tensor]
    losses: Tensor


class Learner(nn.Module):
    """A meta-learner. Its parameters and state are those of an `nn.Module`.

    `train()` and `eval()` choose between the training and the test number of inner steps.
    """

    kinds: tuple[Kind, ...] = ("classification", "regression")  # of tasks it can learn from
    inductive: bool = False  # normalise the query by the support's statistics
    settings: Any = None  # the dataclass that it was made with, where the method keeps one

    @property
    def rematerialises(self) -> bool:
        """Whether it saves memory at the price of time: its tasks are then computed one by one."""
        return False

    @abstractmethod
    def begin(self, episode: Episode) -> Adapted:
        """Where an adaptation starts: theta, an empty memory, a hidden state."""

    @abstractmethod
    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """One inner step. It makes a new value and changes nothing."""

    @abstractmethod
    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Logits, values or action logits for inputs `[task, example, ...]`.

        `weight` is 0 where an input only pads, so that it does not enter batch statistics.
        """

    @abstractmethod
    def steps(self, episode: Episode) -> int:
        """How many inner steps an adaptation takes."""

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """Each task's meta-loss, `[task]`; `path` is what `adapt` yields."""
        query = episode.query
        return example_loss(self.predict(last(path), query.x, query.weight), query)

    def forward(self, episode: Episode) -> Tensor:
        """Each task's meta-loss after adapting: what `torch.func.functional_call` calls."""
        return self.meta_loss(adapt(self, episode), episode)

    def meta_gradient(self, episode: Episode) -> MetaGradient:
        """The gradient of the mean meta-loss. Only the trainer writes `.grad`."""
        losses = self(episode)
        names, parameters = zip(*trainable(self), strict=True)
        gradients = torch.autograd.grad(losses.mean(), parameters, allow_unused=True)
        filled = (
            torch.zeros_like(p) if g is None else g
            for p, g in zip(parameters, gradients, strict=True)
        )
        return MetaGradient(dict(zip(names, filled, strict=True)), losses.detach())

    # ---- for the methods: a module over a batch of tasks, under the learner's mode --------------

    def remembered(self, episode: Episode) -> dict[str, Tensor]:
        """What `run` needs of an episode later; `begin` puts it among the values.

        Evaluated inductively, that is the support whose batch statistics the query is normalised
        by; in training with dropout, the seeds that dropout is drawn from.
        """
        values: dict[str, Tensor] = {}
        support = episode.support
        if self.inductive and support is not None:
            values["reference.x"] = support.x
            if support.weight is not None:
                values["reference.weight"] = support.weight
        if self.training and any(isinstance(m, nn.Dropout) and m.p for m in self.modules()):
            values["noise"] = episode.seed
        return values

    def run(
        self,
        module: nn.Module,
        parameters: Mapping[str, Tensor],
        x: Tensor,
        adapted: Adapted,
        weight: Tensor | None = None,
        *,
        support: bool = False,
    ) -> Tensor:
        """`forward_tasks`, with the batch statistics and dropout that this adaptation calls for.

        `support` says that `x` is the support itself, which is always its own reference.
        """
        values, reference, noise = adapted.values, None, None
        if not support and "reference.x" in values:
            reference = (values["reference.x"], values.get("reference.weight"))
        if "noise" in values:
            noise = fold(values["noise"], adapted.step, int(support))
        return forward_tasks(module, parameters, x, weight=weight, reference=reference, noise=noise)


def adapt(
    learner: Learner,
    episode: Episode,
    *,
    start: Adapted | None = None,
    steps: int | None = None,
) -> Iterator[Adapted]:
    """The values of an adaptation, one after the other, the starting value first.

    `start` continues from any earlier value (a branch, a resumed tape); `steps` is the total
    count to reach, by default the learner's own.

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("sinusoid").sample(2, seed=0)
    >>> [a.step for a in adapt(MAML(MLP(1, 1)), episode, steps=2)]
    [0, 1, 2]
    """
    if episode.support is None and "control" not in learner.kinds:
        raise UserError(
            f"{type(learner).__name__} learns {' or '.join(learner.kinds)} and these tasks are "
            "control: choose other tasks or another learner"
        )
    adapted = learner.begin(episode) if start is None else start
    steps = learner.steps(episode) if steps is None else steps
    yield adapted
    while adapted.step < steps:
        adapted = learner.step(adapted, episode)
        yield adapted


def last(path: Iterable[Adapted]) -> Adapted:
    """The last value of a path, keeping none of the earlier ones."""
    for adapted in path:
        pass
    return adapted


def trainable(learner: nn.Module) -> list[tuple[str, Tensor]]:
    """The meta-parameters: named parameters that want a gradient."""
    return [(name, p) for name, p in learner.named_parameters() if p.requires_grad]
