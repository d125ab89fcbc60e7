"""Planning in tabular MDPs of a finite horizon, many at once: backwards from the last move.

    Q_t(s, a) = r(s, a) + sum_z p(z | s, a) max_b Q_t+1(z, b)          Q after the last move is 0

Under doubt, `slack` lets p be any distribution within that L1 distance, the one that promises most:
extended value iteration (Jaksch, Ortner, Auer, 2010, figure 2).
"""

from __future__ import annotations

import torch
from torch import Tensor


def backward_induction(
    pays: Tensor, leads: Tensor, horizon: int, slack: Tensor | None = None
) -> Tensor:
    """What every action is worth until the end, `[task, time, state, action]`.

    pays   `[task, state, action]`
    leads  `[task, state, action, state]`
    slack  how far off `leads` may be, `[task, state, action]`; by default not at all

    >>> pays, leads = torch.tensor([[[1.0, 0.0]]]), torch.ones(1, 1, 2, 1)
    >>> backward_induction(pays, leads, horizon=3)[0, :, 0]
    tensor([[3., 2.],
            [2., 1.],
            [1., 0.]])
    """
    worth, found = torch.zeros_like(pays[..., 0]), []
    for _ in range(horizon):
        if slack is None:
            following = torch.einsum("tsaz,tz->tsa", leads, worth)
        else:
            following = promised(leads, slack, worth)
        found.append(pays + following)
        worth = found[-1].amax(dim=-1)
    return torch.stack(found[::-1], dim=1)


def promised(leads: Tensor, slack: Tensor, worth: Tensor) -> Tensor:
    """The most that `worth [task, state]` can be on average, `slack` away from `leads`.

    Half the slack goes to the best state, and is taken from the worst ones.

    >>> leads, slack = torch.tensor([[[[0.5, 0.5]]]]), torch.tensor([[[0.4]]])
    >>> promised(leads, slack, torch.tensor([[0.0, 1.0]]))
    tensor([[[0.7000]]])
    """
    best_first = worth.argsort(dim=-1, descending=True)
    order = best_first[:, None, None].expand_as(leads)
    chances = leads.gather(-1, order)
    more = (chances[..., :1] + slack.unsqueeze(-1) / 2).clamp(max=1)
    chances = torch.cat([more, chances[..., 1:]], dim=-1)
    left = 1 - (chances.cumsum(dim=-1) - chances)  # for a state, after all better ones
    chances = torch.minimum(chances, left.clamp(min=0))
    return torch.einsum("tsaz,tz->tsa", chances, worth.gather(-1, best_first))
