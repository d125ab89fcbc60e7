"""Moves a second of every family of control tasks, beside gymnasium's loop over the same dynamics.

    python -m benchmarks.moves

A rollout by a policy that only draws, and a `SyncVectorEnv` of as many environments (without the
checker) whose actions are drawn too, in turn, three times each; the best counts. One thread is
timed by the processor's clock, so that a busy machine changes little, and two by the wall's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pandas as pd
import torch

from benchmarks.units import Rows, arguments, measure
from workbench.tasks import open_tasks
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.control.rollout import rollout

FAMILIES = (
    *("bandit", "mdp", "reacher", "grid", "grid:walls", "pendulum"),
    *("cheetah", "cheetah:velocity", "ant"),
)
PEERS = {
    "pendulum": "Pendulum-v1",
    "cheetah": "HalfCheetah-v5",
    "cheetah:velocity": "HalfCheetah-v5",
    "ant": "Ant-v5",
}
TRAJECTORIES = (20, 400)
ROUNDS, SECONDS = 3, 0.25  # how often each is timed, and for how long at least
MOVES = 20  # of a rollout


def ours(family: str, trajectories: int) -> Callable[[], int]:
    """A rollout of one episode, and how many moves it made."""
    episode: Any = open_tasks(family).sample(trajectories, seed=0)
    env = episode.env.env if isinstance(episode.env, Repeated) else episode.env
    out = torch.zeros(trajectories, env.actions.outputs)
    value = torch.zeros(trajectories)
    length = min(MOVES, env.horizon)

    def run() -> int:
        rollout(env, episode.task, lambda m, s: (out, value, s), episode.seed, length=length)
        return length * trajectories

    return run


def theirs(name: str, trajectories: int) -> Callable[[], int]:
    """As many moves of gymnasium's environments, one after the other."""
    try:
        import imageio  # noqa: F401
    except ImportError:  # gymnasium imports it to write films, which nobody does here
        sys.modules["imageio"] = ModuleType("imageio")
    import gymnasium

    def make() -> Any:
        return gymnasium.make(name, disable_env_checker=True)

    envs = gymnasium.vector.SyncVectorEnv([make] * trajectories)
    envs.reset(seed=0)

    def run() -> int:
        for _ in range(MOVES):
            envs.step(envs.action_space.sample())
        return MOVES * trajectories

    return run


def speed(run: Callable[[], int], clock: Callable[[], float]) -> float:
    """Moves a second."""
    moves, begun = 0, clock()
    while (spent := clock() - begun) < SECONDS:
        moves += run()
    return moves / spent


def work(family: str, trajectories: int, threads: int) -> Rows:
    """One family, so many trajectories at a time, on so many threads."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    runs = {"moves": ours(family, trajectories)}
    if family in PEERS:
        runs["peer"] = theirs(PEERS[family], trajectories)
    best = dict.fromkeys(runs, 0.0)
    for run in runs.values():
        run()
    for _ in range(ROUNDS):
        for name, run in runs.items():
            best[name] = max(best[name], speed(run, clock))
    ratio = best["moves"] / best["peer"] if "peer" in best else None
    return [{"moves": best["moves"], "peer": best.get("peer"), "ratio": ratio}]


def table(frame: pd.DataFrame) -> str:
    """A row a family and number of trajectories: Markdown."""
    lines = [
        "| family | trajectories | one thread | gymnasium | ratio "
        "| two threads | gymnasium | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (family, trajectories), group in frame.groupby(["family", "trajectories"], sort=False):
        cells = [str(family), str(trajectories)]
        for threads in (1, 2):
            row = group[group["threads"] == threads].iloc[-1]
            for name in ("moves", "peer"):
                cells.append("" if pd.isna(row[name]) else f"{row[name]:,.0f}")
            cells.append("" if pd.isna(row["ratio"]) else f"{row['ratio']:.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = arguments("moves", __doc__ or "")
    chosen = parser.parse_args()
    units = [
        {"family": family, "trajectories": trajectories, "threads": threads}
        for family in FAMILIES
        if chosen.only is None or family in chosen.only
        for trajectories in TRAJECTORIES
        for threads in (1, 2)
    ]
    print(table(measure(units, work, chosen.out, workers=1)))


if __name__ == "__main__":
    main()
