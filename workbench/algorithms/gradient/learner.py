"""What the methods that adapt by gradient steps share: fast weights, rates, and one inner step.

A method is this plus what it changes: which weights adapt, which rates are learned, what its
meta-gradient is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from workbench.algorithms.capabilities import Unrolls
from workbench.algorithms.classes import check_outputs
from workbench.algorithms.gradient.rates import RATES
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Live, Range, When, check_fields
from workbench.innerloop import (
    InnerLoop,
    InnerOptimizer,
    Order,
    Rate,
    RuleSettings,
    UpdateRule,
    check_stackable,
    plain_dimensions,
    weights_of,
)
from workbench.tasks.episode import Episode, Examples

Adapts = Literal["all", "head", "body"]
LearnedRates = Literal["none", "layer", "parameter", "step"]


def _fixed_rates(learner: Any) -> bool:
    return bool(learner.learned_rates == "none")


def _in_training(learner: Any) -> bool:
    return bool(learner.training)


def _in_evaluation(learner: Any) -> bool:
    return not learner.training


def _differentiates(learner: Any) -> bool:
    return bool(learner.differentiates)


def _truncated(learner: Any) -> bool:
    return bool(learner.differentiates and learner.settings.order == "truncated")


def _has_theta(learner: Any) -> bool:
    return isinstance(learner, Unrolls)


InnerRate = Annotated[float, Range(0, span=(1e-4, 1), log=True), Live(when=_fixed_rates)]
_STEPS = Range(0, 100_000, span=(0, 50))
TrainSteps = Annotated[int, _STEPS, Live(moves=False, when=_in_training)]
TestSteps = Annotated[int, _STEPS, Live(moves=False, when=_in_evaluation)]


@dataclass(frozen=True)
class GradientSettings:
    """Settings of the inner loop that every gradient method has."""

    inner_rate: InnerRate = 0.01  # size of an inner step (where it starts, if it is learned)
    train_steps: TrainSteps = 1  # inner steps in training
    test_steps: TestSteps = 10  # inner steps in evaluation
    # exact, first-order, or exact over the last `truncate` steps
    order: Annotated[Order, Live(moves=False, when=_differentiates)] = "second"
    # exact steps at the end of the inner loop when order is 'truncated'
    truncate: Annotated[
        int,
        Range(1, span=(1, 10)),
        Live(moves=False, when=_truncated),
        When(lambda own: own.order == "truncated"),
    ] = 1
    # the update rule of an inner step
    optimizer: Annotated[RuleSettings, Live()] = InnerOptimizer()
    # largest norm of a task's gradient in an inner step; 0 is no limit
    clip: Annotated[float, Range(0, span=(0, 10)), Live()] = 0.0
    # less memory for more time: recompute each step on the way back
    rematerialise: Annotated[bool, Live(moves=False, when=_differentiates)] = False
    # how strongly an inner step is drawn back to theta, as iMAML needs it; 0 is not at all
    proximal: Annotated[float, Range(0, span=(0, 10)), Live(when=_has_theta)] = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def inner_loop(self, rule: UpdateRule) -> InnerLoop:
        """The inner loop that these settings describe, by a rule that they built."""
        return InnerLoop(rule, self.order, self.truncate, self.clip, self.rematerialise)

    def check_undifferentiated(self, method: str) -> None:
        """Refuse what says how to differentiate through steps, for a method that never does."""
        usual: dict[str, object] = {"order": "first", "truncate": 1, "rematerialise": False}
        for name, value in usual.items():
            if (given := getattr(self, name)) != value:
                raise UserError(
                    f"learner.{name} is {given!r} and {method} does not differentiate through its "
                    f"inner steps: leave it {value!r}, or use a method such as MAML"
                )


class GradientLearner(Unrolls):
    """theta' = theta - alpha * gradient of the support loss, K times. Abstract: see its methods.

    model   a plain `nn.Module`; its parameters are theta
    adapts  which of them an inner step changes: all, only the head (the last layer that has
            parameters), or only the body below it
    rates   which inner rates are meta-parameters: none, one a layer's tensor, one a parameter,
            or one a tensor and step
    fixed   parameters that no inner step changes, by name
    """

    may_lack_gradient: Sequence[str] = ("rates.*",)  # where no step is taken

    def __init__(
        self,
        model: nn.Module,
        settings: GradientSettings,
        *,
        adapts: Adapts = "all",
        rates: LearnedRates = "none",
        fixed: Collection[str] = (),
    ) -> None:
        super().__init__()
        check_stackable(model)
        self.model, self.settings = model, settings
        self.rule = settings.optimizer.build()
        self.adapted_names = _adapted_names(model, adapts, fixed)
        self.learned_rates = rates
        if rates != "none":
            self.inspections = (*self.inspections, RATES)
        self.rates = nn.ParameterDict(
            {
                name.replace(".", "/"): nn.Parameter(torch.full(shape, settings.inner_rate).to(p))
                for name, p in model.named_parameters()
                if name in self.adapted_names
                and (shape := _rate_shape(rates, p, settings.train_steps)) is not None
            }
        )

    @property
    def loop(self) -> InnerLoop:
        """The inner loop of the settings, by the learner's rule."""
        return self.settings.inner_loop(self.rule)

    @property
    def rematerialises(self) -> bool:
        """Whether the settings ask for it."""
        return self.loop.rematerialise

    def theta(self) -> dict[str, Tensor]:
        """Where adaptations start, by name: for all tasks, or stacked where each has its own."""
        return dict(self.model.named_parameters())

    def begin(self, episode: Episode) -> Adapted:
        """Every task starts from theta, copied: training on must not change what was adapted."""
        theta = self.theta()
        gone = [name for name in self.adapted_names if name not in theta]
        if gone:
            raise UserError(
                f"the model has no parameter '{gone[0]}' of its own any more, since it was tied "
                f"or replaced after {type(self).__name__} was made: make the learner anew"
            )
        fast, plain = {}, plain_dimensions(self.model)
        for name in self.adapted_names:
            own = theta[name].clone()
            stacked = own.dim() > plain[name]  # already one for each task: a population, say
            fast[f"weights.{name}"] = own if stacked else own.expand(len(episode), *own.shape)
        return Adapted(fast | self.remembered(episode))

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """theta' <- theta' - rate * gradient of the support loss at theta'."""
        loop = self.loop

        def losses(passing: Mapping[str, Tensor]) -> Callable[[dict[str, Tensor]], Tensor]:
            known = adapted
            if passing:
                known = Adapted({**adapted.values, **passing}, adapted.seen, adapted.step)
            return lambda weights: self.inner_loss(weights, known, episode)

        values, seen = loop.step(
            losses({}),
            adapted.values,
            self.rates_after(adapted),
            step=adapted.step,
            steps=self.steps(episode),
            through=list(self.parameters()) if loop.rematerialise else (),
            anew=losses,
        )
        return Adapted(values, seen, adapted.step + 1)

    def inner_loss(self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode) -> Tensor:
        """What an inner step descends, `[task]`: the support loss, and the pull back to theta."""
        losses = self.support_loss(weights, adapted, episode)
        if not self.settings.proximal:
            return losses
        theta = self.theta()
        squares = [(w - theta[n]).flatten(1).square().sum(dim=1) for n, w in weights.items()]
        return losses + self.settings.proximal / 2 * torch.stack(squares).sum(dim=0)

    def support_loss(
        self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode
    ) -> Tensor:
        """Each task's loss on its support."""
        batch = self.batch(adapted, episode)
        prediction = self.under(weights, adapted, batch.x, batch.weight, support=True)
        check_outputs(prediction, episode)
        return episode.loss(prediction, batch)

    def batch(self, adapted: Adapted, episode: Episode) -> Examples:
        """The examples that the step after `adapted` descends the loss of."""
        return episode.support

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The model's output under the fast weights."""
        return self.under(weights_of(adapted.values), adapted, x, weight)

    def steps(self, episode: Episode) -> int:
        """Inner steps: `train_steps` in training mode, `test_steps` in evaluation mode."""
        return self.settings.train_steps if self.training else self.settings.test_steps

    def parameters_with(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The model's parameters, the adapted ones replaced by fast weights."""
        return {name: weights.get(name, p) for name, p in self.model.named_parameters()}

    def rates_at(self, step: int) -> dict[str, Rate]:
        """The rate of each adapted tensor in a step; later steps than were trained use the last.

        Stacked rates, which each task has of its own, stand before the axes of its weights.
        """
        if self.learned_rates == "none":
            return dict.fromkeys(self.adapted_names, self.settings.inner_rate)
        learned = {name: self.rates[name.replace(".", "/")] for name in self.adapted_names}
        if self.learned_rates == "parameter":
            return dict(learned)
        if self.learned_rates == "step":
            learned = {n: r[..., min(step, r.shape[-1] - 1)] for n, r in learned.items()}
        plain = plain_dimensions(self.model)
        return {n: for_weights(r, plain[n]) for n, r in learned.items()}

    def rates_after(self, adapted: Adapted) -> dict[str, Rate]:
        """The rate of each adapted tensor in the step after `adapted`."""
        return self.rates_at(adapted.step)

    def moved_by(
        self, before: Adapted, after: Adapted, episode: Episode, task: int
    ) -> dict[str, tuple[Rate, Rate]]:
        """The rate and the weight decay by which a step moved each adapted tensor of a task."""
        return {name: (rate, 0.0) for name, rate in self.rates_after(before).items()}


def for_weights(rate: Tensor, dimensions: int) -> Tensor:
    """A rate as it multiplies a weight of so many axes: one for all tasks, or one each, `[task]`.

    >>> for_weights(torch.ones(3), 2).shape
    torch.Size([3, 1, 1])
    """
    return rate.reshape(-1, *[1] * dimensions) if rate.dim() else rate


def _adapted_names(model: nn.Module, adapts: Adapts, fixed: Collection[str]) -> tuple[str, ...]:
    names = [n for n, p in model.named_parameters() if p.requires_grad and n not in fixed]
    if not names:
        raise UserError(f"{type(model).__name__} has no trainable parameters to adapt")
    head = _layer(names[-1])
    if adapts == "head":
        names = [name for name in names if _layer(name) == head]
    elif adapts == "body":
        names = [name for name in names if _layer(name) != head]
    if not names:
        raise UserError(
            f"{type(model).__name__} has a single layer with parameters, which is its head: "
            "give it a hidden layer to adapt the body alone"
        )
    return tuple(names)


def _layer(name: str) -> str:
    """The layer that a parameter belongs to, also where a parametrization made parts of it."""
    owner, parametrized, _ = f".{name}".partition(".parametrizations.")
    return owner if parametrized else owner.rpartition(".")[0]


def _rate_shape(rates: LearnedRates, p: Tensor, train_steps: int) -> tuple[int, ...] | None:
    shapes: dict[str, tuple[int, ...] | None] = {
        "none": None,
        "layer": (),
        "parameter": tuple(p.shape),
        "step": (max(train_steps, 1),),
    }
    return shapes[rates]
