"""RL² against a plain loop, an expectation worked out by enumeration, and random pulls."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from tests.tasks.control.worlds import PAYS, SMALL, TO_ONE, Line, small
from workbench.algorithms import PPO, RL2, RL2Settings, adapt
from workbench.algorithms.control.trials import advantages
from workbench.errors import UserError
from workbench.models import MLPSettings, Policy, PolicySettings
from workbench.tasks import Episode, Shape, TaskSpec, open_tasks
from workbench.tasks.base import task_seeds
from workbench.tasks.control.rollout import rollout


def trials(n: int, arms: int = 2, pulls: int = 3, seed: int = 0) -> Episode:
    return open_tasks("bandit").sample(n, seed=seed, shape=Shape(ways=arms, shots=pulls))


def build(cell: str = "gru", **settings) -> RL2:
    torch.manual_seed(0)
    policy = Policy(1, 2, hidden=4, cell=cell)
    torch.nn.init.normal_(policy.policy.weight)
    return RL2(policy, RL2Settings(**settings)).double()


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_policy_reads_its_last_action_and_reward(cell: str) -> None:
    learner, trial = build(cell), trials(5).to(dtype=torch.float64)
    path = list(adapt(learner, trial))
    state = torch.zeros(5, 4, dtype=torch.float64)
    state = (state, state) if cell == "lstm" else state
    inputs = torch.zeros(5, 1 + 2 + 2, dtype=torch.float64)
    for adapted in path[1:]:
        state = learner.policy.cell(inputs, state)
        output = state[0] if cell == "lstm" else state
        chances = learner.policy.policy(output).softmax(dim=-1)
        seen = adapted.seen
        torch.testing.assert_close(seen["probabilities"], chances)
        torch.testing.assert_close(seen["value"], learner.policy.value(output).squeeze(-1))
        torch.testing.assert_close(seen["out"].softmax(dim=-1), chances)
        action = torch.nn.functional.one_hot(seen["action"], 2)
        rest = [seen["reward"].unsqueeze(1), adapted.values["done"]]
        inputs = torch.cat([torch.zeros(5, 1), action, *rest], dim=1)
    assert path[-1].values["done"].all()


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-13)])
def test_one_pass_over_time_equals_the_cell_move_by_move(
    cell: str, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    policy = Policy(3, 2, hidden=6, cell=cell).to(dtype)
    read = torch.randn(4, 50, 3 + 2 + 2, dtype=dtype)
    state, single = read.new_zeros(4, policy.state_size), []
    for move in range(50):
        *_, state = policy(read[:, move], state)
        single.append(state[:, :6])
    one, found = torch.stack(single, dim=1), policy.outputs(read)
    torch.testing.assert_close(found, one, rtol=0, atol=tolerance)
    parameters = list(policy.cell.parameters())
    wanted, given = (torch.autograd.grad(o.square().sum(), parameters) for o in (one, found))
    for expected, gradient in zip(wanted, given, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=50 * tolerance, atol=50 * tolerance)


def test_an_lstm_that_has_learned_nothing_remembers_for_1_to_100_moves() -> None:
    policy = Policy(1, 2, hidden=16, cell="lstm").double()
    torch.nn.init.zeros_(policy.cell.weight_ih)
    torch.nn.init.zeros_(policy.cell.weight_hh)
    state = torch.cat([torch.zeros(1, 16), torch.ones(1, 16)], dim=1).double()
    *_, after = policy(torch.zeros(1, 1 + 2 + 2).double(), state)
    kept = after[0, 16:]  # the share that a move leaves: 1 - 1 / span
    spans = torch.linspace(1, 99, 16).double() + 1
    torch.testing.assert_close(kept, 1 - 1 / spans, rtol=1e-6, atol=0)


def test_actions_that_are_numbers_are_drawn_by_mean_and_held_deviation() -> None:
    torch.manual_seed(0)
    policy = Policy(1, 1, hidden=4, numbers=True)
    torch.nn.init.constant_(policy.policy.bias[1:], -9.0)  # asks for hardly any deviation
    learner = RL2(policy).double()
    trial = Episode(
        None, None, torch.arange(4000), env=Line(), task={"goal": torch.zeros(4000, 1).double()}
    )
    path = list(adapt(learner, trial))
    for adapted in path[1:]:
        mean, logarithm = adapted.seen["out"].chunk(2, dim=-1)
        assert adapted.seen["action"].shape == (4000, 1)
        assert torch.allclose(logarithm.exp(), torch.tensor(0.3).double())
        away = (adapted.seen["action"] - mean).detach() / 0.3
        assert float(away.mean()) == pytest.approx(0, abs=0.05)
        assert float(away.std()) == pytest.approx(1, abs=0.05)
        assert "probabilities" not in adapted.seen
    assert learner.predict(path[-1], torch.zeros(4000, 3, 1).double()).shape == (4000, 3, 2)


@pytest.mark.parametrize("name", ["bandit", "mdp", "grid", "navigation", "reacher", "pendulum"])
def test_it_is_built_for_the_actions_that_tasks_have(name: str) -> None:
    tasks = open_tasks(name)
    env = tasks.sample(1, seed=0).env
    assert env is not None
    learner = RL2Settings().build(PolicySettings(hidden=4), tasks.spec(tasks.default_shape))
    assert learner.actions == env.actions
    assert learner.policy.cell.input_size == env.observation_size + env.actions.width + 2


def test_actions_follow_the_policys_chances() -> None:
    learner, trial = build(), trials(4000, pulls=1)
    seen = list(adapt(learner.float(), trial))[1].seen
    frequency = (seen["action"] == 1).float().mean().item()
    assert frequency == pytest.approx(seen["probabilities"][0, 1].item(), abs=0.03)
    means = trial.task["means"].gather(1, seen["action"].unsqueeze(1))
    assert seen["reward"].mean().item() == pytest.approx(means.mean().item(), abs=0.03)


def test_advantages_equal_the_sum_they_stand_for() -> None:
    generator = torch.Generator().manual_seed(0)
    reward, value = torch.rand(2, 3, 6, generator=generator)
    found, discount, trace = advantages(reward, value, 0.9, 0.7), 0.9, 0.7
    for t in range(6):
        total = torch.zeros(3)
        for s in range(t, 6):
            after = value[:, s + 1] if s + 1 < 6 else 0.0
            surprise = reward[:, s] + discount * after - value[:, s]
            total = total + (discount * trace) ** (s - t) * surprise
        torch.testing.assert_close(found[:, t], total)


@pytest.mark.parametrize("family", ["bandit", "mdp"])
def test_an_adaptation_is_a_rollout_move_by_move(family: str) -> None:
    shape = Shape(ways=2, shots=2)
    trial = open_tasks(family).sample(5, seed=0, shape=shape).to(dtype=torch.float64)
    env = trial.env
    assert env is not None
    torch.manual_seed(0)
    learner = RL2(Policy(env.observation_size, 2, hidden=4)).double()
    path = list(adapt(learner, trial))
    hidden = path[0].values["hidden"]
    whole = rollout(env, trial.task, learner.act, trial.seed, hidden, ends=False)
    assert len(path) - 1 == env.horizon == {"bandit": 2, "mdp": 20}[family]
    for move, adapted in enumerate(path[1:]):
        for name in ("action", "reward", "out", "value"):
            assert torch.equal(adapted.seen[name], getattr(whole, name)[:, move])
    assert torch.equal(path[-1].values["hidden"], whole.memory)
    for name, tensor in whole.end.moment.items():
        assert torch.equal(path[-1].values[name], tensor)
    if family == "mdp":  # what is observed differs, and so does where a trial is
        places = torch.stack([a.values["state.place"] for a in path])
        assert places.unique().numel() > 5
        seen = torch.stack([a.values["observation"] for a in path])
        assert torch.equal(seen.argmax(-1), places)
        assert [bool(a.values["done"].all()) for a in path[1:]] == 2 * ([False] * 9 + [True])


def exact_return(policy: Policy, means: Tensor, pulls: int) -> Tensor:
    """Expected reward of a trial on one bandit, by enumerating all that can happen."""
    total = torch.zeros(())
    for story in product(product(range(2), (0.0, 1.0)), repeat=pulls):
        hidden, inputs = torch.zeros(1, policy.state_size), torch.zeros(1, 5)
        chance, reward = torch.ones(()), 0.0
        for action, paid in story:
            logits, _, hidden = policy(inputs, hidden)
            pays = means[action] if paid else 1 - means[action]
            chance = chance * logits.softmax(dim=-1)[0, action] * pays
            reward += paid
            inputs = torch.zeros(1, 5)
            inputs[0, 1 + action], inputs[0, 3] = 1.0, paid
        total = total + chance * reward
    return total


def test_the_gradient_is_that_of_the_expected_reward() -> None:
    """Undiscounted, with full traces, no entropy bonus and no value loss: an unbiased estimate."""
    learner = build(discount=1.0, trace=1.0, value_weight=0.0, entropy_weight=0.0).float()
    means, pulls = torch.tensor([0.2, 0.7]), 2
    names = ["policy.weight", "policy.bias", "cell.weight_ih"]
    parameters = [learner.policy.get_parameter(name) for name in names]
    expected = torch.autograd.grad(exact_return(learner.policy, means, pulls), parameters)
    trial = trials(40_000, pulls=pulls)
    fixed = trial.with_tensors({**trial.tensors(), "task.means": means.expand(len(trial), 2)})
    found = learner.meta_gradient(fixed).gradients
    for name, gradient in zip(names, expected, strict=True):
        estimate = -pulls * found[f"policy.{name}"]  # the loss is a mean over pulls
        if name == "cell.weight_ih":  # what it reads of the last moment of a trial never matters
            estimate, gradient = estimate[:, :4], gradient[:, :4]
        error = (estimate - gradient).norm() / gradient.norm()
        assert error < 0.1, name


def test_learns_better_than_random_pulls() -> None:
    torch.manual_seed(0)
    learner = RL2(Policy(1, 2, hidden=32), RL2Settings(entropy_weight=0.01))
    optimizer = torch.optim.Adam(learner.parameters(), 2e-2)

    def reward() -> float:
        with torch.no_grad():
            path = list(adapt(learner, trials(1000, pulls=6, seed=9)))
        return sum(a.seen["reward"] for a in path[1:]).mean().item()

    before = reward()
    assert before == pytest.approx(3.0, abs=0.25)  # as random pulls
    for seed in range(150):
        optimizer.zero_grad()
        learner(trials(128, pulls=6, seed=100 + seed)).mean().backward()
        optimizer.step()
    assert reward() > before + 0.2


def best_return() -> float:
    """What the best policy of the small MDP gets, backwards from its last move."""
    worth = [0.0, 0.0]
    for _ in range(SMALL.horizon):
        leads = [[(1 - one) * worth[0] + one * worth[1] for one in row] for row in TO_ONE.tolist()]
        both = zip(PAYS.tolist(), leads, strict=True)
        worth = [max(p + w for p, w in zip(*rows, strict=True)) for rows in both]
    return worth[0]


def test_learns_where_to_go() -> None:
    """Where one is must be seen: what is best to do, and what it leads to, differ by the state."""
    torch.manual_seed(0)
    learner = RL2(Policy(2, 2, hidden=16), RL2Settings(entropy_weight=0.01, discount=1.0))
    optimizer = torch.optim.Adam(learner.parameters(), 2e-2)

    def trials_of(count: int, seed: int) -> Episode:
        seeds = task_seeds(count, seed, "train")
        return Episode(None, None, seeds, env=SMALL, task=small((count,)))

    for seed in range(150):
        optimizer.zero_grad()
        learner(trials_of(128, seed)).mean().backward()
        optimizer.step()
    with torch.no_grad():
        path = list(adapt(learner, trials_of(4000, 1000)))
    found = sum(a.seen["reward"] for a in path[1:]).mean().item()
    assert best_return() - 0.3 < found < best_return() + 0.1


@pytest.mark.parametrize("numbers", [False, True], ids=["choices", "numbers"])
def test_learns_by_ppo(numbers: bool) -> None:
    """A batch of trials serves several steps; what is chosen, and how far one goes, gets better."""
    torch.manual_seed(0)
    settings = RL2Settings(entropy_weight=0.01, discount=1.0, prediction_weight=0.1)
    policy = Policy(1, 1, hidden=16, numbers=True) if numbers else Policy(2, 2, hidden=16)
    learner, estimator = RL2(policy, settings), PPO(epochs=3, minibatches=2)
    optimizer = torch.optim.Adam(learner.parameters(), 1e-2)

    def trials_of(count: int, seed: int) -> Episode:
        seeds = task_seeds(count, seed, "train")
        task = {"goal": torch.full((count, 1), 2.0)} if numbers else small((count,))
        return Episode(None, None, seeds, env=Line() if numbers else SMALL, task=task)

    def found() -> float:
        with torch.no_grad():
            path = list(adapt(learner, trials_of(2000, 1000)))
        return sum(a.seen["reward"] for a in path[1:]).mean().item()

    before = found()
    for seed in range(30):
        carried, trials = None, trials_of(128, seed)
        for _ in range(6):
            gradient, carried = estimator(learner, trials, carried)
            for name, parameter in learner.named_parameters():
                parameter.grad = gradient.gradients[name]
            optimizer.step()
    if numbers:  # as fast as one may go to the goal: -1 and then near it
        assert before < -6
        assert found() > -3
    else:
        assert best_return() - 0.3 < found() < best_return() + 0.1


def test_refusals() -> None:
    with pytest.raises(UserError, match="discount is 2"):
        RL2Settings(discount=2)
    with pytest.raises(UserError, match="did you mean 'gru'"):
        PolicySettings(cell="grue")
    with pytest.raises(UserError, match="PolicySettings"):
        RL2Settings().build(MLPSettings(), TaskSpec("control", (1,), 2))
    with pytest.raises(UserError, match="environment"):
        build().begin(open_tasks("sinusoid").sample(1, seed=0))
    bandit = open_tasks("bandit")
    with pytest.raises(UserError, match="policy has 2 actions and the tasks have 7"):
        build().begin(bandit.sample(1, seed=0, shape=Shape(7, 3)))
    line = Episode(None, None, torch.arange(2), env=Line(), task={"goal": torch.zeros(2, 1)})
    with pytest.raises(UserError, match="chooses among actions and those of these tasks are num"):
        build().begin(line)
    numbers = RL2(Policy(1, 1, numbers=True)).double()
    with pytest.raises(UserError, match="an action as numbers and those of these tasks are to ch"):
        numbers.begin(bandit.sample(1, seed=0, shape=Shape(1, 3)))
    with pytest.raises(UserError, match="policy has 3 numbers an action and the tasks have 1: ask"):
        RL2(Policy(1, 3, numbers=True)).double().begin(line)
    with pytest.raises(UserError, match="over after 3 moves"):
        list(adapt(build(), bandit.sample(1, seed=0, shape=Shape(2, 3)), steps=4))
    with pytest.raises(UserError, match="embedding"):
        PolicySettings().build((1,), None)
