"""2D navigation at the published settings, but for the outer step: Finn et al. (2017), section 5.3.

20 tasks x 20 trajectories x 100 moves a batch. The paper's outer step is the trust region's
(`navigation-maml-trpo`); PPO's five epochs over a batch get further in the same time. An outer step
is one epoch: five are a batch of tasks.

An inner step's length in what the policy does goes with one over its deviation, and its advantages
are of deviation 1 however little there is to gain. So the deviation is held at 0.5, and later steps
are 0.4 of the first one's: at a deviation of 0.3 and half the rate the third step overshoots.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.control.maml_rl import MAMLRLSettings
from workbench.algorithms.estimators.displacement import Displacement
from workbench.algorithms.estimators.ppo import PPO
from workbench.algorithms.estimators.trust_region import TrustRegion
from workbench.models import GaussianSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings

_MAML = Experiment(
    tasks="navigation",
    train=Shape(ways=2, shots=20, queries=0),
    test=Shape(ways=2, shots=20, queries=0),
    model=GaussianSettings(least=0.5),
    learner=MAMLRLSettings(later=0.4),
    training=TrainingSettings(
        iterations=1_000, tasks=20, rate=3e-3, schedule="linear", compiled="off",
        log_every=50, validate_every=250, validation_tasks=40, diagnose_every=0,
    ),
    estimator=PPO(epochs=5, minibatches=1, clip=0.3),
)  # fmt: skip


def _with(base: Experiment = _MAML, **changes: object) -> Experiment:
    return replace(base, learner=replace(base.learner, **changes))  # type: ignore[type-var]


_FIRST = _with(order="first")
# The noise of its correction needs smaller outer steps. Its outer loss is after two inner steps:
# what is learned exactly for one alone stops short of the goal in the next ones.
_SECOND = replace(_with(train_steps=2), training=replace(_MAML.training, rate=1e-3))

PRESETS: dict[str, tuple[str, Experiment]] = {
    "navigation-maml": ("MAML-RL, second order: find a goal in the plane by its pay", _SECOND),
    "navigation-fomaml": ("First-order MAML-RL on the same goals", _FIRST),
    "navigation-anil": (
        "ANIL-RL there: the inner step moves the head alone",
        _with(adapts="head"),
    ),
    "navigation-reptile": (
        "Reptile-RL there: towards where three inner steps lead",
        replace(
            _with(order="first", train_steps=3),
            estimator=Displacement(),
            training=replace(
                _MAML.training, rate=2e-3, iterations=200, log_every=10, validate_every=50
            ),
        ),
    ),
    "navigation-maml-trpo": (
        "MAML-RL there with the paper's outer step, a trust region",
        replace(
            _MAML,
            estimator=TrustRegion(),
            training=replace(
                _MAML.training, optimizer="SGD", rate=1.0, schedule="constant",
                iterations=200, log_every=10, validate_every=50,
            ),
        ),
    ),
    "navigation-pretrained": (
        "The baseline: one policy for all goals, adapted by the same steps",
        _with(_FIRST, train_steps=0),
    ),
}  # fmt: skip
