"""Meta-optimised: its gradient at three levels, its settings, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from tests.algorithms.cases import FAMILIES, TASKS, families, sines
from tests.algorithms.test_third_level import outer_step
from workbench import UserError
from workbench.algorithms import (
    ANIL,
    MAML,
    Adapted,
    ANILSettings,
    Evolution,
    MAMLSettings,
    MetaOptimised,
    MetaOptimisedSettings,
    Prototypical,
    Truncated,
    adapt,
    last,
)
from workbench.algorithms.levels.meta_optimised import mask
from workbench.figures import draw
from workbench.innerloop import InnerOptimizer, weights_of
from workbench.inspection import compute
from workbench.models import MLP, MLPSettings
from workbench.tasks import Episode, Shape, open_tasks

pytestmark = pytest.mark.usefixtures("double")

OUTER = {
    "sgd": InnerOptimizer(),
    "momentum": InnerOptimizer(momentum=0.9),
    "adam": InnerOptimizer("adam", eps=1e-3),
}
EVERY = ("inner_rate", "inner_steps", "outer_rate", "proximal")
INNER_STEPS, OUTER_STEPS = 2, 3
SETTINGS = MetaOptimisedSettings(
    learned=EVERY, rates="step", inner_rate=0.02, proximal=0.3, batch=2, train_steps=OUTER_STEPS
)


class Wrapped(nn.Module):
    """A net with a forward of its own, which runs otherwise than a chain of layers."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def built(settings: MetaOptimisedSettings, wrapped: bool = False) -> MetaOptimised:
    torch.manual_seed(0)
    model = MLP(1, 1, hidden=(4, 3), activation="tanh")
    inner = MAMLSettings(inner_rate=0.05, train_steps=INNER_STEPS, rates="step")
    net = Wrapped(model) if wrapped else model
    return MetaOptimised(MAML(net, inner), FAMILIES.nested, settings)


def by_torch_func(learner: MetaOptimised, optimizer: str) -> Callable[..., Tensor]:
    """A family's log validation loss as a function of the settings, by `torch.func` alone."""
    net = learner.model.model
    names = [name for name, _ in net.named_parameters()]
    row = {n: learner.rate_names.index(f"rates.{n.replace('.', '/')}") for n in names}
    Named = dict[str, Tensor]

    def loss(theta: Named, x: Tensor, y: Tensor) -> Tensor:
        return (functional_call(net, theta, (x,)) - y).square().mean()

    def of_task(
        theta: Named, rates: Tensor, x: Tensor, y: Tensor, qx: Tensor, qy: Tensor
    ) -> Tensor:
        for k in range(INNER_STEPS):
            gradients = grad(loss)(theta, x, y)
            theta = {n: p - rates[row[n], k] * gradients[n] for n, p in theta.items()}
        return loss(theta, qx, qy)

    def meta_loss(theta: Named, rates: Tensor, e: Episode) -> Tensor:
        parts = (e.support.x, e.support.y, e.query.x, e.query.y)
        return vmap(of_task, in_dims=(None, None, 0, 0, 0, 0))(theta, rates, *parts).mean()

    def whole(
        free: Mapping[str, Tensor], start: Named, training: list[Episode], validation: Episode
    ) -> Tensor:
        places = torch.arange(INNER_STEPS)
        soft = 1 / (1 + torch.exp(-4 * (free["inner_steps"] - places - 0.5)))
        rates = free["inner_rate"].exp() * soft
        beta, strength = free["outer_rate"].exp(), free["proximal"].exp()

        def descended(theta: Named, tasks: Episode) -> Tensor:
            away = sum((theta[n] - start[n]).square().sum() for n in names)
            return meta_loss(theta, rates, tasks) + strength / 2 * away

        theta = dict(start)
        states: dict[str, list[Tensor]] = {n: [] for n in names}
        for t, tasks in enumerate(training, start=1):
            gradients = grad(descended)(theta, tasks)
            theta = {
                n: outer_step(optimizer, p, gradients[n], states[n], beta, t)
                for n, p in theta.items()
            }
        return meta_loss(theta, rates, validation).log()

    return whole


@pytest.mark.parametrize("wrapped", [False, True], ids=["walked", "own forward"])
@pytest.mark.parametrize("optimizer", OUTER)
def test_at_three_levels_families_are_each_what_torch_func_gives(
    optimizer: str, wrapped: bool
) -> None:
    learner = built(replace(SETTINGS, optimizer=OUTER[optimizer]), wrapped)
    with torch.no_grad():  # every rate its own
        learner.free["inner_rate"].add_(torch.randn_like(learner.free["inner_rate"]))
        learner.free["inner_steps"].sub_(0.7)
    episode, nested = families(), learner.nested
    found = learner(episode)
    settings = dict(learner.free.items())
    gradients = torch.autograd.grad(found.sum(), list(settings.values()))

    whole = by_torch_func(learner, optimizer)
    free = {n: p.detach() for n, p in settings.items()}
    begun, sums = learner.begin(episode), {n: torch.zeros_like(p) for n, p in free.items()}
    seeds = torch.arange(9)
    losses = []
    for family in range(TASKS):
        own = slice(family, family + 1)
        start = {
            n.removeprefix("model."): w[family].detach()
            for n, w in weights_of(begun.values).items()
        }
        training = [
            nested.tasks(learner.batch(Adapted({}, step=t), episode[own]), seeds[:2])
            for t in range(OUTER_STEPS)
        ]
        validation = nested.tasks(episode[own].query, seeds[:5])
        losses.append(whole(free, start, training, validation))
        slopes = grad(whole)(free, start, training, validation)
        sums = {n: sums[n] + slopes[n] for n in sums}
    torch.testing.assert_close(found, torch.stack(losses), rtol=1e-10, atol=1e-12)
    for one, (name, other) in zip(gradients, sums.items(), strict=True):
        assert other.norm() > 1e-6, name
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10, msg=name)


def test_windows_join_to_the_whole_adaptation() -> None:
    learner, episode = built(replace(SETTINGS, train_steps=4)), families()
    whole = last(adapt(learner, episode)).detach()
    estimator, carried = Truncated(2), None
    for _ in range(2):
        found, carried = estimator(learner, episode, carried)
    assert carried is not None
    assert carried.step == 4
    for name, value in whole.values.items():
        torch.testing.assert_close(carried.values[name], value, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(found.losses, learner(episode).detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("learned", [EVERY, ("outer_rate",)])
@pytest.mark.parametrize("rates", ["one", "layer", "step"])
def test_a_population_is_what_each_of_its_members_is_alone(
    learned: tuple[str, ...], rates: str
) -> None:
    learner, episode = built(replace(SETTINGS, learned=learned, rates=rates)), families()
    own = {f"free.{n}": p.detach() for n, p in learner.free.items()}
    stacked = {n: torch.stack([p + 0.1 * i for i in range(TASKS)]) for n, p in own.items()}
    with torch.no_grad():
        together = functional_call(learner, stacked, (episode,))
        for i in range(TASKS):
            member = {n: p[i] for n, p in stacked.items()}
            alone = functional_call(learner, member, (episode[i : i + 1],))
            torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-10, atol=1e-12)


def test_evolution_points_where_the_exact_gradient_does() -> None:
    learner = built(replace(SETTINGS, learned=("inner_rate", "outer_rate"), rates="one"))
    episode = families(8)
    exact = learner.meta_gradient(episode).gradients
    estimate = Evolution(population=128, sigma=0.02)(learner, episode)[0].gradients
    one, other = (torch.stack([g[n] for n in exact]) for g in (exact, estimate))
    assert torch.cosine_similarity(one, other, dim=0) > 0.95


def test_evolution_goes_on_where_the_exact_gradient_is_none() -> None:
    learner = built(replace(SETTINGS, learned=("inner_rate",), rates="one", batch=0))
    with torch.no_grad():
        learner.free["inner_rate"].fill_(500.0)
    exact = learner.meta_gradient(families()).gradients
    assert not exact["free.inner_rate"].isfinite()
    found = Evolution(population=4)(learner, families())[0]
    assert found.losses.isfinite().all()
    assert found.gradients["free.inner_rate"].isfinite()


def test_the_mask_takes_whole_steps_where_it_is_far_from_them() -> None:
    assert mask(torch.tensor([[3.0]]), 3).min() > 0.85
    assert mask(torch.tensor([[0.0]]), 3).max() < 0.15
    off = built(replace(SETTINGS, learned=("inner_steps",)))
    with torch.no_grad():
        off.free["inner_steps"].fill_(-100.0)
    episode = families()
    start = last(adapt(off, episode, steps=0))
    flat = off.predict(start, episode.query.x)  # of theta itself: it hears nothing of the support
    moved = episode.query.x.clone()
    moved[:, :, :3, 1] += 1.0
    torch.testing.assert_close(off.predict(start, moved), flat, rtol=1e-9, atol=1e-9)


def test_any_method_that_unrolls_can_be_inside() -> None:
    class Rated(ANIL):
        """ANIL with rates for each tensor and step."""

        def __init__(self) -> None:
            super().__init__(MLP(1, 1, hidden=(4,)), ANILSettings(train_steps=2))
            self.learned_rates = "step"
            for name in self.adapted_names:
                self.rates[name.replace(".", "/")] = nn.Parameter(torch.full((2,), 0.05))

    learner = MetaOptimised(Rated(), FAMILIES.nested, replace(SETTINGS, rates="layer"))
    moved = weights_of(last(adapt(learner, families())).values)
    assert {n.removeprefix("model.") for n in moved} == dict(
        learner.model.model.named_parameters()
    ).keys()
    assert all(g.norm() > 0 for g in learner.meta_gradient(families()).gradients.values())


def test_a_copy_is_as_good_as_the_learner() -> None:
    learner, episode = built(SETTINGS), families()
    other = copy.deepcopy(learner)
    assert torch.equal(other(episode), learner(episode))


def test_the_rates_of_the_learner_inside_can_be_looked_at() -> None:
    learner, episode = built(SETTINGS), families()
    path = list(adapt(learner, episode, steps=1))
    frame = compute("inside", learner, episode, path)
    assert list(frame["step"].unique()) == [1, 2]
    found = frame.set_index(["tensor", "step"])["rate"]
    soft = mask(torch.tensor([float(INNER_STEPS)]), INNER_STEPS)
    assert found["head.bias", 2] == pytest.approx(0.05 * float(soft[1]))
    assert draw("rates", frame).alt_text.startswith("Inner rates of 6 tensors over 2 steps")


# ---- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learned": ()}, "learner.learned is empty, so that nothing is learned: name some of"),
        ({"learned": ("outer_rat",)}, "learner.learned has 'outer_rat': did you mean 'outer_rate'"),
        ({"rates": "all"}, "learner.rates is 'all'"),
    ],
)
def test_a_space_that_is_none_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MetaOptimisedSettings(**changes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (MetaOptimisedSettings(inner_rate=0.0), "learner.inner_rate is 0 .* start it above 0"),
        (MetaOptimisedSettings(learned=("proximal",)), "learner.proximal is 0 and is to be"),
        (
            MetaOptimisedSettings(inner=MAMLSettings(inner_rate=0.0, rates="step")),
            r"learner.inner.inner_rate is 0 and",
        ),
        (
            MetaOptimisedSettings(inner=MAMLSettings()),
            "MAML has rates 'none': set learner.inner.rates to 'step'",
        ),
    ],
)
def test_a_start_that_cannot_be_moved_is_refused(
    settings: MetaOptimisedSettings, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        settings.build(MLPSettings(hidden=(4,)), FAMILIES.spec(Shape(1, 4, 3)))


def test_a_learner_that_does_not_unroll_is_refused() -> None:
    with pytest.raises(UserError, match="MetaOptimised differentiates through inner gradient"):
        MetaOptimised(Prototypical(MLP(1, None)), FAMILIES.nested)


def test_a_learner_inside_that_rematerialises_is_refused() -> None:
    inner = MAMLSettings(train_steps=2, rates="step", rematerialise=True)
    learner = MetaOptimised(MAML(MLP(1, 1, hidden=(4,)), inner), FAMILIES.nested, SETTINGS)
    with pytest.raises(UserError, match="set rematerialise=False where a third level"):
        learner.meta_gradient(families())


def test_plain_tasks_are_refused() -> None:
    tasks = open_tasks("sinusoid")
    with pytest.raises(UserError, match="choose families, such as 'families:sines'"):
        MetaOptimisedSettings().build(MLPSettings(), tasks.spec(tasks.default_shape))
    with pytest.raises(UserError, match="as this learner was made for"):
        built(SETTINGS)(sines())


def test_families_of_other_tasks_are_refused() -> None:
    other = (
        open_tasks("families:sines").sample(2, seed=0, shape=Shape(1, 4, 3)).to(dtype=torch.float64)
    )
    with pytest.raises(UserError, match=r"is \[15, 2\] and not \[5, 2\], as this learner was made"):
        built(SETTINGS)(other)
