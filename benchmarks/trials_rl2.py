"""RL² on bandits, tabular MDPs and a grid: what a whole trial brings.

    python -m benchmarks.trials_rl2 --workers 2
    python -m benchmarks.trials_rl2 --only "MDP, 10 episodes" --scale 2

Bandits and MDPs are those of Duan et al. (2016), at 10 pulls and at 10 episodes of 10 moves,
trained by the presets `bandit-rl2` (an actor-critic) and `mdp-rl2` (PPO); on 2,000 test tasks.
Published are 6.7 on the bandits, and 156.2 on MDPs after many more trials (random 100.1, posterior
sampling 138.1). On the grid (`grid-rl2`, 4 episodes) the same policy trained on single episodes is
set beside it, paired by task: it knows the family, and nothing of a task. Seconds are of one core,
of the training alone; `length` is that of the training, in lengths of the preset.
"""

from __future__ import annotations

import time
from dataclasses import replace

import pandas as pd
from torch import Tensor

from benchmarks.units import Rows, arguments, measure
from workbench.tasks import Shape
from workbench.training import Experiment, evaluate, preset
from workbench.training.evaluation import interval
from workbench.training.execution import keep_freed_memory
from workbench.training.trainer import Trainer

TASKS = 2_000
PLANS: dict[str, tuple[str, Shape]] = {
    "MDP, 10 episodes": ("mdp-rl2", Shape(ways=5, shots=10, queries=0)),
    "bandit, 10 arms": ("bandit-rl2", Shape(ways=10, shots=10, queries=0)),
    "bandit, 5 arms": ("bandit-rl2", Shape(ways=5, shots=10, queries=0)),
    "grid, 4 episodes": ("grid-rl2", Shape(ways=5, shots=4, queries=0)),
}


def trained(plan: Experiment) -> tuple[Trainer, float]:
    """A training brought to its end, and the seconds of a core that it took."""
    trainer = Trainer(plan)
    started = time.process_time()
    while not trainer.finished:
        trainer.update()
    return trainer, time.process_time() - started


def by_episode(trainer: Trainer, shape: Shape, episodes: int) -> Tensor:
    """What each episode of a trial, all of one length, brought on the test tasks: `[task, e]`."""
    trainer.learner.eval()
    found = evaluate(trainer.learner, trainer.tasks, shape, episodes=TASKS, split="test", seed=7)
    moves = (found.values.shape[1] - 1) // episodes
    return found.values[:, ::moves].diff(dim=1)


def work(tasks: str, seed: int, scale: float) -> Rows:
    """One training with one seed, and what its trials bring."""
    keep_freed_memory()
    name, shape = PLANS[tasks]
    base = preset(name)
    plan = replace(base.stretched(max(16, round(base.training.iterations * scale))), seed=seed)
    eager = replace(plan.training, compiled="off")  # many units at a time would all compile
    plan = replace(plan, train=shape, test=shape, training=eager)
    trainer, seconds = trained(plan)
    episodes = shape.shots if name != "bandit-rl2" else 1
    assert isinstance(episodes, int)
    found = by_episode(trainer, shape, episodes)
    total = found.sum(dim=1)
    row = {
        "seconds": round(seconds),
        "total": float(total.mean()),
        "ci95": interval(total),
        "episodes": " ".join(f"{e:.2f}" for e in found.mean(dim=0).tolist()),
    }
    if name == "grid-rl2":
        single = replace(shape, shots=1)
        other, _ = trained(replace(plan, train=single, test=single))
        apart = found - by_episode(other, single, 1)
        row["above"] = " ".join(
            f"{a.mean():+.2f}±{interval(a):.2f}" for a in apart[:, [0, 1, -1]].unbind(dim=1)
        )
    return [row]


def table(frame: pd.DataFrame) -> str:
    """Reward of a trial, and of its first and last episode: Markdown."""
    lines = [
        "| tasks | length | reward of a trial (each seed ± 95% over tasks) | "
        "first and last episode | episodes 1, 2 and last above a policy of single episodes | "
        "seconds |",
        "|---|---|---|---|---|---|",
    ]
    for (tasks, scale), rows in frame.sort_values("seed").groupby(["tasks", "scale"]):
        each = " ".join(f"{r.total:.2f}±{r.ci95:.2f}" for r in rows.itertuples())
        ends = [[float(e) for e in str(row).split()] for row in rows["episodes"]]
        first, last = (sum(e[i] for e in ends) / len(ends) for i in (0, -1))
        learnt = f"{first:.2f}, {last:.2f}" if len(ends[0]) > 1 else "—"
        above = "; ".join(rows["above"].dropna()) if "above" in rows else ""
        lines.append(
            f"| {tasks} | {scale:g} | {rows['total'].mean():.2f} ({each}) | {learnt} | "
            f"{above or '—'} | {rows['seconds'].mean():.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, and print the table."""
    chosen = arguments("trials_rl2", __doc__ or "").parse_args()
    units = [
        {"tasks": tasks, "seed": seed, "scale": chosen.scale}
        for tasks in PLANS
        if chosen.only is None or tasks in chosen.only
        for seed in chosen.seeds
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
