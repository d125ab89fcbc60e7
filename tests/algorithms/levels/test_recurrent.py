"""Recurrent: its gradient at three levels, what its cell reads, and what it starts as."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from tests.algorithms.cases import FAMILIES, TASKS, families
from tests.algorithms.test_third_level import outer_step
from workbench import UserError
from workbench.algorithms import (
    MAML,
    Adapted,
    Evolution,
    MAMLSettings,
    MetaOptimised,
    MetaOptimisedSettings,
    Prototypical,
    Recurrent,
    RecurrentSettings,
    Truncated,
    adapt,
    last,
)
from workbench.innerloop import InnerOptimizer, Order, weights_of
from workbench.inspection import compute
from workbench.inspection.gradients import anatomy
from workbench.models import MLP, MLPSettings
from workbench.tasks import Episode, Shape, open_tasks

pytestmark = pytest.mark.usefixtures("double")

INNER_STEPS, OUTER_STEPS, EVERY = 2, 5, 2
SETTINGS = RecurrentSettings(
    inner_rate=0.02, proximal=0.3, batch=2, train_steps=OUTER_STEPS, every=EVERY, width=4
)
Named = dict[str, Tensor]


def inside() -> MAML:
    torch.manual_seed(0)
    inner = MAMLSettings(inner_rate=0.05, train_steps=INNER_STEPS, rates="step")
    return MAML(MLP(1, 1, hidden=(4, 3), activation="tanh"), inner)


def built(settings: RecurrentSettings = SETTINGS, stirred: bool = True) -> Recurrent:
    learner = Recurrent(inside(), FAMILIES.nested, settings)
    if stirred:
        nn.init.normal_(learner.head.weight, std=0.5)
    return learner


def lstm(p: Named, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """An LSTM's cell by its formula."""
    gates = p["cell.weight_ih"] @ x + p["cell.bias_ih"] + p["cell.weight_hh"] @ h
    i, f, g, o = (gates + p["cell.bias_hh"]).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_at_three_levels_families_are_each_what_torch_func_gives(optimizer: str) -> None:
    kinds = {"sgd": InnerOptimizer(), "adam": InnerOptimizer("adam", eps=1e-3)}
    learner = built(replace(SETTINGS, optimizer=kinds[optimizer]))
    episode, nested, net = families(), learner.nested, learner.model.model
    names = [name for name, _ in net.named_parameters()]

    def loss(theta: Named, x: Tensor, y: Tensor) -> Tensor:
        return (functional_call(net, theta, (x,)) - y).square().mean()

    def of_task(theta: Named, rate: Tensor, x: Tensor, y: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        for _ in range(INNER_STEPS):
            gradients = grad(loss)(theta, x, y)
            theta = {n: p - rate * gradients[n] for n, p in theta.items()}
        return loss(theta, qx, qy)

    def meta_loss(theta: Named, rate: Tensor, e: Episode) -> Tensor:
        parts = (e.support.x, e.support.y, e.query.x, e.query.y)
        return vmap(of_task, in_dims=(None, None, 0, 0, 0, 0))(theta, rate, *parts).mean()

    def whole(
        p: Named, start: Named, read: list[Tensor], training: list[Episode], validation: Episode
    ) -> Tensor:
        h = c = torch.zeros(4)
        theta, states = dict(start), {n: [] for n in names}
        free = [p[f"free.{n}"] for n in ("inner_rate", "outer_rate", "proximal")]
        for t, tasks in enumerate(training):
            if t % EVERY == 0:
                level, before, size, along = read[t]
                done = torch.tensor(t / OUTER_STEPS)
                h, c = lstm(p, torch.stack([level, level - before, size, along, done]), h, c)
                moves = 2 * torch.tanh((p["head.weight"] @ h + p["head.bias"]) / 4)
                alpha, beta, pull = ((f + m).exp() for f, m in zip(free, moves, strict=True))

            def descended(
                w: Named, tasks: Episode = tasks, alpha: Tensor = alpha, pull: Tensor = pull
            ) -> Tensor:
                away = sum((w[n] - start[n]).square().sum() for n in names)
                return meta_loss(w, alpha, tasks) + pull / 2 * away

            found = grad(descended)(theta)
            theta = {
                n: outer_step(optimizer, w, found[n], states[n], beta, t + 1)
                for n, w in theta.items()
            }
        return meta_loss(theta, alpha, validation).log()

    found = learner(episode)
    own = dict(learner.named_parameters())
    own = {n: p for n, p in own.items() if p.requires_grad}
    gradients = torch.autograd.grad(found.sum(), list(own.values()))
    with torch.no_grad():
        path = list(adapt(learner, episode))
    p, seeds = {n: w.detach() for n, w in own.items()}, torch.arange(9)
    sums = {n: torch.zeros_like(w) for n, w in p.items()}
    for i in range(TASKS):
        one = slice(i, i + 1)
        theta = {k.removeprefix("model."): w[i] for k, w in weights_of(path[0].values).items()}
        read = [a.values["read"][i] for a in path]
        training = [
            nested.tasks(learner.batch(Adapted({}, step=t), episode[one]), seeds[:2])
            for t in range(OUTER_STEPS)
        ]
        given = (theta, read, training, nested.tasks(episode[one].query, seeds[:5]))
        torch.testing.assert_close(found[i], whole(p, *given), rtol=1e-9, atol=1e-12)
        slopes = grad(whole)(p, *given)
        sums = {n: sums[n] + slopes[n] for n in sums}
        if i == 0:  # what was read of the second step, in other words
            weights = {
                k.removeprefix("model."): w[i] for k, w in weights_of(path[1].values).items()
            }
            moves = path[1].values["carried.moves"][i]
            alpha = (learner.free["inner_rate"] + moves[0]).exp().detach()
            pull = (learner.free["proximal"] + moves[2]).exp().detach()

            def at(w: Named, training: list = training, theta: Named = theta) -> Tensor:
                away = sum((w[n] - theta[n]).square().sum() for n in names)
                return meta_loss(w, alpha, training[1]) + pull / 2 * away  # noqa: B023

            size = torch.cat([g.flatten() for g in grad(at)(weights).values()]).norm()
            torch.testing.assert_close(read[2][2], size.log(), rtol=1e-8, atol=1e-10)
            torch.testing.assert_close(read[2][0], at(weights).log(), rtol=1e-8, atol=1e-10)
    for one, (name, other) in zip(gradients, sums.items(), strict=True):
        assert other.norm() > 1e-9, name
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10, msg=name)


def test_it_begins_as_learned_constants() -> None:
    learner, episode = built(stirred=False), families()
    plain = {
        name: getattr(SETTINGS, name)
        for name in ("learned", "inner_rate", "proximal", "batch", "train_steps")
    }
    constants = MetaOptimised(inside(), FAMILIES.nested, MetaOptimisedSettings(**plain))
    torch.testing.assert_close(learner(episode), constants(episode), rtol=1e-12, atol=1e-13)


def test_families_of_different_difficulty_get_strategies_of_their_own() -> None:
    learner, episode = built(), families()
    path = list(adapt(learner, episode))
    moves = [a.values["carried.moves"] for a in path]
    assert torch.equal(moves[1], moves[2])  # kept for two steps
    assert not torch.equal(moves[2], moves[3])
    assert not torch.allclose(moves[3][0], moves[3][1])
    frame = compute("strategy", learner, episode, path, task=1)
    rates = frame[frame["setting"] == "outer_rate"]["value"]
    expected = float((learner.free["outer_rate"] + moves[3][1, 1]).exp().detach())
    assert len(rates) == OUTER_STEPS
    assert rates.iloc[2] == pytest.approx(expected)


def test_along_the_gradient_and_against_it_are_read_as_such() -> None:
    learner = built(replace(SETTINGS, proximal=1e-9, optimizer=InnerOptimizer()))
    path = list(adapt(learner, families(), steps=2))
    torch.testing.assert_close(path[1].values["read"][:, 3], torch.ones(TASKS))  # plain descent


def test_the_anatomy_adds_up_to_the_exact_gradient_through_the_cell_too() -> None:
    learner, episode = built(), families()
    with torch.no_grad():
        path = list(adapt(learner, episode))
    full = anatomy(learner, episode, path).full
    for name, slope in learner.meta_gradient(episode).gradients.items():
        torch.testing.assert_close(full[name], slope, rtol=1e-8, atol=1e-11, msg=name)


@pytest.mark.parametrize("order", ["second", "truncated"])
def test_rematerialised_steps_reach_the_cell_once(order: Order) -> None:
    episode, every = families(), ("inner_rate", "inner_steps", "outer_rate", "proximal")
    settings = replace(SETTINGS, learned=every, order=order, truncate=3)
    plain = built(settings).meta_gradient(episode).gradients
    again = built(replace(settings, rematerialise=True)).meta_gradient(episode).gradients
    assert plain["cell.weight_ih"].abs().max() > 0
    for name, expected in plain.items():
        torch.testing.assert_close(again[name], expected, rtol=1e-12, atol=1e-14)


def test_windows_join_to_the_whole_adaptation() -> None:
    learner, episode = built(replace(SETTINGS, train_steps=4)), families()
    whole = last(adapt(learner, episode)).detach()
    carried = None
    for _ in range(2):
        _, carried = Truncated(2)(learner, episode, carried)
    assert carried is not None
    for name, value in whole.values.items():
        torch.testing.assert_close(carried.values[name], value, rtol=1e-12, atol=1e-13)


def test_where_a_family_diverges_what_is_read_stays_finite() -> None:
    learner, episode = built(replace(SETTINGS, optimizer=InnerOptimizer())), families()
    with torch.no_grad():
        learner.free["outer_rate"].fill_(300.0)
        path = list(adapt(learner, episode))
    assert not path[-1].values["weights.model.head.bias"].isfinite().all()
    assert path[-1].values["read"].isfinite().all()
    assert learner(episode).isfinite().all()


def test_a_population_is_refused_in_a_sentence() -> None:
    with pytest.raises(UserError, match="Recurrent cannot judge a population"):
        Evolution(population=4)(built(), families())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learned": ()}, "learner.learned is empty"),
        ({"every": 0}, "learner.every is 0"),
        ({"proximal": 0.0}, "learner.proximal is 0"),
    ],
)
def test_a_strategy_that_is_none_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        RecurrentSettings(**changes)


def test_what_it_does_not_suit_is_refused() -> None:
    tasks = open_tasks("sinusoid")
    with pytest.raises(UserError, match="Recurrent learns from families of tasks"):
        RecurrentSettings().build(MLPSettings(), tasks.spec(tasks.default_shape))
    with pytest.raises(UserError, match="Recurrent differentiates through inner gradient steps"):
        Recurrent(Prototypical(MLP(1, None)), FAMILIES.nested)
    other = open_tasks("families:sines").sample(2, seed=0, shape=Shape(1, 4, 3))
    with pytest.raises(UserError, match=r"is \[15, 2\] and not \[5, 2\], as this learner was made"):
        built()(other.to(dtype=torch.float64))
