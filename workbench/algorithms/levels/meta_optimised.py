"""Meta-optimised: the settings of a meta-learner, learned through its own meta-training.

After Maclaurin, Duvenaud and Adams (2015), Gradient-based Hyperparameter Optimization through
Reversible Learning, arXiv:1502.03492, one level up: what is differentiated are MAML's outer steps.

    theta_0    ~ as the model's own weights, anew for each family
    theta_t+1  = rule(theta_t, gradient of mean_i L(theta_t,i) + s/2 |theta_t - theta_0|²; beta)
    theta_t,i  = theta_t after K inner steps on task i, the k-th at rate alpha_k m_k
    m_k        = sigmoid((n - k + 1/2) / w)
    meta-loss  = log of the mean loss of validation tasks that theta_T adapts to
    phi       <- phi - gradient of the meta-loss by phi = (log alpha, n, log beta, log s)

alpha is one number, one a tensor, or one a tensor and step; n is the number of inner steps, a soft
mask. Through windows of outer steps the gradient is exact (`Truncated`); where rates are so large
that it explodes, `Evolution` goes on, which asks for nothing but the meta-loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, get_args, runtime_checkable

import torch
from torch import Tensor, nn

from workbench.algorithms.capabilities import Unrolls
from workbench.algorithms.generated.starts import drawn
from workbench.algorithms.gradient.learner import (
    GradientLearner,
    GradientSettings,
    InnerRate,
    TestSteps,
    TrainSteps,
    for_weights,
)
from workbench.algorithms.gradient.maml import MAMLSettings
from workbench.algorithms.gradient.reptile import minibatch
from workbench.algorithms.levels.inside import Inside
from workbench.algorithms.levels.inspections import INSIDE
from workbench.algorithms.values import Adapted
from workbench.errors import UserError, nearest
from workbench.fields import Live, Range
from workbench.innerloop import (
    InnerOptimizer,
    Order,
    Rate,
    RuleSettings,
    plain_dimensions,
    weights_of,
)
from workbench.models import ModelSettings
from workbench.randomness import fold
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.levels import Nested

Setting = Literal["inner_rate", "inner_steps", "outer_rate", "proximal"]
_WIDTH = 0.25  # w: over how many inner steps the mask falls
_MAML = MAMLSettings(inner_rate=0.01, train_steps=3, test_steps=3, rates="step")


@runtime_checkable  # so that the command line makes flags of what stands in its place
class InnerSettings(Protocol):
    """What the meta-learner inside is to be: the settings of any that unrolls gradient steps."""

    def build(self, model: Any, spec: TaskSpec) -> Any: ...


def _fixed_pull(learner: Any) -> bool:
    return "proximal" not in learner.settings.learned


@dataclass(frozen=True)
class MetaOptimisedSettings(GradientSettings):
    """Learn a meta-learner's own settings, through its outer steps."""

    inner: InnerSettings = _MAML  # the meta-learner inside, with rates for each tensor and step
    # what is learned of inner_rate, inner_steps, outer_rate and proximal
    learned: tuple[Setting, ...] = ("inner_rate", "outer_rate")
    # how many inner rates are learned: one, one a tensor, or one a tensor and step
    rates: Literal["one", "layer", "step"] = "one"
    inner_rate: InnerRate = 1e-3  # outer rate of the learner inside (where it starts, if learned)
    train_steps: TrainSteps = 50  # outer steps of the learner inside, in training
    test_steps: TestSteps = 50  # outer steps of the learner inside, in evaluation
    order: Order = "second"  # exact, first-order, or exact over the last `truncate` outer steps
    # the update rule of an outer step
    optimizer: Annotated[RuleSettings, Live()] = InnerOptimizer("adam", eps=1e-6)
    # tasks of an outer step; 0 is all of a family's
    batch: Annotated[int, Range(0, span=(0, 64)), Live()] = 8
    # how strongly an outer step is drawn back to where a family's training began
    proximal: Annotated[float, Range(0, span=(0, 10)), Live(when=_fixed_pull)] = 0.0

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
        if spec.nested is None:
            raise UserError(
                "MetaOptimised learns from families of tasks, and each of these is a single task: "
                "choose families, such as 'families:sines'"
            )
        nested = Nested(*spec.nested)
        inner = self.inner.build(model, nested.spec)
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
        return MetaOptimised(inner, nested, self)


class MetaOptimised(GradientLearner):
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
    inspections = (INSIDE,)

    def __init__(
        self,
        inner: Unrolls,
        nested: Nested,
        settings: MetaOptimisedSettings = MetaOptimisedSettings(),
    ) -> None:
        _check_inner(inner)
        rates = [name for name, _ in inner.named_parameters() if name.startswith("rates.")]
        super().__init__(inner, settings, fixed=rates)
        self.nested, self.inside = nested, Inside(inner)
        self.model.requires_grad_(False)  # a start is drawn, and not learned
        first = inner.get_parameter(rates[0])
        self.rate_names, self.inner_steps = tuple(rates), len(first)
        shapes = {"one": (), "layer": (len(rates),), "step": (len(rates), len(first))}
        starts = {
            "inner_rate": torch.full(shapes[settings.rates], _log(inner.settings.inner_rate)),
            "inner_steps": torch.tensor(float(len(first))),
            "outer_rate": torch.tensor(_log(settings.inner_rate)),
            "proximal": torch.tensor(_log(settings.proximal)),
        }
        self.free = nn.ParameterDict({n: nn.Parameter(starts[n]) for n in settings.learned})
        self.learned_rates = "layer" if "outer_rate" in self.free else "none"

    def begin(self, episode: Episode) -> Adapted:
        """Each family's own theta, and the outer rule's state before a first step."""
        values = drawn(self.model, dict(super().begin(episode).values), episode.seed)
        values["noise"] = episode.seed
        if "proximal" in self.free or self.settings.proximal:
            values |= {f"start.{name}": w for name, w in weights_of(values).items()}
        return Adapted(values)

    def chosen(self, name: Setting, families: int) -> Tensor:
        """What a learned setting is in each family, `[family, ...]`: the same, or its own."""
        own = self.free[name]
        axes = ("one", "layer", "step").index(self.settings.rates) if name == "inner_rate" else 0
        own = own if own.dim() > axes else own.expand(families, *own.shape)
        return own if name == "inner_steps" else own.exp()

    def inner_rates(self, families: int) -> Tensor:
        """The rates of the learner inside, `[family, tensor, step]`."""
        count = (families, len(self.rate_names), self.inner_steps)
        if "inner_rate" in self.free:
            rates = self.chosen("inner_rate", families)
            rates = rates.reshape(*rates.shape, *[1] * (3 - rates.dim())).expand(count)
        else:
            own = dict(self.model.named_parameters())
            rates = torch.stack([own[name] for name in self.rate_names]).expand(count)
        if "inner_steps" not in self.free:
            return rates
        steps = self.chosen("inner_steps", families).reshape(-1, 1, 1)
        return rates * mask(steps, self.inner_steps)

    def rates_at(self, step: int) -> dict[str, Rate]:
        """The outer rate of each of theta's tensors."""
        if "outer_rate" not in self.free:
            return super().rates_at(step)
        rate, plain = self.free["outer_rate"].exp(), plain_dimensions(self.model)
        return {name: for_weights(rate, plain[name]) for name in self.adapted_names}

    def batch(self, adapted: Adapted, episode: Episode) -> Examples:
        """The tasks of this outer step."""
        size = self.settings.batch
        if not size:
            return episode.support
        return minibatch(episode.support, episode.seed, adapted.step, size)

    def support_loss(
        self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode
    ) -> Tensor:
        """Each family's mean meta-loss over the tasks of an outer step."""
        families, batch = len(episode), self.batch(adapted, episode)
        tasks = self._tasks(adapted, batch)
        losses = self.inside.losses(self._stacked(weights, families), tasks, families)
        return batch.mean(losses.unflatten(0, (families, -1)))

    def inner_loss(self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode) -> Tensor:
        """What an outer step descends: the meta-loss, and the pull back to where it began."""
        losses = self.support_loss(weights, adapted, episode)
        if "proximal" in self.free:
            strength = self.chosen("proximal", len(episode))
        elif self.settings.proximal:
            strength = losses.new_full((), self.settings.proximal)
        else:
            return losses
        away = [w - adapted.values[f"start.{name}"] for name, w in weights.items()]
        squares = torch.stack([d.flatten(1).square().sum(dim=1) for d in away]).sum(dim=0)
        return losses + strength / 2 * squares

    def under(
        self,
        weights: dict[str, Tensor],
        adapted: Adapted,
        x: Tensor,
        weight: Tensor | None = None,
        *,
        support: bool = False,
    ) -> Tensor:
        """What is predicted for the queries of tasks `[family, task, ...]` after adapting to each:
        `[family, task, query points * outputs]`."""
        families, tasks = x.shape[:2]
        outputs = self.nested.points[1] * self.nested.spec.outputs
        blank = Examples(x, x.new_zeros(families, tasks, outputs))
        episode = self._tasks(adapted, blank)
        found = self.inside.predictions(self._stacked(weights, families), episode, families)
        return found.reshape(families, tasks, outputs)

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The logarithm of the validation tasks' mean loss; finite where training diverged."""
        losses = super().meta_loss(path, episode)
        return torch.nan_to_num(losses, nan=torch.finfo(losses.dtype).max).log()

    def _tasks(self, adapted: Adapted, examples: Examples) -> Episode:
        """The tasks that examples are, whose randomness follows from their family and place."""
        place = torch.arange(examples.x.shape[1], device=examples.x.device)
        seeds = fold(adapted.values["noise"].unsqueeze(1), adapted.step, place)
        return self.nested.tasks(examples, seeds.flatten())

    def _stacked(self, weights: dict[str, Tensor], families: int) -> dict[str, Tensor]:
        """All parameters of the learner inside, `[family, ...]`."""
        rates = dict(zip(self.rate_names, self.inner_rates(families).unbind(1), strict=True))
        rest = {
            name: p.expand(families, *p.shape)
            for name, p in self.model.named_parameters()
            if name not in weights and name not in rates
        }
        return {**weights, **rates, **rest}


def mask(steps: Tensor, count: int) -> Tensor:
    """How much of each of `count` inner steps is taken where so many are to be, `[..., count]`.

    >>> mask(torch.tensor([[2.0]]), 4)
    tensor([[0.9975, 0.8808, 0.1192, 0.0025]])
    """
    middle = torch.arange(count, dtype=steps.dtype, device=steps.device) + 0.5
    return torch.sigmoid((steps - middle) / _WIDTH)


def _log(start: float) -> float:
    return math.log(start) if start else -math.inf


def _check_inner(inner: Any) -> None:
    name = type(inner).__name__
    if not isinstance(inner, Unrolls):
        raise UserError(Unrolls.lacking.format(what="MetaOptimised", method=name))
    if inner.learned_rates != "step":
        raise UserError(
            f"MetaOptimised gives the learner inside a rate for each tensor and step, and {name} "
            f"has rates '{inner.learned_rates}': set learner.inner.rates to 'step'"
        )
