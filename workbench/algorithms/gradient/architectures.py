"""T-NAS: MAML whose architecture adapts with the weights, and a discrete net for each task.

Lian, Zheng, Xu, Lu, Lin, Zhao, Huang and Gao (2020), Towards Fast Adaptation of Neural
Architectures with Meta Learning.

    (w_i', alpha_i')  = (w, alpha) - rates * grad L_i(w, alpha; support)          S steps
    task i's operation of a layer: that of the largest alpha_i' in it
    theta_i'          = w - rates * grad L_i(w, those operations; support)        K steps, from w

In the first part of training the mixture is trained as it is, as plain MAML trains weights; then
the weights alone, each task under the operations that its own search found. `discrete` says what is
used after training: each task's own operations, one choice for all (that of the learned alpha), or
the mixture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms.capabilities import Anneals
from workbench.algorithms.gradient.learner import LearnedRates, TestSteps
from workbench.algorithms.gradient.maml import MAML, MAMLSettings
from workbench.algorithms.inspections import Inspection
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Range
from workbench.models import Mixture, ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas import DataFrame

_CHOSEN = 30.0  # an alpha whose softmax is 1 beside zeros, to the last bit of a float32
COLUMNS = {
    "step": "after how many inner steps",
    "layer": "which mixture of the model",
    "operation": "which of its operations",
    "weight": "its share in the mixture, all operations of a layer together 1",
}


@torch.no_grad()
def mixture_frame(learner: Any, episode: Episode, path: Sequence[Adapted], task: int) -> DataFrame:
    """What share each operation has in its layer, by inner step: a row a step and operation.

    >>> from workbench.algorithms import adapt
    >>> from workbench.models import MixedSettings
    >>> from workbench.tasks import open_tasks
    >>> model = MixedSettings(layers=1, width=4, operations="relu tanh").build((1,), 1)
    >>> learner, episode = ArchitectureSearch(model), open_tasks("sinusoid").sample(2, seed=0)
    >>> frame = mixture_frame(learner, episode, list(adapt(learner, episode, steps=1)), 0)
    >>> frame[frame["step"] == 0]["weight"].tolist()
    [0.5, 0.5]
    """
    import pandas as pd

    rows = []
    for adapted in path:
        for layer, operations in learner.mixtures.items():
            shares = adapted.values[f"weights.{layer}.alpha"][task].softmax(-1).tolist()
            pairs = zip(operations, shares, strict=True)
            rows += [(adapted.step, layer, operation, share) for operation, share in pairs]
    return pd.DataFrame(rows, columns=list(COLUMNS))


MIXTURE = Inspection(
    "mixture",
    mixture_frame,
    COLUMNS,
    "What share each operation has in a mixed layer, by inner step",
    figure="mixture",
)


@dataclass(frozen=True)
class ArchitectureSettings(MAMLSettings):
    """Architecture search in the inner loop."""

    test_steps: TestSteps = 5  # inner steps in evaluation, after those of the search
    rates: LearnedRates = "layer"  # inner rates to learn: none, per layer, parameter, or step
    # what is used: each task's own operations, one choice for all tasks, or the mixture
    discrete: Literal["task", "all", "no"] = "task"
    # inner steps of the mixture from which a task's own operations are read
    search_steps: Annotated[int, Range(1, span=(1, 10))] = 1
    # share of the training in which the mixture is trained as it is
    mixed_until: Annotated[float, Range(0, 1, span=(0, 1))] = 0.6

    def build(self, model: ModelSettings, spec: TaskSpec) -> ArchitectureSearch:
        """The learner for tasks of this kind."""
        return ArchitectureSearch(model.build(spec.input_shape, spec.outputs), self)


class ArchitectureSearch(MAML, Anneals):
    """Learns weights and an architecture that a few gradient steps adapt best."""

    settings: ArchitectureSettings
    # where each task's operations are chosen, the learned alpha only says where its search begins
    may_lack_gradient = ("rates.*", "model.*.alpha")

    def __init__(
        self, model: nn.Module, settings: ArchitectureSettings = ArchitectureSettings()
    ) -> None:
        super().__init__(model, settings)
        self.mixtures = {
            name: layer.operations for name, layer in model.named_modules()
            if isinstance(layer, Mixture)
        }  # fmt: skip
        if not self.mixtures:
            raise UserError(
                f"{type(model).__name__} mixes no operations, so there is no architecture to "
                "search: use MixedSettings without an architecture as the model"
            )
        self.inspections = (*self.inspections, MIXTURE)
        self.done = 0.0  # how much of the training is behind it

    def anneal(self, done: float) -> None:
        """Be what it is after this share of the training."""
        self.done = done

    @property
    def discrete(self) -> Literal["task", "all", "no"]:
        """Whose operations are chosen now."""
        mixed = self.training and self.done < self.settings.mixed_until
        return "no" if mixed else self.settings.discrete

    @property
    def searching(self) -> int:
        """Inner steps of the mixture before a task's operations are chosen."""
        return self.settings.search_steps if self.discrete == "task" else 0

    def begin(self, episode: Episode) -> Adapted:
        """Every task starts from theta; under the operations chosen for all, if they are."""
        start = super().begin(episode)
        return self.chosen(start, episode) if self.discrete == "all" else start

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """A step of the search; or one of the weights, the first of which begins at theta."""
        if self.discrete == "task" and adapted.step == self.searching:
            adapted = self.chosen(adapted, episode)
        return super().step(adapted, episode)

    def chosen(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Theta under the operations of the largest alpha, layer by layer and task by task."""
        start = super().begin(episode)
        hard = {n: _one(adapted.values[n]) for n in self._alphas}
        return Adapted({**start.values, **hard}, adapted.seen, adapted.step)

    @property
    def _alphas(self) -> list[str]:
        return [f"weights.{layer}.alpha" for layer in self.mixtures]

    def architectures(self, adapted: Adapted) -> list[str]:
        """Each task's operations as `MixedSettings.architecture` takes them."""
        found = [adapted.values[name].argmax(-1).tolist() for name in self._alphas]
        layers = list(zip(*found, strict=True))
        return [
            " ".join(own[i] for own, i in zip(self.mixtures.values(), task, strict=True))
            for task in layers
        ]

    def steps(self, episode: Episode) -> int:
        """Inner steps: those of the search, and those of the weights."""
        return self.searching + super().steps(episode)


def _one(alpha: Tensor) -> Tensor:
    """The largest of each row, as a choice that a step's gradient does not move."""
    return _CHOSEN * F.one_hot(alpha.argmax(-1), alpha.shape[-1]).to(alpha)
