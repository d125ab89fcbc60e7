"""The ready-made experiments: pure data, at the settings of the papers that they follow.

For other settings change a field: `dataclasses.replace` in Python, a flag on the command line.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.control.rl2 import RL2Settings
from workbench.algorithms.gradient.finetune import FineTuningSettings
from workbench.algorithms.gradient.maml import MAMLSettings
from workbench.algorithms.gradient.metasgd import MetaSGDSettings
from workbench.algorithms.gradient.reptile import ReptileSettings
from workbench.algorithms.memory.attentive import AttentionSettings
from workbench.algorithms.memory.mann import MANNSettings
from workbench.algorithms.memory.matching import MatchingSettings
from workbench.algorithms.memory.metanet import MetaNetSettings
from workbench.algorithms.memory.prototypical import PrototypicalSettings
from workbench.algorithms.memory.snail import SNAILSettings
from workbench.algorithms.memory.task_memory import TaskMemorySettings
from workbench.errors import UserError, nearest
from workbench.innerloop import InnerOptimizer
from workbench.models import Conv4Settings, MLPSettings, PolicySettings
from workbench.own import METHODS, declared, files_in, left_alone
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, LearnerSettings, TrainingSettings

# Sinusoids: Finn et al. 2017, section 5.1 (5 points); Reptile: Nichol et al. 2018, section 6.

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

_SINUSOID: dict[str, tuple[str, Experiment]] = {
    "sinusoid-maml": ("MAML on sine waves, 5 points, one inner step in training", _SINE),
    "sinusoid-fomaml": (
        "first-order MAML on sine waves: the Hessian terms left out",
        replace(_SINE, learner=replace(_SINE.learner, order="first")),  # type: ignore[type-var]
    ),
    "sinusoid-metasgd": (
        "Meta-SGD on sine waves: MAML with a learned rate for every weight",
        replace(_SINE, learner=MetaSGDSettings(inner_rate=0.01, train_steps=1, test_steps=10)),
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

# Images: MAML as Finn et al. 2017 on Omniglot; Reptile as Nichol et al. 2018; Prototypical
# Networks as Snell et al. 2017; Matching Networks as Vinyals et al. 2016; MetaNet after Munkhdalai
# and Yu 2017; MANN as Santoro et al. 2016 (100,000 episodes of 50 items) on a small Conv4; SNAIL
# after Mishra et al. 2018; fine-tuning after Chen et al. 2019.

_TEST = Shape(ways=5, shots=1, queries=15)
_MAML_IMAGE = MAMLSettings(inner_rate=0.4, train_steps=1, test_steps=3)


def _training(iterations: int, tasks: int, **more: object) -> TrainingSettings:
    """A training on images: few, heavy iterations."""
    base = TrainingSettings(
        iterations=iterations,
        tasks=tasks,
        log_every=20,
        validate_every=max(1, iterations // 30),
        validation_tasks=100,
    )
    return replace(base, **more)  # type: ignore[arg-type]


def _images(tasks: str, alphabets: str) -> dict[str, tuple[str, Experiment]]:
    def experiment(
        learner: LearnerSettings, train: Shape, training: TrainingSettings, pooling: str = "max"
    ) -> Experiment:
        model = Conv4Settings(pooling=pooling)  # type: ignore[arg-type]
        return Experiment(tasks, train, _TEST, model, learner, training)

    maml = experiment(
        _MAML_IMAGE,
        Shape(5, 1, 1),
        _training(60_000, 32, tasks_per_chunk=4, threads=2),
        pooling="stride",
    )
    return {
        "maml": (f"MAML with a stride-2 Conv4 on {alphabets}, 5-way 1-shot", maml),
        "maml-mlp": (
            f"MAML with the MLP 256-128-64-64 on {alphabets}, 5-way 1-shot",
            replace(
                maml,
                model=MLPSettings(hidden=(256, 128, 64, 64), norm=True),
                training=_training(60_000, 32),
            ),
        ),
        "reptile": (
            f"Reptile on {alphabets}, 5-way, 10 shots in training",
            experiment(
                ReptileSettings(
                    inner_rate=1e-3,
                    train_steps=5,
                    test_steps=50,
                    optimizer=InnerOptimizer("adam", beta1=0.0),
                    batch=10,
                ),
                Shape(5, 10, 1),
                _training(
                    100_000,
                    5,
                    optimizer="SGD",
                    rate=1.0,
                    schedule="linear",
                    tasks_per_chunk=3,
                    threads=2,
                ),
            ),
        ),
        "protonet": (
            f"Prototypical Networks on {alphabets}, trained 60-way 1-shot",
            experiment(
                PrototypicalSettings(),
                Shape(60, 1, 5),
                _training(20_000, 1, schedule="halve", halvings=10),
            ),
        ),
        "matching": (
            f"Matching Networks on {alphabets}, 5-way 1-shot",
            experiment(
                MatchingSettings(),
                Shape(5, 1, 5),
                _training(20_000, 8, schedule="halve", halvings=10, tasks_per_chunk=4, threads=2),
            ),
        ),
        "metanet": (
            f"MetaNet on {alphabets}: fast weights in a memory, read by attention",
            experiment(
                MetaNetSettings(),
                Shape(5, 1, 5),
                _training(
                    20_000,
                    8,
                    rate=2e-3,
                    schedule="cosine",
                    clip=10.0,
                    tasks_per_chunk=4,
                    threads=2,
                ),
            ),
        ),
        "attention": (
            f"attention-based meta-learning on {alphabets}, without a knowledge base at first",
            experiment(
                AttentionSettings(),
                Shape(5, 1, 5),
                _training(20_000, 8, schedule="halve", halvings=10, tasks_per_chunk=4, threads=2),
            ),
        ),
        "mann": (
            f"MANN on {alphabets}: an external memory, 10 items of each class one by one",
            Experiment(
                tasks,
                Shape(5, 10, 1),
                _TEST,
                Conv4Settings(filters=32, pooling="stride"),
                MANNSettings(),
                _training(6_250, 16, clip=10.0),
            ),
        ),
        "snail": (
            f"SNAIL on {alphabets}: temporal convolutions and attention, 5-way 1-shot",
            experiment(
                SNAILSettings(length=8),
                Shape(5, 1, 1),
                _training(20_000, 32, schedule="halve", halvings=5, clip=10.0),
                pooling="stride",
            ),
        ),
        "finetune": (
            f"a network pretrained on all training classes of {alphabets}, then a new head",
            experiment(
                FineTuningSettings(inner_rate=0.1, test_steps=50),
                Shape(20, 1, 4),
                _training(20_000, 1),
            ),
        ),
    }


# scikit-learn's digits: 2-way, five classes in training, two in validation and three in test.

_DIGITS = Experiment(
    tasks="digits",
    train=Shape(2, 1, 5),
    test=Shape(2, 1, 15),
    model=MLPSettings(hidden=(64, 64), norm=True),
    learner=MAMLSettings(inner_rate=0.1, train_steps=1, test_steps=3),
    training=TrainingSettings(iterations=3_000, tasks=8, validate_every=250),
)

_DIGITS_PRESETS: dict[str, tuple[str, Experiment]] = {
    "digits-maml": ("MAML on scikit-learn's 8x8 digits, 2-way 1-shot", _DIGITS),
    "digits-protonet": (
        "Prototypical Networks on scikit-learn's 8x8 digits, 2-way 1-shot",
        replace(_DIGITS, learner=PrototypicalSettings()),
    ),
}

# Bernoulli bandits, 5 arms and 10 pulls: Duan et al. 2016, section 3.1.

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


def _all() -> dict[str, tuple[str, Experiment]]:
    found = dict(_SINUSOID)
    for name, alphabets in (("omniglot", "Omniglot"), ("glyphs", "the built-in glyphs")):
        found |= {f"{name}-{kind}": value for kind, value in _images(name, alphabets).items()}
    found |= _DIGITS_PRESETS
    found["bandit-rl2"] = ("RL²: a recurrent policy on bandits of 5 arms and 10 pulls", _BANDIT)
    found["bandit-snail"] = (
        "SNAIL on the same bandits: attention in place of a state",
        _BANDIT_SNAIL,
    )
    return found


_PRESETS: dict[str, tuple[str, Experiment]] = _all()


def presets() -> dict[str, str]:
    """Every preset's name and its one line, those of your own methods last.

    >>> presets()["digits-maml"]
    "MAML on scikit-learn's 8x8 digits, 2-way 1-shot"
    """
    return {name: line for name, (line, _) in (_PRESETS | _own()).items()}


def preset(name: str) -> Experiment:
    """A ready-made experiment by name: built in, or of a method in the folder `methods`.

    >>> preset("sinusoid-maml").training.tasks
    25
    """
    if name in _PRESETS:
        return _PRESETS[name][1]
    own = _own()
    if name not in own:
        known = [*_PRESETS, *own]
        raise UserError(f"there is no preset '{name}': {nearest(name, known)}{left_alone(METHODS)}")
    return own[name][1]


def _own() -> dict[str, tuple[str, Experiment]]:
    """Those of the methods beside you; what is no preset is refused."""
    found: dict[str, tuple[str, Experiment]] = {}
    for path in files_in(METHODS):
        found |= declared(path)
    for name, entry in found.items():
        good = isinstance(entry, tuple | list) and len(entry) == 2
        if not (good and isinstance(entry[0], str) and isinstance(entry[1], Experiment)):
            raise UserError(
                f"the preset '{name}' of a method is {str(entry)[:60]!r}: make it "
                "(one line, Experiment(...))"
            )
    return found
