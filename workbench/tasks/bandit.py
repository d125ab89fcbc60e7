"""Bernoulli bandits (Duan et al., 2016, section 3.1): pull arms, learn which one pays.

Each task draws its arms' chances of a reward from U[0, 1]; a trial is a number of pulls. There is
nothing to observe but one's own actions and rewards, so the observation is a constant 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.randomness import fold, uniform
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, task_seeds
from workbench.tasks.episode import Episode, State

_MEANS = 0


@dataclass(frozen=True)
class BernoulliBandit:
    """The dynamics: an arm pays 1 with its own chance. The state holds `means` and `pulls`.

    A reward is a function of the seed and the number of pulls so far, so one seed for a whole
    trial does.
    """

    actions: int
    horizon: int
    observation_size: int = 1

    def __call__(
        self, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """The next state, observation `[task, 1]`, reward `[task]` and done `[task]`."""
        means, pulls = state["means"], state["pulls"]
        chance = means.gather(-1, action.unsqueeze(-1)).squeeze(-1)
        reward = (uniform(fold(seed, pulls), (), means.dtype) < chance).to(means.dtype)
        following = {"means": means, "pulls": pulls + 1}
        return following, torch.zeros_like(means[..., :1]), reward, pulls + 1 >= self.horizon


class Bandits(Tasks):
    """Tasks that are bandits: `Shape.ways` is the number of arms, `Shape.shots` of pulls.

    >>> episode = Bandits().sample(3, seed=0, shape=Shape(ways=5, shots=10))
    >>> state, observation, reward, done = episode.env(
    ...     episode.state, torch.zeros(3, dtype=torch.long), episode.seed)
    >>> episode.state["means"].shape, reward.shape, bool(done.any())
    (torch.Size([3, 5]), torch.Size([3]), False)
    """

    name = "bandit"
    scheme = "bernoulli"
    kind: Kind = "control"
    default_shape = Shape(ways=5, shots=10, queries=0)

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        arms, pulls = _arms_and_pulls(shape or self.default_shape)
        seeds = task_seeds(n, seed, split)
        state = {
            "means": uniform(fold(seeds, _MEANS), (arms,)),
            "pulls": torch.zeros(n, dtype=torch.long),
        }
        info = {"dataset": self.name, "scheme": self.scheme, "split": split}
        none: Any = None  # a control task has no examples
        return Episode(none, none, seeds, info=info, env=BernoulliBandit(arms, pulls), state=state)

    def check(self, shape: Shape, split: Split = "train") -> None:
        _arms_and_pulls(shape)

    def spec(self, shape: Shape) -> TaskSpec:
        return TaskSpec("control", (BernoulliBandit.observation_size,), _arms_and_pulls(shape)[0])


def _arms_and_pulls(shape: Shape) -> tuple[int, int]:
    if not (isinstance(shape.ways, int) and isinstance(shape.shots, int)):
        raise UserError(
            f"a bandit has ways = {shape.ways} arms and shots = {shape.shots} pulls: "
            "give one number for each, since all tasks of a batch have the same"
        )
    return shape.ways, shape.shots
