"""Strategist: its strategies are those it names, its gradient, its rewards, what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

from tests.algorithms.cases import FAMILIES, TASKS, families
from workbench import UserError
from workbench.algorithms import (
    MAML,
    PPO,
    Adapted,
    Exact,
    MAMLSettings,
    Prototypical,
    Strategist,
    StrategistSettings,
    adapt,
    last,
)
from workbench.algorithms.levels.strategist import PARTS
from workbench.innerloop import InnerOptimizer, weights_of
from workbench.inspection import compute
from workbench.models import MLP, MLPSettings
from workbench.tasks import Episode, Examples, Shape, open_tasks

pytestmark = pytest.mark.usefixtures("double")

SETTINGS = StrategistSettings(
    inner_rates=(1.0, 3.0),
    outer_rates=(0.5, 1.0),
    inner_counts=(1, 2),
    inner_rate=0.02,
    optimizer=InnerOptimizer(),
    batch=2,
    every=2,
    watched=2,
    width=6,
    train_steps=5,
    test_steps=5,
)
SHAPE = Shape(1, 10, 5)


def built(settings: StrategistSettings = SETTINGS) -> Strategist:
    torch.manual_seed(0)
    inner = MAMLSettings(inner_rate=0.05, train_steps=2, rates="step")
    net = MLP(1, 1, hidden=(4, 3), activation="tanh")
    learner = Strategist(MAML(net, inner), FAMILIES.nested, settings)
    for layer in (learner.picks, learner.value):
        nn.init.normal_(layer.weight, std=0.3)
    return learner


def many(tasks: int = TASKS) -> Episode:
    return FAMILIES.sample(tasks, seed=0, shape=SHAPE).to(dtype=torch.float64)


class Given(Strategist):
    """Takes the strategies that it is given, one for each family."""

    choice: Tensor

    def pick(self, out: Tensor, adapted: Adapted, episode: Episode) -> Tensor:
        return self.choice[: len(episode)]


def given(*choices: tuple[int, ...]) -> Given:
    learner = built()
    learner.__class__ = Given
    learner.choice = torch.tensor(choices)
    return learner


# ---- strategies -------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [0, 1], ids=["second", "first"])
@pytest.mark.parametrize("steps", [1, 2])
def test_an_outer_step_is_the_one_that_was_picked(order: int, steps: int) -> None:
    """Held against `torch.func`, beside another family with another strategy."""
    own, other = (1, 0, steps - 1, order, 0), (0, 1, 2 - steps, 1 - order, 1)
    learner, episode = given(other, own), many(2)
    before, after = list(adapt(learner, episode, steps=1))
    picked = Adapted({**before.values, "choice": after.values["choice"]})
    batch = learner.batch(picked, episode)
    tasks = learner.nested.tasks(Examples(batch.x[1:], batch.y[1:]), torch.arange(2))
    net = learner.model.model

    def loss(theta: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return (functional_call(net, theta, (x,)) - y).square().mean()

    def meta(theta: dict[str, Tensor]) -> Tensor:
        total = torch.zeros(())
        for i in range(2):
            fast = dict(theta)
            for _ in range(steps):
                slopes = grad(loss)(fast, tasks.support.x[i], tasks.support.y[i])
                slopes = {n: s.detach() if order else s for n, s in slopes.items()}
                fast = {n: w - 0.15 * slopes[n] for n, w in fast.items()}
            total = total + loss(fast, tasks.query.x[i], tasks.query.y[i]) / 2
        return total

    theta = {n.removeprefix("model."): w[1] for n, w in weights_of(before.values).items()}
    leaves = {n: w.clone().requires_grad_() for n, w in theta.items()}
    slopes = torch.autograd.grad(meta(leaves), list(leaves.values()))
    for (name, w), slope in zip(theta.items(), slopes, strict=True):
        found = after.values[f"weights.model.{name}"][1]
        torch.testing.assert_close(found, w - 0.01 * slope, rtol=1e-9, atol=1e-11, msg=name)


def test_easy_tasks_have_the_least_loss_and_hard_ones_the_most() -> None:
    learner, episode = given((0, 0, 0, 0, 1), (0, 0, 0, 0, 2)), many(2)
    start = learner.begin(episode)
    choice = learner.choice
    start = Adapted({**start.values, "choice": choice})
    found = learner.batch(start, episode)
    losses = learner._losses(start, found, 2)
    watched, learned = learner._parted(episode)
    every = learner._losses(start, learned, 2)
    wide = given((0, 0, 0, 0, 1), (0, 0, 0, 0, 2))
    object.__setattr__(wide, "settings", replace(SETTINGS, batch=4))  # the pool is all eight
    four = wide._losses(start, wide.batch(start, episode), 2)
    least, most = every[0].sort().values[:4], every[1].sort(descending=True).values[:4]
    torch.testing.assert_close(four[0], least)
    torch.testing.assert_close(four[1], most)
    assert losses[0].mean() < every[0].mean()
    assert losses[1].mean() > every[1].mean()
    assert watched.x.shape[1] == 2


def test_what_is_watched_is_never_trained_on() -> None:
    learner, episode = built(), many()
    start = last(adapt(learner, episode, steps=1))
    watched = {tuple(row.tolist()) for row in episode.support.y[:, :2].flatten(0, 1)}
    for step in range(8):
        at = Adapted(start.values, step=step)
        taken = {tuple(row.tolist()) for row in learner.batch(at, episode).y.flatten(0, 1)}
        assert not taken & watched


def test_what_pads_a_family_is_neither_watched_nor_counted() -> None:
    learner, whole = built(), many()
    weight = torch.ones(TASKS, 10)
    weight[0, :4] = weight[1, 1::2] = 0
    support = Examples(whole.support.x, whole.support.y, weight)
    watched, learned = learner._parted(Episode(support, whole.query, whole.seed))
    for family in range(TASKS):
        own = whole.support.y[family, weight[family] > 0]
        torch.testing.assert_close(watched.y[family], own[:2])
        torch.testing.assert_close(learned.y[family, learned.counts()[family] > 0], own[2:])
    weight[2, 2:] = 0
    with pytest.raises(UserError, match="families have 2 tasks to train on and 2 of them are to"):
        list(adapt(learner, Episode(support, whole.query, whole.seed)))


# ---- learning ---------------------------------------------------------------------------------


def test_rewards_add_up_to_the_progress_on_watched_tasks() -> None:
    learner, episode = built(), many()
    path = list(adapt(learner, episode))
    paid = torch.stack([a.seen["reward"] for a in path[1:]], dim=1)
    assert (paid[:, [0, 2]] == 0).all()  # within a decision
    assert (paid[:, [1, 3, 4]] != 0).all()  # the last one is cut short
    levels = [learner.level(a, episode) for a in (path[0], path[-1])]
    torch.testing.assert_close(paid.sum(dim=1), levels[0] - levels[1])


def test_a_strategy_is_kept_and_then_picked_anew() -> None:
    learner, episode = built(), many(6)
    path = list(adapt(learner, episode))
    picks = [a.values["choice"] for a in path[1:]]
    assert torch.equal(picks[0], picks[1])
    assert torch.equal(picks[2], picks[3])
    assert not torch.equal(picks[1], picks[2])
    learner.eval()
    for before, after in pairwise(list(adapt(learner, episode))):
        if before.step % 2 == 0:
            most = after.seen["out"].split(learner.sizes, dim=-1)[0].argmax(dim=-1)
            assert torch.equal(after.values["choice"][:, 0], most)


def test_picks_are_as_frequent_as_their_chances() -> None:
    learner = built()
    episode = families(1)
    many_seeds = replace(episode, seed=torch.arange(4000))
    out = torch.tensor([0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 2.0])
    picks = learner.pick(out.expand(4000, -1), Adapted({}), many_seeds)
    chances = learner.probabilities(out.unsqueeze(0))[0].split(learner.sizes)
    for of_part, chance in zip(picks.unbind(-1), chances, strict=True):
        found = torch.bincount(of_part, minlength=len(chance)) / 4000
        assert (found - chance).abs().max() < 0.03


def test_the_gradient_of_the_surrogate_is_what_torch_func_gives() -> None:
    learner, episode = built(replace(SETTINGS, entropy_weight=0.1)), many()
    collected = learner.collect(episode)
    with torch.no_grad():
        learner.picks.weight.mul_(1.5)  # no longer the policy that acted
    kept = collected.values
    found = PPO(epochs=1, minibatches=1)(learner, episode, collected)[0]
    names = ("policy.0.weight", "policy.0.bias", "picks.weight", "picks.bias")
    names = (*names, "value.weight", "value.bias")

    def loss(p: dict[str, Tensor]) -> Tensor:
        total = torch.zeros(())
        for i in range(TASKS):
            for d in range(3):
                h = (p["policy.0.weight"] @ kept["read"][i, d] + p["policy.0.bias"]).tanh()
                out = p["picks.weight"] @ h + p["picks.bias"]
                value = (p["value.weight"] @ h + p["value.bias"])[0]
                chance, entropy = torch.zeros(()), torch.zeros(())
                for part, at in zip(out.split(learner.sizes), kept["choice"][i, d], strict=True):
                    q = part.exp() / part.exp().sum()
                    chance = chance + q[at].log()
                    entropy = entropy - (q * q.log()).sum()
                ratio = (chance - kept["chance"][i, d]).exp()
                gain = kept["advantage"][i, d]
                gain = torch.minimum(ratio * gain, ratio.clamp(0.8, 1.2) * gain)
                error = (value - kept["target"][i, d]).square()
                total = total - gain + 0.5 * error - 0.1 * entropy
        return total / (3 * TASKS)

    expected = grad(loss)({n: dict(learner.named_parameters())[n].detach() for n in names})
    for name, slope in expected.items():
        torch.testing.assert_close(found.gradients[name], slope, rtol=1e-9, atol=1e-11, msg=name)


def test_the_actor_critic_gradient_is_that_of_the_surrogate_where_it_acted() -> None:
    learner, episode = built(), many()
    collected = learner.collect(episode)
    by_ppo = PPO(epochs=1, minibatches=1)(learner, episode, collected)[0].gradients
    by_path = Exact()(learner, episode)[0].gradients
    for name, slope in by_ppo.items():
        torch.testing.assert_close(by_path[name], slope, rtol=1e-8, atol=1e-10, msg=name)


def test_it_learns_to_pick_what_pays() -> None:
    """Of two outer rates, one of which is far too large, the other is found."""
    only = {"inner_rates": (1.0,), "inner_counts": (2,), "orders": ("first",)}
    settings = replace(
        SETTINGS, **only, difficulties=("any",), outer_rates=(40.0, 1.0), every=10,
        inner_rate=0.05, batch=4, train_steps=10, optimizer=InnerOptimizer("adam"),
    )  # fmt: skip
    learner = built(settings)
    for layer in (learner.picks, learner.value):
        nn.init.zeros_(layer.weight)
    optimizer = torch.optim.Adam(learner.parameters(), 0.05)
    for seed in range(6):
        episode = FAMILIES.sample(16, seed=seed, shape=SHAPE).to(dtype=torch.float64)
        carried = None
        for _ in range(8):
            found, carried = PPO(epochs=8, minibatches=1)(learner, episode, carried)
            for name, p in learner.named_parameters():
                p.grad = found.gradients.get(name)
            optimizer.step()
    chances = last(adapt(learner, many(8), steps=1)).values["chances"]
    assert float(chances[:, 2].detach().mean()) > 0.9


@pytest.mark.parametrize("kind", ["flow", "anatomy"])
@pytest.mark.parametrize("building", [True, False])
def test_a_gradient_through_its_path_is_refused_as_it_has_none(kind: str, building: bool) -> None:
    learner, episode = built(), many()
    with torch.set_grad_enabled(building):
        path = list(adapt(learner, episode))
    with pytest.raises(UserError, match="does not depend on the values of its path"):
        compute(kind, learner, episode, path)


def test_the_certificate_holds_what_was_done() -> None:
    learner, episode = built(), many()
    assert compute("certificate", learner, episode, [])["error"].max() < 1e-5


def test_the_strategy_can_be_looked_at() -> None:
    learner, episode = built(), many()
    path = list(adapt(learner, episode))
    frame = compute("strategy", learner, episode, path, task=1)
    assert set(frame["setting"]) == {"inner_rate", "outer_rate", "proximal", *PARTS[2:]}
    picked = frame[(frame["setting"] == "orders") & (frame["step"] == 3)]["label"].item()
    assert picked == SETTINGS.orders[int(path[3].values["choice"][1, 3])]


# ---- what is refused --------------------------------------------------------------------------

ONE = {
    "inner_rates": (1.0,),
    "outer_rates": (1.0,),
    "inner_counts": (1,),
    "orders": ("second",),
    "difficulties": ("any",),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (ONE, "the policy has a single strategy, so that there is nothing to choose: give two or"),
        ({"inner_rates": ()}, "learner.inner_rates is empty: name what is to be chosen among"),
        ({"outer_rates": (1.0, 1.0)}, "learner.outer_rates has an entry twice"),
        ({"outer_rates": (1.0, 0.0)}, "learner.outer_rates has a multiple that is not above 0"),
        ({"inner_counts": (0, 1)}, "learner.inner_counts has a number below 1"),
        ({"orders": ("second", "third")}, "learner.orders has 'third'"),
        ({"difficulties": ("any", "hart")}, "learner.difficulties has 'hart': did you mean 'hard'"),
    ],
)
def test_a_set_of_strategies_that_is_none_is_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        StrategistSettings(**changes)


def test_what_it_does_not_suit_is_refused() -> None:
    tasks = open_tasks("sinusoid")
    with pytest.raises(UserError, match="Strategist learns from families of tasks"):
        StrategistSettings().build(MLPSettings(), tasks.spec(tasks.default_shape))
    with pytest.raises(UserError, match="Strategist differentiates through inner gradient steps"):
        Strategist(Prototypical(MLP(1, None)), FAMILIES.nested)
    with pytest.raises(UserError, match="set learner.inner.train_steps to 9"):
        built(replace(SETTINGS, inner_counts=(1, 9)))
    with pytest.raises(UserError, match="learner.order is 'second' and Strategist does not"):
        spec = FAMILIES.spec(SHAPE)
        replace(SETTINGS, order="second").build(MLPSettings(hidden=(4,)), spec)
    with pytest.raises(UserError, match="families have 2 tasks to train on and 2 of them are to"):
        list(
            adapt(built(), FAMILIES.sample(2, seed=0, shape=Shape(1, 2, 4)).to(dtype=torch.float64))
        )
    other = open_tasks("families:sines").sample(2, seed=0, shape=Shape(1, 10, 3))
    with pytest.raises(UserError, match=r"is \[15, 2\] and not \[5, 2\], as this learner was made"):
        list(adapt(built(), other.to(dtype=torch.float64)))
