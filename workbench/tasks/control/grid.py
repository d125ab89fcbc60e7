"""A gridworld whose goal or walls are to be found out.

One goes about a square of cells from its middle, one cell a move, and every move that ends at the
goal pays 1. What is observed is the place, one-hot: neither the goal nor walls. A task is a `goal`
`[..., 2]` (x and y, counted from 0) and `walls` `[..., x, y]`; a scheme says which of them differs.
The goal can always be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.randomness import fold, uniform
from workbench.tasks.control.environment import Discrete, State, Task
from workbench.tasks.control.family import Family, check_tensors

_MOVES = ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1))  # stay, right, up, left, down
_WALLS, _TRIES = 6, 32  # cells that are walls, and how often they are drawn until all is connected
_GOAL, _LAYOUT = 0, 1  # uses of a task's seed


@dataclass(frozen=True)
class Grid:
    """A move that would lead into a wall or out of the square leads nowhere.

    >>> grid, task = Grid(size=3), {"goal": torch.tensor([2.0, 1.0])}
    >>> task["walls"] = torch.zeros(3, 3, dtype=torch.bool)
    >>> state, observation = grid.reset(task, torch.tensor(5))
    >>> state, _, reward, _ = grid.step(task, state, torch.tensor(1), torch.tensor(6))
    >>> observation.argmax().item(), state["place"].item(), reward.item()
    (4, 7, 1.0)
    """

    size: Annotated[int, Range(2, 100)] = 5  # cells a side
    horizon: Annotated[int, Range(1, 1_000_000)] = 20  # moves of an episode

    actions = Discrete(len(_MOVES))

    def __post_init__(self) -> None:
        check_fields(self, "environment")

    @property
    def observation_size(self) -> int:
        """A number a cell."""
        return self.size**2

    @property
    def start(self) -> int:
        """The middle, as a number: the cell at x and y has x * size + y."""
        return self.size // 2 * (self.size + 1)

    def reset(self, task: Task, seed: Tensor) -> tuple[State, Tensor]:
        """In the middle."""
        place = torch.full_like(seed, self.start)
        return {"place": place, "time": torch.zeros_like(seed)}, self._seen(place, task)

    def step(
        self, task: Task, state: State, action: Tensor, seed: Tensor
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """Go to a cell beside, or stay."""
        place, time = state["place"], state["time"] + 1
        to = (self._point(place) + torch.tensor(_MOVES, device=place.device)[action]).clamp(
            0, self.size - 1
        )
        aim = to[..., 0] * self.size + to[..., 1]
        wall = task["walls"].flatten(-2).gather(-1, aim.unsqueeze(-1)).squeeze(-1)
        place = torch.where(wall, place, aim)
        reward = (self._point(place) == task["goal"]).all(dim=-1).to(task["goal"].dtype)
        after = {"place": place, "time": time}
        return after, self._seen(place, task), reward, time >= self.horizon

    def drawn(self, task: Task, state: State) -> Mapping[str, Tensor]:
        """The place, the goal, and the cells that are walls; the other cells are NaN."""
        goal, walls = task["goal"], task["walls"]
        line = torch.arange(self.size, dtype=goal.dtype, device=goal.device)
        cells = torch.cartesian_prod(line, line)
        shown = torch.where(walls.flatten(-2).unsqueeze(-1), cells, torch.nan)
        path = self._point(state["place"]).to(goal.dtype).unsqueeze(-2)
        return {"path": path, "goal": goal.unsqueeze(-2), "walls": shown}

    def nearest(self, place: Tensor) -> Tensor:
        """The cells that are nearest to places of the plane, `[..., 2]`: only these can be goals.

        >>> Grid().nearest(torch.tensor([3.4, 0.8]))
        tensor([3., 1.])
        """
        return place.round()

    def reachable(self, walls: Tensor) -> Tensor:
        """Which cells one can come to from the middle, `[..., x, y]` as the walls are.

        >>> walls = torch.tensor([[0, 1, 0], [0, 0, 0], [1, 1, 0]]).bool()
        >>> Grid(size=3).reachable(walls).int().tolist()
        [[1, 0, 1], [1, 1, 1], [0, 0, 1]]
        """
        start = torch.arange(self.size**2, device=walls.device) == self.start
        free, seen = ~walls, start.view(self.size, self.size).expand_as(walls) & ~walls
        for _ in range(self.size**2):
            wide = F.pad(seen, (1, 1, 1, 1))
            beside = wide[..., 2:, 1:-1] | wide[..., :-2, 1:-1]
            beside = beside | wide[..., 1:-1, 2:] | wide[..., 1:-1, :-2]
            seen = (seen | beside) & free
        return seen

    def check_task(self, task: Task, tasks: int) -> None:
        """Refuse what is no task of it, such as a file may hold."""
        goal, walls = task["goal"], task["walls"]
        check_tensors(task, {"goal": (tasks, 2)})
        if tuple(walls.shape) != (tasks, self.size, self.size) or walls.dtype != torch.bool:
            raise UserError("walls is no [task, x, y] of yes and no")
        if not bool(((goal == goal.round()) & (goal >= 0) & (goal < self.size)).all()):
            raise UserError(f"a goal is no cell from 0 to {self.size - 1}")
        cell = (goal[:, 0] * self.size + goal[:, 1]).long().unsqueeze(-1)
        if not bool(self.reachable(walls).flatten(-2).gather(-1, cell).all()):
            raise UserError("a goal cannot be reached from the middle")

    def _point(self, place: Tensor) -> Tensor:
        return torch.stack([place // self.size, place % self.size], dim=-1)

    def _seen(self, place: Tensor, task: Task) -> Tensor:
        cells = torch.arange(self.size**2, device=place.device)
        return (place.unsqueeze(-1) == cells).to(task["goal"].dtype)


def _goal(grid: Grid, seeds: Tensor) -> Task:
    """No walls, and a goal in any cell but the middle."""
    cell = (uniform(fold(seeds, _GOAL), (), torch.float64) * (grid.size**2 - 1)).long()
    cell = cell + (cell >= grid.start)
    walls = torch.zeros(*seeds.shape, grid.size, grid.size, dtype=torch.bool)
    return {"goal": grid._point(cell).float(), "walls": walls}


def _walls(grid: Grid, seeds: Tensor) -> Task:
    """A goal in the last cell, and the first layout of walls drawn that leads there."""
    cells = grid.size**2
    order = uniform(fold(seeds, _LAYOUT), (_TRIES, cells), torch.float64)
    order[..., [grid.start, cells - 1]] = 2  # never walls
    rank = order.argsort(dim=-1).argsort(dim=-1)
    layouts = (rank < _WALLS).unflatten(-1, (grid.size, grid.size))
    layouts[..., -1, :, :] = False  # where none leads there, which has not been seen
    good = grid.reachable(layouts)[..., -1, -1].int().argmax(dim=-1)  # the first
    pick = good.view(*seeds.shape, 1, 1, 1).expand(*seeds.shape, 1, grid.size, grid.size)
    goal = torch.full((*seeds.shape, 2), grid.size - 1.0)
    return {"goal": goal, "walls": layouts.gather(-3, pick).squeeze(-3)}


SCHEMES: Mapping[str, Callable[[Grid, Tensor], Task]] = {"goal": _goal, "walls": _walls}


def opened(family: str, scheme: str) -> Family:
    """The tasks that differ by their goal or walls."""
    grid = Grid()
    return Family(family, scheme, grid, partial(SCHEMES[scheme], grid))
