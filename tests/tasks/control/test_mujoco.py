"""The robots, against gymnasium's own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.randomness import fold, normal
from workbench.tasks import open_tasks
from workbench.tasks.control.mujoco import Ant, HalfCheetah
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.control.rollout import rollout

gymnasium = pytest.importorskip("gymnasium")
if importlib.util.find_spec("mujoco") is None:
    pytest.skip("no MuJoCo", allow_module_level=True)

WORLDS: list[Any] = [("HalfCheetah-v5", HalfCheetah("direction")), ("Ant-v5", Ant())]


def peer(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    HalfCheetah().reset({"goal": torch.ones(1)}, torch.arange(1))  # imports MuJoCo as it should be
    monkeypatch.chdir(folder)  # gymnasium lets MuJoCo write a log
    try:
        import imageio  # noqa: F401
    except ImportError:  # gymnasium imports it to write films, which nobody does here
        monkeypatch.setitem(sys.modules, "imageio", ModuleType("imageio"))
    made = gymnasium.make(name).unwrapped
    made.reset(seed=1)
    return made


def state_of(peer: Any) -> dict[str, Tensor]:
    data = peer.data
    parts = {"qpos": data.qpos, "qvel": data.qvel}
    return {k: torch.from_numpy(v.copy())[None] for k, v in parts.items()} | {
        "time": torch.tensor([0])
    }


def goal(env: Any, value: float = 1.0) -> dict[str, Tensor]:
    size = (1, 2) if isinstance(env, Ant) else (1,)
    return {"goal": torch.full(size, value, dtype=torch.float64)}


def actions(env: Any) -> Tensor:
    seeds = fold(torch.full((100,), 3), torch.arange(100))
    return normal(seeds, (env.actions.size,)).clamp(-1, 1)


@pytest.mark.parametrize(("name", "env"), WORLDS)
def test_every_move_is_gymnasiums(
    name: str, env: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = peer(name, monkeypatch, tmp_path)
    for action in actions(env):
        begin = state_of(other)
        seen, _, _, _, info = other.step(action.numpy())
        after, observation, reward, _ = env.step(goal(env), begin, action[None], torch.tensor([5]))
        for part in ("qpos", "qvel"):  # gymnasium's has the last move's warm start
            found = getattr(other.data, part)
            np.testing.assert_allclose(after[part][0].numpy(), found, rtol=1e-9, atol=1e-9)
        cost = float(action.double().square().sum())
        if isinstance(env, HalfCheetah):
            np.testing.assert_allclose(observation[0].numpy(), seen, atol=1e-9, rtol=1e-9)
            assert float(reward) == pytest.approx(info["x_velocity"] - 0.05 * cost, abs=1e-7)
        else:
            away = abs(info["x_position"] - 1) + abs(info["y_position"] - 1)
            assert float(reward) == pytest.approx(4 - away - 0.1 * cost, abs=1e-7)


@pytest.mark.parametrize(("name", "env"), WORLDS)
def test_a_path_is_gymnasiums_until_chaos(
    name: str, env: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = peer(name, monkeypatch, tmp_path)
    state = state_of(other)
    for action in actions(env)[:25]:
        other.step(action.numpy())
        state, *_ = env.step(goal(env), state, action[None], torch.tensor([5]))
        np.testing.assert_allclose(state["qpos"][0].numpy(), other.data.qpos, atol=1e-7)


def test_a_cheetah_is_paid_for_its_velocity() -> None:
    env, seeds = HalfCheetah("velocity"), torch.tensor([5])
    state, _ = env.reset(goal(env), seeds)
    action = torch.full((1, 6), 0.5)
    after, _, reward, _ = env.step(goal(env, 0.75), state, action, seeds)
    speed = float(after["qpos"][0, 0] - state["qpos"][0, 0]) / 0.05
    assert float(reward) == pytest.approx(-abs(speed - 0.75) - 0.05 * 6 * 0.25)
    back = HalfCheetah("direction").step(goal(env, -1.0), state, action, seeds)[2]
    assert float(back) == pytest.approx(-speed - 0.05 * 6 * 0.25)


def test_an_ant_in_the_air_ends_its_episode() -> None:
    env, seeds = Ant(), torch.tensor([5])
    state, _ = env.reset(goal(env), seeds)
    still, lifted = torch.zeros(1, 8), state["qpos"].clone()
    lifted[:, 2] = 1.5
    assert not env.step(goal(env), state, still, seeds)[3]
    assert env.step(goal(env), {**state, "qpos": lifted}, still, seeds)[3]


def test_the_goals_are_those_of_the_paper() -> None:
    direction, velocity, ant = (
        open_tasks(name).sample(2000, seed=0).task["goal"]
        for name in ("cheetah:direction", "cheetah:velocity", "ant")
    )
    assert direction.unique().tolist() == [-1, 1]
    assert abs(float(direction.mean())) < 0.06
    assert 0 <= float(velocity.min()) < 0.01 < 1.99 < float(velocity.max()) < 2
    assert -3 <= float(ant.min()) < -2.98 < 2.98 < float(ant.max()) < 3


def test_threads_change_no_bit() -> None:
    episode = open_tasks("cheetah").sample(12, seed=0)

    def still(moment, memory):
        return torch.zeros(12, 12), torch.zeros(12), memory

    found, threads = [], torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            made = rollout(episode.env, episode.task, still, episode.seed, ends=False, length=20)
            found.append(made)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0].end.state["qvel"], found[1].end.state["qvel"])


def test_the_joints_hang_together() -> None:
    """The hinges of a leg are as far from each other as in the model, wherever the cheetah is."""
    env = HalfCheetah()
    task = {"goal": torch.ones(3)}
    state, _ = env.reset(task, torch.arange(3))
    shown = env.drawn(task, state)["arm"].double()
    assert shown.shape == (3, 9, 2)
    gaps = (shown[:, 1:] - shown[:, :-1]).norm(dim=-1)
    model = [0.313, 0.2968, 0.5, 0.5, 0.2778, 0.222]  # from half_cheetah.xml
    for row in gaps[:, 1:-1]:
        assert row.tolist() == pytest.approx(model, abs=1e-3)
    x, height = state["qpos"][:, 0], 0.7 + state["qpos"][:, 1]
    body = torch.stack([x, height], dim=-1)
    torch.testing.assert_close(shown[:, 4], body, atol=1e-5, rtol=0)


def test_frames_are_drawn_or_refused_in_a_sentence() -> None:
    env = HalfCheetah()
    state, _ = env.reset({"goal": torch.ones(2)}, torch.arange(2))
    try:
        frames = env.frames(state, width=64, height=48)
    except UserError as error:  # no screen, and no library that draws without one
        said = str(error)
        assert "MUJOCO_GL" in said
        return
    assert (frames.shape, frames.dtype) == ((2, 48, 64, 3), torch.uint8)
    assert float(frames.float().std()) > 10


def test_nothing_is_written_where_one_works(tmp_path: Path) -> None:
    """MuJoCo logs what it thinks of a model's spelling into a file and to the screen."""
    script = (
        "import torch; from workbench.tasks.control.mujoco import Ant, HalfCheetah\n"
        "for env in (Ant(), HalfCheetah()): env.reset({'goal': torch.ones(1, 2)}, torch.arange(1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])


def test_a_robot_is_not_traced() -> None:
    """Its numbers come from outside of torch: a graph would hold the first ones for good."""
    from torch.fx.experimental.proxy_tensor import make_fx

    env, task, seeds = Repeated(HalfCheetah(), 2), {"goal": torch.ones(1)}, torch.tensor([5])
    state, _ = env.reset(task, seeds)
    with pytest.raises(Exception, match="tracing|data-dependent|value out of"):
        make_fx(lambda action: env.step(task, state, action, seeds)[1])(torch.zeros(1, 6))
