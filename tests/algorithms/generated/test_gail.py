"""GAIL-Meta: what is generated, for whom, and what its discriminator is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.algorithms.cases import CASES, TRAIN_CLASSES, WAYS, Attentive, clouds, sines
from tests.algorithms.checks import run
from workbench import UserError
from workbench.algorithms import GAIL, Adversarial, adapt, last
from workbench.inspection import compute
from workbench.models import MLP, MLPSettings
from workbench.tasks import Episode, Examples, TaskSpec, open_tasks
from workbench.training import preset

pytestmark = pytest.mark.usefixtures("double")


def gail(name: str = "GAIL") -> GAIL:
    learner = CASES[name].build()
    assert isinstance(learner, GAIL)
    with torch.no_grad():  # the last layer starts near 0, where little shows
        learner.generator.decode[-1].weight.mul_(30)
    return learner


def test_training_draws_by_the_seed_and_evaluation_does_not() -> None:
    learner, episode = gail(), sines(3)
    other = replace(episode, seed=episode.seed + 1)
    one, two = (learner.generated(e)["head.weight"] for e in (episode, other))
    assert not torch.allclose(one, two)
    learner.eval()
    one, two = (learner.generated(e)["head.weight"] for e in (episode, other))
    assert torch.equal(one, two)
    assert not torch.allclose(one[0], one[1])  # each task has its own


def test_what_is_generated_depends_on_the_set_of_the_support_alone() -> None:
    learner, episode = gail().eval(), sines(2)
    order = torch.tensor([2, 0, 3, 1])
    support = Examples(episode.support.x[:, order], episode.support.y[:, order])
    query = Examples(episode.query.x + 1, episode.query.y + 1)
    other = replace(episode, support=support, query=query)
    found, expected = learner.generated(other), learner.generated(episode)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight)


def test_a_class_keeps_its_row_under_another_name() -> None:
    learner, episode = gail("GAIL, classes").eval(), clouds(2)
    with torch.no_grad():  # theta has a row for each name
        learner.model.head.weight.zero_()
        learner.model.head.bias.zero_()
    turn = torch.tensor([1, 2, 0])  # class k is called turn[k]

    def renamed(examples: Examples) -> Examples:
        return Examples(examples.x, turn[examples.y])

    support, query = renamed(episode.support), renamed(episode.query)
    other = Episode(support, query, episode.seed, WAYS, episode.info)
    one, two = (last(adapt(learner, e)) for e in (episode, other))
    for name in ("weights.head.weight", "weights.head.bias"):
        torch.testing.assert_close(two.values[name][:, turn], one.values[name])
    logits = [learner.predict(a, episode.query.x) for a in (one, two)]
    torch.testing.assert_close(logits[1][..., turn], logits[0])
    score = [learner.verdict({n.removeprefix("weights."): w for n, w in a.values.items()
                              if n.startswith("weights.")}, e)
             for a, e in ((one, episode), (two, other))]  # fmt: skip
    torch.testing.assert_close(score[1], score[0])


@pytest.mark.parametrize("name", ["GAIL", "GAIL, classes"])
def test_the_expert_is_better_on_support_and_query_and_a_constant(name: str) -> None:
    learner, episode = gail(name), CASES[name].episode()
    made = learner.generated(episode)
    real = learner.expert(made, episode)
    assert not any(w.requires_grad for w in real.values())
    start = learner.begin(episode)
    for part in episode.parts.values():
        before, after = (
            episode.loss(learner.under(w, start, part.x), part).mean() for w in (made, real)
        )
        assert after < before


def test_the_generator_sees_the_query_by_the_discriminator_alone() -> None:
    learner, episode = gail(), sines(3)
    with torch.no_grad():
        learner.discriminator.whole[-1].weight.zero_()  # it judges all alike
    found, _ = Adversarial()(learner, episode)
    own = [g for n, g in found.gradients.items() if not n.startswith("discriminator.")]
    assert all((g == 0).all() for g in own)


def test_it_learns_to_start_below_theta() -> None:
    tasks = open_tasks("sinusoid:maml")
    plan = preset("sinusoid-gail")
    learner = plan.learner.build(
        MLPSettings(hidden=(20, 20), activation="tanh"), tasks.spec(plan.train)
    )
    optimizer = torch.optim.Adam(learner.parameters(), 2e-3)
    losses = []
    for seed in range(120):
        episode = tasks.sample(16, seed=seed, shape=plan.train).to(dtype=torch.float64)
        found = learner.meta_gradient(episode)
        losses.append(float(found.losses.mean()))
        for name, parameter in learner.named_parameters():
            parameter.grad = found.gradients[name]
        optimizer.step()
    assert sum(losses[-20:]) < 0.7 * sum(losses[:20])


def test_samples_of_a_task_are_an_inspection_of_its_own() -> None:
    learner, episode = gail().eval(), sines(3)
    frame = compute("samples", learner, episode, run(learner, episode), task=1)
    assert len(frame) == 20
    assert (frame[["weights", "predictions", "loss"]] > 0).all(axis=None)
    assert frame["loss"].nunique() > 10
    one = compute("samples", learner, episode[1:2], run(learner, episode[1:2]))
    assert frame.round(9).equals(one.round(9))  # a task's own, alone or among others


def test_a_classifier_that_is_no_chain_is_refused() -> None:
    spec = TaskSpec("classification", (4,), WAYS, TRAIN_CLASSES)
    with pytest.raises(UserError, match="Attentive is no nn.Sequential"):
        GAIL(Attentive(), spec)
    with pytest.raises(UserError, match=r"ends with an nn\.Linear"):
        GAIL(nn.Sequential(nn.Linear(4, WAYS), nn.Flatten()), spec)
    alone = GAIL(nn.Sequential(nn.Flatten(), nn.Linear(4, WAYS)), spec)
    assert alone.adapted_names == ("1.weight", "1.bias")
    assert isinstance(GAIL(MLP(4, WAYS), spec).begin(clouds()).values["weights.head.bias"],
                      torch.Tensor)  # fmt: skip
