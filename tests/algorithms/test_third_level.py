"""A learner inside a learner: meta-training's own settings, differentiated through outer steps.

The outer learner calls the inner one by `functional_call` and steps its parameters by an update
rule. It is held against the same written with `torch.func` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from tests.algorithms.cases import sines
from workbench.algorithms import MAML, MAMLSettings
from workbench.innerloop import InnerOptimizer
from workbench.models import MLP
from workbench.tasks import Episode

pytestmark = pytest.mark.usefixtures("double")

OUTER = {
    "sgd": InnerOptimizer(),
    "momentum": InnerOptimizer(momentum=0.9),
    "adam": InnerOptimizer("adam", eps=1e-3),
}
INNER_STEPS = 2
ALPHA, BETA = 0.05, 0.02


class OuterLearner(nn.Module):
    """Learns the inner rate and the outer rate of MAML, and where meta-training starts."""

    def __init__(self, inner: MAML, optimizer: InnerOptimizer) -> None:
        super().__init__()
        self.inner, self.rule = inner, optimizer.build()
        self.inner_rate = nn.Parameter(torch.tensor(ALPHA))
        self.outer_rate = nn.Parameter(torch.tensor(BETA))

    def meta_loss(self, theta: dict[str, Tensor], episode: Episode) -> Tensor:
        rates = {f"rates.{n}": self.inner_rate.reshape(()) for n in self.inner.rates}
        return functional_call(self.inner, {**theta, **rates}, (episode,)).mean()

    def forward(self, training: Sequence[Episode], validation: Episode) -> Tensor:
        """The meta-loss on `validation` after one outer step on each episode of `training`."""
        theta = {n: p for n, p in self.inner.named_parameters() if not n.startswith("rates.")}
        rates, state = dict.fromkeys(theta, self.outer_rate), self.rule.init(theta)
        for step, episode in enumerate(training):
            loss = self.meta_loss(theta, episode)
            found = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
            gradients = dict(zip(theta, found, strict=True))
            theta, state = self.rule.step(
                gradients, theta, state, rates, torch.tensor(step).double()
            )
        return self.meta_loss(theta, validation)


def outer_step(
    optimizer: str, p: Tensor, g: Tensor, state: list[Tensor], beta: Tensor, t: int
) -> Tensor:
    """What torch's optimizer of that name makes of a parameter, by hand."""
    if optimizer == "sgd":
        return p - beta * g
    if optimizer == "momentum":
        state[:] = [0.9 * state[0] + g if state else g]
        return p - beta * state[0]
    first, second = state or (torch.zeros_like(g), torch.zeros_like(g))
    state[:] = [0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g * g]
    mean, square = state[0] / (1 - 0.9**t), state[1] / (1 - 0.999**t)
    return p - beta * mean / (square.sqrt() + 1e-3)


def by_torch_func(model: nn.Module, optimizer: str) -> Callable[..., Tensor]:
    """The same function of (theta, inner rate, outer rate) with no line of the workbench in it."""

    def loss(theta: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return (functional_call(model, theta, (x,)) - y).square().mean()

    def of_task(
        theta: dict[str, Tensor], alpha: Tensor, x: Tensor, y: Tensor, qx: Tensor, qy: Tensor
    ) -> Tensor:
        for _ in range(INNER_STEPS):
            gradients = grad(loss)(theta, x, y)
            theta = {n: p - alpha * gradients[n] for n, p in theta.items()}
        return loss(theta, qx, qy)

    def meta_loss(theta: dict[str, Tensor], alpha: Tensor, e: Episode) -> Tensor:
        return vmap(of_task, in_dims=(None, None, 0, 0, 0, 0))(
            theta, alpha, e.support.x, e.support.y, e.query.x, e.query.y
        ).mean()

    def whole(
        theta: dict[str, Tensor],
        alpha: Tensor,
        beta: Tensor,
        training: Sequence[Episode],
        validation: Episode,
    ) -> Tensor:
        states: dict[str, list[Tensor]] = {n: [] for n in theta}
        for t, episode in enumerate(training, start=1):
            gradients = grad(meta_loss)(theta, alpha, episode)
            theta = {
                n: outer_step(optimizer, p, gradients[n], states[n], beta, t)
                for n, p in theta.items()
            }
        return meta_loss(theta, alpha, validation)

    return whole


def episodes() -> list[Episode]:
    return [sines(9)[i : i + 3] for i in (0, 3, 6)]


def outer_learner(optimizer: str) -> OuterLearner:
    inner = MAML(
        MLP(1, 1, hidden=(5, 4), activation="tanh"),
        MAMLSettings(rates="layer", train_steps=INNER_STEPS),
    )
    return OuterLearner(inner, OUTER[optimizer])


@pytest.mark.parametrize("optimizer", OUTER)
def test_a_third_level_equals_torch_func(optimizer: str) -> None:
    *training, validation = episodes()
    outer = outer_learner(optimizer)
    found_loss = outer(training, validation)
    theta = dict(outer.inner.model.named_parameters())
    wanted = [outer.inner_rate, outer.outer_rate, *theta.values()]
    found = torch.autograd.grad(found_loss, wanted)

    whole = by_torch_func(outer.inner.model, optimizer)
    start = {n: p.detach() for n, p in theta.items()}
    arguments = (start, torch.tensor(ALPHA), torch.tensor(BETA), training, validation)
    torch.testing.assert_close(found_loss, whole(*arguments), rtol=1e-10, atol=1e-12)
    of_theta, of_alpha, of_beta = grad(whole, argnums=(0, 1, 2))(*arguments)
    for one, other in zip(found, [of_alpha, of_beta, *of_theta.values()], strict=True):
        assert other.norm() > 1e-6
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_the_third_level_changes_nothing_of_the_learner_inside() -> None:
    *training, validation = episodes()
    outer = outer_learner("adam")
    before = {n: t.clone() for n, t in outer.state_dict().items()}
    outer(training, validation).backward()
    assert all(torch.equal(t, before[n]) for n, t in outer.state_dict().items())
    assert isinstance(outer.inner.model.head.weight, nn.Parameter)
    again = outer(training, validation)
    assert torch.equal(again, outer(training, validation))


def test_the_third_level_learns_its_rates() -> None:
    *training, validation = episodes()
    outer = outer_learner("sgd")
    optimizer = torch.optim.Adam([outer.inner_rate, outer.outer_rate], lr=0.005)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = outer(training, validation)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.99 * losses[0]
