"""Shifted domains: reversed gradients, Ganin et al. (2016), on turned moons and under a new pen."""

from __future__ import annotations

from workbench.algorithms.gradient.reversal import DomainAdversarialSettings
from workbench.models import Conv4Settings, MLPSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings

PRESETS: dict[str, tuple[str, Experiment]] = {
    "moons-reversal": (
        "a start that adapts to moons turned by 35 degrees, by reversed gradients",
        Experiment(
            tasks="moons:turned",
            train=Shape(ways=2, shots=20, queries=20),
            test=Shape(ways=2, shots=20, queries=20),
            model=MLPSettings(hidden=(32, 32)),
            learner=DomainAdversarialSettings(inner_rate=0.1, train_steps=5, test_steps=10),
            training=TrainingSettings(iterations=4_000, tasks=8, validate_every=250),
        ),
    ),
    "glyphs-reversal": (
        "reversed gradients on the built-in glyphs, asked for as a new pen draws them",
        Experiment(
            tasks="glyphs:pen",
            train=Shape(ways=5, shots=5, queries=5),
            test=Shape(ways=5, shots=5, queries=10),
            model=Conv4Settings(filters=32, pooling="stride"),
            learner=DomainAdversarialSettings(inner_rate=0.1, train_steps=3, test_steps=5),
            training=TrainingSettings(
                iterations=10_000,
                tasks=8,
                schedule="cosine",
                clip=10.0,
                validate_every=500,
                validation_tasks=100,
                log_every=20,
            ),
        ),
    ),
}
