"""Tabular Markov decision processes (Duan et al., 2016, section 3.2): find out where to go.

Each task draws, for every state and action, where that leads from a flat Dirichlet distribution
and what it pays on average from N(1, 1); a reward is drawn around that with deviation 1. A trial
is a number of episodes of ten moves. What is observed is the state, one-hot. The paper does not
say where an episode begins: here in state 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.randomness import fold, normal, uniform
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, task_seeds
from workbench.tasks.control.bandits import one_size
from workbench.tasks.control.environment import Discrete, State, Task
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.episode import Episode

_PAYS, _LEADS = 0, 1  # uses of a task's seed, and of a move's


@dataclass(frozen=True)
class TabularMDP:
    """One episode. A task `pays` `[..., state, action]` and `leads` `[..., state, action, state]`.

    >>> mdp = TabularMDP(states=2, choices=1)
    >>> task = {"pays": torch.zeros(1, 2, 1), "leads": torch.tensor([[[[0.0, 1.0]], [[0.0, 1.0]]]])}
    >>> state, observation = mdp.reset(task, torch.tensor([5]))
    >>> _, following, _, _ = mdp.step(task, state, torch.tensor([0]), torch.tensor([6]))
    >>> observation.tolist(), following.tolist()
    ([[1.0, 0.0]], [[0.0, 1.0]])
    """

    states: Annotated[int, Range(1, 1_000)] = 10
    choices: Annotated[int, Range(1, 10_000)] = 5  # actions
    horizon: Annotated[int, Range(1, 1_000_000)] = 10  # moves of an episode

    def __post_init__(self) -> None:
        check_fields(self, "environment")

    @property
    def actions(self) -> Discrete:
        """What can be done in any state."""
        return Discrete(self.choices)

    @property
    def observation_size(self) -> int:
        """A number a state."""
        return self.states

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """State 0, at time 0."""
        state = {"place": torch.zeros_like(seed), "time": torch.zeros_like(seed)}
        return state, self._seen(state["place"], task)

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """Do something where one is: it pays, and leads somewhere."""
        chosen = (state["place"] * self.choices + action).unsqueeze(-1)
        pays = task["pays"].flatten(-2).gather(-1, chosen).squeeze(-1)
        leads = task["leads"].flatten(-3, -2)
        row = chosen.unsqueeze(-1).expand(*chosen.shape, self.states)
        upto = leads.gather(-2, row).squeeze(-2).cumsum(dim=-1)
        place = (upto <= uniform(fold(seed, _LEADS), (1,), upto.dtype)).sum(dim=-1)
        place = place.clamp(max=self.states - 1)  # rounding may leave the sum below 1
        after = {"place": place, "time": state["time"] + 1}
        reward = pays + normal(fold(seed, _PAYS), (), pays.dtype)
        return after, self._seen(place, task), reward, after["time"] >= self.horizon

    def check_task(self, task: Task, tasks: int) -> None:
        """Refuse what is no task of it, such as a file may hold."""
        pays, leads = task["pays"], task["leads"]
        shape = (tasks, self.states, self.choices)
        if tuple(pays.shape) != shape or not pays.is_floating_point():
            raise UserError("pays is no [task, state, action]")
        if tuple(leads.shape) != (*shape, self.states) or leads.dtype != pays.dtype:
            raise UserError("leads is no [task, state, action, state]")
        sums = leads.sum(dim=-1)
        if not bool(pays.isfinite().all() & (leads >= 0).all() & ((sums - 1).abs() < 1e-3).all()):
            raise UserError("leads are no chances, or pays no numbers")

    def _seen(self, place: Tensor, task: Task) -> Tensor:
        return (place.unsqueeze(-1) == torch.arange(self.states, device=place.device)).to(
            task["pays"].dtype
        )


class MDPs(Tasks):
    """Tasks that are MDPs of 10 states: `Shape.ways` is the number of actions, `shots` of episodes.

    >>> episode = MDPs().sample(3, seed=0, shape=Shape(ways=5, shots=2))
    >>> episode.task["leads"].shape, episode.env.horizon
    (torch.Size([3, 10, 5, 10]), 20)
    """

    name = "mdp"
    scheme = "tabular"
    kind: Kind = "control"
    default_shape = Shape(ways=5, shots=10, queries=0)

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        actions, episodes = one_size(shape or self.default_shape, "mdp", "actions", "episodes")
        seeds = task_seeds(n, seed, split)
        mdp = TabularMDP(choices=actions)
        size = (mdp.states, actions)
        # parts of a sum of exponential draws are a draw of the flat Dirichlet distribution
        parts = -torch.log1p(-uniform(fold(seeds, _LEADS), (*size, mdp.states), torch.float64))
        task = {
            "pays": 1 + normal(fold(seeds, _PAYS), size),
            "leads": (parts / parts.sum(dim=-1, keepdim=True)).float(),
        }
        info = {"dataset": self.name, "scheme": self.scheme, "split": split}
        none: Any = None  # a control task has no examples
        return Episode(none, none, seeds, info=info, env=Repeated(mdp, episodes), task=task)

    def check(self, shape: Shape, split: Split = "train") -> None:
        one_size(shape, "mdp", "actions", "episodes")

    def spec(self, shape: Shape) -> TaskSpec:
        choices, _ = one_size(shape, "mdp", "actions", "episodes")
        mdp = TabularMDP(choices=choices)
        size, actions = (mdp.observation_size,), mdp.actions
        return TaskSpec("control", size, actions.outputs, actions=actions)
