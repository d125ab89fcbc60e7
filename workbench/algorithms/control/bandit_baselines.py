"""Bernoulli bandits by the book: what RL² is measured against (Duan et al., 2016, section 3.1).

With w wins and l losses of an arm, of which the statistics start at one each (a Beta(1, 1) prior),
t moves so far and m left, the arm is pulled of which the greatest is

    greedy     (1 + w) / (2 + w + l)                       the posterior mean
    thompson   a draw of Beta(1 + w, 1 + l)                Thompson (1933)
    ucb1       mean + width sqrt(2 log(t + 1) / (2 + w + l))   Auer, Cesa-Bianchi, Fischer (2002)
    gittins    sup over tau <= m of  E sum_{i < tau} g^i r_i / E sum_{i < tau} g^i   Gittins (1979)
    optimal    the true chance, which nobody else knows

Gittins' index is that of an arm which stops paying with the trial, at discount g: at g = 1 the
finite-horizon index; where m is large and g < 1, that of the tables. It is the wage at which going
on with the arm is worth as much as leaving it for good, by dynamic programming over all wages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

import torch
from torch import Tensor

from workbench.algorithms.control.by_the_book import DRAWS, ByTheBook, Move, Values
from workbench.algorithms.control.trials import Fraction
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Range, When, check_fields
from workbench.randomness import fold, uniform
from workbench.tasks.base import TaskSpec
from workbench.tasks.control.bandits import BernoulliBandit
from workbench.tasks.episode import Episode

BanditRule = Literal["random", "greedy", "thompson", "ucb1", "gittins", "optimal"]

_WAGES = 257  # at which leaving an arm is tried
_LONGEST = 200  # moves of a trial whose indices are worked out


@dataclass(frozen=True)
class BanditBaselineSettings:
    """A rule for Bernoulli bandits."""

    rule: BanditRule = "thompson"  # how an arm is chosen
    # of the confidence interval: wider explores more; 1 is Auer's
    width: Annotated[float, Range(0, span=(0, 2)), When(lambda own: own.rule == "ucb1")] = 1.0
    # of Gittins' index: what a reward one move later is worth
    discount: Annotated[Fraction, When(lambda own: own.rule == "gittins")] = 1.0
    epsilon: Fraction = 0.0  # the share of moves that are made at random

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: object, spec: TaskSpec) -> BanditBaseline:
        """The learner; there is nothing that it needs of a model."""
        return BanditBaseline(self)


class BanditBaseline(ByTheBook):
    """A rule that counts each arm's wins and losses.

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.tasks import open_tasks
    >>> trial = open_tasks("bandit").sample(3, seed=0)
    >>> last(adapt(BanditBaseline(), trial)).values["pulled"].sum(dim=1)
    tensor([10., 10., 10.])
    """

    def __init__(self, settings: BanditBaselineSettings = BanditBaselineSettings()) -> None:
        super().__init__()
        self.settings, self.epsilon = settings, settings.epsilon

    def begun(self, episode: Episode, like: Tensor) -> Values:
        """No pull and no win of any arm."""
        env = episode.env
        if not isinstance(env, BernoulliBandit):
            raise UserError(
                "a rule for bandits counts wins of arms, and these tasks have none: "
                "use the tasks 'bandit', or for 'mdp' an MDPBaseline"
            )
        none = like.new_zeros(len(episode), env.arms)
        return self._planned({"pulled": none, "won": none}, episode, 0)

    def learned(self, values: Values, move: Move, episode: Episode, moves: int) -> Values:
        """One pull more."""
        won = values["won"] + move.action * move.reward.unsqueeze(-1)
        counts = {"pulled": values["pulled"] + move.action, "won": won}
        return self._planned(counts, episode, moves)

    def worth(self, adapted: Adapted, x: Tensor) -> Tensor:
        """What the rule makes of every arm; there is nothing to observe."""
        return adapted.values["plan"].unsqueeze(1).expand(-1, x.shape[1], -1)

    def _planned(self, counts: dict[str, Tensor], episode: Episode, moves: int) -> Values:
        own, pulled, won = self.settings, counts["pulled"].double(), counts["won"].double()
        mean = (1 + won) / (2 + pulled)
        if own.rule == "random":
            plan = torch.zeros_like(mean)
        elif own.rule == "greedy":
            plan = mean
        elif own.rule == "thompson":
            plan = beta_draws(1 + won, 1 + pulled - won, fold(episode.seed, DRAWS, moves))
        elif own.rule == "ucb1":
            plan = mean + own.width * (2 * math.log(moves + 1) / (2 + pulled)).sqrt()
        elif own.rule == "gittins":
            assert episode.env is not None
            indices = gittins_indices(episode.env.horizon, own.discount).to(pulled.device)
            left = episode.env.horizon - moves
            plan = indices[left, won.long(), (pulled - won).long()]
        else:
            plan = episode.task["means"]
        return {"plan": plan.to(counts["won"]), **counts}


def beta_draws(one: Tensor, other: Tensor, seed: Tensor) -> Tensor:
    """Draws of Beta(one, other), `[task, ...]`, by the inverse of its distribution function.

    >>> beta_draws(torch.ones(1, 2), torch.ones(1, 2), torch.tensor([4])).shape
    torch.Size([1, 2])
    """
    from scipy.special import betaincinv

    chance = uniform(seed, tuple(one.shape[1:]), torch.float64)
    drawn = betaincinv(*(t.double().cpu().numpy() for t in (one, other, chance)))
    return torch.as_tensor(drawn, device=one.device)


@cache
def gittins_indices(pulls: int, discount: float = 1.0) -> Tensor:
    """The index of an arm by moves left, its wins and its losses: `[left, won, lost]`.

    Known where the three are at most `pulls` together.

    >>> round(float(gittins_indices(2)[2, 0, 0]), 4)  # one pull to learn from, one to use it
    0.5556
    """
    if pulls > _LONGEST:
        raise UserError(
            f"Gittins' indices of a trial of {pulls:,} moves take too long to work out: "
            f"ask for at most {_LONGEST}, or use another rule"
        )
    wage = torch.linspace(0, 1, _WAGES, dtype=torch.float64).view(-1, 1, 1)
    found = torch.zeros(pulls + 1, pulls + 1, pulls + 1, dtype=torch.float64)
    value, paid = torch.zeros(_WAGES, pulls + 1, pulls + 1, dtype=torch.float64), 0.0
    for left in range(1, pulls + 1):
        known = pulls - left + 1
        won = torch.arange(known, dtype=torch.float64)
        mean = (1 + won[:, None]) / (2 + won[:, None] + won)
        paid = 1 + discount * paid  # what a wage of 1 brings until the end
        win, loss = value[:, 1 : known + 1, :known], value[:, :known, 1 : known + 1]
        stay = loss.lerp(win, mean).mul_(discount).add_(mean)
        gain = stay - wage * paid  # falls as the wage grows
        place = ((gain >= 0).sum(dim=0) - 1).clamp(0, _WAGES - 2).unsqueeze(0)
        low, high = gain.gather(0, place)[0], gain.gather(0, place + 1)[0]
        found[left, :known, :known] = (place[0] + low / (low - high)) / (_WAGES - 1)
        value = torch.maximum(stay, wage * paid)
    return found
