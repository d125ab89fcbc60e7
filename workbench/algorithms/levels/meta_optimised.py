"""Meta-optimised: the settings of a meta-learner, learned through its own meta-training.

After Maclaurin, Duvenaud and Adams (2015), Gradient-based Hyperparameter Optimization through
Reversible Learning, arXiv:1502.03492, one level up: what is differentiated are MAML's outer steps
(see `meta_training`).

    alpha_jk   = alpha m_k, alpha one number, one a tensor j, or one a tensor and inner step k
    m_k        = sigmoid((n - k + 1/2) / w)
    meta-loss  = log of the mean loss of validation tasks that theta_T adapts to
    phi       <- phi - gradient of the meta-loss by phi = (log alpha, n, log beta, log s)

n is the number of inner steps, a soft mask. Through windows of outer steps the gradient is exact
(`Truncated`); where rates are so large that it explodes, `Evolution` goes on, which asks for
nothing but the meta-loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from workbench.algorithms.capabilities import Unrolls
from workbench.algorithms.gradient.learner import for_weights
from workbench.algorithms.levels.inspections import INSIDE, STRATEGY
from workbench.algorithms.levels.meta_training import MetaTraining, MetaTrainingSettings
from workbench.algorithms.values import Adapted
from workbench.errors import UserError, nearest
from workbench.innerloop import Order, Rate, plain_dimensions
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode
from workbench.tasks.levels import Nested

Setting = Literal["inner_rate", "inner_steps", "outer_rate", "proximal"]
_WIDTH = 0.25  # w: over how many inner steps the mask falls


@dataclass(frozen=True)
class MetaOptimisedSettings(MetaTrainingSettings):
    """Learn a meta-learner's own settings, through its outer steps."""

    # what is learned of inner_rate, inner_steps, outer_rate and proximal
    learned: tuple[Setting, ...] = ("inner_rate", "outer_rate")
    # how many inner rates are learned: one, one a tensor, or one a tensor and step
    rates: Literal["one", "layer", "step"] = "one"
    order: Order = "second"  # exact, first-order, or exact over the last `truncate` outer steps

    def __post_init__(self) -> None:
        super().__post_init__()
        known = list(get_args(Setting))
        if not self.learned:
            raise UserError(
                f"learner.learned is empty, so that nothing is learned: name some of "
                f"{', '.join(known)}"
            )
        for name in self.learned:
            if name not in known:
                raise UserError(f"learner.learned has '{name}': {nearest(name, known)}")

    def build(self, model: ModelSettings, spec: TaskSpec) -> MetaOptimised:
        """The learner for families of this kind."""
        return MetaOptimised(*self.started("MetaOptimised", model, spec), self)

    def started(self, method: str, model: ModelSettings, spec: TaskSpec) -> tuple[Any, Nested]:
        """The learner inside and its tasks, where all that is learned starts above 0."""
        inner, nested = self.parts(method, model, spec)
        starts = {
            "inner_rate": ("inner.inner_rate", inner.settings.inner_rate),
            "outer_rate": ("inner_rate", self.inner_rate),
            "proximal": ("proximal", self.proximal),
        }
        for name, (field, start) in starts.items():
            if name in self.learned and not start:
                raise UserError(
                    f"learner.{field} is 0 and is to be learned by factors: start it above 0"
                )
        return inner, nested


class MetaOptimised(MetaTraining):
    """Learns rates, steps and regularisation by which a meta-learner learns a family best.

    >>> from workbench.models import MLPSettings
    >>> from workbench.tasks import Shape, open_tasks
    >>> families, shape = open_tasks("families:sines"), Shape(1, 8, 4)
    >>> settings = MetaOptimisedSettings(train_steps=2, learned=("inner_rate", "inner_steps"))
    >>> learner = settings.build(MLPSettings(), families.spec(shape))
    >>> found = learner.meta_gradient(families.sample(2, seed=0, shape=shape))
    >>> sorted(found.gradients), found.losses.shape
    (['free.inner_rate', 'free.inner_steps'], torch.Size([2]))
    """

    settings: MetaOptimisedSettings
    inspections = (INSIDE, STRATEGY)

    def __init__(
        self,
        inner: Unrolls,
        nested: Nested,
        settings: MetaOptimisedSettings = MetaOptimisedSettings(),
    ) -> None:
        super().__init__(inner, nested, settings)
        tensors, steps = len(self.rate_names), self.inner_steps
        shapes = {"one": (), "layer": (tensors,), "step": (tensors, steps)}
        starts = {
            "inner_rate": torch.full(shapes[settings.rates], _log(inner.settings.inner_rate)),
            "inner_steps": torch.tensor(float(steps)),
            "outer_rate": torch.tensor(_log(settings.inner_rate)),
            "proximal": torch.tensor(_log(settings.proximal)),
        }
        self.free = nn.ParameterDict({n: nn.Parameter(starts[n]) for n in settings.learned})
        self.learned_rates = "layer" if "outer_rate" in self.free else "none"

    def own(self, name: Setting, adapted: Adapted) -> Tensor:
        """A setting as it is learned, for the outer step after `adapted`: for all families, or
        `[family, ...]` where each has its own."""
        return self.free[name]

    def chosen(self, name: Setting, adapted: Adapted, families: int) -> Tensor:
        """What a learned setting is in that step, `[family, ...]`."""
        own = self.own(name, adapted)
        axes = ("one", "layer", "step").index(self.settings.rates) if name == "inner_rate" else 0
        own = own if own.dim() > axes else own.expand(families, *own.shape)
        return own if name == "inner_steps" else own.exp()

    @property
    def pulls(self) -> bool:
        return "proximal" in self.free or super().pulls

    def pull(self, adapted: Adapted, families: int) -> Tensor:
        if "proximal" in self.free:
            return self.chosen("proximal", adapted, families)
        return super().pull(adapted, families)

    def inner_rates(self, adapted: Adapted, families: int) -> Tensor:
        rates = super().inner_rates(adapted, families)
        if "inner_rate" in self.free:
            own = self.chosen("inner_rate", adapted, families)
            rates = own.reshape(*own.shape, *[1] * (3 - own.dim())).expand(rates.shape)
        if "inner_steps" not in self.free:
            return rates
        steps = self.chosen("inner_steps", adapted, families).reshape(-1, 1, 1)
        return rates * mask(steps, self.inner_steps)

    def rates_after(self, adapted: Adapted) -> dict[str, Rate]:
        """The outer rate of each of theta's tensors."""
        if "outer_rate" not in self.free:
            return super().rates_after(adapted)
        rate, plain = self.own("outer_rate", adapted).exp(), plain_dimensions(self.model)
        return {name: for_weights(rate, plain[name]) for name in self.adapted_names}

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The logarithm of the validation tasks' mean loss; finite where training diverged."""
        losses = super().meta_loss(path, episode)
        return torch.nan_to_num(losses, nan=torch.finfo(losses.dtype).max).log()


def mask(steps: Tensor, count: int) -> Tensor:
    """How much of each of `count` inner steps is taken where so many are to be, `[..., count]`.

    >>> mask(torch.tensor([[2.0]]), 4)
    tensor([[0.9975, 0.8808, 0.1192, 0.0025]])
    """
    middle = torch.arange(count, dtype=steps.dtype, device=steps.device) + 0.5
    return torch.sigmoid((steps - middle) / _WIDTH)


def _log(start: float) -> float:
    return math.log(start) if start else -math.inf
