"""ALFA: rates and weight decay made for every inner step by a small net that looks at it.

Baik, Choi, Choi, Kim and Lee (2020), Meta-Learning with Adaptive Hyperparameters, arXiv:2011.00209.

    tau     = the mean of each tensor's weights, and of its gradients        [task, 2 tensors]
    (u, v)  = g_phi(tau)                                                     one of each a tensor l
    theta' <- theta - alpha_(l,k) * (u_l * grad L(theta) + v_l * theta)

The paper's decay is beta = 1 - alpha v, its post-multiplier of a layer and step alpha_(l,k). theta,
phi and alpha are learned. At the start u is near 1 and v near 0, which is MAML. The gradient step
itself is by any update rule (`optimizer`), whose rate is alpha u.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.algorithms.gradient.learner import (
    GradientLearner,
    GradientSettings,
    TestSteps,
    TrainSteps,
)
from workbench.algorithms.values import Adapted
from workbench.innerloop import InnerLoop, Rate, UpdateRule, weights_of
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode

Moves = dict[str, tuple[Rate, Rate]]


@dataclass(frozen=True)
class ALFASettings(GradientSettings):
    """MAML whose rates and weight decay a small net makes for each step."""

    train_steps: TrainSteps = 5  # inner steps in training
    test_steps: TestSteps = 5  # inner steps in evaluation

    def build(self, model: ModelSettings, spec: TaskSpec) -> ALFA:
        """The learner for tasks of this kind."""
        return ALFA(model.build(spec.input_shape, spec.outputs), self)


class ALFA(GradientLearner):
    """Learns theta, and a net that makes rates and weight decay from the state of the adaptation.

    >>> from workbench.models import MLP
    >>> learner = ALFA(MLP(1, 1))
    >>> sum(p.numel() for p in learner.generator.parameters()) == 3 * (12 * 12 + 12)
    True
    """

    def __init__(self, model: nn.Module, settings: ALFASettings = ALFASettings()) -> None:
        super().__init__(model, settings, rates="step")
        self.generator = Generator(len(self.adapted_names))

    @property
    def loop(self) -> InnerLoop:
        """The inner loop of the settings, its rule under generated rates and decays."""
        return self.settings.inner_loop(Generated(self.rule, self.generator))

    def moved_by(self, before: Adapted, after: Adapted, episode: Episode, task: int) -> Moves:
        """The rate and the weight decay that were generated for a step of a task."""
        seen = after.seen
        if not any(name.startswith("gradient.") for name in seen):  # a tape let it go
            seen = self.step(before, episode).seen
        weights = weights_of(before.values)
        gradients = {name: seen[f"gradient.{name}"] for name in weights}
        moves = self.generator.moves(gradients, weights, self.rates_at(before.step))
        return {name: (rate[task], decay[task]) for name, (rate, decay) in moves.items()}


class Generator(nn.Module):
    """The net g_phi: from two means of each of some tensors to a rate's and a decay's factor."""

    def __init__(self, tensors: int) -> None:
        super().__init__()
        size = 2 * tensors
        layers = [nn.Linear(size, size), nn.ReLU(), nn.Linear(size, size), nn.ReLU()]
        out = nn.Linear(size, size)
        with torch.no_grad():  # near MAML to begin with
            out.weight.mul_(0.1)
            out.bias.copy_(torch.cat([torch.ones(tensors), torch.zeros(tensors)]))
        self.net = nn.Sequential(*layers, out)

    def moves(
        self,
        gradients: Mapping[str, Tensor],
        weights: Mapping[str, Tensor],
        rates: Mapping[str, Rate],
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Each tensor's rate and decay, `[task, 1, ...]`."""
        means = [t.flatten(1).mean(dim=1) for of in (weights, gradients) for t in of.values()]
        factors, decays = self.net(torch.stack(means, dim=1)).chunk(2, dim=1)
        found: dict[str, tuple[Tensor, Tensor]] = {}
        for i, (name, weight) in enumerate(weights.items()):
            shape = (-1, *[1] * (weight.dim() - 1))
            rate = rates[name]
            found[name] = (rate * factors[:, i].reshape(shape), rate * decays[:, i].reshape(shape))
        return found


class Generated(UpdateRule):
    """Another rule under generated rates, once its weights have decayed by generated shares."""

    def __init__(self, rule: UpdateRule, generator: Generator) -> None:
        super().__init__()
        self.rule, self.generator = rule, generator

    def init(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the other rule remembers."""
        return self.rule.init(weights)

    def step(
        self,
        gradients: Mapping[str, Tensor],
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        rates: Mapping[str, Rate],
        step: Tensor,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """One step of the other rule."""
        moves = self.generator.moves(gradients, weights, rates)
        decayed = {name: w - moves[name][1] * w for name, w in weights.items()}
        return self.rule.step(
            gradients, decayed, state, {n: rate for n, (rate, _) in moves.items()}, step
        )
