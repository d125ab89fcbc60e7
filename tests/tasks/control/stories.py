"""All that can happen in three moves of the small MDP, and what a policy of it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from tests.tasks.control.worlds import PAYS, TO_ONE

GAMMA = 0.9


@dataclass(frozen=True)
class Stories:
    """`[story, move]`, but for the chance of each, `[story]`."""

    place: Tensor
    action: Tensor
    chance: Tensor
    following: Tensor  # discounted, from each move on
    baseline: Tensor  # some numbers that place and time alone decide
    advantage: Tensor  # the difference, discounted to the start


def stories(scores: Tensor, horizon: int) -> Stories:
    """Of a policy with these scores `[state, action]`; what is paid is its mean."""
    scores = scores.detach()
    to_one = TO_ONE.to(scores)
    leads = torch.stack([1 - to_one, to_one], dim=-1)
    rows = [
        ((0, *places), actions)
        for actions in product(range(2), repeat=horizon)
        for places in product(range(2), repeat=horizon - 1)
    ]
    place, action = (torch.tensor(column) for column in zip(*rows, strict=True))
    chance = scores.log_softmax(-1)[place, action].sum(-1).exp()
    for move in range(horizon - 1):
        chance = chance * leads[place[:, move], action[:, move], place[:, move + 1]]
    paid = PAYS.to(scores)[place, action]
    following, total = torch.zeros_like(paid), torch.zeros_like(paid[:, 0])
    for move in reversed(range(horizon)):
        total = paid[:, move] + GAMMA * total
        following[:, move] = total
    time = torch.arange(horizon).to(scores)
    baseline = GAMMA**time * (1.5 - 0.7 * place + 0.3 * time)
    return Stories(place, action, chance, following, baseline, GAMMA**time * following - baseline)


def worth(scores: Tensor, horizon: int) -> Tensor:
    """The discounted return of a policy from state 0, backwards from the last move."""
    pays = PAYS.to(scores)
    to_one = TO_ONE.to(scores)
    leads = torch.stack([1 - to_one, to_one], dim=-1)
    value = torch.zeros(2, dtype=scores.dtype)
    for _ in range(horizon):
        value = (scores.softmax(-1) * (pays + GAMMA * leads @ value)).sum(-1)
    return value[0]
