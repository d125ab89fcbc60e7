"""T-NAS: what is searched and chosen, its gradients in float64, and what its mixture costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.func import functional_call

from tests.algorithms.cases import clouds
from workbench import UserError
from workbench.algorithms import MAML, ArchitectureSearch, ArchitectureSettings, MAMLSettings, adapt
from workbench.algorithms.base import last
from workbench.algorithms.gradient.architectures import MIXTURE
from workbench.figures import draw
from workbench.models import MLP, MixedSettings
from workbench.training import Trainer, preset

OPERATIONS = "relu tanh gauss"
MODEL = MixedSettings(layers=2, width=4, operations=OPERATIONS)


def made(**changes) -> ArchitectureSearch:
    """A learner whose layers prefer operations of their own from the start."""
    torch.manual_seed(0)
    settings = ArchitectureSettings(
        inner_rate=0.3, train_steps=2, test_steps=2, rates="none", mixed_until=0.0
    )
    learner = ArchitectureSearch(MODEL.build((4,), 3), replace(settings, **changes)).double()
    with torch.no_grad():
        learner.model.mixture1.alpha.copy_(torch.tensor([0.0, 0.003, 0.001]))
        learner.model.mixture2.alpha.copy_(torch.tensor([0.001, 0.0, 0.002]))
    return learner


def test_each_task_continues_from_theta_under_the_operations_its_search_found():
    learner, episode = made(search_steps=3).eval(), clouds(6)
    path = list(adapt(learner, episode))
    assert len(path) == 1 + 3 + 2
    found = learner.architectures(path[3])
    assert len(set(found)) > 1, "the tasks differ"
    assert learner.architectures(path[-1]) == found
    # The same as plain MAML on a discrete net that is given the chosen operations' weights.
    for task, architecture in enumerate(found):
        plain = MixedSettings(layers=2, width=4, architecture=architecture).build((4,), 3).double()
        own = dict(learner.model.named_parameters())
        with torch.no_grad():
            for name, p in plain.named_parameters():
                whole = own[name]
                if whole.shape != p.shape:
                    layer = int(name[len("linear") if name.startswith("linear") else len("norm")])
                    place = OPERATIONS.split().index(architecture.split()[layer - 1])
                    whole = whole.chunk(3, dim=0)[place]
                p.copy_(whole)
        maml = MAML(plain, MAMLSettings(inner_rate=0.3, test_steps=2)).eval()
        one = episode.split(1)[task]
        expected = maml.predict(last(adapt(maml, one)), one.query.x)
        found_task = learner.predict(path[-1], episode.query.x)[task]
        torch.testing.assert_close(found_task, expected[0], rtol=1e-8, atol=1e-8)


def test_one_choice_for_all_is_that_of_the_learned_alpha():
    learner, episode = made(discrete="all").eval(), clouds()
    path = list(adapt(learner, episode))
    assert len(path) == 3
    assert set(learner.architectures(path[0])) == {"tanh gauss"}
    assert set(learner.architectures(path[-1])) == {"tanh gauss"}


@pytest.mark.parametrize("discrete", ["task", "all", "no"])
def test_the_meta_gradient_against_central_differences(discrete: str):
    """In float64; a choice is a constant of it."""
    learner, episode = made(discrete=discrete), clouds()
    gradients = learner.meta_gradient(episode).gradients
    start = {name: p.detach().clone() for name, p in learner.named_parameters()}
    generator = torch.Generator().manual_seed(1)
    way = {n: torch.randn(p.shape, generator=generator).double() for n, p in start.items()}

    def loss(distance: float) -> float:
        moved = {n: p + distance * way[n] for n, p in start.items()}
        with torch.no_grad():
            return float(functional_call(learner, moved, (episode,)).mean())

    expected = (loss(1e-6) - loss(-1e-6)) / 2e-6
    found = sum(float((g * way[n]).sum()) for n, g in gradients.items() if g is not None)
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_mixture_is_trained_first_and_then_the_weights_alone():
    base = preset("glyphs-architectures").stretched(4)
    training = replace(base.training, tasks=2, compiled="off", validate_every=0)
    model = replace(base.model, layers=1, width=6)
    learner = replace(base.learner, mixed_until=0.5)
    trainer = Trainer(replace(base, training=training, model=model, learner=learner))
    alphas = [trainer.learner.model.mixture1.alpha.detach().clone()]
    for _ in range(4):
        trainer.update()
        alphas.append(trainer.learner.model.mixture1.alpha.detach().clone())
    assert not torch.equal(alphas[1], alphas[0])
    gradient = trainer.learner.model.mixture1.alpha.grad
    assert gradient is None or not gradient.any()


def test_the_stepper_shows_the_shares_by_step():
    learner, episode = made().eval(), clouds()
    path = [a.detach() for a in adapt(learner, episode)]
    frame = MIXTURE.make(learner, episode, path, 1)
    assert list(frame) == list(MIXTURE.columns)
    shares = frame.groupby(["step", "layer"])["weight"].sum()
    assert len(shares) == len(path) * 2
    assert shares.to_numpy() == pytest.approx(1)
    chosen = frame[frame["step"] == len(path) - 1]
    assert sorted(chosen["weight"].round(6)) == [0, 0, 0, 0, 1, 1]
    assert "At the end: mixture1" in draw("mixture", frame).alt_text


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ArchitectureSearch(MLP(4, 2)), "MLP mixes no operations"),
        (lambda: MixedSettings(operations="relu"), "give two or more to choose from"),
        (lambda: MixedSettings(operations="relu tahn"), "did you mean 'tanh'"),
        (lambda: MixedSettings(architecture="relu relu"), "one operation for each of the 3 layers"),
        (lambda: MixedSettings(pool=4).build((1, 3, 3), 2), "model.pool is 4"),
        (lambda: ArchitectureSettings(discrete="some"), "learner.discrete is 'some'"),
    ],
)
def test_a_mistake_is_a_sentence(make, said: str):
    with pytest.raises(UserError, match=said):
        make()
