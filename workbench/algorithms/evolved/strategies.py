"""Evolution strategies on few meta-parameters: the code of an initialisation, and inner rates.

Salimans et al. (2017), arXiv:1703.03864; the gradient is the estimator `Evolution`'s:

    gradient = mean over pairs of (L(g + sigma e) - L(g - sigma e)) / (2 sigma) e

What is left to chance of such a gradient grows with the genes: of d with n pairs of opposites its
cosine to the exact one is about sqrt(n / (n + d)). That is why not all weights of a network evolve.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from workbench.algorithms.estimators.evolution import Evolution
from workbench.algorithms.evolved.genome import Evolved, EvolvedSettings
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec


@dataclass(frozen=True)
class StrategiesSettings(EvolvedSettings):
    """Evolution strategies on a code of the initialisation and on inner rates."""

    def build(self, model: ModelSettings, spec: TaskSpec) -> Strategies:
        """The learner for tasks of this kind."""
        return Strategies(model.build(spec.input_shape, spec.outputs), self)


class Strategies(Evolved):
    """Learns a genome by a gradient that is estimated from a population around it.

    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> learner = Strategies(MLP(1, 1), StrategiesSettings(code=4))
    >>> learner.meta_gradient(open_tasks("sinusoid").sample(2, seed=0)).gradients["genome"].shape
    torch.Size([10])
    """

    estimator = Evolution(population=16, sigma=0.1)

    def __init__(
        self,
        model: nn.Module,
        settings: StrategiesSettings = StrategiesSettings(),
    ) -> None:
        super().__init__(model, settings)
