"""The two-link arm whose goals are not seen: MAML-RL, and one policy for all goals.

As 2D navigation has it (`navigation`): 20 tasks x 20 trajectories a batch and PPO's outer step; an
episode is of 50 moves. An outer step is one epoch: five are a batch of tasks.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.control.maml_rl import MAMLRLSettings
from workbench.algorithms.estimators.ppo import PPO
from workbench.models import GaussianSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings

_LEARNER = MAMLRLSettings(order="first", later=0.4)
_MAML = Experiment(
    tasks="reacher:goal",
    train=Shape(ways=2, shots=20, queries=0),
    test=Shape(ways=2, shots=20, queries=0),
    model=GaussianSettings(least=0.5),
    learner=_LEARNER,
    training=TrainingSettings(
        iterations=1_000, tasks=20, rate=3e-3, schedule="linear", compiled="off",
        log_every=50, validate_every=250, validation_tasks=40, diagnose_every=0,
    ),
    estimator=PPO(epochs=5, minibatches=1, clip=0.3),
)  # fmt: skip

PRESETS: dict[str, tuple[str, Experiment]] = {
    "reacher-fomaml": ("First-order MAML-RL: an arm finds a goal by its pay", _MAML),
    "reacher-pretrained": (
        "The baseline there: one policy for all goals, adapted by the same steps",
        replace(_MAML, learner=replace(_LEARNER, train_steps=0)),
    ),
}
