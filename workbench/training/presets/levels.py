"""Learning to meta-learn: how MAML is trained, learned on families of sine waves and harmonics.

The net and the inner steps are small, so that a whole meta-training is a task among many.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.estimators.adversarial import Adversarial
from workbench.algorithms.estimators.evolution import Evolution
from workbench.algorithms.estimators.ppo import PPO
from workbench.algorithms.estimators.truncated import Truncated
from workbench.algorithms.gradient.maml import MAMLSettings
from workbench.algorithms.levels.meta_optimised import MetaOptimisedSettings
from workbench.algorithms.levels.proposer import ProposerSettings
from workbench.algorithms.levels.recurrent import RecurrentSettings
from workbench.algorithms.levels.strategist import StrategistSettings
from workbench.models import MLPSettings, ShapedSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings

# Rates of a tenth of the best ones. A mask needs more steps than are wanted.
_MAML = MAMLSettings(inner_rate=0.003, train_steps=3, test_steps=3, rates="step")
_LONGER = replace(_MAML, train_steps=5, test_steps=5)

# Through windows of ten outer steps the outer rate came out twice too large, through 25 it did not.
_SINES = Experiment(
    tasks="families:sines",
    train=Shape(ways=1, shots=400, queries=32),
    test=Shape(ways=1, shots=400, queries=100),
    model=MLPSettings(hidden=(20, 20), activation="tanh"),
    learner=MetaOptimisedSettings(inner=_MAML, inner_rate=3e-3),
    training=TrainingSettings(
        iterations=80, tasks=2, rate=0.2, schedule="cosine", clip=1.0, compiled="off",
        log_every=10, validate_every=20, validation_tasks=16, diagnose_every=20,
    ),
    estimator=Truncated(25),
)  # fmt: skip

_EVERY = MetaOptimisedSettings(
    inner=_LONGER,
    learned=("inner_rate", "inner_steps", "outer_rate", "proximal"),
    rates="step",
    inner_rate=3e-3,
    proximal=1e-4,
)

# From rates that a grid finds, of which each family wants its own and at its own time.
_GOOD = replace(_MAML, inner_rate=0.1)
_RECURRENT = replace(
    _SINES,
    learner=RecurrentSettings(inner=_GOOD, inner_rate=0.03, rates="step"),
    training=replace(_SINES.training, iterations=64, tasks=8, rate=0.1),
)
# Eight outer steps of the policy for each batch of meta-trainings.
_PICKED = replace(
    _SINES,
    learner=StrategistSettings(inner=replace(_MAML, inner_rate=0.03)),
    training=replace(
        _SINES.training, iterations=720, tasks=32, rate=0.01, schedule="constant", log_every=8,
        validate_every=240,
    ),
    estimator=PPO(epochs=8, minibatches=1),
)  # fmt: skip

_PROPOSED = replace(
    _SINES,
    train=Shape(ways=1, shots=16, queries=8),
    test=Shape(ways=1, shots=16, queries=64),
    model=ShapedSettings(hidden=(24, 24)),
    learner=ProposerSettings(
        inner=replace(_MAML, inner_rate=0.05, train_steps=2, test_steps=2)
    ),
    training=replace(
        _SINES.training, iterations=200, tasks=8, rate=2e-3, clip=10.0, validate_every=100,
        diagnose_every=0,
    ),
    estimator=Adversarial(speed=2.0),
)  # fmt: skip

PRESETS: dict[str, tuple[str, Experiment]] = {
    "sines-meta-optimised": (
        "MAML's inner and outer rate, learned through its outer steps on families of sine waves",
        _SINES,
    ),
    "sines-meta-evolved": (
        "the same two rates by evolution, from ten times too large, where gradients explode",
        replace(
            _SINES,
            learner=replace(
                _SINES.learner,  # type: ignore[type-var]
                inner=replace(_MAML, inner_rate=0.3),
                inner_rate=0.3,
            ),
            training=replace(_SINES.training, iterations=40),
            estimator=Evolution(population=4, sigma=0.3),
        ),
    ),
    "harmonics-meta-optimised": (
        "MAML's rates by tensor and step, number of steps, outer rate and regularisation, learned",
        replace(_SINES, tasks="families:harmonics", learner=_EVERY),
    ),
    "sines-meta-proposer": (
        "a generator proposes each family's net and start, judged by how fast they adapt",
        _PROPOSED,
    ),
    "sines-meta-recurrent": (
        "a cell watches MAML's training and sets its rates and regularisation as it goes",
        _RECURRENT,
    ),
    "sines-meta-strategist": (
        "a policy picks MAML's rates, steps, order and tasks, paid by progress on watched tasks",
        _PICKED,
    ),
}
