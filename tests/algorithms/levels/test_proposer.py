"""Proposer: structures of equal size, what its discriminator sees, gradients of both sides."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from tests.algorithms.cases import FAMILIES, TASKS, families
from workbench import UserError
from workbench.algorithms import (
    MAML,
    Adversarial,
    Exact,
    MAMLSettings,
    Proposer,
    ProposerSettings,
    Prototypical,
    adapt,
)
from workbench.algorithms.levels.proposer import chosen
from workbench.innerloop import weights_of
from workbench.models import MLP, MLPSettings, Shaped, ShapedSettings
from workbench.models.shaped import Units
from workbench.tasks import Shape, open_tasks

pytestmark = pytest.mark.usefixtures("double")

SETTINGS = ProposerSettings(units=5, width=6, expert_steps=2, batch=2, test_steps=2)
INNER_STEPS, RATE = 2, 0.05


def built(settings: ProposerSettings = SETTINGS) -> Proposer:
    torch.manual_seed(0)
    inner = MAMLSettings(inner_rate=RATE, train_steps=INNER_STEPS, rates="step")
    learner = Proposer(MAML(Shaped(1, 1, hidden=(4, 3)), inner), FAMILIES.nested, settings)
    with torch.no_grad():  # the last layer starts near 0, where little shows
        learner.generator.decode[-1].weight.mul_(30)
    return learner


def mixes(learner: Proposer) -> Tensor:
    made = learner.generated(families())
    return torch.cat([made[name] for name in learner.mixes], dim=1)


@pytest.mark.parametrize("structure", ["generated", "random"])
def test_every_structure_has_as_many_units_and_an_activation_each(structure: str) -> None:
    learner = built(replace(SETTINGS, structure=structure))
    mix = mixes(learner)
    assert mix.shape == (TASKS, 7, 3)
    torch.testing.assert_close(mix.sum(dim=(1, 2)), torch.full((TASKS,), 5.0))
    assert bool(((mix.abs() < 1e-12) | ((mix - 1).abs() < 1e-12)).all())
    assert not torch.equal(mix[0], mix[1])
    learner.eval()
    assert (structure == "random") == torch.allclose(mixes(learner), mix)


def test_structures_of_all_units_are_chosen_among_activations_alone() -> None:
    mix = chosen(torch.randn(4, 3, 2), 3)
    torch.testing.assert_close(mix.sum(dim=-1), torch.ones(4, 3))


def test_a_structure_is_what_the_net_then_is() -> None:
    net = Shaped(1, 1, hidden=(3,))
    net.units1.mix.data = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 0, 0]])
    x = torch.linspace(-2, 2, 5).unsqueeze(1)
    h = x @ net.linear1.weight.T + net.linear1.bias
    found = net.head.weight[0, 0] * h[:, 0].tanh() + net.head.weight[0, 1] * h[:, 1].sin()
    torch.testing.assert_close(net(x)[:, 0], found + net.head.bias)
    stacked = torch.randn(2, 3, 3)
    both = Units(3).over_tasks({"mix": stacked}, torch.ones(2, 4, 3), None)
    for i in range(2):
        one = functional_call(Units(3), {"mix": stacked[i]}, (torch.ones(4, 3),))
        torch.testing.assert_close(both[i], one)


def curves_by_torch_func(learner: Proposer, made: dict[str, Tensor], i: int) -> Tensor:
    """A family's log losses after 0, 1, ... inner steps, `[task, step]`."""
    net = learner.model.model
    episode = families()
    tasks = learner.nested.tasks(
        replace(episode.query, x=episode.query.x[i : i + 1], y=episode.query.y[i : i + 1]),
        torch.arange(5),
    )
    own = {n.removeprefix("model."): w[i] for n, w in made.items()}
    mix = {n: own.pop(n) for n in [n for n in own if n.endswith(".mix")]}

    def loss(theta: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return (functional_call(net, {**theta, **mix}, (x,)) - y).square().mean()

    def curve(x: Tensor, y: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        theta, found = own, [loss(own, qx, qy)]
        for _ in range(INNER_STEPS):
            slopes = grad(loss)(theta, x, y)
            theta = {n: w - RATE * slopes[n] for n, w in theta.items()}
            found.append(loss(theta, qx, qy))
        return torch.stack(found).log()

    return vmap(curve)(tasks.support.x, tasks.support.y, tasks.query.x, tasks.query.y)


def test_the_discriminator_sees_how_fast_each_validation_task_is_adapted_to() -> None:
    learner, episode = built(), families()
    made = {n: w.detach() for n, w in learner.generated(episode).items()}
    found = learner.curves(made, episode)
    for i in range(TASKS):
        torch.testing.assert_close(found[i], curves_by_torch_func(learner, made, i))


def test_the_generators_gradient_is_what_torch_func_gives() -> None:
    learner, episode = built(), families()
    found, _ = Adversarial()(learner, episode)
    own = {n: p.detach() for n, p in learner.generator.named_parameters()}

    class Proposing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = learner.generator

        def forward(self) -> Tensor:
            made = learner.generated(episode)
            scores = []
            for i in range(TASKS):
                points = curves_by_torch_func(learner, made, i).unsqueeze(0)
                scores.append(learner.discriminator(points, torch.full((1, 5), 0.2)))
            return F.softplus(-torch.cat(scores)).mean()

    proposing = Proposing()

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return functional_call(proposing, {f"generator.{n}": p for n, p in parameters.items()}, ())

    for name, slope in grad(loss)(own).items():
        torch.testing.assert_close(
            found.gradients[f"generator.{name}"], slope, rtol=1e-8, atol=1e-12, msg=name
        )


def test_without_an_adversary_it_descends_the_validation_loss() -> None:
    learner, episode = built(), families()
    found, _ = Exact()(learner, episode)
    assert all((g == 0).all() for n, g in found.gradients.items() if "discriminator" in n)
    made = learner.generated(episode)
    for i in range(TASKS):
        last = curves_by_torch_func(learner, made, i)[:, -1].exp().mean().log()
        torch.testing.assert_close(found.losses[i], last.detach())


def test_the_expert_is_better_and_a_constant_of_the_same_structure() -> None:
    learner, episode = built(), families()
    made = learner.generated(episode)
    real = learner.expert(made, episode)
    assert not any(w.requires_grad for w in real.values())
    for name in learner.mixes:
        assert torch.equal(real[name], made[name])
    before, after = (learner.curves(w, episode)[..., -1].exp().mean() for w in (made, real))
    assert after < before


def test_it_learns_to_propose_nets_that_adapt_faster() -> None:
    learner, shape = built(), Shape(1, 8, 8)
    held = FAMILIES.sample(32, seed=900, split="test", shape=shape).to(dtype=torch.float64)
    optimizer = torch.optim.Adam(learner.parameters(), 0.02)
    before = float(learner(held).detach().mean())
    for seed in range(50):
        episode = FAMILIES.sample(8, seed=seed, shape=shape).to(dtype=torch.float64)
        found, _ = Exact()(learner, episode)
        for name, p in learner.named_parameters():
            p.grad = found.gradients.get(name)
        optimizer.step()
    assert float(learner(held).detach().mean()) < before - 0.05


def test_outer_steps_go_on_from_what_was_proposed() -> None:
    learner, episode = built().eval(), families()
    path = list(adapt(learner, episode))
    assert len(path) == 3
    start = learner.generated(episode)
    for name, w in weights_of(path[0].values).items():
        torch.testing.assert_close(w, start[name])
    kept = [n for n in path[0].values if n.startswith("carried.")]
    assert all(torch.equal(path[2].values[n], path[0].values[n]) for n in kept)
    assert not torch.equal(path[2].values["weights.model.head.bias"], start["model.head.bias"])


# ---- what is refused ---------------------------------------------------------------------------


def test_what_it_does_not_suit_is_refused() -> None:
    spec = FAMILIES.spec(Shape(1, 4, 5))
    with pytest.raises(UserError, match="the model has 0 hidden units whose structure can be"):
        ProposerSettings().build(MLPSettings(hidden=(4,)), spec)
    with pytest.raises(UserError, match="the model has 7 hidden units .* learner.units is 24"):
        ProposerSettings().build(ShapedSettings((4, 3)), spec)
    with pytest.raises(UserError, match="learner.units is 0"):
        ProposerSettings(units=0)
    with pytest.raises(UserError, match="learner.structure is 'chance'"):
        ProposerSettings(structure="chance")
    tasks = open_tasks("sinusoid")
    with pytest.raises(UserError, match="Proposer learns from families of tasks"):
        ProposerSettings().build(ShapedSettings(), tasks.spec(tasks.default_shape))
    with pytest.raises(UserError, match="Proposer differentiates through inner gradient steps"):
        Proposer(Prototypical(MLP(1, None)), FAMILIES.nested)
    other = open_tasks("families:sines").sample(2, seed=0, shape=Shape(1, 4, 3))
    with pytest.raises(UserError, match=r"is \[15, 2\] and not \[5, 2\], as this"):
        built()(other.to(dtype=torch.float64))
