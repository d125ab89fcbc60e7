"""What the evolved methods share: a genome, of a code of the initialisation and of inner rates.

    theta = theta_0 + sum_j z_j direction_j          rate = inner_rate * exp(r)

z and r are the genes, all 0 where a search begins; everything else of the learner stays as it is.
A member of a population is one more genome: stacked, one a task, they are adapted side by side.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from workbench.algorithms.capabilities import Prepares
from workbench.algorithms.estimators.evolution import Populated
from workbench.algorithms.evolved.directions import Directions
from workbench.algorithms.gradient.finetune import all_examples
from workbench.algorithms.gradient.learner import GradientLearner, GradientSettings, TrainSteps
from workbench.algorithms.gradient.maml import MAML, MAMLSettings
from workbench.algorithms.gradient.rates import RATES
from workbench.errors import UserError
from workbench.fields import Range
from workbench.innerloop import InnerOptimizer, Rate
from workbench.tasks.episode import Episode

_TUNED, _TUNING_STEPS, _TUNING_RATE = 100, 100, 0.005  # networks for principal directions
_LINEAR = 10.0  # losses above count logarithmically


@dataclass(frozen=True)
class EvolvedSettings(GradientSettings):
    """What evolves."""

    train_steps: TrainSteps = 10  # inner steps in training
    # inner rates that evolve: none, one for each tensor, or for each tensor and step
    rates: Literal["none", "layer", "step"] = "layer"
    # numbers in the code of the initialisation; 0 leaves it as it is
    code: Annotated[int, Range(0, span=(0, 64))] = 16
    # what a code says: steps along the principal components of tuned networks, or random ones
    directions: Literal["principal", "random"] = "principal"


class Evolved(GradientLearner, Populated, Prepares):
    """Adapts by gradient steps from where a genome says, at the rates it says.

    Abstract: see the methods, which say how `genome` is found, a vector, or `[task, gene]` while a
    population stands in its place. Principal directions are made of training tasks when a training
    begins; before, they are random.
    """

    settings: Any
    differentiates = False
    rate: Tensor
    directions: Tensor

    def __init__(self, model: nn.Module, settings: EvolvedSettings) -> None:
        super().__init__(model, settings)
        for p in self.parameters():
            p.requires_grad_(False)
        self.learned_rates = settings.rates
        if settings.rates != "none":
            self.inspections = (*self.inspections, RATES)
        self.rate_steps = max(1, settings.train_steps) if settings.rates == "step" else 1
        rates = len(self.adapted_names) * self.rate_steps if settings.rates != "none" else 0
        self.genes = settings.code + rates
        if not self.genes:
            raise UserError(
                "learner.code is 0 and learner.rates 'none', so that nothing evolves: give a code, "
                "or rates"
            )
        self.register_buffer("rate", torch.tensor(settings.inner_rate))  # where the genes are 0
        self.register_buffer("directions", torch.zeros(0))
        self.search(Directions.random(self.searched().values(), settings.code))
        self.genome = nn.Parameter(torch.zeros(self.genes))

    def prepare(self, sample: Callable[[int], Episode]) -> None:
        """Find the principal directions: of networks tuned by Adam to all examples of a task."""
        code = self.settings.code
        if not code or self.settings.directions == "random":
            return
        episode = sample(max(_TUNED, 2 * code))
        every = dataclasses.replace(episode, support=all_examples(episode))
        optimizer = InnerOptimizer("adam")
        tuning = MAMLSettings(inner_rate=_TUNING_RATE, order="first", optimizer=optimizer)
        network = copy.deepcopy(self.model)
        for name, p in network.named_parameters():
            p.requires_grad_(name in self.adapted_names)
        self.search(Directions.principal(MAML(network, tuning), every, code, steps=_TUNING_STEPS))

    def searched(self) -> dict[str, Tensor]:
        """theta_0 of what adapts, by name."""
        theta = super().theta()
        return {name: theta[name] for name in self.adapted_names}

    @torch.no_grad()
    def search(self, directions: Directions) -> None:
        """Search along these directions, from their start."""
        own = self.searched()
        size, code = sum(p.numel() for p in own.values()), self.settings.code
        if directions.along.shape != (code, size):
            raise UserError(
                f"the directions are {list(directions.along.shape)} and {type(self).__name__} "
                f"needs {[code, size]}: make them with this model, and as many as learner.code"
            )
        parts = directions.start.split([p.numel() for p in own.values()])
        for p, part in zip(own.values(), parts, strict=True):
            p.copy_(part.reshape(p.shape))
        self.directions = directions.along.to(next(iter(own.values())), copy=True)

    def theta(self) -> dict[str, Tensor]:
        """theta_0, and what the code adds."""
        own = self.searched()
        if not self.settings.code:
            return own
        made = self.genome[..., : self.settings.code] @ self.directions
        parts = made.split([p.numel() for p in own.values()], dim=-1)
        return {
            name: p + part.reshape(*part.shape[:-1], *p.shape)
            for (name, p), part in zip(own.items(), parts, strict=True)
        }

    def rates_at(self, step: int) -> dict[str, Rate]:
        """The rate of each tensor in a step; later steps than were evolved use the last."""
        if self.learned_rates == "none":
            return super().rates_at(step)
        genes = self.genome[..., self.settings.code :].unflatten(-1, (-1, self.rate_steps))
        rates = self.rate * genes[..., min(step, self.rate_steps - 1)].exp()
        shapes = {name: p.shape for name, p in self.model.named_parameters()}
        return {
            name: rate.reshape(*rate.shape, *[1] * len(shapes[name])) if rate.dim() else rate
            for name, rate in zip(self.adapted_names, rates.unbind(-1), strict=True)
        }

    def population_losses(self, members: Mapping[str, Tensor], episode: Episode) -> Tensor:
        """What members of a population lose after adapting, all in one call, `[member, task]`.

        Members may diverge: losses beyond 10 count logarithmically, and all are finite.
        """
        genomes = members["genome"]  # [task, member, gene]
        tasks, count = genomes.shape[:2]
        many = episode.map(lambda t: t.repeat_interleave(count, dim=0))
        theirs = copy.copy(self)  # and not `functional_call`, which other threads would see
        theirs._parameters = {**self._parameters, "genome": genomes.flatten(0, 1)}  # type: ignore[dict-item]
        losses = theirs(many)
        return finite(losses).unflatten(0, (tasks, count)).T


def finite(losses: Tensor) -> Tensor:
    """Losses in the same order, but finite, and no number that of the worst.

    >>> finite(torch.tensor([0.5, 27.1828, float("inf")])).round(decimals=1).tolist()
    [0.5, 20.0, 874.2000122070312]
    """
    losses = torch.nan_to_num(losses, nan=torch.finfo(losses.dtype).max)
    beyond = _LINEAR * (1 + (losses.clamp(min=_LINEAR) / _LINEAR).log())
    return torch.where(losses > _LINEAR, beyond, losses)
