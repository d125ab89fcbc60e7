"""Rollouts, against enumeration and a loop by hand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest
import torch

from tests.tasks.control.worlds import PAYS, SMALL, TO_ONE, Line, constant, small
from workbench.errors import UserError
from workbench.randomness import fold
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.control.rollout import opening, rollout

LOGITS = torch.tensor([0.3, -0.4], dtype=torch.float64)


def seeds(*lead: int) -> torch.Tensor:
    count = torch.Size(lead).numel()
    return fold(torch.full((count,), 7), torch.arange(count)).view(lead)


def test_the_return_is_that_of_all_stories() -> None:
    """Every way through three moves of the small MDP, with its chance and what it pays."""
    chances, expected = LOGITS.softmax(-1), torch.zeros(3, dtype=torch.float64)
    for actions in product(range(2), repeat=3):
        for places in product(range(2), repeat=2):
            chance, here = 1.0, 0
            for move, action in enumerate(actions):
                chance *= float(chances[action])
                if move < 2:
                    one = float(TO_ONE[here, action])
                    chance *= one if places[move] else 1 - one
                    here = places[move]
            stood = (0, *places)
            pays = [float(PAYS[s, a]) for s, a in zip(stood, actions, strict=True)]
            expected += chance * torch.tensor(pays, dtype=torch.float64)
    found = rollout(SMALL, small((40_000,)), constant(LOGITS), seeds(40_000))
    mean, deviation = found.reward.mean(dim=0), found.reward.std(dim=0)
    assert float(((mean - expected) / deviation).abs().max()) < 4 / 200  # four standard errors
    assert found.done.tolist()[0] == [False, False, True]
    assert found.memory == 3
    assert found.end.moves == 3


def test_leading_axes_change_nothing() -> None:
    all_at_once = rollout(SMALL, small((2, 5)), constant(LOGITS), seeds(2, 5))
    assert all_at_once.observation.shape == (2, 5, 3, 2)
    assert all_at_once.out.shape == (2, 5, 3, 2)
    for task in range(2):
        one = rollout(SMALL, small((5,)), constant(LOGITS), seeds(2, 5)[task])
        for name in ("observation", "action", "reward", "done", "mask", "out", "value"):
            assert torch.equal(getattr(all_at_once, name)[task], getattr(one, name)), name


def test_a_moment_is_what_the_last_move_did() -> None:
    asked = []

    def policy(moment, memory):
        asked.append(moment)
        return constant(LOGITS)(moment, memory)

    found = rollout(SMALL, small((6,)), policy, seeds(6))
    assert torch.equal(asked[0]["observation"], torch.tensor([[1.0, 0.0]]).expand(6, 2))
    assert not any(asked[0][name].any() for name in ("action", "reward", "done"))
    for move, moment in enumerate([*asked[1:], found.end.moment]):
        before = torch.nn.functional.one_hot(found.action[:, move], 2)
        assert torch.equal(moment["action"], before.double())
        assert torch.equal(moment["reward"][:, 0], found.reward[:, move])
        assert torch.equal(moment["done"][:, 0], found.done[:, move].double())
    for move, moment in enumerate(asked[1:], 1):
        assert torch.equal(moment["observation"], found.observation[:, move])


def test_going_on_is_the_same_as_a_single_go() -> None:
    env, task = Repeated(SMALL, 2), small((6,))
    whole = rollout(env, task, constant(LOGITS), seeds(6), ends=False)
    first = rollout(env, task, constant(LOGITS), seeds(6), ends=False, length=2)
    rest = rollout(env, task, constant(LOGITS), seeds(6), first.memory, ends=False, start=first.end)
    assert whole.reward.shape == (6, 6)
    assert rest.memory == whole.memory == 6
    for name in ("observation", "action", "reward", "done", "out"):
        both = torch.cat([getattr(part, name) for part in (first, rest)], dim=1)
        assert torch.equal(both, getattr(whole, name)), name


def test_what_comes_after_an_end_does_not_count() -> None:
    env, goal = Line(), {"goal": torch.zeros(500, 1, dtype=torch.float64)}
    out = torch.tensor([0.0, -1.0], dtype=torch.float64)
    ended = rollout(env, goal, constant(out), seeds(500))
    goes_on = rollout(env, goal, constant(out), seeds(500), ends=False)
    assert torch.equal(ended.action, goes_on.action)
    place = goes_on.observation[..., 0] + goes_on.action[..., 0].clamp(-1, 1)
    torch.testing.assert_close(goes_on.reward, -place.abs())  # by hand
    for trajectory in range(500):
        done = goes_on.done[trajectory].tolist()
        end = done.index(True) + 1 if True in done else env.horizon
        assert ended.mask[trajectory].tolist() == [1.0] * end + [0.0] * (env.horizon - end)
    assert torch.equal(ended.reward, goes_on.reward * ended.mask)
    assert 0 < float(ended.mask.mean()) < 1
    assert goes_on.mask.all()


def test_the_graph_reaches_the_policy_and_no_further() -> None:
    logits = LOGITS.clone().requires_grad_()
    found = rollout(SMALL, small((3,)), constant(logits), seeds(3))
    assert found.out.requires_grad
    assert not any(t.requires_grad for t in (found.reward, found.observation, found.action))


def test_an_opening_is_a_reset_and_no_rollout_is_empty() -> None:
    task = small((4,))
    place = opening(SMALL, task, seeds(4))
    assert place.state["time"].tolist() == [0] * 4
    assert {name: t.shape[1] for name, t in place.moment.items()} == {
        "observation": 2, "action": 2, "reward": 1, "done": 1,
    }  # fmt: skip
    with pytest.raises(UserError, match="0 moves"):
        rollout(SMALL, task, constant(LOGITS), seeds(4), length=0)


@dataclass(frozen=True)
class Wrong(Line):
    """A line on which one thing is not as it should be."""

    what: str = ""

    def reset(self, task, seed):
        state, seen = super().reset(task, seed)
        return state, seen.expand(-1, 3) if self.what == "begins" else seen

    def step(self, task, state, action, seed):
        after, seen, reward, done = super().step(task, state, action, seed)
        return {
            "observes": (after, seen[:, 0], reward, done),
            "pays": (after, seen, reward.unsqueeze(-1), done),
            "ends": (after, seen, reward, done.any()),
            "pays nan": (after, seen, reward / 0, done),
            "observes nan": (after, seen * torch.nan, reward, done),
        }.get(self.what, (after, seen, reward, done))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("begins", r"Wrong gives observation of the shape \[5, 3\]: let it be \[5, 1\]"),
        ("observes", r"Wrong gives observation of the shape \[5.*\]: let it be \[5, 1\]"),
        ("pays", r"Wrong gives reward of the shape \[5, 1\]: let it be \[5\]"),
        ("ends", r"Wrong gives done of the shape \[\]: let it be \[5\]"),
        ("pays nan", "Wrong gives reward that is no finite number"),
        ("observes nan", "Wrong gives observation that is no finite number"),
    ],
)
@pytest.mark.parametrize("trial", [False, True])
def test_an_environment_that_is_wrong_is_named(what: str, said: str, trial: bool) -> None:
    env = Repeated(Wrong(what=what), 2) if trial else Wrong(what=what)
    with pytest.raises(UserError, match=said):
        rollout(env, {"goal": torch.ones(5, 1)}, constant(torch.zeros(2)), seeds(5))


def test_a_policy_that_gives_nan_is_not_the_environments_fault() -> None:
    broken = constant(torch.full((2,), torch.nan))
    found = rollout(Line(), {"goal": torch.ones(5, 1)}, broken, seeds(5))
    assert found.reward.isnan().any()


def test_a_policy_of_other_actions_and_a_horizon_of_nothing_are_refused() -> None:
    goal = {"goal": torch.ones(5, 1)}
    with pytest.raises(UserError, match="policy gives 3 numbers .* those of Line need 2"):
        rollout(Line(), goal, constant(torch.zeros(3)), seeds(5))
    for env in (Line(horizon=0), Repeated(Line(horizon=0), 2)):
        with pytest.raises(UserError, match="Line has a horizon of 0 moves: give it at least 1"):
            rollout(env, goal, constant(torch.zeros(2)), seeds(5))
