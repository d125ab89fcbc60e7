"""An update rule, learned or not, as a `torch.optim.Optimizer` in anybody's training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from workbench.innerloop.rules import UpdateRule


class LearnedOptimizer(torch.optim.Optimizer):
    """Moves parameters as a rule says. `state_dict` has the rule's state and its weights.

    >>> from workbench.innerloop import MomentRule
    >>> model = torch.nn.Linear(2, 1)
    >>> optimizer = LearnedOptimizer(model.parameters(), MomentRule(), lr=0.01)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     model(torch.ones(1, 2)).square().sum().backward()
    ...     optimizer.step()
    >>> saved = optimizer.state_dict()  # and on, in another process, with the same bits
    >>> LearnedOptimizer(model.parameters(), MomentRule(), lr=0.01).load_state_dict(saved)

    lr  what the rule's steps are multiplied by: the inner rate that it was trained with
    """

    def __init__(self, params: Iterable[Any], rule: UpdateRule, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})
        self.rule = rule

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every group; a parameter without a gradient stays where it is."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._move(group)
        return loss

    def _move(self, group: dict[str, Any]) -> None:
        params: list[Tensor] = group["params"]
        weights = {str(i): p.unsqueeze(0) for i, p in enumerate(params)}  # a single task
        gradients = {
            str(i): (torch.zeros_like(p) if p.grad is None else p.grad).unsqueeze(0)
            for i, p in enumerate(params)
        }
        kept = self.state[params[0]]  # of the whole group
        if not kept:
            kept["step"] = torch.tensor(0.0, dtype=torch.float64)
            kept["rule"] = self.rule.init(weights)
        rates = dict.fromkeys(weights, group["lr"])
        new, kept["rule"] = self.rule.step(gradients, weights, kept["rule"], rates, kept["step"])
        kept["step"] = kept["step"] + 1
        for i, p in enumerate(params):
            if p.grad is not None:
                p.copy_(new[str(i)][0])

    def state_dict(self) -> dict[str, Any]:
        """What torch's optimizers save, and the rule's own weights."""
        return {**super().state_dict(), "rule": self.rule.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what was saved, rule included."""
        rest = dict(state_dict)
        self.rule.load_state_dict(rest.pop("rule"))
        super().load_state_dict(rest)
