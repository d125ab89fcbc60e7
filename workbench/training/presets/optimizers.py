"""Learned optimizers and losses.

Quadratics and a net on digits: Andrychowicz et al. (2016).
"""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.estimators.truncated import Truncated
from workbench.algorithms.generated.neural_optimizer import NeuralOptimizerSettings
from workbench.innerloop import LSTMRuleSettings, MomentRuleSettings
from workbench.models import MLPSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings

_QUADRATICS = Experiment(
    tasks="quadratics",
    train=Shape(ways=1, shots=10, queries=10),
    test=Shape(ways=1, shots=10, queries=10),
    model=MLPSettings(hidden=(), bias=False),
    learner=NeuralOptimizerSettings(inner_rate=0.1, optimizer=LSTMRuleSettings()),
    training=TrainingSettings(
        iterations=5_000, tasks=64, rate=3e-3, schedule="cosine", clip=1.0, compiled="off",
        validate_every=250, validation_tasks=200,
    ),
    estimator=Truncated(20),
)  # fmt: skip

_DIGITS = Experiment(
    tasks="digits:whole",
    train=Shape(ways=10, shots=100, queries=30),
    test=Shape(ways=10, shots=100, queries=30),
    model=MLPSettings(hidden=(20,), activation="sigmoid"),
    learner=NeuralOptimizerSettings(inner_rate=0.1, optimizer=LSTMRuleSettings(), batch=128),
    training=TrainingSettings(
        iterations=1_000, tasks=4, rate=3e-3, schedule="cosine", clip=1.0, compiled="off",
        validate_every=50, validation_tasks=20,
    ),
    estimator=Truncated(20),
)  # fmt: skip

_MOMENTS = MomentRuleSettings()
_MLP = {"quadratics": (_QUADRATICS, 0.05), "digits": (_DIGITS, 0.02)}

PRESETS: dict[str, tuple[str, Experiment]] = {
    "quadratics-lstm": (
        "a neural optimizer, an LSTM for each coordinate, on quadratics of ten dimensions",
        _QUADRATICS,
    ),
    "digits-lstm": ("the same LSTM on a small net that learns digits", _DIGITS),
    **{
        f"{name}-moments": (
            f"a learned optimizer that starts as Adam, on {name}",
            replace(
                one,
                learner=NeuralOptimizerSettings(
                    inner_rate=rate, optimizer=_MOMENTS, batch=one.learner.batch
                ),
            ),
        )
        for name, (one, rate) in _MLP.items()
    },
}
