"""Methods against examples worked by hand, and against what they are there for."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

from tests.algorithms.cases import TRAIN_CLASSES, WAYS, Attentive, clouds, sines
from tests.algorithms.checks import run
from workbench.algorithms import (
    MAML,
    FineTuning,
    FineTuningSettings,
    MAMLSettings,
    PretrainedRegression,
    Prototypical,
    Reptile,
    ReptileSettings,
)
from workbench.innerloop import InnerOptimizer
from workbench.models import MLP
from workbench.tasks import Episode, Examples, TaskSpec

pytestmark = pytest.mark.usefixtures("double")


class Constant(nn.Module):
    """Predicts theta whatever the input: with squared error a step of rate 1/4 halves the way."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([theta]))

    def forward(self, x: Tensor) -> Tensor:
        return self.theta.expand(len(x), 1)


def targets(*of_tasks: list[float]) -> Episode:
    y = torch.tensor(of_tasks).unsqueeze(-1)
    examples = Examples(torch.zeros_like(y), y)
    return Episode(examples, examples, torch.arange(len(y)))


def reptile(theta: float, **settings: int) -> Reptile:
    optimizer = InnerOptimizer("sgd")
    return Reptile(
        Constant(theta), ReptileSettings(inner_rate=0.25, optimizer=optimizer, **settings)
    )


def outer_step(learner: Reptile, episode: Episode, rate: float) -> float:
    gradient = learner.meta_gradient(episode).gradients["model.theta"]
    with torch.no_grad():
        learner.model.theta -= rate * gradient
    return learner.model.theta.item()


def test_reptile_batched_is_the_example_worked_by_hand() -> None:
    # From theta = 1, two halving steps: towards 3 to 2.5, towards 0 to 0.25; mean 1.375.
    learner = reptile(1.0, train_steps=2)
    assert outer_step(learner, targets([3.0], [0.0]), 0.5) == pytest.approx(1.1875, abs=1e-15)


def test_reptile_serial_is_the_example_worked_by_hand() -> None:
    # 1 -> 1 + (2.5 - 1) / 2 = 1.75; then towards 0 to 0.4375 and back half the way: 1.09375.
    learner, both = reptile(1.0, train_steps=2), targets([3.0], [0.0])
    assert outer_step(learner, both[:1], 0.5) == pytest.approx(1.75, abs=1e-15)
    assert outer_step(learner, both[1:], 0.5) == pytest.approx(1.09375, abs=1e-15)


def test_reptile_needs_no_query_and_no_second_order() -> None:
    learner, episode = reptile(1.0, train_steps=2), targets([3.0], [0.0])
    elsewhere = Examples(episode.query.x, episode.query.y + 100)
    other = Episode(episode.support, elsewhere, episode.seed)
    found, expected = (learner.meta_gradient(e).gradients for e in (other, episode))
    assert torch.equal(found["model.theta"], expected["model.theta"])
    assert not found["model.theta"].requires_grad


@pytest.mark.parametrize("count", [4, 5])
def test_reptile_goes_through_each_example_once_an_epoch(count: int) -> None:
    """The gradient 2 (theta - mean of the minibatch) tells which examples were in it."""
    numbers = [float(2**i) for i in range(count)]  # every subset has a sum of its own
    learner = reptile(0.0, batch=2, train_steps=6)
    path = run(learner, targets(numbers, numbers))
    sums: list[list[float]] = [[], []]
    for before, after in pairwise(path):
        theta = before.values["weights.theta"][:, 0]
        mean = theta - after.seen["gradient.theta"][:, 0] / 2
        size = 1 if count == 5 and after.step % 3 == 0 else 2
        for task in (0, 1):
            sums[task].append(mean[task].item() * size)
    epoch = -(-count // 2)
    for of_task in sums:
        for start in range(0, 6, epoch):
            assert sum(of_task[start : start + epoch]) == pytest.approx(2**count - 1)
        assert of_task[:epoch] != pytest.approx(of_task[epoch : 2 * epoch])  # shuffled anew
    assert sums[0] != pytest.approx(sums[1])  # each task by itself


def test_prototypes_are_the_means_worked_by_hand() -> None:
    identity = nn.Linear(1, 1)
    with torch.no_grad():
        identity.weight.fill_(1.0)
        identity.bias.fill_(0.0)
    support = Examples(torch.tensor([[[0.0], [2.0], [5.0]]]), torch.tensor([[0, 0, 1]]))
    query = Examples(torch.tensor([[[2.0]]]), torch.tensor([[0]]))
    episode = Episode(support, query, torch.arange(1), ways=2)
    learner = Prototypical(identity)
    adapted = run(learner, episode)[-1]
    assert adapted.values["prototypes"].flatten().tolist() == [1.0, 5.0]
    assert learner.predict(adapted, query.x).flatten().tolist() == [-1.0, -9.0]  # squared


# ---- fine-tuning does what it is there for ------------------------------------------------------


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_fine_tuning_pretrains_and_then_fits_its_support(head: str) -> None:
    spec = TaskSpec("classification", (4,), WAYS, TRAIN_CLASSES)
    body = MLP(4, None, hidden=(16,), activation="tanh")
    learner = FineTuning(body, spec, FineTuningSettings(head=head))
    episode = clouds()
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.02)
    losses = []
    for _ in range(30):
        found = learner.meta_gradient(episode)
        for name, parameter in learner.named_parameters():
            parameter.grad = found.gradients[name]
        optimizer.step()
        losses.append(found.losses.mean().item())
    assert losses[-1] < 0.7 * losses[0]
    learner.eval()
    path = run(learner, episode)
    fits = torch.stack([adapted.seen["loss"] for adapted in path[1:]])
    assert len(path) == 51
    assert (fits[-1] < 0.5 * fits[0]).all()
    right = episode.measured(learner.predict(path[-1], episode.support.x), episode.support)
    assert right.mean() > 0.9


def test_pretrained_regression_fits_its_support() -> None:
    settings = FineTuningSettings(inner_rate=0.01, optimizer=InnerOptimizer("adam"))
    learner = PretrainedRegression(MLP(1, 1, hidden=(16,), activation="tanh"), settings).eval()
    fits = torch.stack([adapted.seen["loss"] for adapted in run(learner, sines())[1:]])
    assert (fits[-1] < 0.5 * fits[0]).all()


# ---- a user's own module ------------------------------------------------------------------------


def test_training_a_users_own_module_equals_torch_func() -> None:
    """Skip connection, LayerNorm and self-attention, meta-trained for some outer steps."""
    model = Attentive()
    learner = MAML(model, MAMLSettings(inner_rate=0.1, train_steps=2))
    theta = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.2, momentum=0.9)
    speed = {n: torch.zeros_like(p) for n, p in theta.items()}

    def loss(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(functional_call(reference, weights, (x,)), y)

    def of_tasks(theta: dict[str, Tensor], episode: Episode) -> Tensor:
        total = torch.zeros(())
        for task in range(len(episode)):
            fast, support, query = theta, episode.support, episode.query
            for _ in range(2):
                gradients = grad(loss)(fast, support.x[task], support.y[task])
                fast = {n: fast[n] - 0.1 * gradients[n] for n in fast}
            total = total + loss(fast, query.x[task], query.y[task])
        return total / len(episode)

    reference, first = Attentive(), None
    for i in range(4):
        episode = clouds(8)[2 * i : 2 * i + 2]
        found = learner.meta_gradient(episode)
        for name, parameter in learner.named_parameters():
            parameter.grad = found.gradients[name]
        optimizer.step()
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            gradients = grad(of_tasks)(theta, episode)
        speed = {n: 0.9 * speed[n] + g for n, g in gradients.items()}
        first = first or {n: p.clone() for n, p in theta.items()}
        theta = {n: theta[n] - 0.2 * speed[n] for n in theta}
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), theta[name], rtol=1e-9, atol=1e-11)
        assert not torch.allclose(theta[name], first[name])
