"""Bernoulli bandits, 5 arms and 10 pulls: Duan et al. (2016), section 3.1."""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.control.rl2 import RL2Settings
from workbench.algorithms.memory.snail import SNAILSettings
from workbench.models import PolicySettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings

_BANDIT = Experiment(
    tasks="bandit",
    train=Shape(ways=5, shots=10, queries=0),
    test=Shape(ways=5, shots=10, queries=0),
    model=PolicySettings(),
    learner=RL2Settings(),
    training=TrainingSettings(
        iterations=3_000, tasks=256, rate=1e-2, schedule="linear", clip=1.0,
        validate_every=200, validation_tasks=1_000,
    ),
)  # fmt: skip


_BANDIT_SNAIL = replace(
    _BANDIT,
    learner=SNAILSettings(filters=32, length=16, width=32),
    training=replace(_BANDIT.training, rate=3e-3),
)

PRESETS: dict[str, tuple[str, Experiment]] = {
    "bandit-rl2": ("RL²: a recurrent policy on bandits of 5 arms and 10 pulls", _BANDIT),
    "bandit-snail": ("SNAIL on the same bandits: attention in place of a state", _BANDIT_SNAIL),
}
