"""MuJoCo's HalfCheetah that runs to and fro or at a speed, and Ant that goes to a goal.

The tasks of Finn, Abbeel and Levine (2017, section 5.3) with gymnasium's models (HalfCheetah-v5,
Ant-v5), through `mujoco.rollout`. A state is qpos and qvel and nothing else: a move begins without
the last one's warm start, so that going on from a state gives the same bits whatever was before.
Gymnasium's moves differ from these by 1e-13. Needs `pip install metalearning-workbench[mujoco]`.
"""

from __future__ import annotations

import ctypes.util
import functools
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.randomness import fold, normal, uniform
from workbench.tasks.control.environment import Box, State, Task
from workbench.tasks.control.family import Family, check_tensors

_SUBSTEPS = 5  # of 0.01 s a move
_SECONDS = 0.05  # of a move
_EFFORT = {"half_cheetah": 0.05, "ant": 0.1}  # what the square of an action costs
_LOCAL = threading.local()  # MuJoCo's own memory: what a thread computes in is its own


@dataclass(frozen=True)
class HalfCheetah:
    """A move is six torques, cut to -1 and 1; it pays by the task's `goal` and how fast one ran.

    For a direction the goal is -1 or 1 and the speed pays times that; for a velocity it is a speed,
    and the distance from it costs. Both as in the paper's code, as is what torques cost.
    """

    pays: Literal["direction", "velocity"] = "direction"
    horizon: Annotated[int, Range(1, 1_000_000)] = 100  # moves of an episode

    actions = Box(6)
    observation_size = 17  # all of qpos and qvel but how far one has come

    def __post_init__(self) -> None:
        check_fields(self, "environment")

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """Standing, disturbed a little."""
        state = _begun("half_cheetah", seed)
        return state, self._seen(state, task)

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """Run for a twentieth of a second."""
        goal, (after, cost) = task["goal"], _moved("half_cheetah", state, action)
        speed = (after["qpos"][..., 0] - state["qpos"][..., 0]) / _SECONDS
        gain = speed * goal if self.pays == "direction" else -(speed - goal).abs()
        reward = (gain - cost).to(goal.dtype)
        return after, self._seen(after, task), reward, after["time"] >= self.horizon

    def drawn(self, task: Task, state: State) -> Mapping[str, Tensor]:
        """The legs and the back between them in the vertical plane, and where the body is."""
        arm = _joints("half_cheetah", state).to(task["goal"].dtype)
        return {"arm": arm, "path": arm[..., 3:6, :].mean(dim=-2, keepdim=True)}

    def check_task(self, task: Task, tasks: int) -> None:
        """Refuse what is no task of it, such as a file may hold."""
        check_tensors(task, {"goal": (tasks,)})

    def frames(self, state: State, width: int = 160, height: int = 120) -> Tensor:
        """What a camera that follows sees, `[..., height, width, 3]` from 0 to 255."""
        return _frames("half_cheetah", state, width, height)

    def _seen(self, state: State, task: Task) -> Tensor:
        seen = torch.cat([state["qpos"][..., 1:], state["qvel"]], dim=-1)
        return seen.to(task["goal"].dtype)


@dataclass(frozen=True)
class Ant:
    """A move is eight torques, cut to -1 and 1; it pays 4 minus the distance from the `goal`.

    An ant that falls or jumps ends its episode. As in the paper's code, but contacts cost nothing.
    """

    horizon: Annotated[int, Range(1, 1_000_000)] = 100  # moves of an episode

    actions = Box(8)
    observation_size = 29  # all of qpos and qvel

    def __post_init__(self) -> None:
        check_fields(self, "environment")

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """Standing at the origin, disturbed a little."""
        state = _begun("ant", seed)
        return state, self._seen(state, task)

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """Walk for a twentieth of a second."""
        after, cost = _moved("ant", state, action)
        away = (after["qpos"][..., :2] - task["goal"]).abs().sum(dim=-1)
        height = after["qpos"][..., 2]
        done = (after["time"] >= self.horizon) | ~((height >= 0.2) & (height <= 1))
        reward = (4 - away - cost).to(task["goal"].dtype)
        return after, self._seen(after, task), reward, done

    def drawn(self, task: Task, state: State) -> Mapping[str, Tensor]:
        """Where the body and the goal are on the ground."""
        goal = task["goal"].unsqueeze(-2)
        return {"path": state["qpos"][..., None, :2].to(goal.dtype), "goal": goal}

    def check_task(self, task: Task, tasks: int) -> None:
        """Refuse what is no task of it, such as a file may hold."""
        check_tensors(task, {"goal": (tasks, 2)})

    def frames(self, state: State, width: int = 160, height: int = 120) -> Tensor:
        """What a camera that follows sees, `[..., height, width, 3]` from 0 to 255."""
        return _frames("ant", state, width, height)

    def _seen(self, state: State, task: Task) -> Tensor:
        return torch.cat([state["qpos"], state["qvel"]], dim=-1).to(task["goal"].dtype)


def opened(family: str, scheme: str) -> Family:
    """Cheetahs by direction or velocity, ants by their goal."""
    _needed()
    env = Ant() if family == "ant" else HalfCheetah(scheme)  # type: ignore[arg-type]
    return Family(family, scheme, env, SCHEMES[family][scheme])


def _direction(seeds: Tensor) -> Task:
    return {"goal": torch.where(uniform(fold(seeds, 0), ()) < 0.5, -1.0, 1.0)}


def _velocity(seeds: Tensor) -> Task:
    return {"goal": 2 * uniform(fold(seeds, 0), ())}


def _goal(seeds: Tensor) -> Task:
    return {"goal": 6 * uniform(fold(seeds, 0), (2,)) - 3}


SCHEMES: Mapping[str, Mapping[str, Callable[[Tensor], Task]]] = {
    "cheetah": {"direction": _direction, "velocity": _velocity},
    "ant": {"goal": _goal},
}


# ---- MuJoCo ----------------------------------------------------------------------------------


def _needed() -> None:
    if missing := [n for n in ("mujoco", "gymnasium") if importlib.util.find_spec(n) is None]:
        raise UserError(
            f"these tasks need {' and '.join(missing)}: "
            "run `pip install 'metalearning-workbench[mujoco]'`"
        )


@functools.cache
def _model(name: str) -> Any:
    """Gymnasium's model of that name, loaded once."""
    _needed()
    if sys.platform == "linux" and "DISPLAY" not in os.environ and ctypes.util.find_library("EGL"):
        os.environ.setdefault("MUJOCO_GL", "egl")  # read by the import: frames without a screen
    import mujoco

    spec = importlib.util.find_spec("gymnasium")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "envs" / "mujoco" / "assets" / f"{name}.xml"
    mujoco.set_mju_user_warning(lambda _: None)  # of old spellings: it would write a file here
    try:
        return mujoco.MjModel.from_xml_path(str(path))
    finally:
        mujoco.set_mju_user_warning(None)


def _own(name: str) -> Any:
    """This thread's memory for a model and as many threads as torch has: what runs, the data."""
    threads = torch.get_num_threads()
    kept: dict[Any, Any] = _LOCAL.__dict__
    if (name, threads) not in kept:
        import mujoco
        from mujoco import rollout

        model = _model(name)
        run = rollout.Rollout(nthread=threads if threads > 1 else 0)
        kept[name, threads] = run, [mujoco.MjData(model) for _ in range(threads)]
    return kept[name, threads]


def _begun(name: str, seed: Tensor) -> dict[str, Tensor]:
    """Where the model stands, and around it what gymnasium draws too."""
    model = _model(name)
    stands = torch.from_numpy(model.qpos0).to(seed.device)
    qpos = stands + 0.1 * (2 * uniform(fold(seed, 0), (model.nq,), torch.float64) - 1)
    qvel = 0.1 * normal(fold(seed, 1), (model.nv,), torch.float64)
    return {"qpos": qpos, "qvel": qvel, "time": torch.zeros_like(seed)}


def _moved(name: str, state: State, action: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """The state after a move, and what the action costs."""
    model, (run, data) = _model(name), _own(name)
    action = action.detach().double().clamp(-1, 1)
    bool(action.isnan().any())  # refuses to be traced, where MuJoCo's numbers would be constants
    lead, device = action.shape[:-1], action.device
    parts = [state["qpos"], state["qvel"]]
    rows = [part.detach().double().cpu().reshape(-1, part.shape[-1]) for part in parts]
    start = torch.cat([torch.zeros(len(rows[0]), 1, dtype=torch.float64), *rows], dim=-1)
    control = action.nan_to_num().cpu().reshape(-1, 1, model.nu).expand(-1, _SUBSTEPS, -1)
    found, _ = run.rollout(model, data, start.numpy(), control.numpy(), nstep=_SUBSTEPS)
    end = torch.from_numpy(found[:, -1]).to(device).reshape(*lead, -1)
    qpos, qvel = end[..., 1 : 1 + model.nq], end[..., 1 + model.nq : 1 + model.nq + model.nv]
    after = {"qpos": qpos.clone(), "qvel": qvel.clone(), "time": state["time"] + 1}
    return after, _EFFORT[name] * action.square().sum(dim=-1)


def _joints(name: str, state: State) -> Tensor:
    """The cheetah's joints in the vertical plane from the hind toes on, `[..., 9, 2]`."""
    import mujoco

    model, (_, (data, *_)) = _model(name), _own(name)
    chain = [model.body(leg + part).id for leg, parts in _LEGS for part in parts]
    geom = [model.body_geomadr[chain[0]], model.body_geomadr[chain[-1]]]
    qpos, rows = state["qpos"], []
    for row in qpos.detach().double().cpu().reshape(-1, model.nq).numpy():
        data.qpos[:] = row
        mujoco.mj_kinematics(model, data)
        joints = torch.from_numpy(data.xpos[chain].copy())
        # a foot is as long again as from its joint to its middle
        toes = 2 * torch.from_numpy(data.geom_xpos[geom].copy()) - joints[[0, -1]]
        back = joints[2:4].mean(dim=0, keepdim=True)
        rows.append(torch.cat([toes[:1], joints[:3], back, joints[3:], toes[1:]])[:, [0, 2]])
    return torch.stack(rows).reshape(*qpos.shape[:-1], -1, 2).to(qpos.device)


_LEGS = (("b", ("foot", "shin", "thigh")), ("f", ("thigh", "shin", "foot")))


def _frames(name: str, state: State, width: int, height: int) -> Tensor:
    model, (_, (data, *_)) = _model(name), _own(name)
    import mujoco

    try:
        renderer = mujoco.Renderer(model, height, width)
    except Exception as error:  # of whatever kind the graphics library found here has
        raise UserError(
            f"MuJoCo cannot draw frames here ({type(error).__name__}): set MUJOCO_GL to egl or "
            "osmesa before Python starts, or look at the joints in the plane"
        ) from error
    frames = []
    with renderer:
        for row in state["qpos"].detach().double().cpu().reshape(-1, model.nq).numpy():
            data.qpos[:] = row
            mujoco.mj_forward(model, data)
            renderer.update_scene(data, camera="track")
            frames.append(torch.from_numpy(renderer.render().copy()))
    return torch.stack(frames).reshape(*state["qpos"].shape[:-1], height, width, 3)
