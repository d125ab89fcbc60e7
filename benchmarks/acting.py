"""Rules by the book on bandits and tabular MDPs, beside what was published of them.

    python -m benchmarks.acting --seeds 0 1

A unit is one rule on one problem of Duan et al. (2016): 600 test trials drawn by its seed, the same
for every rule. Bandits have k arms and n pulls, MDPs 10 states, 5 actions and n episodes of 10
moves. The prior of MDPs is the family's own (mean rewards N(1, 1)), or has mean rewards N(0, 1), as
Osband's public TabulaRL has it unless told otherwise: by the latter PSRL and optimistic PSRL come
to what was published of them, within the interval. The widths of UCB1 and UCRL2 that were published
are not known: here are Auer's and Jaksch's (1), and narrower ones chosen on some of these trials.
"""

from __future__ import annotations

import time
from itertools import product
from typing import Any

import pandas as pd

from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import BanditBaselineSettings, MDPBaselineSettings, NoModelSettings
from workbench.measures import half_width
from workbench.tasks import Shape, open_tasks
from workbench.training import evaluate

TRIALS = 600
FIRST_SEED = 1000  # of test tasks: that of seed 0

_BANDIT, _MDP = BanditBaselineSettings, MDPBaselineSettings
BANDITS: dict[str, BanditBaselineSettings] = {
    "random": _BANDIT("random"),
    "greedy": _BANDIT("greedy"),
    "Thompson": _BANDIT("thompson"),
    "UCB1, width 1": _BANDIT("ucb1"),
    "UCB1, width 0.2": _BANDIT("ucb1", width=0.2),
    "Gittins": _BANDIT("gittins"),
    "knows the best arm": _BANDIT("optimal"),
}
MDPS: dict[str, MDPBaselineSettings] = {
    "random": _MDP("random"),
    "Q-learning": _MDP("q-learning", epsilon=0.1),
    "greedy": _MDP("greedy"),
    "greedy, prior 0": _MDP("greedy", prior_mean=0.0),
    "PSRL": _MDP("psrl"),
    "PSRL, prior 0": _MDP("psrl", prior_mean=0.0),
    "optimistic PSRL": _MDP("optimistic"),
    "optimistic PSRL, prior 0": _MDP("optimistic", prior_mean=0.0),
    "UCRL2, width 1": _MDP("ucrl2"),
    "UCRL2, width 0.1": _MDP("ucrl2", width=0.1),
    "UCRL2, width 0.3, prior 0": _MDP("ucrl2", width=0.3, prior_mean=0.0),
    "knows the MDP": _MDP("optimal"),
}
# (family, n, k): the published totals of RL² and of rules by the first word or words of their names
PUBLISHED: dict[tuple[str, int, int], dict[str, float]] = {
    ("bandit", 10, 5): {"random": 5.0, "Gittins": 6.6, "Thompson": 5.7, "UCB1": 6.7, "greedy": 6.6},
    ("bandit", 10, 10): {
        "random": 5.0, "Gittins": 6.6, "Thompson": 5.5, "UCB1": 6.7, "greedy": 6.6,
    },
    ("bandit", 100, 5): {
        "random": 49.9, "Gittins": 78.3, "Thompson": 74.7, "UCB1": 78.0, "greedy": 74.8,
    },
    ("bandit", 100, 10): {
        "random": 49.9, "Gittins": 82.8, "Thompson": 76.7, "UCB1": 82.4, "greedy": 77.1,
    },
    ("mdp", 10, 5): {"random": 100.1, "PSRL": 138.1, "optimistic PSRL": 144.1, "UCRL2": 146.6},
    ("mdp", 25, 5): {"random": 250.2, "PSRL": 408.8, "optimistic PSRL": 425.2, "UCRL2": 424.1},
}  # fmt: skip
RL2 = dict(zip(PUBLISHED, (6.7, 6.7, 78.7, 83.5, 156.2, 445.7), strict=True))


def work(tasks: str, moves: int, actions: int, method: str, seed: int) -> Rows:
    """What a rule's trials bring."""
    settings: Any = {"bandit": BANDITS, "mdp": MDPS}[tasks][method]
    family, shape = open_tasks(tasks), Shape(ways=actions, shots=moves, queries=0)
    learner = settings.build(NoModelSettings(), family.spec(shape))
    started = time.perf_counter()
    found = evaluate(learner, family, shape, episodes=TRIALS, seed=FIRST_SEED + seed)
    return [
        {
            "total": found.mean,
            "sd": float(found.per_task.std()),
            "trials": len(found.values),
            "seconds": time.perf_counter() - started,
        }
    ]


def table(frame: pd.DataFrame) -> str:
    """Totals with intervals over trials, beside the published ones, as Markdown."""
    lines = [
        "| tasks | n | k | rule | trials | total (95%) | published |",
        "|---|---|---|---|---|---|---|",
    ]
    for (tasks, moves, actions), published in PUBLISHED.items():
        rules: Any = {"bandit": BANDITS, "mdp": MDPS}[tasks]
        for method in rules:
            rows = frame[
                (frame["tasks"] == tasks)
                & (frame["moves"] == moves)
                & (frame["actions"] == actions)
                & (frame["method"] == method)
            ]
            if rows.empty:
                continue
            trials = int(rows["trials"].sum())
            half = half_width(float(rows["sd"].pow(2).mean() ** 0.5), trials)
            said = published.get(method.split(",")[0])
            lines.append(
                f"| {tasks} | {moves} | {actions} | {method} | {trials:,} "
                f"| {rows['total'].mean():.1f} ± {half:.1f} | {'' if said is None else said} |"
            )
        lines.append(f"| {tasks} | {moves} | {actions} | RL² | | | {RL2[tasks, moves, actions]} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing."""
    chosen = arguments("acting", (__doc__ or "").splitlines()[0]).parse_args()
    units = [
        {"tasks": tasks, "moves": moves, "actions": actions, "method": method, "seed": seed}
        for seed, (tasks, moves, actions) in product(chosen.seeds, PUBLISHED)
        for method in {"bandit": BANDITS, "mdp": MDPS}[tasks]
        if chosen.only is None or method in chosen.only
    ]
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
