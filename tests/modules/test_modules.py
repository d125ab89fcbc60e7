"""Real modules in the inner loop, against a loop over tasks by `functional_call`, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.modules.libraries import LIBRARIES
from tests.modules.shapes import CASES, EXAMPLES, Case
from workbench.algorithms import MAML, MAMLSettings
from workbench.tasks import Episode, Examples

TASKS, RATE = 2, 0.1
ALL = CASES | LIBRARIES


def made(case: Case) -> nn.Module:
    torch.manual_seed(0)
    model = case.build().double()
    for p in model.parameters():  # no weight at a value where what it does is hidden, such as 0
        p.data += 0.1 * torch.randn_like(p)
    return model


def episode(case: Case) -> Episode:
    def examples(seed: int) -> Examples:
        y = (torch.arange(TASKS * EXAMPLES) % 2).reshape(TASKS, EXAMPLES)
        return Examples(case.inputs(TASKS, EXAMPLES, seed=seed), y)

    return Episode(examples(1), examples(2), torch.arange(TASKS), 2)


def by_functional_call(model: nn.Module, tasks: Episode, steps: int) -> dict[str, Tensor]:
    """The meta-gradient of MAML as its paper has it: a loop over tasks, a loop over steps."""
    theta = dict(model.named_parameters())
    total = 0.0
    for task in range(len(tasks)):
        weights = theta
        for _ in range(steps):
            loss = F.cross_entropy(
                functional_call(model, weights, (tasks.support.x[task],)), tasks.support.y[task]
            )
            found = torch.autograd.grad(
                loss, list(weights.values()), create_graph=True, allow_unused=True
            )
            weights = {
                n: w if g is None else w - RATE * g
                for (n, w), g in zip(weights.items(), found, strict=True)
            }
        prediction = functional_call(model, weights, (tasks.query.x[task],))
        total = total + F.cross_entropy(prediction, tasks.query.y[task])
    gradients = torch.autograd.grad(total / len(tasks), list(theta.values()), allow_unused=True)
    return {
        n: torch.zeros_like(p) if g is None else g
        for (n, p), g in zip(theta.items(), gradients, strict=True)
    }


@pytest.mark.filterwarnings("ignore:.*runs task by task:RuntimeWarning")
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", ALL)
def test_a_module_adapts_as_it_does_by_functional_call(name: str, steps: int):
    case = ALL[name]
    model, tasks = made(case), episode(case)
    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
        expected = by_functional_call(model, tasks, steps)
    learner = MAML(model, MAMLSettings(inner_rate=RATE, train_steps=steps))
    learner.may_lack_gradient = ("*",)  # a branch not taken, a bias not used
    found = learner.meta_gradient(tasks).gradients
    largest = max(float(g.norm()) for g in expected.values())
    assert largest > 0
    for parameter, gradient in expected.items():
        error = float((found[f"model.{parameter}"] - gradient).norm())
        assert error <= 1e-8 * max(float(gradient.norm()), 1e-3 * largest), parameter


def test_there_are_enough_of_them():
    assert len(ALL) >= 60
