"""CMA-ES: a normal distribution of genomes whose covariance and step size adapt.

Hansen (2016), The CMA Evolution Strategy: A Tutorial, arXiv:1604.00772; the numbers in brackets
are its equations, the constants its Table 1 with negative weights.

    members   x_i = m + sigma y_i,  y_i ~ N(0, C)                              (38-40)
    mean      m <- m + sigma y_w,   y_w = sum of w_i y_i over the better half   (41-42)
    step      p_s <- (1 - c_s) p_s + sqrt(c_s (2 - c_s) mu) C^-1/2 y_w          (43)
              sigma <- sigma exp(c_s / d_s (|p_s| / E|N(0, I)| - 1))             (44)
    shape     p_c <- (1 - c_c) p_c + h sqrt(c_c (2 - c_c) mu) y_w                (45)
              C <- (1 + c_1 d_h - c_1 - c_m sum w) C + c_1 p_c p_c' + c_m sum w_i y_i y_i'  (46-47)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.algorithms.evolved.generations import Generations, State
from workbench.algorithms.evolved.genome import EvolvedSettings
from workbench.fields import Range
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec


@dataclass(frozen=True)
class CMAESSettings(EvolvedSettings):
    """CMA-ES over a code of the initialisation and inner rates."""

    # members of a generation; by default 4 + 3 ln(genes)
    population: Annotated[int | None, Range(4, span=(4, 128))] = None
    # how far apart the first members are
    sigma: Annotated[float, Range(above=0, span=(0.01, 3), log=True)] = 1.0

    def build(self, model: ModelSettings, spec: TaskSpec) -> CMAES:
        """The learner for tasks of this kind."""
        return CMAES(model.build(spec.input_shape, spec.outputs), self)


class CMAES(Generations):
    """Learns a genome, the mean of a distribution that follows its better members.

    >>> from workbench.models import MLP
    >>> CMAES(MLP(1, 1), CMAESSettings(code=4)).members.shape
    torch.Size([10, 10])
    """

    settings: CMAESSettings
    sigma: Tensor
    covariance: Tensor
    step_path: Tensor
    shape_path: Tensor

    def __init__(
        self,
        model: nn.Module,
        settings: CMAESSettings = CMAESSettings(),
    ) -> None:
        super().__init__(model, settings)
        n = self.genes
        self.own = Constants.usual(n, settings.population)
        self.populate(
            self.own.population,
            sigma=torch.tensor(settings.sigma),
            covariance=torch.eye(n),
            step_path=torch.zeros(n),
            shape_path=torch.zeros(n),
        )

    def told(self) -> State:
        """The distribution after the members' ranks; computed in double precision."""
        own, n, done = self.own, self.genes, self.now()
        mean, sigma, shape, step_path, shape_path = (
            p.double()
            for p in (self.genome, self.sigma, self.covariance, self.step_path, self.shape_path)
        )
        weights = own.weights.to(mean)
        spread, axes = decomposed(shape)
        unstretched = axes @ (axes / spread).T  # C^-1/2
        y = (self.members[self.scores.argsort(stable=True)].double() - mean) / sigma
        ahead = weights.clamp(min=0) @ y

        expected = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))
        step_path = (1 - own.step) * step_path + own.step_gain * (unstretched @ ahead)
        length = step_path.norm()
        even = math.sqrt(1 - (1 - own.step) ** (2 * (done + 1)))
        short = (length / even < (1.4 + 2 / (n + 1)) * expected).to(mean)  # h
        shape_path = (1 - own.path) * shape_path + short * own.path_gain * ahead

        far = (y @ unstretched).square().sum(dim=1)
        active = torch.where(weights >= 0, weights, weights * n / (far + 1e-8))
        kept = 1 - own.one - own.many * weights.sum()
        kept = kept + own.one * (1 - short) * own.path * (2 - own.path)
        found = {
            "genome": mean + sigma * ahead,
            "sigma": sigma * (own.step / own.damping * (length / expected - 1)).exp(),
            "covariance": kept * shape
            + own.one * shape_path.outer(shape_path)
            + own.many * (y.T * active) @ y,
            "step_path": step_path,
            "shape_path": shape_path,
        }
        return {name: tensor.to(self.members) for name, tensor in found.items()}

    def asked(self, state: State) -> State:
        """Draws from the distribution."""
        spread, axes = decomposed(state["covariance"].double())
        draws = self.drawn(0, *self.members.shape).double()
        away = state["sigma"] * (draws * spread) @ axes.T
        return {"members": (state["genome"] + away).to(self.members)}


def decomposed(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """The standard deviations along the axes of a distribution, and these axes as columns."""
    squares, axes = torch.linalg.eigh((covariance + covariance.T) / 2)
    return squares.clamp(min=1e-16).sqrt(), axes


@dataclass(frozen=True)
class Constants:
    """What the search goes by: all follow from the number of genes and members."""

    weights: Tensor  # of the members in their order, w
    step: float  # how quickly the step's path forgets, c_s
    damping: float  # how slowly the step size follows it, d_s
    path: float  # how quickly the shape's path forgets, c_c
    one: float  # what the shape's path adds to the covariance, c_1
    many: float  # what the members add to it, c_m
    step_gain: float
    path_gain: float

    @property
    def population(self) -> int:
        """The members of a generation."""
        return len(self.weights)

    @staticmethod
    def usual(n: int, population: int | None = None) -> Constants:
        """Those of the tutorial's Table 1 for `n` genes (48-58)."""
        size = population or 4 + math.floor(3 * math.log(n))
        raw = math.log((size + 1) / 2) - torch.arange(1.0, size + 1, dtype=torch.float64).log()
        better, worse = raw[: size // 2], raw[size // 2 :]
        mu = float(better.sum() ** 2 / better.square().sum())
        mu_worse = float(worse.sum() ** 2 / worse.square().sum())
        step = (mu + 2) / (n + mu + 5)
        path = (4 + mu / n) / (n + 4 + 2 * mu / n)
        one = 2 / ((n + 1.3) ** 2 + mu)
        many = min(1 - one - 1e-8, 2 * (mu - 2 + 1 / mu) / ((n + 2) ** 2 + mu))
        least = min(1 + one / many, 1 + 2 * mu_worse / (mu + 2), (1 - one - many) / (n * many))
        weights = torch.where(raw >= 0, raw / raw[raw > 0].sum(), least * raw / -raw[raw < 0].sum())
        return Constants(
            weights=weights,
            step=step,
            damping=1 + 2 * max(0.0, math.sqrt((mu - 1) / (n + 1)) - 1) + step,
            path=path,
            one=one,
            many=many,
            step_gain=math.sqrt(step * (2 - step) * mu),
            path_gain=math.sqrt(path * (2 - path) * mu),
        )
