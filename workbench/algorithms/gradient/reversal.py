"""Domain-adversarial adaptation: features that tell the classes apart, and the domains not.

Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand and Lempitsky (2016),
Domain-Adversarial Training of Neural Networks, arXiv:1505.07818.

    R(x) = x forwards, -strength * gradient backwards                           gradient reversal
    theta' = theta - alpha grad [ L_class(source) + L_domain(R(features of both)) ]       K times
    strength = reversal * (2 / (1 + exp(-10 k / K)) - 1)                   in step k of K

The support is labelled and of the source domain, `info["unlabelled"]` holds inputs of the target
domain, and the query is of the target domain. theta is one start for all tasks and is learned
through the steps as MAML's is; trained for no iteration, this is the paper's method. The
meta-loss may have the reversed loss of the domains too, on support and query after the steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms.classes import check_classification
from workbench.algorithms.gradient.learner import GradientLearner, GradientSettings
from workbench.algorithms.inspections import Inspection
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Live, Range
from workbench.innerloop import weights_of
from workbench.models import MLP, ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples

if TYPE_CHECKING:
    import pandas as pd

UNLABELLED = "unlabelled"


class _Reversal(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, strength: float) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.strength = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse(x: Tensor, strength: float = 1.0) -> Tensor:
    """`x` itself, whose gradient comes back turned round and times `strength`.

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> y = reverse(x, 0.5)
    >>> y.item(), torch.autograd.grad(2 * y, x)[0].item()
    (3.0, -1.0)
    """
    reversed_: Tensor = _Reversal.apply(x, strength)
    return reversed_


class Domains(nn.Module):
    """A body, a head that tells classes from its features, and a critic that tells domains."""

    def __init__(self, body: nn.Module, width: int, classes: int, critic: int = 32) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(width, classes)
        self.critic = MLP(width, 1, hidden=(critic,))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classes."""
        logits: Tensor = self.head(self.body(x))
        return logits


@dataclass(frozen=True)
class DomainAdversarialSettings(GradientSettings):
    """Adapt to a shifted domain by reversed gradients."""

    # how strongly features are made alike in both domains at the end; 0 learns from the source only
    reversal: Annotated[float, Range(0, span=(0, 5)), Live()] = 1.0
    # the same after the steps, as a term of the meta-loss; 0 leaves it out
    meta_reversal: Annotated[float, Range(0, span=(0, 5)), Live(moves=False)] = 0.0
    critic: Annotated[int, Range(1, span=(1, 256))] = 32  # width of what tells the domains apart
    rematerialise: bool = False  # never: a step looks at the weights of before

    def build(self, model: ModelSettings, spec: TaskSpec) -> DomainAdversarial:
        """The learner for tasks of this kind."""
        check_classification(spec, "Domain-adversarial adaptation")
        body = model.build(spec.input_shape, None)
        with torch.no_grad():
            width = body(spec.blank()).shape[-1]
        return DomainAdversarial(Domains(body, width, spec.outputs, self.critic), self)


def _told_apart(learner: Any, episode: Episode, path: list[Adapted], task: int = 0) -> pd.DataFrame:
    """After each step, how well the classes are told in both domains, and the domains themselves.

    `domains_told` is the critic's share of right answers, 0.5 where it can only guess.
    """
    import pandas as pd

    rows = []
    for adapted in path:
        with torch.no_grad():
            source, target = learner.domain_logits(adapted, episode)
        told = {"source": episode.support, "target": episode.query}
        right = {
            name: episode.measured(learner.predict(adapted, e.x, e.weight), e)[task].item()
            for name, e in told.items()
        }
        critic = ((source[task] < 0).float().mean() + (target[task] > 0).float().mean()) / 2
        rows.append({"step": adapted.step, **right, "domains_told": critic.item()})
    return pd.DataFrame(rows)


class DomainAdversarial(GradientLearner):
    """Learns theta of features, classes and critic; adapts all of it by reversed gradients.

    >>> body = MLP(2, None, hidden=(4,))
    >>> DomainAdversarial(Domains(body, width=4, classes=2)).adapted_names[-2:]
    ('critic.head.weight', 'critic.head.bias')
    """

    kinds = ("classification",)
    # the critic's, where its steps are not differentiated through
    may_lack_gradient = (*GradientLearner.may_lack_gradient, "model.critic.*")
    inspections = (
        Inspection(
            "domains",
            _told_apart,
            {
                "step": "after so many inner steps",
                "source": "accuracy on the support, of the source domain",
                "target": "accuracy on the query, of the target domain",
                "domains_told": "share of examples whose domain the critic tells; 0.5 is guessing",
            },
            "How well classes are told in both domains, and the domains from each other",
        ),
    )
    model: Domains

    def __init__(
        self, model: Domains, settings: DomainAdversarialSettings = DomainAdversarialSettings()
    ) -> None:
        if settings.rematerialise:
            raise UserError(
                "learner.rematerialise is True, and a step with reversed gradients looks at the "
                "weights of before, which are gone when it is computed again: leave it False"
            )
        super().__init__(model, settings)

    def inner_loss(self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode) -> Tensor:
        """The loss of the classes on the source, and the reversed one of the domains.

        The critic descends what the features were before the step, and the features ascend what
        the critic was. To first order that is the loss behind `reverse`; but the step has to be
        differentiated once more, where the layer would turn round, too, how the critic's own
        gradient follows from the features.
        """
        losses = super().inner_loss(weights, adapted, episode)
        strength = self.strength(adapted.step, self.steps(episode))
        before = weights_of(adapted.values)
        critics = [name for name in weights if name.startswith("critic.")]
        target = Examples(self._unlabelled(episode), episode.support.y)

        def domains(under: dict[str, Tensor]) -> Tensor:
            return self._domain_loss(under, adapted, episode.support, target)

        told = domains(before | {name: weights[name] for name in critics})
        if not strength:
            return losses + told
        confused = domains(weights | {name: before[name] for name in critics})
        return losses + told - strength * (confused - confused.detach())

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The query loss after the steps, and the reversed loss of the domains."""
        *_, end = path
        losses = super().meta_loss([end], episode)
        strength = self.settings.meta_reversal
        if not strength:
            return losses
        weights = weights_of(end.values)
        return losses + self._domain_loss(weights, end, episode.support, episode.query, strength)

    def strength(self, step: int, steps: int) -> float:
        """What the reversed gradient is multiplied by in a step: from 0 up, as in the paper.

        >>> learner = DomainAdversarial(Domains(MLP(2, None, hidden=(4,)), 4, 2))
        >>> [round(learner.strength(step, 10), 2) for step in (0, 1, 5)]
        [0.0, 0.46, 0.99]
        """
        done = step / max(steps, 1)
        return self.settings.reversal * (2 / (1 + math.exp(-10 * done)) - 1)

    def domain_logits(self, adapted: Adapted, episode: Episode) -> tuple[Tensor, Tensor]:
        """The critic's logits of the support and of the unlabelled inputs: above 0 is 'target'."""
        weights = weights_of(adapted.values)
        target = self._unlabelled(episode)
        support = episode.support
        source = self._critic(weights, adapted, support.x, support.weight, support=True)
        return source, self._critic(weights, adapted, target)

    def _domain_loss(
        self,
        weights: dict[str, Tensor],
        adapted: Adapted,
        source: Examples,
        target: Examples,
        strength: float | None = None,
    ) -> Tensor:
        """How badly the critic tells domains apart, `[task]`; with a strength, reversed below."""
        here = self._critic(weights, adapted, source.x, source.weight, strength, support=True)
        there = self._critic(weights, adapted, target.x, target.weight, strength)
        losses = source.mean(F.softplus(here)), target.mean(F.softplus(-there))
        return (losses[0] + losses[1]) / 2

    def under(
        self,
        weights: dict[str, Tensor],
        adapted: Adapted,
        x: Tensor,
        weight: Tensor | None = None,
        *,
        support: bool = False,
    ) -> Tensor:
        """Logits of the classes: the head's, of what the body makes of inputs."""
        features = self._run("body", weights, adapted, x, weight, support=support)
        return self._run("head", weights, adapted, features, weight, support=True)

    def _critic(
        self,
        weights: dict[str, Tensor],
        adapted: Adapted,
        x: Tensor,
        weight: Tensor | None = None,
        strength: float | None = None,
        *,
        support: bool = False,
    ) -> Tensor:
        features = self._run("body", weights, adapted, x, weight, support=support)
        if strength is not None:
            features = reverse(features, strength)
        return self._run("critic", weights, adapted, features, weight, support=True).squeeze(-1)

    def _run(
        self,
        part: str,
        weights: dict[str, Tensor],
        adapted: Adapted,
        x: Tensor,
        weight: Tensor | None,
        *,
        support: bool,
    ) -> Tensor:
        """One part of the model; head and critic, which do not normalise, have no reference."""
        every = self.parameters_with(weights).items()
        own = {n.removeprefix(f"{part}."): w for n, w in every if n.startswith(f"{part}.")}
        module = self.model.get_submodule(part)
        return self.run(module, own, x, adapted, weight, support=support)

    def _unlabelled(self, episode: Episode) -> Tensor:
        found = episode.info.get(UNLABELLED)
        if not isinstance(found, Tensor):
            raise UserError(
                "DomainAdversarial adapts to inputs of a target domain and this episode has none: "
                "choose tasks with a shift, such as moons:turned or glyphs:pen, or give it "
                f"info={{'{UNLABELLED}': inputs [task, example, ...]}}"
            )
        return found
