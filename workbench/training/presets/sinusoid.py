"""Sinusoids: Finn et al. (2017), section 5.1 (5 points); Reptile: Nichol et al. (2018), part 6."""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.estimators.adversarial import Adversarial
from workbench.algorithms.estimators.implicit import Implicit
from workbench.algorithms.evolved.cmaes import CMAESSettings
from workbench.algorithms.evolved.genetic import GeneticSettings
from workbench.algorithms.evolved.strategies import StrategiesSettings
from workbench.algorithms.generated.gail import GAILSettings
from workbench.algorithms.gradient.finetune import FineTuningSettings
from workbench.algorithms.gradient.maml import MAMLSettings
from workbench.algorithms.gradient.metasgd import MetaSGDSettings
from workbench.algorithms.gradient.reptile import ReptileSettings
from workbench.algorithms.memory.task_memory import TaskMemorySettings
from workbench.innerloop import InnerOptimizer, QuantisedOptimizer
from workbench.models import MLPSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings

_SINE = Experiment(
    tasks="sinusoid:maml",
    train=Shape(ways=1, shots=5, queries=5),
    test=Shape(ways=1, shots=5, queries=100),
    model=MLPSettings(hidden=(40, 40)),
    learner=MAMLSettings(inner_rate=0.01, train_steps=1, test_steps=10),
    training=TrainingSettings(
        iterations=70_000, tasks=25, rate=1e-3, validate_every=5_000, validation_tasks=200
    ),
)

_SINE_REPTILE = replace(
    _SINE,
    tasks="sinusoid:reptile",
    train=Shape(ways=1, shots=50, queries=1),
    test=Shape(ways=1, shots=10, queries=100),
    model=MLPSettings(hidden=(64, 64), activation="tanh"),
    learner=ReptileSettings(
        inner_rate=0.02, train_steps=5, test_steps=32, optimizer=InnerOptimizer("sgd"), batch=10
    ),
    training=TrainingSettings(
        iterations=30_000,
        tasks=1,
        optimizer="SGD",
        rate=0.1,
        schedule="linear",
        validate_every=2_500,
        validation_tasks=200,
    ),
)

_SINE_GAIL = replace(
    _SINE,
    train=Shape(ways=1, shots=10, queries=20),
    test=Shape(ways=1, shots=10, queries=100),
    model=MLPSettings(hidden=(20, 20), activation="tanh"),
    learner=GAILSettings(),
    training=TrainingSettings(
        iterations=4_000, tasks=64, rate=1e-3, validate_every=500, validation_tasks=200
    ),
    estimator=Adversarial(speed=2.0),
)

# An outer step is a generation: SGD of rate 1 goes where the search says.
_SINE_EVOLVED = replace(
    _SINE,
    train=Shape(ways=1, shots=5, queries=10),
    learner=CMAESSettings(train_steps=5),
    training=TrainingSettings(
        iterations=2_000,
        tasks=25,
        optimizer="SGD",
        rate=1.0,
        compiled="off",
        log_every=20,
        validate_every=100,
        validation_tasks=200,
        diagnose_every=0,
    ),
)

PRESETS: dict[str, tuple[str, Experiment]] = {
    "sinusoid-maml": ("MAML on sine waves, 5 points, one inner step in training", _SINE),
    "sinusoid-fomaml": (
        "first-order MAML on sine waves: the Hessian terms left out",
        replace(_SINE, learner=replace(_SINE.learner, order="first")),  # type: ignore[type-var]
    ),
    "sinusoid-metasgd": (
        "Meta-SGD on sine waves: MAML with a learned rate for every weight",
        # rates learned for one step come apart in several; the paper judges after one, too
        replace(_SINE, learner=MetaSGDSettings(inner_rate=0.01, train_steps=1, test_steps=1)),
    ),
    "sinusoid-imaml": (
        "iMAML on sine waves: the meta-gradient from where 16 inner steps with momentum ended",
        replace(
            _SINE,
            learner=MAMLSettings(
                inner_rate=0.003,
                train_steps=16,
                test_steps=16,
                optimizer=InnerOptimizer(momentum=0.9),
                clip=20.0,
                proximal=2.0,
            ),
            estimator=Implicit(iterations=5),
            training=replace(
                _SINE.training, iterations=20_000, rate=3e-3, schedule="cosine", clip=10.0
            ),
        ),
    ),
    "sinusoid-reptile": (
        "Reptile on sine waves of the full circle, 50 points in training and 10 in test",
        _SINE_REPTILE,
    ),
    "sinusoid-taskmemory": (
        "task memory on ten sine waves that return: MAML in training, in evaluation a stream "
        "whose tasks start from what is remembered of those before",
        replace(
            _SINE,
            tasks="recurring:sinusoid",
            learner=TaskMemorySettings(inner_rate=0.01, train_steps=1, test_steps=10),
        ),
    ),
    "sinusoid-gail": (
        "GAIL-Meta on sine waves: all weights generated from 10 points, against a discriminator",
        _SINE_GAIL,
    ),
    "sinusoid-genetic": (
        "genetic search on sine waves: a code of the initialisation, and a rate for every tensor",
        replace(_SINE_EVOLVED, learner=GeneticSettings(train_steps=5)),
    ),
    "sinusoid-cmaes": (
        "CMA-ES on sine waves: a code of the initialisation, and a rate for every tensor",
        _SINE_EVOLVED,
    ),
    "sinusoid-cmaes-quantised": (
        "CMA-ES on sine waves through inner steps on a grid, which have no derivative",
        replace(
            _SINE_EVOLVED,
            learner=CMAESSettings(
                inner_rate=0.03, train_steps=5, optimizer=QuantisedOptimizer(grid=0.0625)
            ),
        ),
    ),
    "sinusoid-es": (
        "evolution strategies on sine waves: a code of the initialisation, a rate for every tensor",
        replace(
            _SINE_EVOLVED,
            learner=StrategiesSettings(train_steps=5),
            training=replace(_SINE_EVOLVED.training, optimizer="Adam", rate=0.03),
        ),
    ),
    "sinusoid-finetune": (
        "one network pretrained on all sine waves, then fine-tuned: the baseline",
        replace(
            _SINE,
            learner=FineTuningSettings(
                inner_rate=0.01, test_steps=10, optimizer=InnerOptimizer("sgd")
            ),
        ),
    ),
}
