"""Acting in an environment by a policy: the one loop over moves that every method runs.

A move is made in a *moment*: what a policy can know of it is the observation, and what the last
move was, brought and ended. All randomness follows from a trajectory's seed and the number of the
move, so a rollout that goes on from where another ended is the same as one in a single go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.randomness import fold
from workbench.tasks.control.environment import Environment, State, Task

RESET = -1  # the use made of a trajectory's seed beside those of its moves 0, 1, 2 ...
_ACTION, _WORLD = 0, 1  # the two uses a move makes of its seed

# observation [..., size], action [..., width] as a net's input, reward and done [..., 1]
Moment = Mapping[str, Tensor]
# (moment, memory) -> what chooses the action [..., outputs], value [...], the next memory
Policy = Callable[[Moment, Any], tuple[Tensor, Tensor, Any]]


@dataclass(frozen=True, eq=False)
class Place:
    """Where a trajectory stands: the environment's state, the moment, how many moves were made."""

    state: State
    moment: Moment
    moves: int = 0


@dataclass(frozen=True, eq=False)
class Trajectories:
    """What moves were made and what they brought: `[..., move]`, and what an action has behind.

    observation  before the move
    action       the move
    reward       what it brought; 0 after an end
    done         whether an episode ended with it
    mask         1, and 0 for what only came after an end
    out          what the policy gave to choose by
    value        what it expected to come
    states       the environment's, from where the moves begin to where each of them led
    end, memory  where the trajectories stand, and what the policy then remembers
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    done: Tensor
    mask: Tensor
    out: Tensor
    value: Tensor
    states: Sequence[State]
    end: Place
    memory: Any


def opening(env: Environment, task: Task, seed: Tensor) -> Place:
    """Where trajectories begin, one for every seed `[...]`: nothing was done yet."""
    state, observation = env.reset(task, fold(seed, RESET))
    _check_shapes(env, {"observation": (observation, (*seed.shape, env.observation_size))})
    sizes = {"action": env.actions.width, "reward": 1, "done": 1}
    nothing = {name: observation.new_zeros(*seed.shape, size) for name, size in sizes.items()}
    return Place(state, {"observation": observation, **nothing})


def rollout(
    env: Environment,
    task: Task,
    policy: Policy,
    seed: Tensor,
    memory: Any = None,
    *,
    ends: bool = True,
    length: int | None = None,
    start: Place | None = None,
) -> Trajectories:
    """Act by a policy, a trajectory for every seed `[...]`.

    memory  what the policy remembers at first
    ends    whether the first `done` ends a trajectory; a trial of several episodes goes on
    length  how many moves to make; by default all that are left
    start   where to go on from; by default a new beginning

    >>> from workbench.tasks import open_tasks
    >>> trial = open_tasks("bandit").sample(3, seed=0)
    >>> def at_random(moment, memory):
    ...     return torch.zeros(3, 5), torch.zeros(3), memory
    >>> rollout(trial.env, trial.task, at_random, trial.seed).reward.shape
    torch.Size([3, 10])
    """
    place = opening(env, task, seed) if start is None else start
    first, last = place.moves, env.horizon if length is None else place.moves + length
    if env.horizon < 1:
        raise UserError(f"{_name(env)} has a horizon of {env.horizon} moves: give it at least 1")
    if last <= first:
        raise UserError(f"a rollout of {last - first} moves was asked for: ask for at least 1")
    state, moment, rows = place.state, place.moment, []
    states = [state]
    alive = moment["done"].squeeze(-1) == 0 if ends else torch.ones_like(seed, dtype=torch.bool)
    # of all moves at once, [move, ...]: small operations are most of what drawing costs
    numbers = torch.arange(first, last, device=seed.device).view(-1, *[1] * seed.dim())
    own = fold(seed, numbers + 1)  # as `fold` counts where it is given a number
    drawn, worlds = fold(own, _ACTION), fold(own, _WORLD)
    noise: Tensor | None = None
    for number in range(first, last):
        out, value, memory = policy(moment, memory)
        if number == 0 and out.shape[-1] != env.actions.outputs:
            raise UserError(
                f"the policy gives {out.shape[-1]} numbers for an action and those of "
                f"{_name(env)} need {env.actions.outputs}: build it for these tasks"
            )
        if noise is None:
            noise = env.actions.noise(drawn, out.dtype)
        action = env.actions.choose(out, noise[number - first])
        state, following, reward, done = env.step(task, state, action, worlds[number - first])
        if number == 0:
            wide = (*seed.shape, env.observation_size)
            found = {"observation": (following, wide), "reward": (reward, seed.shape)}
            _check_shapes(env, {**found, "done": (done, seed.shape)})
        reward = reward.to(out.dtype)
        rows.append((moment["observation"], action, reward, done, alive, out, value))
        states.append(state)
        moment = {
            "observation": following.to(out.dtype),
            "action": env.actions.encode(action, out.dtype),
            "reward": reward.unsqueeze(-1),
            "done": done.to(out.dtype).unsqueeze(-1),
        }
        alive = alive & ~done if ends else alive
    columns = [torch.stack(column, dim=seed.dim()) for column in zip(*rows, strict=True)]
    observation, action, reward, done, alive, out, value = columns
    if first == 0 or last == env.horizon:  # not after each of a trial's moves: it would cost
        _check_finite(env, {"observation": observation, "reward": reward}, out)
    mask = alive.to(reward.dtype)
    return Trajectories(
        observation,
        action,
        reward * mask if ends else reward,
        done,
        mask,
        out,
        value,
        states,
        Place(state, moment, last),
        memory,
    )


def _check_shapes(env: Environment, found: Mapping[str, tuple[Tensor, tuple[int, ...]]]) -> None:
    """Refuses what an environment of one's own gives in another shape than it has to."""
    for what, (tensor, shape) in found.items():
        if tensor.shape != shape:
            raise UserError(
                f"{_name(env)} gives {what} of the shape {list(tensor.shape)}: "
                f"let it be {list(shape)}, as the trajectories are"
            )


def _check_finite(env: Environment, found: Mapping[str, Tensor], out: Tensor) -> None:
    """Refuses NaN from an environment; what a policy that gives NaN leads to is not its fault."""
    for what, tensor in found.items():
        if is_readable(tensor) and not bool(tensor.isfinite().all()) and bool(out.isfinite().all()):
            place = tensor.isfinite().logical_not().nonzero()[0].tolist()
            raise UserError(
                f"{_name(env)} gives {what} that is no finite number (at {place}): "
                "let it stay finite whatever the action"
            )


def is_readable(tensor: Tensor) -> bool:
    """Whether its numbers can be looked at now: not while tracing, capturing, or in `torch.func`.

    >>> is_readable(torch.zeros(1))
    True
    """
    from torch.fx.experimental.proxy_tensor import get_proxy_mode

    if tensor.is_cuda and torch.cuda.is_current_stream_capturing():
        return False
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    return get_proxy_mode() is None and not wrapped and not tensor.is_meta


def _name(env: Environment) -> str:
    """That of the environment, or of the one whose episodes a trial is made of."""
    return type(getattr(env, "env", env)).__name__
