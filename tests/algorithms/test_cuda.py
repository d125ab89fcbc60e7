"""The same numbers on a CUDA device, where there is one."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from tests.algorithms.cases import CASES, Case
from workbench.randomness import fold, normal, permutation, uniform
from workbench.tasks import Shape
from workbench.training import evaluate, preset, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device was found"),
]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.usefixtures("double")
def test_meta_gradients_equal_those_of_the_cpu(case: Case) -> None:
    learner, episode = case.build(), case.episode()
    expected = learner.meta_gradient(episode)
    found = copy.deepcopy(learner).to("cuda").meta_gradient(episode.to("cuda"))
    torch.testing.assert_close(found.losses.cpu(), expected.losses, rtol=1e-8, atol=1e-10)
    for name, gradient in expected.gradients.items():
        torch.testing.assert_close(found.gradients[name].cpu(), gradient, rtol=1e-7, atol=1e-9)


def test_random_numbers_are_those_of_the_cpu() -> None:
    seed = torch.arange(5)
    assert torch.equal(fold(seed.cuda(), 3).cpu(), fold(seed, 3))
    assert torch.equal(uniform(seed.cuda(), (7,)).cpu(), uniform(seed, (7,)))
    assert torch.equal(permutation(seed.cuda(), 9).cpu(), permutation(seed, 9))
    torch.testing.assert_close(normal(seed.cuda(), (7,)).cpu(), normal(seed, (7,)))


@pytest.mark.parametrize("name", ["sinusoid-maml", "glyphs-protonet", "bandit-rl2"])
def test_presets_train_and_are_measured(name: str) -> None:
    experiment = replace(preset(name).stretched(5), device="cuda")
    training = replace(experiment.training, tasks=2, validate_every=0)
    experiment = replace(experiment, training=training)
    if experiment.tasks == "glyphs":
        experiment = replace(experiment, train=Shape(5, 1, 2), test=Shape(5, 1, 2))
    outcome = train(experiment, progress=False)
    assert outcome.iteration == 5
    result = evaluate(outcome.learner, outcome.tasks, experiment.test, episodes=8)
    assert result.values.isfinite().all()
