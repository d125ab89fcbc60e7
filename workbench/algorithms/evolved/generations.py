"""Searches that ask for a generation of members and are told how each did.

All of a search's state are parameters, and one outer step is one generation: its members follow
from the state alone, are judged on the tasks, and where the state goes is handed to the outer
step as a displacement, which an outer SGD of rate 1 makes good. A generation's score is a mean
over tasks, so that chunks of tasks add up; it is acted on in the next step. Training,
checkpoints and resuming need nothing of their own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.evolved.genome import Evolved, EvolvedSettings
from workbench.algorithms.inspections import Inspection
from workbench.algorithms.values import Adapted, MetaGradient, trainable
from workbench.errors import UserError
from workbench.randomness import fold, normal
from workbench.tasks.episode import Episode

if TYPE_CHECKING:
    from pandas import DataFrame

State = dict[str, Tensor]
_RECORD = 200  # generations that are remembered for a look back
_NOTED = ("best", "median", "spread")


@dataclass(frozen=True)
class Generation(Estimator):
    """Judge a generation on the tasks, and hand on where the search goes."""

    @torch.no_grad()
    def __call__(
        self, learner: Any, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, None]:
        """state - the state after this generation, and each task's loss by the answer so far."""
        if not isinstance(learner, Generations):
            raise UserError(
                f"the estimator Generation judges the members of a search, and "
                f"{type(learner).__name__} has none: use Genetic or CMAES, or another estimator"
            )
        before = dict(trainable(learner))
        count, first = len(before["members"]), learner.now() == 0
        state = {**before, **({} if first else {**learner.told(), "record": noted(learner)})}
        nobody = {name: torch.zeros_like(before[name]) for name in ("scores", "judged")}
        state |= nobody | learner.asked(state)
        genomes = torch.cat([state["members"], state["genome"].unsqueeze(0)])
        everywhere = genomes.expand(len(episode), *genomes.shape)
        losses = learner.population_losses({"genome": everywhere}, episode)
        score, times = losses[:count].mean(dim=1), state["judged"]
        state["scores"] = (times * state["scores"] + score) / (times + 1)
        state |= {"judged": times + 1, "generation": before["generation"] + 1}
        return MetaGradient({n: p - state[n] for n, p in before.items()}, losses[count]), None


class Generations(Evolved):
    """A search by generations. Abstract: see its methods.

    genome      the answer so far, which is what adapts
    members     [member, gene], those that were judged last
    scores      [member], how they did: lower is better
    judged      [member], in how many generations each was
    generation  how many there were
    record      [generation, (best, median, spread)] of those before, the latest last
    """

    estimator = Generation()
    members: Tensor
    scores: Tensor
    judged: Tensor
    generation: Tensor
    record: Tensor
    seed: Tensor

    def __init__(self, model: nn.Module, settings: EvolvedSettings) -> None:
        super().__init__(model, settings)
        self.inspections = (*self.inspections, GENERATIONS)
        self.register_buffer("seed", torch.randint(2**62, ()))

    def populate(self, population: int, **more: Tensor) -> None:
        """Make the state of a search with so many members, and with more of its own."""
        state = {
            "members": torch.zeros(population, self.genes),
            "scores": torch.zeros(population),
            "judged": torch.zeros(population),
            "generation": torch.zeros(()),
            "record": torch.zeros(_RECORD, len(_NOTED)),
        }
        for name, tensor in (state | more).items():
            self.register_parameter(name, nn.Parameter(tensor.to(self.genome)))

    @abstractmethod
    def told(self) -> State:
        """The state once the scores are acted on; only what changes."""

    @abstractmethod
    def asked(self, state: State) -> State:
        """Members of the next generation by that state; `scores` and `judged` of those who stay."""

    def now(self) -> int:
        """The number of the generation to be judged, from 0."""
        number = float(self.generation.item())
        if not number.is_integer():
            raise UserError(
                f"{type(self).__name__} goes from generation to generation in whole steps, and an "
                f"outer step led to generation {number:.3g}: set training.optimizer to SGD and "
                "training.rate to 1, with a constant schedule and nothing that limits or holds"
            )
        return int(number)

    def drawn(self, use: int, *shape: int) -> Tensor:
        """Standard normal numbers of this generation."""
        return normal(fold(self.seed, self.now(), use), shape, self.members.dtype)

    def population_losses(self, members: Any, episode: Episode) -> Tensor:
        """What each member loses, `[member, task]`."""
        if set(members) != {"genome"}:
            raise UserError(
                f"{type(self).__name__} has a population of its own, which its own estimator "
                "judges: leave the estimator out, or use Strategies"
            )
        return super().population_losses(members, episode)


def noted(learner: Generations) -> Tensor:
    """The record, with the generation that was judged last."""
    spread = learner.members.std(dim=0).mean()
    row = torch.stack([learner.scores.min(), learner.scores.median(), spread])
    return torch.cat([learner.record[1:], row.unsqueeze(0)])


@torch.no_grad()
def generation_frame(
    learner: Any, episode: Episode, path: Sequence[Adapted], task: int
) -> DataFrame:
    """How the members of the generations so far did, and how far apart they were."""
    import pandas as pd

    number = learner.now()
    rows = noted(learner)[-min(number, _RECORD) :] if number else learner.record[:0]
    frame = pd.DataFrame(rows.double().cpu().numpy(), columns=list(_NOTED))
    frame.insert(0, "generation", range(number - len(frame) + 1, number + 1))
    return frame


GENERATIONS = Inspection(
    "generations",
    generation_frame,
    {
        "generation": "counted from 1; the latest 200",
        "best": "the score of the best member on its training tasks",
        "median": "the median of its members' scores",
        "spread": "the standard deviation of a gene over its members, the mean over genes",
    },
    "How the members of each generation did, and how far apart they are",
)
