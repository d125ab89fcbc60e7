"""What gradient methods take for a head, and the models that they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from tests.algorithms.cases import CASES, WAYS, clouds, sines
from workbench import UserError
from workbench.algorithms import (
    ANIL,
    BOIL,
    MAML,
    FineTuning,
    FineTuningSettings,
    PretrainedRegression,
    Reptile,
    ReptileSettings,
    TaskMemory,
    adapt,
    last,
)
from workbench.models import MLP, MLPSettings
from workbench.tasks import Episode, Shape, TaskSpec, open_tasks

pytestmark = pytest.mark.usefixtures("double")


def with_normed_head() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 4), nn.Tanh(), weight_norm(nn.Linear(4, 1)))


def test_a_head_under_weight_norm_stays_in_one_piece() -> None:
    parts = {"2.bias", "2.parametrizations.weight.original0", "2.parametrizations.weight.original1"}
    anil, boil = ANIL(with_normed_head()), BOIL(with_normed_head())
    assert set(anil.adapted_names) == parts
    assert set(boil.adapted_names) == {"0.weight", "0.bias"}
    assert all(g.norm() > 0 for g in anil.meta_gradient(sines()).gradients.values())


def test_a_single_layer_is_a_head() -> None:
    assert ANIL(nn.Linear(1, 1)).adapted_names == ("weight", "bias")
    assert len(ANIL(weight_norm(nn.Linear(1, 1))).adapted_names) == 3
    with pytest.raises(UserError, match="give it a hidden layer"):
        BOIL(weight_norm(nn.Linear(1, 1)))


def test_complex_weights_are_refused() -> None:
    with pytest.raises(UserError, match=r"complex weights \('weight'\)"):
        MAML(nn.Linear(1, 1, dtype=torch.complex128))


def test_weights_that_are_tied_later_are_refused() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    learner = MAML(model)
    model[1].weight = model[0].weight
    with pytest.raises(UserError, match=r"no parameter '1.weight' of its own any more.* anew"):
        learner(sines())
    assert MAML(model)(sines()).isfinite().all()


@pytest.mark.parametrize("method", [MAML, ANIL, Reptile, TaskMemory])
def test_more_ways_than_outputs_are_refused(method: type) -> None:
    learner = method(MLP(4, WAYS - 1))
    with pytest.raises(UserError, match=f"tells {WAYS - 1} classes apart .* {WAYS} ways"):
        learner.meta_gradient(clouds())


def test_more_ways_than_outputs_are_refused_without_a_step() -> None:
    learner = CASES["MAML, classes"].build(train_steps=0)
    learner.model.head = nn.Linear(5, WAYS - 1)
    with pytest.raises(UserError, match=f"tells {WAYS - 1} classes apart"):
        learner(clouds())
    remembering = TaskMemory(MLP(4, WAYS - 1))
    remembering.recognised[0] = 0
    with pytest.raises(UserError, match=f"tells {WAYS - 1} classes apart"):
        remembering.begin(clouds())


def test_fine_tuning_says_what_it_needs_of_an_own_episode() -> None:
    learner = FineTuning(MLP(4, None), TaskSpec("classification", (4,), WAYS, 6))
    episode = clouds()
    own = Episode(episode.support, episode.query, episode.seed, WAYS)
    with pytest.raises(UserError, match=r"info=\{'classes': .* of the 6 training classes\}"):
        learner.meta_gradient(own)
    assert last(adapt(learner.eval(), own, steps=2)).step == 2  # adapting needs no such thing
    with pytest.raises(UserError, match="give it ways="):
        next(adapt(learner, Episode(episode.support, episode.query, episode.seed)))


def test_pretrained_regression_learns_numbers() -> None:
    with pytest.raises(UserError, match="learns regression"):
        PretrainedRegression(MLP(4, WAYS), FineTuningSettings())(clouds())


@pytest.mark.parametrize("method", [ReptileSettings, FineTuningSettings])
@pytest.mark.parametrize(
    "given", [{"order": "second"}, {"order": "truncated"}, {"truncate": 2}, {"rematerialise": True}]
)
def test_what_says_how_to_differentiate_is_refused_where_nothing_is(method, given) -> None:
    spec = open_tasks("sinusoid").spec(Shape(1, 5))
    with pytest.raises(UserError, match=f"learner.{next(iter(given))} is .*not differentiate"):
        method(**given).build(MLPSettings(), spec)
    method().build(MLPSettings(), spec)


def test_the_pull_to_theta_is_a_part_of_reptile() -> None:
    torch.manual_seed(0)
    net, tasks = MLP(1, 1), sines()
    one, other = (
        Reptile(net, ReptileSettings(proximal=p)).meta_gradient(tasks).gradients["model.head.bias"]
        for p in (0.0, 5.0)
    )
    assert not torch.allclose(one, other)


def test_a_new_head_has_no_theta_to_be_drawn_back_to() -> None:
    spec = TaskSpec("classification", (3,), outputs=2, train_classes=4)
    with pytest.raises(UserError, match="leave it 0"):
        FineTuningSettings(proximal=1.0).build(MLPSettings(hidden=(4,)), spec)
