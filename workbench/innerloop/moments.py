"""A learned update rule that starts as Adam: a small net on the moments of the gradients.

After Metz et al. (2020), Tasks, stability, architecture, and compute: Training more effective
learned optimizers, arXiv:2009.11243.

    m_k, v_j   running means, at several decays, of each coordinate's gradient and its square
    u_k, t_k   m_k over the root of v, of the coordinate's own v (Adam) and of its whole tensor's
    a, b, c    = net(u, t, log v, agreement of gradients with m, weight, time)
    w         <- w - rate * exp(a) * (u_Adam + sum_k b_k u_k + c_k t_k)

A step is at most twice as long as those before it (a decaying maximum, tensor by tensor): where
gradients have become tiny, the quotients u and t have not, and a rule that runs for longer than it
was trained for would now and then leap away.

The net's last layer starts at zero, so that the rule starts as Adam (with decays 0.9 and 0.999).
What is of its whole tensor lets it step along the gradient as momentum does, which Adam cannot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.fields import Range, check_fields
from workbench.innerloop.learned import Coordinatewise, flattened
from workbench.innerloop.rules import Named

MEANS, SQUARES = (0.5, 0.9, 0.99), (0.9, 0.999)  # decays; Adam's are the second of each
TIMES = (3, 10, 30)  # steps around which a feature of time changes; later steps are all alike
TINY = 1e-16
GROWTH, FADING = 2.0, 0.9  # how much longer a step may be than what is kept of those before it
FAR = 1e6  # the first step may be of any length
_FEATURES = 3 * len(MEANS) + len(MEANS) + 2 * len(SQUARES) + 3 + len(TIMES)


@dataclass(frozen=True)
class MomentRuleSettings:
    """Adam's steps, changed by a small net that looks at moments, sizes and time."""

    hidden: Annotated[int, Range(1, span=(4, 128))] = 32  # units of its two layers
    # the greatest change of a step's length, as a factor
    most: Annotated[float, Range(above=1, span=(2, 100), log=True)] = 20.0

    def __post_init__(self) -> None:
        check_fields(self, "learner.optimizer")

    def build(self) -> MomentRule:
        """The rule, which is Adam until it is trained."""
        return MomentRule(self)


class MomentRule(Coordinatewise):
    """Adam with a net that sets the length of its steps and mixes other directions in.

    >>> rule, w = MomentRule(), {"w": torch.ones(1, 2)}
    >>> rates = {"w": 0.1}
    >>> new, _ = rule.step({"w": torch.tensor([[3.0, -2.0]])}, w, rule.init(w), rates,
    ...                    torch.tensor(0.0))
    >>> new["w"]  # as Adam's first step
    tensor([[0.9000, 1.1000]], grad_fn=<AddBackward0>)
    """

    def __init__(self, settings: MomentRuleSettings = MomentRuleSettings()) -> None:
        super().__init__()
        self.settings = settings
        size, outputs = settings.hidden, 1 + 2 * len(MEANS)
        self.net = nn.Sequential(
            nn.Linear(_FEATURES, size), nn.ReLU(),
            nn.Linear(size, size), nn.ReLU(),
            nn.Linear(size, outputs),
        )  # fmt: skip
        for parameter in self.net[-1].parameters():
            nn.init.zeros_(parameter)

    def init(self, weights: Mapping[str, Tensor]) -> Named:
        """No gradient met yet: zeros."""
        flat = flattened(weights)
        return {
            "mean": flat.new_zeros(*flat.shape, len(MEANS)),
            "square": flat.new_zeros(*flat.shape, len(SQUARES)),
            "reach": torch.full_like(flat, FAR),
        }

    def move(
        self, gradient: Tensor, weight: Tensor, state: Named, step: Tensor, sizes: list[int]
    ) -> tuple[Tensor, Named]:
        """Adam's step as the net changes it."""
        g, taken = gradient.unsqueeze(-1), step.to(gradient) + 1
        keep, keep_squares = gradient.new_tensor(MEANS), gradient.new_tensor(SQUARES)
        mean = keep * state["mean"] + (1 - keep) * g
        square = keep_squares * state["square"] + (1 - keep_squares) * g * g
        m = mean / (1 - keep**taken)
        v = square / (1 - keep_squares**taken) + TINY

        def of_tensor(values: Tensor) -> Tensor:
            """The mean over each tensor's coordinates, at each of them."""
            parts = values.split(sizes, dim=1)
            return torch.cat([p.mean(dim=1, keepdim=True).expand_as(p) for p in parts], dim=1)

        whole = of_tensor(
            torch.cat([v, g * g + TINY, m * m + TINY, g * state["mean"], state["mean"] ** 2], -1)
        )
        v_of, g_of, m_of, along, before = whole.split([len(SQUARES), 1, *[len(MEANS)] * 3], dim=-1)
        agreement = along / (g_of * before + TINY).sqrt()
        unit, quick = m / v[..., 1:].sqrt(), m / v[..., :1].sqrt()
        shared = m / v_of[..., 1:].sqrt()
        time = ((taken / gradient.new_tensor(TIMES)).log()).tanh().expand(*gradient.shape, -1)
        lengths = torch.cat([v.log(), v_of.log(), g_of.log(), m_of[..., 1:2].log()], dim=-1) / 10
        features = [unit, quick, shared, agreement, lengths]
        features += [weight.unsqueeze(-1), time]
        a, own, of_whole = self.net(torch.cat(features, dim=-1)).split(
            [1, len(MEANS), len(MEANS)], -1
        )
        bound = math.log(self.settings.most)
        factor = (bound * (a / bound).tanh()).exp()
        direction = unit[..., 1:2] + (own * unit + of_whole * shared).sum(dim=-1, keepdim=True)
        move = -(factor * direction).squeeze(-1)
        length = (of_tensor(move**2) + TINY).sqrt()
        move = move * (GROWTH * state["reach"] / length).clamp(max=1.0)
        reach = torch.minimum(length, GROWTH * state["reach"])
        kept = torch.where(taken > 1, FADING * state["reach"], torch.zeros_like(reach))
        new = {"mean": mean, "square": square, "reach": torch.maximum(reach, kept)}
        return move, new
