"""Neural optimizer: an update rule that is itself trained, by the losses along its own path.

Andrychowicz et al. (2016), Learning to learn by gradient descent by gradient descent,
arXiv:1606.04474; the logarithm after Chen et al. (2017), arXiv:1611.03824, who sum what the loss
improves by.

    w_0 ~ as the model's own weights, anew for each task
    w_t+1, h_t+1 = rule(gradient of f at w_t, h_t; phi)       the rule: an LSTM, or a net on moments
    meta-loss    = mean over steps of log(f(w_t) + floor)
    phi         <- phi - beta * gradient of the meta-loss by phi, a window of steps at a time

The estimator `Truncated` carries weights and the rule's state from window to window. With
`order='first'` a gradient of f is a constant to phi, the paper's assumption, and no second
derivative is needed; but then nothing tells phi that a longer step changes the gradients after it,
and what starts as Adam learns steps that diverge (benchmarks/optimizers.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.algorithms.generated.starts import drawn
from workbench.algorithms.gradient.learner import (
    GradientLearner,
    GradientSettings,
    InnerRate,
    TestSteps,
    TrainSteps,
)
from workbench.algorithms.gradient.reptile import minibatch
from workbench.algorithms.values import Adapted
from workbench.fields import Live, Range
from workbench.innerloop import LSTMRuleSettings, RuleSettings, weights_of
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples

_LSTM = LSTMRuleSettings()


@dataclass(frozen=True)
class NeuralOptimizerSettings(GradientSettings):
    """Train an optimizer on optimization problems."""

    inner_rate: InnerRate = 0.1  # what the rule's steps are multiplied by
    train_steps: TrainSteps = 100  # inner steps in training
    test_steps: TestSteps = 100  # inner steps in evaluation
    optimizer: RuleSettings = _LSTM  # the rule that is trained
    # examples of an inner minibatch; 0 is the whole support
    batch: Annotated[int, Range(0, span=(0, 256)), Live()] = 0
    # losses far below it count as equally good
    floor: Annotated[float, Range(above=0, span=(1e-12, 1), log=True), Live(moves=False)] = 1e-10

    def build(self, model: ModelSettings, spec: TaskSpec) -> NeuralOptimizer:
        """The learner for tasks of this kind."""
        return NeuralOptimizer(model.build(spec.input_shape, spec.outputs), self)


class NeuralOptimizer(GradientLearner):
    """Learns how to descend a model's loss from any start.

    >>> from workbench.tasks import open_tasks
    >>> settings = NeuralOptimizerSettings(train_steps=5)
    >>> learner = NeuralOptimizer(nn.Linear(10, 1, bias=False), settings)
    >>> sorted(learner.meta_gradient(open_tasks("quadratics").sample(2, seed=0)).gradients)[0]
    'rule.cells.0.bias_hh'
    """

    settings: NeuralOptimizerSettings

    def __init__(
        self, model: nn.Module, settings: NeuralOptimizerSettings = NeuralOptimizerSettings()
    ) -> None:
        super().__init__(model, settings)
        self.model.requires_grad_(False)  # a start is drawn, and not learned

    def begin(self, episode: Episode) -> Adapted:
        """Each task's own weights, and the rule's state before a first step."""
        values = dict(super().begin(episode).values)
        return Adapted(drawn(self.model, values, episode.seed))

    def batch(self, adapted: Adapted, episode: Episode) -> Examples:
        """This step's minibatch of the support."""
        size = self.settings.batch
        if not size:
            return episode.support
        return minibatch(episode.support, episode.seed, adapted.step, size)

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The mean logarithm of what is descended, where each step led to."""
        losses = [self._judged(adapted, episode) for adapted in path]
        return torch.stack(losses[1:] or losses).mean(dim=0)  # where it began is not its doing

    def _judged(self, adapted: Adapted, episode: Episode) -> Tensor:
        losses = self.support_loss(weights_of(adapted.values), adapted, episode)
        return (losses + self.settings.floor).log()
