"""A meta-training as an adaptation: what all methods of the third level share.

A family of tasks is adapted to by outer steps of a meta-learner inside, from a start of its own:

    theta_0    ~ as the model's own weights, anew for each family
    theta_t+1  = rule(theta_t, gradient of mean_i L(theta_t,i) + s/2 |theta_t - theta_0|²; beta)
    theta_t,i  = theta_t after K inner steps on task i, the k-th of tensor j at rate alpha_jk
    judged by  the loss of validation tasks that theta_T adapts to

A method says where alpha, beta and s come from: see `inner_rates`, `rates_after` and `pull`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Trains, Unrolls
from workbench.algorithms.generated.starts import drawn
from workbench.algorithms.gradient.learner import (
    GradientLearner,
    GradientSettings,
    InnerRate,
    TestSteps,
    TrainSteps,
)
from workbench.algorithms.gradient.maml import MAMLSettings
from workbench.algorithms.gradient.reptile import minibatch
from workbench.algorithms.levels.inside import Inside
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Live, Range
from workbench.innerloop import InnerOptimizer, RuleSettings, weights_of
from workbench.models import ModelSettings
from workbench.randomness import fold
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.levels import Nested

_MAML = MAMLSettings(inner_rate=0.01, train_steps=3, test_steps=3, rates="step")


@runtime_checkable  # so that the command line makes flags of what stands in its place
class InnerSettings(Protocol):
    """What the meta-learner inside is to be: the settings of any that unrolls gradient steps."""

    def build(self, model: Any, spec: TaskSpec) -> Any: ...


def _fixed_pull(learner: Any) -> bool:
    return "proximal" not in getattr(learner.settings, "learned", ())


@dataclass(frozen=True)
class MetaTrainingSettings(GradientSettings):
    """A meta-learner and its outer steps."""

    inner: InnerSettings = _MAML  # the meta-learner inside, with rates for each tensor and step
    inner_rate: InnerRate = 1e-3  # outer rate of the learner inside (where it starts, if learned)
    train_steps: TrainSteps = 50  # outer steps of the learner inside, in training
    test_steps: TestSteps = 50  # outer steps of the learner inside, in evaluation
    # the update rule of an outer step
    optimizer: Annotated[RuleSettings, Live()] = InnerOptimizer("adam", eps=1e-6)
    # tasks of an outer step; 0 is all of a family's
    batch: Annotated[int, Range(0, span=(0, 64)), Live()] = 8
    # how strongly an outer step is drawn back to where a family's training began
    proximal: Annotated[float, Range(0, span=(0, 10)), Live(when=_fixed_pull)] = 0.0

    def parts(self, method: str, model: ModelSettings, spec: TaskSpec) -> tuple[Any, Nested]:
        """The learner inside, and what the tasks in families of this kind are."""
        if spec.nested is None:
            raise UserError(
                f"{method} learns from families of tasks, and each of these is a single task: "
                "choose families, such as 'families:sines'"
            )
        nested = Nested(*spec.nested)
        return self.inner.build(model, nested.spec), nested


class MetaTraining(GradientLearner, Trains):
    """A learner whose step is an outer step of the meta-learner inside. Abstract: see its methods.

    inner   the meta-learner inside, with rates for each tensor and step
    nested  what the tasks in a family are
    """

    settings: MetaTrainingSettings

    def __init__(self, inner: Unrolls, nested: Nested, settings: MetaTrainingSettings) -> None:
        _check_inner(type(self).__name__, inner)
        rates = [name for name, _ in inner.named_parameters() if name.startswith("rates.")]
        super().__init__(inner, settings, fixed=rates)
        self.nested, self.inside = nested, Inside(inner)
        self.model.requires_grad_(False)  # a start is drawn, and not learned
        self.rate_names = tuple(rates)
        self.inner_steps = len(inner.get_parameter(rates[0]))

    def begin(self, episode: Episode) -> Adapted:
        """Each family's own theta, and the outer rule's state before a first step."""
        values = drawn(self.model, dict(super().begin(episode).values), episode.seed)
        values["noise"] = episode.seed
        if self.pulls:
            values |= {f"start.{name}": w for name, w in weights_of(values).items()}
        return Adapted(values)

    # ---- what a method says ---------------------------------------------------------------------

    @property
    def pulls(self) -> bool:
        """Whether outer steps are drawn back to where a family's training began."""
        return bool(self.settings.proximal)

    def pull(self, adapted: Adapted, families: int) -> Tensor:
        """How strongly they are, `[family]` or for all alike."""
        return adapted.values["noise"].new_full((), self.settings.proximal, dtype=self._like.dtype)

    def inner_rates(self, adapted: Adapted, families: int) -> Tensor:
        """The rates of the learner inside in the next outer step, `[family, tensor, step]`."""
        own = dict(self.model.named_parameters())
        count = (families, len(self.rate_names), self.inner_steps)
        return torch.stack([own[name] for name in self.rate_names]).expand(count)

    def batch(self, adapted: Adapted, episode: Episode) -> Examples:
        """The tasks of the outer step after `adapted`."""
        size = self.settings.batch
        if not size:
            return episode.support
        return minibatch(episode.support, episode.seed, adapted.step, size)

    # ---- an outer step --------------------------------------------------------------------------

    def support_loss(
        self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode
    ) -> Tensor:
        """Each family's mean meta-loss over the tasks of an outer step."""
        families, batch = len(episode), self.batch(adapted, episode)
        tasks = self.tasks(adapted, batch)
        losses = self.inside.losses(self.stacked(weights, adapted, families), tasks, families)
        return batch.mean(losses.unflatten(0, (families, -1)))

    def inner_loss(self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode) -> Tensor:
        """What an outer step descends: the meta-loss, and the pull back to where it began."""
        losses = self.support_loss(weights, adapted, episode)
        if not self.pulls:
            return losses
        away = [w - adapted.values[f"start.{name}"] for name, w in weights.items()]
        squares = torch.stack([d.flatten(1).square().sum(dim=1) for d in away]).sum(dim=0)
        return losses + self.pull(adapted, len(episode)) / 2 * squares

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
        episode = self.tasks(adapted, blank)
        stacked = self.stacked(weights, adapted, families)
        found = self.inside.predictions(stacked, episode, families)
        return found.reshape(families, tasks, outputs)

    def tasks(self, adapted: Adapted, examples: Examples) -> Episode:
        """The tasks that examples are, whose randomness follows from their family and place."""
        place = torch.arange(examples.x.shape[1], device=examples.x.device)
        seeds = fold(adapted.values["noise"].unsqueeze(1), adapted.step, place)
        return self.nested.tasks(examples, seeds.flatten())

    def stacked(
        self, weights: dict[str, Tensor], adapted: Adapted, families: int
    ) -> dict[str, Tensor]:
        """All parameters of the learner inside, `[family, ...]`."""
        own = self.inner_rates(adapted, families)
        rates = dict(zip(self.rate_names, own.unbind(1), strict=True))
        rest = {
            name: p.expand(families, *p.shape)
            for name, p in self.model.named_parameters()
            if name not in weights and name not in rates
        }
        return {**weights, **rates, **rest}

    # ---- one level below ------------------------------------------------------------------------

    def settled(self, adapted: Adapted, episode: Episode) -> Adapted:
        """The same with all that the next outer step is made with."""
        return adapted

    @torch.no_grad()
    def below(self, adapted: Adapted, episode: Episode, task: int) -> tuple[Learner, Episode]:
        """The learner inside with a family's theta and rates, and the tasks of the next step."""
        adapted, families = self.settled(adapted, episode), len(episode)
        own = self.stacked(weights_of(adapted.values), adapted, families)
        learner: Any = copy.deepcopy(self.model)
        learner.load_state_dict({n: t[task] for n, t in own.items()}, strict=False)
        every = self.tasks(adapted, self.batch(adapted, episode))
        each = len(every) // families
        tasks = every[task * each : (task + 1) * each]
        return learner.requires_grad_().eval(), tasks

    def strategy(self, after: Adapted, task: int) -> Iterator[tuple[str, float, str]]:
        """What the outer step that led to `after` was made with, in a family: names and values."""
        families = len(after.values["noise"])
        yield "inner_rate", float(self.inner_rates(after, families)[task].mean()), ""
        rates = [torch.as_tensor(rate) for rate in self.rates_after(after).values()]
        outer = [float(r if r.numel() == 1 else r[task]) for r in rates]
        yield "outer_rate", sum(outer) / len(outer), ""
        pull = self.pull(after, families)
        yield "proximal", float(pull if pull.dim() == 0 else pull[task]), ""

    @property
    def _like(self) -> Tensor:
        return next(self.model.parameters())


def _check_inner(method: str, inner: Any) -> None:
    name = type(inner).__name__
    if not isinstance(inner, Unrolls):
        raise UserError(Unrolls.lacking.format(what=method, method=name))
    if inner.learned_rates != "step":
        raise UserError(
            f"{method} gives the learner inside a rate for each tensor and step, and {name} "
            f"has rates '{inner.learned_rates}': set learner.inner.rates to 'step'"
        )
