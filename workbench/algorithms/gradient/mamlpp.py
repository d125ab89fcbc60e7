"""MAML++: MAML with what keeps its training stable; each part can be switched by itself.

Antoniou, Edwards and Storkey (2019), How to train your MAML, arXiv:1810.09502.

    theta_k = theta_(k-1) - alpha_(l,k) * grad L(theta_(k-1); support)    l a tensor, k a step
    theta  <- theta - beta * grad sum_k v_k L(theta_k; query)             the multi-step loss

v_k begins as 1/K for every step and moves to the last one alone in the first part of training
(`multi_step`); so long as training is young the Hessians are left out (`first_order`, the annealing
of the derivative's order); scales and shifts of batch normalisation are not adapted but learned for
each step (`step_norms`), whose statistics are its own batch's here in any case. The outer rate
falls as a cosine by `training.schedule`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from workbench.algorithms.base import adapt
from workbench.algorithms.capabilities import Anneals
from workbench.algorithms.gradient.learner import (
    GradientLearner,
    GradientSettings,
    LearnedRates,
    TestSteps,
    TrainSteps,
)
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Live, Range
from workbench.innerloop import Order
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode

Share = Annotated[float, Range(0, 1, span=(0, 1))]


def _follows_order(learner: Any) -> bool:
    return not learner.is_first_order


@dataclass(frozen=True)
class MAMLPlusPlusSettings(GradientSettings):
    """MAML with the parts of MAML++."""

    train_steps: TrainSteps = 5  # inner steps in training
    test_steps: TestSteps = 5  # inner steps in evaluation
    # exact, first-order, or exact over the last `truncate` steps; first-order before `first_order`
    order: Annotated[Order, Live(moves=False, when=_follows_order)] = "second"
    rates: LearnedRates = "step"  # inner rates to learn: none, per layer, parameter, or step
    # share of the training in which the loss of every step counts, less and less; 0 is the last's
    multi_step: Share = 0.1
    first_order: Share = 0.3  # share of the training that leaves the Hessians out; 0 is none of it
    # learn scales and shifts of batch normalisation for each step, in place of adapting them
    step_norms: bool = True

    def build(self, model: ModelSettings, spec: TaskSpec) -> MAMLPlusPlus:
        """The learner for tasks of this kind."""
        return MAMLPlusPlus(model.build(spec.input_shape, spec.outputs), self)


class MAMLPlusPlus(GradientLearner, Anneals):
    """MAML with rates and norms for each step, a multi-step loss, and first order to begin with.

    >>> from workbench.models import MLP
    >>> learner = MAMLPlusPlus(MLP(4, 2, norm=True))
    >>> learner.rates["head/weight"].shape, learner.norms["norm1/weight"].shape
    (torch.Size([5]), torch.Size([6, 40]))
    >>> learner.importance(2).tolist()
    [0.5, 0.5]
    """

    settings: MAMLPlusPlusSettings

    def __init__(
        self, model: nn.Module, settings: MAMLPlusPlusSettings = MAMLPlusPlusSettings()
    ) -> None:
        norms = _norm_parameters(model) if settings.step_norms else {}
        super().__init__(model, settings, rates=settings.rates, fixed=norms)
        self.done = 0.0  # how much of the training is behind it
        values = settings.train_steps + 1  # from theta to the last step's
        self.norms = nn.ParameterDict(
            {n.replace(".", "/"): p.detach().expand(values, -1).clone() for n, p in norms.items()}
        )
        # Inner gradients that are constants reach no step's norms, and these stand for the model's.
        self.may_lack_gradient = ("rates.*", "norms.*", *(f"model.{name}" for name in norms))

    def anneal(self, done: float) -> None:
        """Be what it is after this share of the training."""
        self.done = done

    @property
    def is_first_order(self) -> bool:
        """Whether the training is so young that the Hessians are left out."""
        return bool(self.training and self.done < self.settings.first_order)

    def importance(self, steps: int) -> Tensor:
        """How much the query loss after each of so many inner steps counts, `[step]`; 1 in all."""
        own = self.settings.multi_step
        late = min(1.0, self.done / own) if self.training and own else 1.0
        weights = torch.full((steps,), (1 - late) / steps)
        weights[-1] += late
        return weights

    def forward(self, episode: Episode) -> Tensor:
        """Each task's meta-loss after adapting; first-order where the training is young."""
        learner = self
        if self.is_first_order:
            learner = copy.copy(self)
            learner.settings = replace(self.settings, order="first")
        return learner.meta_loss(adapt(learner, episode), episode)

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The query losses after the inner steps, weighed by their importance."""
        weights = self.importance(max(1, self.steps(episode)))
        if weights[-1] == 1:
            return super().meta_loss(path, episode)
        counted = [a for a in path if a.step > 0 or self.steps(episode) == 0]
        losses = [super(MAMLPlusPlus, self).meta_loss([a], episode) for a in counted]
        weights = weights.to(losses[0])
        return sum(
            (weights[a.step - 1] * loss for a, loss in zip(counted, losses, strict=True)),
            start=torch.zeros_like(losses[0]),
        )

    def under(
        self,
        weights: dict[str, Tensor],
        adapted: Adapted,
        x: Tensor,
        weight: Tensor | None = None,
        *,
        support: bool = False,
    ) -> Tensor:
        """The model's output, with this step's norms; after the trained steps, with the last's."""
        norms = {
            name.replace("/", "."): own.select(-2, min(adapted.step, own.shape[-2] - 1))
            for name, own in self.norms.items()
        }
        return super().under(weights | norms, adapted, x, weight, support=support)


def _norm_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Scales and shifts of batch normalisation, by name."""
    found: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            prefix = f"{name}." if name else ""
            found |= {f"{prefix}{n}": p for n, p in module.named_parameters()}
    if len(found) == len(list(model.parameters())) > 0:
        raise UserError(
            f"{type(model).__name__} has nothing but batch normalisation to adapt: "
            "set learner.step_norms False"
        )
    return found
