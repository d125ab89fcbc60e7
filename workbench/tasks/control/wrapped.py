"""Gymnasium's environments as control tasks, as far as that goes.

Such an environment lives and cannot go back: what a trajectory stands in is kept in it and not in
the state, which only names the moment. So one acts in it from the beginning on, by one trajectory
of each seed, and a state that it has left is refused.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.tasks.control.environment import Box, Discrete, State, Task
from workbench.tasks.control.family import Family
from workbench.tasks.control.repeated import Repeated

Make = Callable[[Sequence[int]], Any]  # the tasks' seeds -> a gymnasium VectorEnv of as many

_SEEDS = 2**31  # a generator of gymnasium's takes no negative one
_MOMENTS = count()  # every one has a number of its own


def from_gymnasium(make: Make, name: str) -> Family:
    """Tasks in gymnasium's environments: `make(seeds)` gives a vector of one for every task seed.

    It has to begin an episode where one ends (`AutoresetMode.SAME_STEP`). Actions and observations
    are Discrete or flat; an action that is a number is cut to the bounds.

    >>> def pendulums(seeds):
    ...     from gymnasium import make_vec
    ...     from gymnasium.vector import AutoresetMode
    ...     mode = {"autoreset_mode": AutoresetMode.SAME_STEP}
    ...     return make_vec("Pendulum-v1", len(seeds), "sync", vector_kwargs=mode)
    >>> tasks = from_gymnasium(pendulums, "swing")
    >>> trial = tasks.sample(3, seed=0)
    >>> state, observation = trial.env.reset(trial.task, trial.seed)
    >>> observation.shape, trial.env.horizon
    (torch.Size([3, 3]), 400)
    """
    if importlib.util.find_spec("gymnasium") is None:
        raise UserError(
            "these tasks need gymnasium: run `pip install 'metalearning-workbench[mujoco]'`"
        )
    return _Wrapped(name, "gymnasium", Living(make), _which)


def _which(seeds: Tensor) -> Task:
    return {"which": seeds % _SEEDS}


class _Wrapped(Family):
    def _trial(self, shape: Any) -> Repeated:
        return LivingTrial(self.env, super()._trial(shape).episodes)


class Living:
    """What a function makes of gymnasium's environments, and the moment that they stand in."""

    def __init__(self, make: Make) -> None:
        self.make = make
        self._live, self._seeds, self._moment = self._made([0]), [0], next(_MOMENTS)
        self.actions = _actions(self._live.single_action_space)
        self.observation_size = _size(self._live.single_observation_space)
        self.horizon = _horizon(self._live)

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """Begin anew; what was begun before is over."""
        seeds = task["which"].flatten().tolist()
        if seeds != self._seeds:
            self._live.close()
            self._live, self._seeds = self._made(seeds), seeds
        observation, _ = self._live.reset(seed=(seed % _SEEDS).flatten().tolist())
        shape, device = seed.shape, seed.device
        return self._state(shape, device), self._seen(observation, shape, device)

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """A move in the moment that it stands in, and in no other."""
        moment, shape, device = state["moment"], seed.shape, seed.device
        same = task["which"].flatten().tolist() == self._seeds
        if not same or not bool((moment == self._moment).all()):
            raise UserError(
                "gymnasium's environments cannot go back to a state, branch or replay: act in them "
                "from the beginning, all tasks at once"
            )
        chosen = action.detach().cpu().flatten(0, len(shape) - 1).numpy()
        if isinstance(self.actions, Box):
            space = self._live.action_space
            chosen = chosen.astype(space.dtype).clip(space.low, space.high)
        observation, reward, terminated, truncated, _ = self._live.step(chosen)
        gained = torch.as_tensor(reward, dtype=torch.float32, device=device).view(shape)
        done = torch.as_tensor(terminated | truncated, device=device).view(shape)
        return self._state(shape, device), self._seen(observation, shape, device), gained, done

    def _made(self, seeds: Sequence[int]) -> Any:
        live = self.make(seeds)
        found = getattr(live, "num_envs", None)
        if found != len(seeds):
            raise UserError(
                f"make(seeds) gave {found or 'no'} environments for {len(seeds)} seeds: "
                "let it give a gymnasium VectorEnv with one for each"
            )
        mode = live.metadata.get("autoreset_mode")
        if getattr(mode, "name", mode) != "SAME_STEP":
            raise UserError(
                "these environments do not begin an episode where one ends: make them with "
                "autoreset_mode=AutoresetMode.SAME_STEP"
            )
        return live

    def _state(self, shape: torch.Size, device: torch.device) -> State:
        self._moment = next(_MOMENTS)
        return {"moment": torch.full(shape, self._moment, device=device)}

    def _seen(self, observation: Any, shape: torch.Size, device: torch.device) -> Tensor:
        seen = torch.tensor(observation, device=device)  # a copy: it may be written into again
        if isinstance(self._live.single_observation_space, _spaces().Discrete):
            seen = torch.nn.functional.one_hot(seen, self.observation_size)
        return seen.float().view(*shape, self.observation_size)


@dataclass(frozen=True)
class LivingTrial(Repeated):
    """Several episodes in such an environment, which begins the next one by itself."""

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """A move."""
        return self.env.step(task, state, action, seed)


def _spaces() -> Any:
    from gymnasium import spaces

    return spaces


def _actions(space: Any) -> Discrete | Box:
    if isinstance(space, _spaces().Discrete) and space.start == 0:
        return Discrete(int(space.n))
    if isinstance(space, _spaces().Box) and len(space.shape) == 1:
        return Box(space.shape[0])
    raise UserError(f"actions are {space}: use Discrete ones from 0, or a flat Box")


def _size(space: Any) -> int:
    if isinstance(space, _spaces().Discrete) and space.start == 0:
        return int(space.n)
    if isinstance(space, _spaces().Box) and len(space.shape) == 1:
        return int(space.shape[0])
    raise UserError(
        f"observations are {space}: use Discrete ones from 0 or a flat Box, for instance by "
        "gymnasium.wrappers.FlattenObservation"
    )


def _horizon(live: Any) -> int:
    found = getattr(live.spec, "max_episode_steps", None)
    if not found:
        raise UserError(
            "these environments do not say how long an episode may be: register them with "
            "max_episode_steps, or wrap them in gymnasium.wrappers.TimeLimit"
        )
    return int(found)
