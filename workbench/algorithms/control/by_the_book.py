"""What baselines of control share: rules for acting that are written down and not learned.

A baseline counts what its moves brought, thinks of every action how much it is worth, and takes
the best. It has no parameters. As a learner it is evaluated, compared, stepped and drawn as others
are, on the same tasks; only to be trained there is nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.algorithms.base import Learner
from workbench.algorithms.control import trials
from workbench.algorithms.values import Adapted
from workbench.tasks.control.environment import Discrete
from workbench.tasks.control.rollout import Moment
from workbench.tasks.episode import Episode

Values = Mapping[str, Tensor]

_NEVER = 1e-30  # the chance of what is not drawn, whose logarithm is finite
DRAWS = 0x626F6F6B  # the use that a rule makes of a task's seed, apart from all that moves make


@dataclass(frozen=True)
class NoModelSettings:
    """No model: what is written down needs none."""

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> nn.Module:
        """Nothing."""
        return nn.Identity()


@dataclass(frozen=True)
class Move:
    """A move: what was seen, done (both one-hot) and paid, what was seen then, and if it ended."""

    seen: Tensor
    action: Tensor
    reward: Tensor
    following: Tensor
    done: Tensor


class ByTheBook(Learner):
    """Counts, plans and takes what seems best: `begun`, `learned` and `worth` say how."""

    kinds = ("control",)
    epsilon: float = 0.0  # the share of moves that are made at random

    @abstractmethod
    def begun(self, episode: Episode, like: Tensor) -> Values:
        """Empty counts, and what is planned by them."""

    @abstractmethod
    def learned(self, values: Values, move: Move, episode: Episode, moves: int) -> Values:
        """Counts and plan after a move, the last of so many."""

    @abstractmethod
    def worth(self, adapted: Adapted, x: Tensor) -> Tensor:
        """What every action is thought to be worth at `x [task, example, observation]`."""

    def steps(self, episode: Episode) -> int:
        """The moves of a trial."""
        return trials.environment(episode, type(self).__name__).horizon

    def begin(self, episode: Episode) -> Adapted:
        """Nothing done and nothing counted yet."""
        method = type(self).__name__
        actions = trials.environment(episode, method).actions
        numbers = (t for t in episode.task.values() if t.is_floating_point())
        like = next(numbers, torch.zeros(()))
        planned = self.begun(episode, like)  # or refused: what follows are tasks of its own
        values = trials.begun(episode, method, Discrete(actions.outputs), like)
        return Adapted({**values, **planned})

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Take the best action, and learn from what it brings."""

        def act(moment: Moment, plan: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            out = self.predict(adapted, moment["observation"].unsqueeze(1)).squeeze(1)
            return out, torch.zeros_like(out[:, 0]), plan

        before = adapted.values
        made = trials.moved(act, adapted, episode, "plan")
        after = made.values
        reward, done = after["reward"].squeeze(-1), after["done"].squeeze(-1)
        move = Move(before["observation"], after["action"], reward, after["observation"], done)
        found = self.learned(before, move, episode, made.step)
        seen = {name: t for name, t in made.seen.items() if name != "value"}  # it expects nothing
        return Adapted({**after, **found}, seen, made.step)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Action logits at `x [task, example, observation]`: the best, evenly where even."""
        worth = self.worth(adapted, x)
        best = (worth >= worth.amax(dim=-1, keepdim=True)).to(worth)
        greedy = best / best.sum(dim=-1, keepdim=True)
        chances = (1 - self.epsilon) * greedy + self.epsilon / worth.shape[-1]
        return chances.clamp(min=_NEVER).log()

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """Each trial's mean reward, negative: nothing of it can be trained."""
        brought = [trials.rewards(adapted) for adapted in path if adapted.step > 0]
        return -torch.cat(brought, dim=1).mean(dim=1)
