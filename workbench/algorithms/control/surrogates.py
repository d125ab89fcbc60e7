"""Surrogates: losses whose derivatives are those of minus the expected return.

    log    - sum_t log pi_t A_t                      its gradient is right, its Hessian lacks all
                                                     products of scores (Finn et al., 2017)
    ratio  - sum_t pi_t / old pi_t A_t               the Hessian has the products at one time: LVC
                                                     (Rothfuss et al., 2019, arXiv:1810.06784)
    dice   - sum_t (box(W_t) - box(W_t-1)) A_t       every order is right in expectation: loaded
                                                     DiCE (Foerster et al., 2018, arXiv:1802.05098;
                                                     Farquhar et al., 2019, arXiv:1909.10549)

W_t = sum_u<=t log pi_u, box(W) = exp(W - stop W). What `ratio` lacks is small where pi_t has little
to do with A_u, u < t, and so is its variance; that of `dice` grows with the length of an episode.
The ratio is to the policy that acted, so that it still holds when the policy has moved on.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Surrogate = Literal["ratio", "dice", "log"]


def surrogate(
    kind: Surrogate, log_probability: Tensor, old: Tensor, advantage: Tensor, weight: Tensor
) -> Tensor:
    """The loss of actions `[..., move]`: the weighted mean over the last two axes.

    old     the actions' log probabilities under the policy that acted
    weight  what each move counts: 0 after an end

    >>> score = torch.tensor([[-0.5, -0.7]])
    >>> surrogate("ratio", score, score, torch.tensor([[1.0, 3.0]]), torch.ones(1, 2))
    tensor(-2.)
    """
    if kind == "log":
        gain = log_probability
    elif kind == "ratio":
        gain = (log_probability - old).exp()
    else:
        gain = _box(log_probability.cumsum(dim=-1)).diff(
            dim=-1, prepend=torch.ones_like(old[..., :1])
        )
    return -weighted_mean(gain * advantage, weight)


def clipped(
    log_probability: Tensor, old: Tensor, advantage: Tensor, weight: Tensor, clip: float
) -> Tensor:
    """The ratio's loss, which no action improves by going further than `clip` from a ratio of 1.

    Schulman et al. (2017), Proximal Policy Optimization Algorithms, equation 7.
    """
    ratio = (log_probability - old).exp()
    limited = ratio.clamp(1 - clip, 1 + clip)
    return -weighted_mean(torch.minimum(ratio * advantage, limited * advantage), weight)


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """The mean over trajectories and moves, the last two axes."""
    return (values * weight).sum(dim=(-2, -1)) / weight.sum(dim=(-2, -1))


def _box(total: Tensor) -> Tensor:
    """1, whose derivatives are those of the logarithm of a chance."""
    return (total - total.detach()).exp()
