"""What a move of a trajectory was worth: advantages over a baseline fitted to each task's moves.

V(o, t) = c . (o, o^2, t, t^2, t^3, 1)    ridge least squares on what followed (Duan et al.,
                                          2016, arXiv:1604.06778, linear feature baseline)
A_t     = generalised advantage estimates over V (see `trials`), brought to mean 0, deviation 1
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.algorithms.control.trials import advantages

_RIDGE = 1e-5
_CLOCK = 100  # moves that the features count as 1
_FARTHEST = 10  # where observations are cut


def linear_baseline(observation: Tensor, following: Tensor, mask: Tensor) -> Tensor:
    """What is to follow from each move `[task, trajectory, move]`, by the task's own moves.

    >>> seen, paid = torch.tensor([[[[1.0], [3.0]]]]), torch.tensor([[[2.0, 6.0]]])
    >>> linear_baseline(seen, paid, torch.ones(1, 1, 2)).round(decimals=2)
    tensor([[[2., 6.]]])
    """
    features = _features(observation)
    rows = (features * mask.unsqueeze(-1)).flatten(1, 2)
    moment = rows.mT @ features.flatten(1, 2)
    ridge = _RIDGE * torch.eye(moment.shape[-1], dtype=moment.dtype, device=moment.device)
    target = rows.mT @ following.to(moment).flatten(1).unsqueeze(-1)
    fitted = torch.linalg.solve(moment + ridge, target)
    return (features @ fitted.unsqueeze(1)).squeeze(-1).to(observation) * mask


def returns(reward: Tensor, discount: float) -> Tensor:
    """What follows from each move on, discounted: `[..., move]`."""
    return estimates(reward, torch.zeros_like(reward), discount, 1.0)


def estimates(reward: Tensor, value: Tensor, discount: float, trace: float) -> Tensor:
    """Generalised advantage estimates `[..., move]`; reward and value are 0 after an end."""
    rows = advantages(reward.flatten(0, -2), value.flatten(0, -2), discount, trace)
    return rows.view_as(reward)


def normalised(advantage: Tensor, mask: Tensor) -> Tensor:
    """Advantages `[task, trajectory, move]` of mean 0 and deviation 1 over each task's moves."""
    count = mask.sum(dim=(1, 2), keepdim=True)
    centred = (advantage - (advantage * mask).sum(dim=(1, 2), keepdim=True) / count) * mask
    spread = (centred.square().sum(dim=(1, 2), keepdim=True) / count).sqrt()
    return centred / (spread + 1e-8)


def _features(observation: Tensor) -> Tensor:
    seen = observation.double().clamp(-_FARTHEST, _FARTHEST)
    moves = torch.arange(seen.shape[-2], device=seen.device).to(seen) / _CLOCK
    time = moves.expand(seen.shape[:-1]).unsqueeze(-1)
    return torch.cat([seen, seen.square(), time, time**2, time**3, torch.ones_like(time)], dim=-1)
