"""Bernoulli bandits (Duan et al., 2016, section 3.1): pull arms, learn which one pays.

Each task draws its arms' chances of a reward from U[0, 1]; a trial is a number of pulls. There is
nothing to observe but one's own actions and rewards, so the observation is a constant 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.randomness import fold, uniform
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, task_seeds
from workbench.tasks.control.environment import Discrete, State, Task
from workbench.tasks.episode import Episode

_MEANS = 0


@dataclass(frozen=True)
class BernoulliBandit:
    """An arm pays 1 with its own chance: the task's `means`. The state counts the `pulls`.

    >>> bandit, task = BernoulliBandit(arms=2, horizon=3), {"means": torch.tensor([[0.0, 1.0]])}
    >>> state, observation = bandit.reset(task, torch.tensor([5]))
    >>> state, observation, reward, done = bandit.step(
    ...     task, state, torch.tensor([1]), torch.tensor([6]))
    >>> state["pulls"].item(), observation.item(), reward.item(), done.item()
    (1, 0.0, 1.0, False)
    """

    arms: Annotated[int, Range(1, 10_000)]
    horizon: Annotated[int, Range(1, 1_000_000)]  # pulls of a trial

    observation_size = 1

    def __post_init__(self) -> None:
        check_fields(self, "environment")

    @property
    def actions(self) -> Discrete:
        """The arms."""
        return Discrete(self.arms)

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """No pull was made yet."""
        return {"pulls": torch.zeros_like(seed)}, torch.zeros_like(task["means"][..., :1])

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """Pull an arm."""
        means, pulls = task["means"], state["pulls"]
        chance = means.gather(-1, action.unsqueeze(-1)).squeeze(-1)
        reward = (uniform(fold(seed, pulls), (), means.dtype) < chance).to(means.dtype)
        done = pulls + 1 >= self.horizon
        return {"pulls": pulls + 1}, torch.zeros_like(means[..., :1]), reward, done

    def check_task(self, task: Task, tasks: int) -> None:
        """Refuse what is no task of it, such as a file may hold."""
        means = task["means"]
        if tuple(means.shape) != (tasks, self.arms) or not means.is_floating_point():
            raise UserError("means is no [task, arm]")
        if not bool(((means >= 0) & (means <= 1)).all()):
            raise UserError("means are no chances")


class Bandits(Tasks):
    """Tasks that are bandits: `Shape.ways` is the number of arms, `Shape.shots` of pulls.

    >>> episode = Bandits().sample(3, seed=0, shape=Shape(ways=5, shots=10))
    >>> episode.task["means"].shape, episode.env.horizon
    (torch.Size([3, 5]), 10)
    """

    name = "bandit"
    scheme = "bernoulli"
    kind: Kind = "control"
    default_shape = Shape(ways=5, shots=10, queries=0)

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        arms, pulls = one_size(shape or self.default_shape, "bandit", "arms", "pulls")
        seeds = task_seeds(n, seed, split)
        task = {"means": uniform(fold(seeds, _MEANS), (arms,))}
        info = {"dataset": self.name, "scheme": self.scheme, "split": split}
        none: Any = None  # a control task has no examples
        return Episode(none, none, seeds, info=info, env=BernoulliBandit(arms, pulls), task=task)

    def check(self, shape: Shape, split: Split = "train") -> None:
        one_size(shape, "bandit", "arms", "pulls")

    def spec(self, shape: Shape) -> TaskSpec:
        arms, _ = one_size(shape, "bandit", "arms", "pulls")
        return TaskSpec(
            "control", (BernoulliBandit.observation_size,), arms, actions=Discrete(arms)
        )


def one_size(shape: Shape, task: str, ways: str, shots: str) -> tuple[int, int]:
    """A shape's ways and shots, one number for each, or a refusal in a control task's words."""
    if not (isinstance(shape.ways, int) and isinstance(shape.shots, int)):
        raise UserError(
            f"a {task} has ways = {shape.ways} {ways} and shots = {shape.shots} {shots}: "
            "give one number for each, since all tasks of a batch have the same"
        )
    return shape.ways, shape.shots
