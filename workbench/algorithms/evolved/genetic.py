"""Genetic search for initialisations and hyper-parameters: selection, crossover, mutation.

Holland (1975), Adaptation in Natural and Artificial Systems, on real numbers: parents are chosen
by tournaments (Goldberg and Deb, 1991), genes are exchanged one by one (Syswerda, 1989), and each
member inherits the size of its mutations, which mutates first (Schwefel, 1977):

    size = mean of the parents' * exp(N(0, 1) / sqrt(2 genes))
    gene = one parent's or the other's + size * N(0, 1)

The best are kept and judged again: their score is the mean over all generations that judged them,
since one generation's tasks flatter some. The best of those is the answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.algorithms.evolved.generations import Generations, State
from workbench.algorithms.evolved.genome import EvolvedSettings
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.models import ModelSettings
from workbench.randomness import fold, uniform
from workbench.tasks.base import TaskSpec

_CONTEST, _EXCHANGE, _SIZE, _MUTATION = range(4)  # the uses of a generation's random numbers


@dataclass(frozen=True)
class GeneticSettings(EvolvedSettings):
    """Genetic search over codes of initialisations and inner rates."""

    population: Annotated[int, Range(2, span=(8, 128))] = 32  # members of a generation
    elites: Annotated[int, Range(1, span=(1, 16))] = 4  # of them, those kept for the next
    tournament: Annotated[int, Range(1, span=(1, 8))] = 3  # members of whom a parent is the best
    # chance that a gene is the second parent's
    crossover: Annotated[float, Range(0, 1)] = 0.5
    # how far apart the first members are, and the first mutations
    sigma: Annotated[float, Range(above=0, span=(0.01, 3), log=True)] = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "learner")
        if self.elites >= self.population:
            raise UserError(
                f"learner.elites is {self.elites} of a population of {self.population}, so that "
                "nobody is born: keep fewer"
            )

    def build(self, model: ModelSettings, spec: TaskSpec) -> Genetic:
        """The learner for tasks of this kind."""
        return Genetic(model.build(spec.input_shape, spec.outputs), self)


class Genetic(Generations):
    """Learns a genome by breeding; nothing is differentiated by it.

    >>> from workbench.models import MLP
    >>> Genetic(MLP(1, 1), GeneticSettings(code=4, population=8)).members.shape
    torch.Size([8, 10])
    """

    settings: GeneticSettings
    sizes: Tensor

    def __init__(
        self,
        model: nn.Module,
        settings: GeneticSettings = GeneticSettings(),
    ) -> None:
        super().__init__(model, settings)
        sizes = torch.full((settings.population,), settings.sigma)
        self.populate(settings.population, sizes=sizes)

    def told(self) -> State:
        """The best of those who were kept is the answer: newborns may have been lucky."""
        kept = self.judged > 1
        kept = kept | ~kept.any()
        return {"genome": self.members[self.scores.where(kept, math.inf).argmin()]}

    def asked(self, state: State) -> State:
        """The elites, and children of parents that won tournaments."""
        own, everyone = self.settings, self.members.shape
        if self.now() == 0:
            return {"members": own.sigma * self.drawn(_MUTATION, *everyone)}
        order = self.scores.argsort(stable=True)
        elites, born = order[: own.elites], own.population - own.elites

        def chance(use: int, *shape: int) -> Tensor:
            return uniform(fold(self.seed, self.now(), use), shape, self.members.dtype)

        contest = (own.population * chance(_CONTEST, born, 2, own.tournament)).long()
        winners = order[contest.min(dim=2).values]  # places in the order: the best of a contest
        one, other = self.members[winners].unbind(1)
        exchanged = chance(_EXCHANGE, born, self.genes) < own.crossover
        turn = self.drawn(_SIZE, born) / (2 * self.genes) ** 0.5
        sizes = self.sizes[winners].mean(dim=1) * turn.exp()
        children = torch.where(exchanged, other, one)
        children = children + sizes.unsqueeze(1) * self.drawn(_MUTATION, born, self.genes)
        nobody = self.scores.new_zeros(born)
        return {
            "members": torch.cat([self.members[elites], children]),
            "sizes": torch.cat([self.sizes[elites], sizes]),
            "scores": torch.cat([self.scores[elites], nobody]),
            "judged": torch.cat([self.judged[elites], nobody]),
        }
