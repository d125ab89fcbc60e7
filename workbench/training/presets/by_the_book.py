"""What control is measured against: rules by the book, on the tasks of Duan et al. (2016)."""

from __future__ import annotations

from typing import Any

from workbench.algorithms.control.bandit_baselines import BanditBaselineSettings
from workbench.algorithms.control.by_the_book import NoModelSettings
from workbench.algorithms.control.mdp_baselines import MDPBaselineSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings


def _on(tasks: str, learner: Any) -> Experiment:
    shape = Shape(ways=5, shots=10, queries=0)
    training = TrainingSettings(validate_every=0)
    return Experiment(tasks, shape, shape, NoModelSettings(), learner, training)


_BANDITS = {
    "random": ("pull any arm", BanditBaselineSettings("random")),
    "greedy": ("pull the arm that paid best", BanditBaselineSettings("greedy")),
    "thompson": ("Thompson sampling", BanditBaselineSettings("thompson")),
    "ucb1": ("UCB1, of a fifth of Auer's width", BanditBaselineSettings("ucb1", width=0.2)),
    "gittins": (
        "the greatest Gittins index of a finite horizon",
        BanditBaselineSettings("gittins"),
    ),
    "optimal": ("know the best arm", BanditBaselineSettings("optimal")),
}
_MDPS = {
    "random": ("do anything", MDPBaselineSettings("random")),
    "greedy": ("plan by the posterior's means", MDPBaselineSettings("greedy")),
    "psrl": ("posterior sampling", MDPBaselineSettings("psrl")),
    "optimistic": ("posterior sampling, the best of ten draws", MDPBaselineSettings("optimistic")),
    "ucrl2": (
        "UCRL2, of a tenth of the paper's width",
        MDPBaselineSettings("ucrl2", width=0.1),
    ),
    "q-learning": ("Q-learning, epsilon-greedy", MDPBaselineSettings("q-learning", epsilon=0.1)),
    "optimal": ("know the MDP", MDPBaselineSettings("optimal")),
}

PRESETS: dict[str, tuple[str, Experiment]] = {
    f"{tasks}-{rule}": (f"by the book, nothing to train: {line}", _on(tasks, settings))
    for tasks, rules in (("bandit", _BANDITS), ("mdp", _MDPS))
    for rule, (line, settings) in rules.items()
}
