"""What every family of control tasks keeps to: pure, batched, the same bits however it is cut."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.randomness import fold, normal
from workbench.tasks import Shape, load_episode, names, open_tasks, save_episode
from workbench.tasks.control.environment import Box, Environment, State, Task
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.control.rollout import rollout
from workbench.tasks.episode import Episode

ROBOTS = ["cheetah:direction", "cheetah:velocity", "ant:goal"]
FIXED = [
    "reacher:goal",
    "reacher:mass",
    "reacher:length",
    "grid:goal",
    "grid:walls",
    "pendulum:body",
    "navigation:plane",
    *ROBOTS,
]
FAMILIES = ["bandit:bernoulli", "mdp:tabular", *FIXED]
STILL = {  # families that are not acted in
    *("sinusoid", "harmonics", "linear-sine", "glyphs", "moons", "digits"),
    *("quadratics", "omniglot", "recurring", "grammar", "clinc150", "afrisenti", "families"),
    *("streams", "taste", "movielens", "heart", "clinic", "breast-cancer", "diabetes"),
}
MOVES = 12


def acting(env: Environment, scale: float = 1.0, dtype: torch.dtype = torch.float32):
    """A policy that depends on all that it sees, and on nothing else."""

    def policy(moment, memory):
        seen = moment["observation"].to(dtype)
        # one sum a number, so that the shape of a batch cannot change a bit of it
        mixed = (seen * torch.arange(1, seen.shape[-1] + 1)).sum(dim=-1, keepdim=True)
        out = scale * torch.sin(mixed + torch.arange(env.actions.outputs, dtype=dtype))
        return out, torch.zeros(seen.shape[:-1], dtype=dtype), memory

    return policy


def begun(
    name: str, n: int, dtype: torch.dtype = torch.float32
) -> tuple[Environment, Task, Tensor]:
    """One episode's world, its tasks and their seeds."""
    episode = open_tasks(name).sample(n, seed=1).to(dtype=dtype)
    env = episode.env.env if isinstance(episode.env, Repeated) else episode.env
    return env, episode.task, episode.seed


def spread(task: Task, count: int) -> dict[str, Tensor]:
    return {k: t.unsqueeze(1).expand(len(t), count, *t.shape[1:]) for k, t in task.items()}


def same(a: State, b: State) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def test_every_family_of_control_is_held_to_this() -> None:
    assert {name for name in names() if name.split(":")[0] not in STILL} == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_seeds_give_the_same_bits_however_they_are_cut(name: str) -> None:
    env, task, seed = begun(name, 5)
    whole = rollout(env, task, acting(env), seed, ends=False, length=MOVES)
    before = {k: t.clone() for k, t in task.items()}
    again = rollout(env, task, acting(env), seed, ends=False, length=MOVES)
    same(task, before)  # nothing is written into
    same(whole.end.state, again.end.state)
    for cut in (slice(0, 1), slice(1, 4), slice(4, 5)):
        part = {k: t[cut] for k, t in task.items()}
        found = rollout(env, part, acting(env), seed[cut], ends=False, length=MOVES)
        same(found.end.state, {k: t[cut] for k, t in whole.end.state.items()})
        for column in ("observation", "action", "reward", "done"):
            assert torch.equal(getattr(found, column), getattr(whole, column)[cut]), column


@pytest.mark.parametrize("name", FAMILIES)
def test_leading_axes_change_nothing(name: str) -> None:
    env, task, seed = begun(name, 3)
    seeds = fold(seed.unsqueeze(-1), torch.arange(4))
    found = rollout(env, spread(task, 4), acting(env), seeds, ends=False, length=MOVES)
    assert found.observation.shape == (3, 4, MOVES, env.observation_size)
    assert found.reward.shape == found.done.shape == (3, 4, MOVES)
    for place in range(4):
        alone = rollout(env, task, acting(env), seeds[:, place], ends=False, length=MOVES)
        assert torch.equal(alone.observation, found.observation[:, place])
        assert torch.equal(alone.reward, found.reward[:, place])
    single = {k: t[0] for k, t in task.items()}
    none = rollout(env, single, acting(env), seeds[0, 0], ends=False, length=MOVES)
    assert torch.equal(none.observation, found.observation[0, 0])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_replay_from_a_state_in_the_middle_gives_the_same_bits(name: str) -> None:
    env, task, seed = begun(name, 4)
    env_of = Repeated(env, 3)
    whole = rollout(env_of, task, acting(env), seed, ends=False, length=MOVES)
    first = rollout(env_of, task, acting(env), seed, ends=False, length=5)
    kept = {k: t.clone() for k, t in first.end.state.items()}
    for _ in range(2):  # what was computed in between changes nothing
        rest = rollout(
            env_of, task, acting(env), seed, ends=False, length=MOVES - 5, start=first.end
        )
        same(rest.end.state, whole.end.state)
        assert torch.equal(rest.reward, whole.reward[:, 5:])
        assert torch.equal(rest.observation, whole.observation[:, 5:])
    same(first.end.state, kept)
    branch = rollout(
        env_of, task, acting(env, -1.0), seed, ends=False, length=MOVES - 5, start=first.end
    )
    assert not torch.equal(branch.action, whole.action[:, 5:])


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [0.0, 1e6, float("inf")])
def test_extreme_actions_leave_all_finite(name: str, size: float) -> None:
    env, task, seed = begun(name, 6)
    state, observation = env.reset(task, seed)
    for move in range(min(env.horizon, 60)):
        if isinstance(env.actions, Box):
            action = torch.sign(normal(fold(seed, move), (env.actions.size,))) * size
            action = action.nan_to_num(nan=0.0, posinf=size, neginf=-size)
        else:
            action = torch.full_like(seed, move % env.actions.size)
        state, observation, reward, _ = env.step(task, state, action, fold(seed, move))
        assert observation.isfinite().all()
        assert reward.isfinite().all()


@pytest.mark.parametrize("name", FAMILIES)
def test_an_episode_is_over_at_its_horizon(name: str) -> None:
    env, task, seed = begun(name, 3)
    env = replace(env, horizon=7)  # type: ignore[type-var]
    found = rollout(env, task, acting(env), seed, ends=False)
    assert found.done[:, -1].all()
    if not name.startswith("ant"):  # one that falls is over earlier
        assert not found.done[:, :-1].any()
    with pytest.raises(UserError, match=r"environment\.horizon is 0"):
        replace(env, horizon=0)  # type: ignore[type-var]


@pytest.mark.parametrize("name", FAMILIES)
def test_all_is_possible_in_double_precision(name: str) -> None:
    env, task, seed = begun(name, 3, torch.float64)
    state, observation = env.reset(task, seed)
    assert observation.dtype == torch.float64
    policy = acting(env, dtype=torch.float64)
    found = rollout(env, task, policy, seed, ends=False, length=MOVES)
    assert found.observation.dtype == found.reward.dtype == torch.float64
    action = found.action[:, 0]
    state, _, reward, _ = env.step(task, state, action, seed)
    assert reward.dtype == torch.float64
    assert all(t.dtype == torch.float64 for t in state.values() if t.is_floating_point())


@pytest.mark.parametrize("name", FAMILIES)
def test_an_episode_is_kept_in_a_file_and_split(name: str, tmp_path) -> None:
    episode = open_tasks(name).sample(5, seed=2)
    again = load_episode(save_episode(tmp_path / "a.episode", episode))
    assert again.sha256() == episode.sha256()
    assert again.env == episode.env
    assert [piece.sha256() for piece in again.split(2)] == [
        piece.sha256() for piece in episode.split(2)
    ]
    family = open_tasks(name)
    assert torch.equal(family.sample(2, seed=2).seed, episode.seed[:2])
    few = family.sample(2, seed=2).task
    same(few, {k: t[:2] for k, t in episode.task.items()})


@pytest.mark.parametrize("name", FIXED)
def test_a_file_that_holds_no_such_tasks_is_refused(name: str) -> None:
    env, task, _ = begun(name, 4)
    env.check_task(task, 4)  # type: ignore[attr-defined]
    for wrong in ({k: t[:, None] for k, t in task.items()}, {k: t[:3] for k, t in task.items()}):
        with pytest.raises(UserError):
            env.check_task(wrong, 4)  # type: ignore[attr-defined]
    numbers = {k: t * torch.nan if t.is_floating_point() else t for k, t in task.items()}
    with pytest.raises(UserError):
        env.check_task(numbers, 4)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FIXED)
def test_the_number_of_actions_is_not_chosen(name: str) -> None:
    tasks = open_tasks(name)
    ways = tasks.default_shape.ways
    assert isinstance(ways, int)
    assert tasks.spec(tasks.default_shape).kind == "control"
    assert tasks.sample(1, seed=0, shape=Shape(ways=ways, shots=3)).env.episodes == 3
    for call in (tasks.check, tasks.spec, lambda shape: tasks.sample(1, seed=0, shape=shape)):
        with pytest.raises(UserError, match=f"ways is {ways + 1} and .*: ask for {ways}$"):
            call(Shape(ways=ways + 1, shots=3))
    with pytest.raises(UserError, match="one number for each"):
        tasks.check(Shape(ways=ways, shots=(1, 2)))


@pytest.mark.parametrize("name", FIXED)
def test_what_is_drawn_are_points_of_the_plane(name: str) -> None:
    env, task, seed = begun(name, 3)
    seeds = fold(seed.unsqueeze(-1), torch.arange(2))
    state, _ = env.reset(spread(task, 2), seeds)
    shown = env.drawn(spread(task, 2), state)  # type: ignore[attr-defined]
    assert set(shown) <= {"path", "arm", "goal", "walls"}
    assert shown["path"].shape == (3, 2, 1, 2)
    for what, points in shown.items():
        assert points.shape[:2] == (3, 2)
        assert points.shape[-1] == 2
        if what != "walls":  # cells that are none are NaN
            assert points.isfinite().all()
    alone = env.drawn(task, {k: t[:, 1] for k, t in state.items()})  # type: ignore[attr-defined]
    for what, points in alone.items():
        torch.testing.assert_close(points, shown[what][:, 1], equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("name", FIXED)
def test_a_task_differs_by_what_its_scheme_says(name: str) -> None:
    varied = {"reacher:mass": {"mass"}, "reacher:length": {"length"}, "grid:walls": {"walls"}}
    episode: Episode = open_tasks(name).sample(40, seed=0)
    found = {k for k, t in episode.task.items() if bool((t != t[:1]).any())}
    assert found == varied.get(name, {"mass", "length"} if "pendulum" in name else {"goal"})


@pytest.mark.parametrize("name", ROBOTS)
def test_robots_without_their_library_get_one_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    gone = {"mujoco": None}
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: gone.get(n, found(n, *a)))
    said = r"^these tasks need mujoco: run `pip install 'metalearning-workbench\[mujoco\]'`$"
    with pytest.raises(UserError, match=said):
        open_tasks(name)


def test_libraries_of_robots_are_imported_when_a_robot_moves() -> None:
    script = (
        "import sys; from workbench.tasks import open_tasks, names; names()\n"
        "for name in ('reacher', 'cheetah', 'ant'): open_tasks(name).sample(1, seed=0)\n"
        "print([n for n in ('mujoco', 'gymnasium') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
