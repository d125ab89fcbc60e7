"""What the tests of the contract share: paths, predictions, and when they are the same."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from tests.algorithms.cases import BASELINES, CASES
from workbench.algorithms import Adapted, Learner, adapt, last
from workbench.randomness import fold, normal
from workbench.tasks import Episode, Examples

EXACTLY = {"rtol": 0.0, "atol": 0.0}
CLOSELY = {"rtol": 1e-10, "atol": 1e-11}

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
trained_or_not = pytest.mark.parametrize(
    "case", [*CASES.values(), *BASELINES.values()], ids=[*CASES, *BASELINES]
)


def run(learner: Learner, episode: Episode) -> list[Adapted]:
    """The whole path of an adaptation, without a graph."""
    with torch.no_grad():
        return list(adapt(learner, episode))


def inputs(episode: Episode) -> tuple[Tensor, Tensor | None]:
    """What is predicted for: the query, or some observations where there is none."""
    if episode.query is None:
        dtype = next(iter(episode.task.values())).dtype
        size = episode.env.observation_size
        return normal(fold(episode.seed, 9), (4, size), dtype), None
    return episode.query.x, episode.query.weight


def predict(learner: Learner, adapted: Adapted, episode: Episode) -> Tensor:
    with torch.no_grad():
        return learner.predict(adapted, *inputs(episode))


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], **tolerance) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, **tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


def assert_same_paths(found: list[Adapted], expected: list[Adapted], **tolerance) -> None:
    assert [a.step for a in found] == [a.step for a in expected]
    for one, other in zip(found, expected, strict=True):
        assert_same(one.values, other.values, **tolerance)
        assert_same(one.seen, other.seen, **tolerance)


def cloned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in tensors.items()}


def bindings(tasks: int, seed: int) -> Episode:
    """Two fixed inputs whose labels are drawn anew for every task: only a memory can tell them."""
    swap = torch.randint(2, (tasks, 1), generator=torch.Generator().manual_seed(seed))
    y = torch.tensor([0, 1, 0, 1]).expand(tasks, -1) ^ swap
    x = torch.eye(2)[[0, 1, 0, 1]].expand(tasks, -1, -1)
    seeds = torch.arange(tasks) + 1000 * seed
    return Episode(Examples(x, y), Examples(x[:, :2], y[:, :2]), seeds, 2)


def taught_to_bind(learner: Learner, rate: float, steps: int) -> float:
    """The accuracy on new bindings after some training."""
    optimizer = torch.optim.Adam(learner.parameters(), rate)
    for seed in range(steps):
        optimizer.zero_grad()
        learner(bindings(32, seed)).mean().backward()
        optimizer.step()
    test = bindings(200, 999)
    with torch.no_grad():
        logits = learner.predict(last(adapt(learner, test)), test.query.x)
    return test.measured(logits, test.query).mean().item()
