"""Tabular MDPs by the book: what RL² is measured against (Duan et al., 2016, section 3.2).

Before each episode, rewards and transitions are thought to be some r(s, a) and p(. | s, a); the
best policy of that MDP is found by backward induction and followed through the episode. With n
visits of (s, a) that paid R together, under the family's prior (mean reward N(m, 1), noise 1,
Dirichlet(c) transitions) the posterior of r is N((m + R) / (1 + n), 1 / (1 + n)) and that of p
Dirichlet(c + visits of what followed).

    greedy      both posterior means
    psrl        a draw of the posterior         Strens (2000), Osband, Russo, Van Roy (2013)
    optimistic  for each action the greatest worth of several draws        Osband et al. (2013)
    ucrl2       the most promising MDP that the confidence set holds       Jaksch et al. (2010)
                |r - posterior mean| <= width sqrt(7 log(2 S A t / 0.05) / 2 n),  t moves so far,
                |p - posterior mean| <= width sqrt(14 S log(2 A t / 0.05) / n)    (L1; n at least 1)
    optimal     the true MDP, which nobody else knows

And without a model, Q-learning (Watkins, 1989): Q(s, a) += rate (r + g max_b Q(z, b) - Q(s, a)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from workbench.algorithms.control.by_the_book import DRAWS, ByTheBook, Move, Values
from workbench.algorithms.control.planning import backward_induction
from workbench.algorithms.control.trials import Fraction
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Range, When, check_fields
from workbench.randomness import fold, normal, uniform
from workbench.tasks.base import TaskSpec
from workbench.tasks.control.mdp import TabularMDP
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.episode import Episode

MDPRule = Literal["random", "greedy", "psrl", "optimistic", "ucrl2", "q-learning", "optimal"]

_DOUBT = 0.05  # the chance with which a confidence set of UCRL2 may be wrong
_COUNTS = ("visits", "paid", "led")


def _of(*rules: MDPRule) -> When:
    return When(lambda own: own.rule in rules)


@dataclass(frozen=True)
class MDPBaselineSettings:
    """A rule for tabular MDPs."""

    rule: MDPRule = "psrl"  # how a policy is found
    # m: what an action is thought to pay before it was tried
    prior_mean: Annotated[float, Range(-1_000, 1_000, span=(-2, 2))] = 1.0
    # c: a state that was never seen to follow counts as so many visits
    prior_visits: Annotated[float, Range(above=0, span=(0.01, 1), log=True)] = 1.0
    # of UCRL2's confidence set; 1 is the paper's, for rewards between 0 and 1
    width: Annotated[float, Range(0, span=(0, 1)), _of("ucrl2")] = 1.0
    draws: Annotated[int, Range(1, span=(1, 20)), _of("optimistic")] = 10  # of the posterior
    # of Q-learning: how far Q moves
    rate: Annotated[float, Range(0, 1, span=(0, 1)), _of("q-learning")] = 0.5
    # of Q-learning: what a reward one move later is worth
    discount: Annotated[Fraction, _of("q-learning")] = 0.9
    epsilon: Fraction = 0.0  # the share of moves that are made at random

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: object, spec: TaskSpec) -> MDPBaseline:
        """The learner; there is nothing that it needs of a model."""
        return MDPBaseline(self)


class MDPBaseline(ByTheBook):
    """A rule that counts each action's visits, what they paid and where they led.

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.tasks import open_tasks
    >>> trial = open_tasks("mdp").sample(2, seed=0)
    >>> values = last(adapt(MDPBaseline(), trial)).values
    >>> values["visits"].sum(dim=(1, 2)), values["led"].sum(dim=(1, 2, 3))  # 10 moves end episodes
    (tensor([100., 100.]), tensor([90., 90.]))
    """

    def __init__(self, settings: MDPBaselineSettings = MDPBaselineSettings()) -> None:
        super().__init__()
        self.settings, self.epsilon = settings, settings.epsilon

    def begun(self, episode: Episode, like: Tensor) -> Values:
        """No action was tried."""
        mdp = _mdp(episode)
        none = like.new_zeros(len(episode), mdp.states, mdp.choices)
        led = like.new_zeros(*none.shape, mdp.states)
        counts = {"visits": none, "paid": none, "led": led}
        if self.settings.rule == "q-learning":  # one plan for all times
            return {"plan": none.unsqueeze(1), **counts}
        return {"plan": self._plan(counts, episode, 0), **counts}

    def learned(self, values: Values, move: Move, episode: Episode, moves: int) -> Values:
        """One visit more; after an episode's last, the next one is planned."""
        visit = move.seen.unsqueeze(-1) * move.action.unsqueeze(1)  # [task, state, action]
        reward, goes_on = move.reward[:, None, None], 1 - move.done[:, None]
        follows = move.following * goes_on
        counts = {
            "visits": values["visits"] + visit,
            "paid": values["paid"] + visit * reward,
            "led": values["led"] + visit.unsqueeze(-1) * follows[:, None, None],
        }
        plan = values["plan"]
        if self.settings.rule == "q-learning":
            own, worth = self.settings, plan[:, 0]
            later = (worth.amax(dim=-1) * follows).sum(dim=-1)[:, None, None]
            surprise = reward + own.discount * later - worth
            plan = (worth + own.rate * visit * surprise).unsqueeze(1)
        elif moves % _mdp(episode).horizon == 0:
            plan = self._plan(counts, episode, moves)
        return {"plan": plan, **counts}

    def worth(self, adapted: Adapted, x: Tensor) -> Tensor:
        """What is planned for the states of `x [task, example, state]`, one-hot."""
        plan = adapted.values["plan"]
        return x @ plan[:, adapted.step % plan.shape[1]]

    def _plan(self, counts: Values, episode: Episode, moves: int) -> Tensor:
        """What every action is worth by the rule, `[task, time, state, action]`."""
        own, horizon = self.settings, _mdp(episode).horizon
        visits, paid, led = (counts[name].double() for name in _COUNTS)
        states, actions = visits.shape[1:]
        pays, known = (own.prior_mean + paid) / (1 + visits), own.prior_visits + led
        leads = known / known.sum(dim=-1, keepdim=True)
        if own.rule == "random":
            plan = torch.zeros_like(pays).unsqueeze(1).expand(-1, horizon, -1, -1)
        elif own.rule == "greedy":
            plan = backward_induction(pays, leads, horizon)
        elif own.rule in ("psrl", "optimistic"):
            count = own.draws if own.rule == "optimistic" else 1
            plan = torch.full_like(pays, -math.inf).unsqueeze(1)
            for draw in range(count):
                seed = fold(episode.seed, DRAWS, moves, draw)
                noise = normal(fold(seed, 0), (states, actions), torch.float64)
                drawn = dirichlet_draws(known, fold(seed, 1))
                one = backward_induction(pays + noise / (1 + visits).sqrt(), drawn, horizon)
                plan = torch.maximum(plan, one)
        elif own.rule == "ucrl2":
            often, time = visits.clamp(min=1), moves + 1
            of_pays = 7 * math.log(2 * states * actions * time / _DOUBT) / (2 * often)
            of_leads = 14 * states * math.log(2 * actions * time / _DOUBT) / often
            best = pays + own.width * of_pays.sqrt()
            plan = backward_induction(best, leads, horizon, own.width * of_leads.sqrt())
        else:
            task = episode.task
            plan = backward_induction(task["pays"].double(), task["leads"].double(), horizon)
        return plan.to(counts["visits"])


def dirichlet_draws(weights: Tensor, seed: Tensor) -> Tensor:
    """Draws of Dirichlet(weights) over the last axis, `[task, ...]`: parts of sums of gammas.

    >>> round(float(dirichlet_draws(torch.ones(1, 2), torch.tensor([4])).sum()), 6)
    1.0
    """
    from scipy.special import gammaincinv

    chance = uniform(seed, tuple(weights.shape[1:]), torch.float64)
    drawn = -torch.log1p(-chance)  # of weight 1, by the inverse of its distribution function
    other = weights != 1
    found = gammaincinv(*(t[other].double().cpu().numpy() for t in (weights, chance)))
    drawn[other] = torch.as_tensor(found, device=drawn.device)
    return drawn / drawn.sum(dim=-1, keepdim=True)


def _mdp(episode: Episode) -> TabularMDP:
    """The MDP of which a trial is several episodes, or a refusal."""
    env = episode.env
    if not (isinstance(env, Repeated) and isinstance(env.env, TabularMDP)):
        raise UserError(
            "a rule for MDPs counts where actions lead, and these tasks have no such table: "
            "use the tasks 'mdp', or for 'bandit' a BanditBaseline"
        )
    return env.env
