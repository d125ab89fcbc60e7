"""MAML-RL: its meta-gradient against all that can happen, what it plays, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.tasks.control.stories import stories, worth
from tests.tasks.control.worlds import SMALL, Line, small
from workbench.algorithms import MAMLRL, PPO, Adapted, MAMLRLSettings, adapt, last
from workbench.algorithms.control.maml_rl import PLAYED
from workbench.algorithms.estimators.exact import differentiated
from workbench.errors import UserError
from workbench.innerloop import weights_of
from workbench.inspection import shot_gradients
from workbench.models import MLP, Gaussian, GaussianSettings, MLPSettings, PolicySettings
from workbench.tasks import Episode, Shape, TaskSpec, open_tasks
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.control.rollout import rollout

UNLIMITED, MOVES = float("inf"), SMALL.horizon


def lines(tasks: int = 3, trajectories: int = 5) -> Episode:
    goal = torch.linspace(-1, 1, tasks, dtype=torch.float64).unsqueeze(1)
    seeds = torch.arange(tasks)
    return Episode(None, None, seeds, env=Repeated(Line(), trajectories), task={"goal": goal})


def build(**settings) -> MAMLRL:
    torch.manual_seed(0)
    net = Gaussian(1, 1, hidden=(6,), activation="tanh")
    return MAMLRL(net, MAMLRLSettings(**{"train_steps": 2, **settings})).double()


# ---- the meta-gradient, exactly --------------------------------------------------------------

ONE = Episode(None, None, torch.tensor([5]), env=Repeated(SMALL, 4), task=small((1,)))


def tabular(**settings) -> MAMLRL:
    """A policy of the small MDP: a score for each state and action, and one for each action."""
    learner = MAMLRL(MLP(2, 2, hidden=()), MAMLRLSettings(inner_rate=1.5, **settings)).double()
    with torch.no_grad():
        learner.model.head.weight.copy_(torch.tensor([[0.2, -0.3], [0.1, 0.6]]))
        learner.model.head.bias.copy_(torch.tensor([0.1, -0.1]))
    return learner


def scores_of(weights: dict[str, Tensor]) -> Tensor:
    return (weights["head.weight"] + weights["head.bias"].unsqueeze(1)).mT


def everything(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every story as a trajectory that counts by its chance under these weights."""
    scores = scores_of({n: w.detach() for n, w in weights.items()})
    told = stories(scores, MOVES)
    found = {
        "observation": torch.nn.functional.one_hot(told.place, 2).double(),
        "action": told.action,
        "out": scores[told.place],
        "advantage": told.advantage,
        "mask": told.chance.unsqueeze(1).expand(-1, MOVES),
    }
    return {f"{PLAYED}{name}": t.unsqueeze(0) for name, t in found.items()}


def adapted_exactly(learner: MAMLRL, *, exact: bool = True) -> list[dict[str, Tensor]]:
    """The weights after 0, 1 ... steps along the gradient of the return."""
    weights = dict(learner.model.named_parameters())
    path = [weights]
    for step in range(learner.steps(ONE)):
        at = list(weights.values())
        slopes = torch.autograd.grad(worth(scores_of(weights), MOVES), at, create_graph=exact)
        rate = 1.5 * (learner.settings.later if step else 1.0) / MOVES  # of a mean over moves
        weights = {n: w + rate * g for (n, w), g in zip(weights.items(), slopes, strict=True)}
        path.append(weights)
    return path


def meta_gradients(learner: MAMLRL, *, exact: bool = True) -> tuple[Tensor, Tensor]:
    """Found from everything that can happen before and after every step; that of the return."""
    path = adapted_exactly(learner, exact=exact)
    told = [everything(weights) for weights in path]
    values = {f"{step}.{n}": t for step, of in enumerate(told) for n, t in of.items()}
    losses = learner.surrogate(Adapted(values), ONE, UNLIMITED)
    found = differentiated(learner, losses).gradients
    theta = list(learner.model.parameters())
    expected = torch.autograd.grad(worth(scores_of(path[-1]), MOVES), theta)
    flat = torch.cat([g.flatten() for g in found.values()])
    return -MOVES * flat, torch.cat([g.flatten() for g in expected])


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_with_dice_the_meta_gradient_is_that_of_the_return_after_adapting(steps: int) -> None:
    found, expected = meta_gradients(tabular(surrogate="dice", train_steps=steps))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_the_ratio_comes_near_and_the_logarithm_less() -> None:
    def off(kind: str) -> float:
        found, expected = meta_gradients(tabular(surrogate=kind))
        return float((found - expected).norm() / expected.norm())

    assert 1e-3 < off("ratio") < 0.3
    assert off("ratio") < off("log")


@pytest.mark.parametrize("kind", ["ratio", "dice", "log"])
def test_to_first_order_it_is_the_gradient_at_the_adapted_policy(kind: str) -> None:
    learner = tabular(surrogate=kind, order="first", train_steps=2)
    found, expected = meta_gradients(learner, exact=False)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("adapts", ["all", "head"])
def test_the_meta_gradient_of_what_was_collected_is_its_derivative(adapts: str) -> None:
    """By central differences: what was done is constant, the adaptation to it is not."""
    learner, episode = build(adapts=adapts), lines()
    collected = learner.collect(episode)
    found = differentiated(learner, learner.surrogate(collected, episode, 0.2)).gradients
    for name, parameter in learner.named_parameters():
        way = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)).double()
        both = []
        for by in (1e-6, -1e-6):
            with torch.no_grad():
                parameter.add_(by * way)
                both.append(float(learner.surrogate(collected, episode, 0.2).mean()))
                parameter.sub_(by * way)
        slope = (both[0] - both[1]) / 2e-6
        assert float((found[name] * way).sum()) == pytest.approx(slope, rel=1e-5, abs=1e-9), name


def test_just_collected_the_clipped_gradient_is_the_plain_one() -> None:
    learner, episode = build(), lines()
    plain = learner.meta_gradient(episode)
    clipped, carried = PPO(epochs=2, minibatches=1, clip=0.2)(learner, episode)
    for name, gradient in plain.gradients.items():
        torch.testing.assert_close(clipped.gradients[name], gradient)
    assert carried is not None
    assert not any(t.requires_grad for t in carried.values.values())


def test_the_trajectories_share_the_gradient_of_a_step() -> None:
    learner, episode = build(), lines()
    start, one, _ = adapt(learner, episode)
    for task in range(len(episode)):
        shots = shot_gradients(learner, episode, start, task)
        assert len(shots) == 5
        for name in learner.adapted_names:
            mean = sum(g[name][0] for g in shots) / 5
            torch.testing.assert_close(mean, one.seen[f"gradient.{name}"][task])


# ---- what it does ----------------------------------------------------------------------------


def test_a_step_plays_by_the_fast_weights_and_descends_the_surrogate_of_that() -> None:
    learner, episode = build(later=0.25), lines()
    start, one, two = adapt(learner, episode)
    assert not any(name.startswith(PLAYED) for a in (start, one, two) for name in a.values)
    for before, after, rate in ((start, one, 0.1), (one, two, 0.025)):
        played = learner.play(before, episode)
        for name, tensor in played.items():
            assert torch.equal(after.seen[name], tensor), name
        weights = {n: w.detach().requires_grad_() for n, w in weights_of(before.values).items()}
        loss = learner.support_loss(weights, before, episode)
        slopes = torch.autograd.grad(loss.sum(), list(weights.values()))
        for (name, w), slope in zip(weights.items(), slopes, strict=True):
            torch.testing.assert_close(after.values[f"weights.{name}"], w - rate * slope)
    assert not torch.equal(one.seen[f"{PLAYED}action"], two.seen[f"{PLAYED}action"])


def test_what_is_played_is_a_rollout_of_each_tasks_own_policy() -> None:
    learner, episode = build(), lines(trajectories=4000)
    adapted = last(adapt(learner, episode)).detach()
    played = learner.play(adapted, episode)
    assert played[f"{PLAYED}action"].shape == (3, 4000, 4, 1)
    for task in range(3):
        own = {n: w[task] for n, w in weights_of(adapted.values).items()}

        def policy(moment, memory, own=own):
            out = torch.func.functional_call(learner.model, own, (moment["observation"],))
            return out, moment["reward"][:, 0], memory

        goal = {"goal": episode.task["goal"][task].expand(4000, 1)}
        found = rollout(Line(), goal, policy, torch.arange(4000) + 10_000 * task)
        mean = [r.sum(-1).mean().item() for r in (found.reward, played[f"{PLAYED}reward"][task])]
        assert mean[0] == pytest.approx(mean[1], abs=0.15)
    mask, reward = played[f"{PLAYED}mask"], played[f"{PLAYED}reward"]
    assert 0 < float(mask.mean()) < 1
    assert not reward[mask == 0].any()
    advantage = played[f"{PLAYED}advantage"]
    assert not advantage[mask == 0].any()
    for task in range(3):
        own = advantage[task][mask[task] == 1]
        assert float(own.mean()) == pytest.approx(0, abs=1e-9)
        assert float(own.var(unbiased=False)) == pytest.approx(1, rel=1e-6)


def test_a_better_return_is_what_steps_and_training_lead_to() -> None:
    torch.manual_seed(0)
    learner = MAMLRL(Gaussian(1, 1, hidden=(16,)), MAMLRLSettings(order="first")).double()
    episode, optimizer = lines(8, 20), torch.optim.Adam(learner.parameters(), 1e-2)

    def reward(steps: int) -> float:
        with torch.no_grad():
            adapted = last(adapt(learner.eval(), replace(episode, seed=episode.seed + 99)))
            if not steps:
                adapted = learner.begin(episode)
            found = learner.play(adapted, episode)[f"{PLAYED}reward"].sum(-1).mean()
        learner.train()
        return float(found)

    before = reward(1)
    for batch in range(60):
        own = replace(episode, seed=episode.seed + 8 * batch)
        optimizer.zero_grad()
        learner(own).mean().backward()
        optimizer.step()
    assert reward(1) > max(before, reward(0)) + 0.3


def test_an_environment_that_is_no_trial_is_one_trajectory() -> None:
    learner = MAMLRL(MLP(1, 3))
    path = list(adapt(learner, open_tasks("bandit").sample(2, seed=0, shape=Shape(3, 6, 0))))
    assert path[1].seen[f"{PLAYED}reward"].shape == (2, 1, 6)


def test_only_the_head_adapts_where_that_is_asked_for() -> None:
    names = {a: build(adapts=a).adapted_names for a in ("all", "head", "body")}
    assert names["all"][-1] == "deviation.logarithm"
    assert names["head"] == ("head.weight", "head.bias")
    assert names["body"] == ("linear1.weight", "linear1.bias")


def test_refusals() -> None:
    settings, spec = MAMLRLSettings(), TaskSpec("control", (2,), 4)
    with pytest.raises(UserError, match="acts in an environment and these tasks are regression"):
        settings.build(MLPSettings(), TaskSpec("regression", (1,), 1))
    with pytest.raises(UserError, match="remembers .* give it a GaussianSettings or MLPSettings"):
        settings.build(PolicySettings(), spec)
    with pytest.raises(UserError, match="actions are numbers and those of these tasks are choices"):
        mdp = open_tasks("mdp").sample(2, seed=0, shape=Shape(4, 2, 0))
        list(adapt(MAMLRL(Gaussian(10, 2)), mdp))
    with pytest.raises(UserError, match="actions are numbers and those of these tasks are choices"):
        settings.build(GaussianSettings(), open_tasks("mdp").spec(Shape(4, 2, 0)))
    with pytest.raises(
        UserError, match="gives 6 numbers for an action and those of Navigation need 4"
    ):
        navigation = open_tasks("navigation").sample(2, seed=0, shape=Shape(2, 2, 0))
        list(adapt(MAMLRL(Gaussian(2, 3)), navigation))
    with pytest.raises(UserError, match="MAML-RL needs an environment|learns control"):
        list(adapt(MAMLRL(Gaussian(2, 2)), open_tasks("sinusoid").sample(2, seed=0)))
    with pytest.raises(UserError, match="surrogate is 'dise'"):
        MAMLRLSettings(surrogate="dise")
