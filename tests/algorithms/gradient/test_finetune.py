"""Fine-tuning with some layers left free, against steps of `torch.func` in float64."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, grad
from torch.nn import functional as F

from tests.algorithms.cases import TRAIN_CLASSES, WAYS, clouds
from workbench.algorithms import FineTuning, FineTuningSettings, adapt
from workbench.errors import UserError
from workbench.innerloop import InnerOptimizer
from workbench.models import MLP, MLPSettings
from workbench.tasks import TaskSpec

SPEC = TaskSpec("classification", (4,), WAYS, TRAIN_CLASSES)
PLAIN = InnerOptimizer("sgd")


def _learner(**changes: object) -> FineTuning:
    torch.manual_seed(0)
    body = MLP(4, None, hidden=(6, 5), activation="tanh")
    settings = FineTuningSettings(test_steps=3, optimizer=PLAIN, **changes)  # type: ignore[arg-type]
    return FineTuning(body, SPEC, settings).double().eval()


def test_a_free_layer_takes_the_steps_that_torch_func_finds() -> None:
    learner, episode = _learner(free=("linear2",), free_rate=0.2), clouds()
    *_, end = adapt(learner, episode)
    body = dict(learner.body.named_parameters())
    for task in range(len(episode)):
        x, y = episode.support.x[task], episode.support.y[task]
        own = {n: p.detach() for n, p in body.items() if n.startswith("linear2.")}
        head = {"w": torch.zeros(WAYS, 5).double(), "b": torch.zeros(WAYS).double()}

        def loss(own, head, x=x, y=y):  # type: ignore[no-untyped-def]
            features = functional_call(learner.body, {**body, **own}, x)
            return F.cross_entropy(features @ head["w"].T + head["b"], y)

        for _ in range(3):
            slopes = grad(loss, argnums=(0, 1))(own, head)
            own = {n: w - 0.2 * slopes[0][n].detach() for n, w in own.items()}
            head = {n: w - 0.1 * slopes[1][n].detach() for n, w in head.items()}
        assert torch.allclose(end.values["weights.head"][task], head["w"], atol=1e-12)
        for name, w in own.items():
            found = end.values[f"weights.body.{name}"][task]
            assert torch.allclose(found, w, atol=1e-12)
            assert not torch.allclose(found, body[name])
    assert not any("linear1" in name for name in end.values)


def test_frozen_all_through_it_adapts_the_head_alone() -> None:
    *_, end = adapt(_learner(), clouds())
    weights = {name for name in end.values if name.startswith("weights.")}
    assert weights == {"weights.head", "weights.offset"}


def test_a_layer_that_is_not_there_is_refused_by_its_name() -> None:
    with pytest.raises(UserError, match="has no such layer with parameters: .*linear2"):
        _learner(free=("liner2",))


def test_tasks_of_numbers_keep_their_head() -> None:
    spec = TaskSpec("regression", (1,), 1)
    with pytest.raises(UserError, match="leave it empty"):
        FineTuningSettings(free=("linear1",)).build(MLPSettings(), spec)
