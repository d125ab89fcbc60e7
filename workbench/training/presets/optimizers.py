"""Learned optimizers and losses.

Quadratics and a net on digits: Andrychowicz et al. (2016). Losses: Bechtle et al. (2021), on sine
waves with the net of their code, and on images of whose support labels four in ten are wrong: any
other one, or always the next.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.estimators.truncated import Truncated
from workbench.algorithms.generated.learned_loss import ML3Settings
from workbench.algorithms.generated.neural_optimizer import NeuralOptimizerSettings
from workbench.innerloop import LSTMRuleSettings, MomentRuleSettings
from workbench.models import Conv4Settings, MLPSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings

# The LSTM takes gradients as constants, as in the paper: their logarithm's derivative explodes.
# Validation goes on for twice the steps of training, so that the best snapshot is one that holds.
_LSTM = NeuralOptimizerSettings(
    inner_rate=0.1, optimizer=LSTMRuleSettings(), order="first", test_steps=200
)
_MOMENTS = NeuralOptimizerSettings(inner_rate=0.05, optimizer=MomentRuleSettings(), test_steps=200)

_QUADRATICS = Experiment(
    tasks="quadratics",
    train=Shape(ways=1, shots=10, queries=10),
    test=Shape(ways=1, shots=10, queries=10),
    model=MLPSettings(hidden=(), bias=False),
    learner=replace(_LSTM, floor=0.1),
    training=TrainingSettings(
        iterations=2_500, tasks=64, rate=3e-3, schedule="cosine", clip=1.0, compiled="off",
        validate_every=125, validation_tasks=200,
    ),
    estimator=Truncated(20),
)  # fmt: skip

_DIGITS = Experiment(
    tasks="digits:whole",
    train=Shape(ways=10, shots=100, queries=30),
    test=Shape(ways=10, shots=100, queries=30),
    model=MLPSettings(hidden=(20,), activation="sigmoid"),
    learner=replace(_LSTM, floor=0.01, batch=128),
    training=TrainingSettings(
        iterations=500, tasks=4, rate=3e-3, schedule="cosine", clip=1.0, compiled="off",
        validate_every=25, validation_tasks=20,
    ),
    estimator=Truncated(20),
)  # fmt: skip

_SINE_LOSS = Experiment(
    tasks="sinusoid:maml",
    train=Shape(ways=1, shots=20, queries=20),
    test=Shape(ways=1, shots=20, queries=100),
    model=MLPSettings(hidden=(100, 10)),
    learner=ML3Settings(inner_rate=0.001, train_steps=100, test_steps=100),
    training=TrainingSettings(
        iterations=5_000, tasks=25, clip=10.0, compiled="off", validate_every=500
    ),
    estimator=Truncated(10),
)

_NOISY_DIGITS = Experiment(
    tasks="digits:noisy",
    train=Shape(ways=10, shots=10, queries=10),
    test=Shape(ways=10, shots=10, queries=30),
    model=MLPSettings(hidden=(32,)),
    learner=ML3Settings(
        inner_rate=0.5, train_steps=20, test_steps=20, hidden=(16, 16), context=8, added=True
    ),
    training=TrainingSettings(
        iterations=1_000, tasks=4, rate=3e-3, schedule="cosine", clip=1.0, validate_every=100,
        validation_tasks=100,
    ),
)  # fmt: skip

# Longer and larger steps: it takes many until what is confused is told apart.
_CONFUSED_DIGITS = replace(
    _NOISY_DIGITS,
    tasks="digits:confused",
    learner=ML3Settings(
        inner_rate=1.0, train_steps=30, test_steps=60, hidden=(32, 32), added=True,
        classes="in order",
    ),
    training=replace(_NOISY_DIGITS.training, rate=5e-3),
)  # fmt: skip

_NOISY_GLYPHS = Experiment(
    tasks="glyphs:noisy",
    train=Shape(ways=5, shots=10, queries=5),
    test=Shape(ways=5, shots=10, queries=10),
    model=Conv4Settings(filters=16, pooling="stride"),
    learner=ML3Settings(
        inner_rate=0.2, train_steps=3, test_steps=5, start="learned", context=8, added=True
    ),
    training=TrainingSettings(
        iterations=2_000, tasks=4, rate=2e-3, schedule="cosine", clip=10.0, validate_every=200,
        validation_tasks=100,
    ),
)  # fmt: skip

PRESETS: dict[str, tuple[str, Experiment]] = {
    "quadratics-lstm": (
        "a neural optimizer, an LSTM for each coordinate, on quadratics of ten dimensions",
        _QUADRATICS,
    ),
    "digits-lstm": ("the same LSTM on a small net that learns digits", _DIGITS),
    "quadratics-moments": (
        "a learned optimizer that starts as Adam, on quadratics",
        replace(_QUADRATICS, learner=replace(_MOMENTS, floor=0.1)),
    ),
    "digits-moments": (
        "a learned optimizer that starts as Adam, on a small net that learns digits",
        replace(_DIGITS, learner=replace(_MOMENTS, inner_rate=0.02, floor=0.01, batch=128)),
    ),
    "sinusoid-ml3": ("a learned loss on sine waves, from any start", _SINE_LOSS),
    "digits-ml3": (
        "a learned loss where four in ten labels are wrong, from any start",
        _NOISY_DIGITS,
    ),
    "confused-ml3": (
        "a learned loss where four in ten labels are those of the next digit, from any start",
        _CONFUSED_DIGITS,
    ),
    "glyphs-ml3": ("a learned loss and start where four in ten labels are wrong", _NOISY_GLYPHS),
}
