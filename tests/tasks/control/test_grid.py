"""The gridworld: walls, goals, and a way between them."""

from __future__ import annotations

from collections import deque

import pytest
import torch

from workbench.errors import UserError
from workbench.tasks import open_tasks
from workbench.tasks.control.grid import Grid
from workbench.tasks.control.rollout import rollout

STEPS = {1: (1, 0), 2: (0, 1), 3: (-1, 0), 4: (0, -1)}


def way(walls: torch.Tensor, goal: list[int], size: int = 5) -> list[int] | None:
    """The shortest way from the middle to the goal as actions, by search; None: there is none."""
    start = (size // 2, size // 2)
    known: dict[tuple[int, int], list[int]] = {start: []}
    waiting = deque([start])
    while waiting:
        x, y = waiting.popleft()
        for action, (right, up) in STEPS.items():
            to = (x + right, y + up)
            if min(to) < 0 or max(to) >= size or to in known or bool(walls[to]):
                continue
            known[to] = [*known[x, y], action]
            waiting.append(to)
    return known.get((goal[0], goal[1]))


@pytest.mark.parametrize("scheme", ["goal", "walls"])
def test_there_is_always_a_way_and_going_it_pays(scheme: str) -> None:
    episode = open_tasks(f"grid:{scheme}").sample(200, seed=0)
    goals, walls = episode.task["goal"].long().tolist(), episode.task["walls"]
    ways = [way(walls[task], goals[task]) for task in range(200)]
    assert all(path for path in ways)
    plan = torch.tensor([[*path, *[0] * 20][:20] for path in ways if path is not None])

    def planned(moment, move):
        move = move or 0
        return (
            1e3 * torch.nn.functional.one_hot(plan[:, move], 5).float(),
            plan[:, 0] * 0.0,
            move + 1,
        )

    found = rollout(episode.env.env, episode.task, planned, episode.seed)
    expected = torch.tensor([21.0 - len(path) for path in ways if path is not None])
    assert torch.equal(found.reward.sum(dim=1), expected)  # on the goal from the first time on
    if scheme == "walls":
        assert walls.flatten(1).sum(dim=1).tolist() == [6] * 200
        assert len({str(one.tolist()) for one in walls}) > 190
        assert max(expected.tolist()) == 17 > min(expected.tolist())  # some go round about
    else:
        assert len({str(goal) for goal in goals}) == 24  # every cell but the middle
        assert not walls.any()


def test_what_is_reachable_is_what_a_search_finds() -> None:
    draw = torch.Generator().manual_seed(0)
    walls = torch.rand(60, 5, 5, generator=draw) < 0.4
    walls[:, 2, 2] = False
    found = Grid().reachable(walls)
    for layout in range(60):
        for x in range(5):
            for y in range(5):
                assert bool(found[layout, x, y]) == (way(walls[layout], [x, y]) is not None)


def test_walls_and_edges_are_not_walked_through() -> None:
    grid, task = Grid(size=3), {"goal": torch.tensor([[0.0, 0.0]])}
    task["walls"] = torch.zeros(1, 3, 3, dtype=torch.bool)
    task["walls"][0, 2, 1] = True
    seed = torch.tensor([5])
    state, _ = grid.reset(task, seed)
    for action, place in (
        (1, (1, 1)),
        (2, (1, 2)),
        (2, (1, 2)),
        (3, (0, 2)),
        (4, (0, 1)),
        (0, (0, 1)),
    ):
        state, seen, reward, _ = grid.step(task, state, torch.tensor([action]), seed)
        assert divmod(int(state["place"]), 3) == place
        assert int(seen.argmax()) == int(state["place"])
        assert float(reward) == 0
    state, _, reward, _ = grid.step(task, state, torch.tensor([4]), seed)
    assert float(reward) == 1
    shown = grid.drawn(task, state)
    assert shown["path"].tolist() == shown["goal"].tolist() == [[[0.0, 0.0]]]
    real = shown["walls"][0][shown["walls"][0].isfinite().all(dim=-1)]
    assert real.tolist() == [[2.0, 1.0]]


def test_a_goal_that_cannot_be_reached_is_refused() -> None:
    task = {name: t.clone() for name, t in open_tasks("grid").sample(2, seed=0).task.items()}
    grid = Grid()
    for goal, said in (([5.0, 0.0], "no cell"), ([0.5, 0.0], "no cell"), ([-1.0, 0.0], "no cell")):
        with pytest.raises(UserError, match=said):
            grid.check_task({**task, "goal": torch.tensor([goal, goal])}, 2)
    shut = task["walls"].clone()
    shut[:, 3], shut[:, :, 3] = True, True
    with pytest.raises(UserError, match="cannot be reached"):
        grid.check_task({"goal": torch.full((2, 2), 4.0), "walls": shut}, 2)
    with pytest.raises(UserError, match="yes and no"):
        grid.check_task({**task, "walls": shut.float()}, 2)
