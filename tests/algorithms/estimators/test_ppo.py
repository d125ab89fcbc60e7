"""PPO against the actor-critic gradient, a plain loop, and what its minibatches add up to."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical

from tests.algorithms.cases import bandits, sines
from workbench import UserError
from workbench.algorithms import MAML, PPO, RL2, Adapted, Exact, RL2Settings
from workbench.algorithms.capabilities import Acts
from workbench.models import MLP, Policy
from workbench.training.execution import MetaGradients

pytestmark = pytest.mark.usefixtures("double")
CLIP = 0.1


def build(**settings: float) -> RL2:
    torch.manual_seed(0)
    policy = Policy(1, 3, hidden=4)
    torch.nn.init.normal_(policy.policy.weight)
    return RL2(policy, RL2Settings(**settings))


def flat(gradients: dict[str, Tensor]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients.values()])


def moved(learner: RL2, by: float = 0.3) -> RL2:
    """The learner some way from where it acted."""
    with torch.no_grad():
        for place, parameter in enumerate(learner.parameters()):
            parameter += by * torch.sin(torch.arange(parameter.numel()) + place).view_as(parameter)
    return learner


@pytest.mark.parametrize("weight", [0.0, 0.5], ids=["", "foretelling"])
def test_where_it_acted_the_gradient_is_the_actor_critics(weight: float) -> None:
    learner, trials = build(prediction_weight=weight, reward_scale=0.5, usual_reward=0.2), bandits()
    found, kept = PPO(epochs=1, minibatches=1, clip=CLIP)(learner, trials)
    torch.testing.assert_close(
        flat(found.gradients), flat(Exact()(learner, trials)[0].gradients), rtol=1e-9, atol=1e-12
    )
    assert kept.step == 1
    assert not any(t.requires_grad for t in kept.values.values())


def test_the_loss_is_the_papers_move_by_move() -> None:
    """Written out with torch's distribution and the single-step cell, away from where it acted."""
    learner, trials = build(discount=0.9, trace=0.5), bandits(6)
    kept = learner.collect(trials).values
    found = moved(learner).surrogate(Adapted(kept), trials, CLIP)
    settings, expected, clipped = learner.settings, torch.zeros(6), 0
    hidden = torch.zeros(6, 4)
    for move in range(4):
        logits, value, hidden = learner.policy(kept["read"][:, move], hidden)
        chosen = Categorical(logits=logits)
        ratio = (chosen.log_prob(kept["action"][:, move]) - kept["chance"][:, move]).exp()
        advantage = kept["advantage"][:, move]
        for task in range(6):
            r, a = ratio[task], advantage[task]
            beyond = (a > 0 and r > 1 + CLIP) or (a < 0 and r < 1 - CLIP)
            clipped += int(beyond)
            limit = 1 + CLIP if a > 0 else 1 - CLIP
            error = (value[task] - kept["target"][task, move]) ** 2
            entropy = chosen.entropy()[task]
            gain = (limit if beyond else r) * a
            loss = -gain + settings.value_weight * error - settings.entropy_weight * entropy
            expected[task] = expected[task] + loss / 4
    assert 0 < clipped < 24
    torch.testing.assert_close(found, expected)


def test_what_was_collected_is_the_trial() -> None:
    learner, trials = build(discount=0.9), bandits()
    kept = learner.collect(trials).values
    hidden = torch.zeros(3, 4)
    for move in range(4):
        logits, _, hidden = learner.policy(kept["read"][:, move], hidden)
        chance = logits.log_softmax(-1).gather(1, kept["action"][:, move : move + 1]).squeeze(1)
        torch.testing.assert_close(kept["chance"][:, move], chance)
        torch.testing.assert_close(kept["target"] - kept["advantage"], kept_value(learner, kept))
        if move:
            before = torch.nn.functional.one_hot(kept["action"][:, move - 1], 3).double()
            assert torch.equal(kept["read"][:, move, 1:4], before)
            assert torch.equal(kept["read"][:, move, 4], kept["brought"][:, move - 1, 0])


def kept_value(learner: RL2, kept: dict[str, Tensor]) -> Tensor:
    return learner.policy.heads(learner.policy.outputs(kept["read"]))[1].detach()


def test_the_minibatches_of_an_epoch_add_up_to_all_tasks() -> None:
    learner, trials = build(), bandits(9)
    whole, carried = PPO(minibatches=1, clip=CLIP)(learner, trials)
    assert carried.step == 1
    estimator, kept = PPO(minibatches=3, clip=CLIP), Adapted(carried.values, step=3)
    parts, seen = [], torch.zeros(9)
    for part in range(3):  # of the second epoch, since the carried step is 3
        found, kept = estimator(learner, trials, kept)
        assert kept.step == 4 + part
        parts.append(flat(found.gradients))
        seen += (found.losses != 0).double()
    assert torch.equal(seen, torch.ones(9))  # each task in one minibatch
    torch.testing.assert_close(torch.stack(parts).mean(0), flat(whole.gradients))


def test_epochs_shuffle_the_tasks() -> None:
    learner, trials = build(), bandits(9)
    estimator, kept, rows = PPO(epochs=2, minibatches=2), None, []
    for _ in range(4):
        found, kept = estimator(learner, trials, kept)
        rows.append(found.losses != 0)
    assert torch.equal(rows[0], ~rows[1])
    assert torch.equal(rows[2], ~rows[3])
    assert not torch.equal(rows[0], rows[2])


def test_a_minibatch_without_a_task_moves_nothing() -> None:
    learner, trials, kept = build(), bandits(1), None
    sizes = []
    for _ in range(5):
        found, kept = PPO(epochs=1, minibatches=5)(learner, trials, kept)
        sizes.append(float(flat(found.gradients).norm()))
    assert sorted(size > 0 for size in sizes) == [False] * 4 + [True]


@pytest.mark.parametrize("threads", [1, 2])
def test_chunks_give_the_same_minibatches(threads: int) -> None:
    def gradients(chunk: int) -> list[Tensor]:
        learner = build(prediction_weight=0.1)
        learner.estimator = PPO(epochs=2, minibatches=2, clip=CLIP)
        run = MetaGradients(learner, compiled="off", tasks_per_chunk=chunk, threads=threads)
        found = []
        for _ in range(4):
            found.append(flat(run(bandits(5)).gradients))
            moved(learner, 0.05)
        assert run.carried is not None
        assert run.carried.step == 4
        return found

    for one, other in zip(gradients(0), gradients(2), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_the_meta_gradient_of_some_tasks_is_of_all_of_them() -> None:
    learner, trials = build(), bandits(2)
    learner.estimator = PPO(minibatches=7)
    expected = flat(Exact()(learner, trials)[0].gradients)
    torch.testing.assert_close(flat(learner.meta_gradient(trials).gradients), expected)


def test_it_is_not_compiled_and_says_so() -> None:
    learner = build()
    learner.estimator = PPO()
    run = MetaGradients(learner, compiled="on")
    assert run.path == "eager"
    assert run.note == "what PPO computes changes while it is trained"


def test_refusals() -> None:
    with pytest.raises(UserError, match="MAML does not act: use it with RL2Settings"):
        PPO()(MAML(MLP(1, 1)), sines())
    with pytest.raises(UserError, match="clip is 0"):
        PPO(clip=0)
    with pytest.raises(UserError, match="epochs is 0"):
        PPO(epochs=0)
    assert isinstance(build(), Acts)
