"""Images: Omniglot, the built-in glyphs, and scikit-learn's digits.

MAML as Finn et al. (2017) on Omniglot; MAML++ after Antoniou et al. (2019); ALFA after Baik et al.
(2020); Reptile as Nichol et al. (2018); Prototypical Networks as Snell et al. (2017); Matching
Networks as Vinyals et al. (2016); MetaNet after Munkhdalai and Yu (2017); MANN as Santoro et al.
(2016; 100,000 episodes of 50 items) on a small Conv4; SNAIL after Mishra et al. (2018); fine-tuning
after Chen et al. (2019); LEO after Rusu et al. (2019), whose embedding is frozen where this one is
learned along; GAIL-Meta as in its file.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.estimators.adversarial import Adversarial
from workbench.algorithms.generated.gail import GAILSettings
from workbench.algorithms.gradient.alfa import ALFASettings
from workbench.algorithms.gradient.finetune import FineTuningSettings
from workbench.algorithms.gradient.leo import LEOSettings
from workbench.algorithms.gradient.maml import MAMLSettings
from workbench.algorithms.gradient.mamlpp import MAMLPlusPlusSettings
from workbench.algorithms.gradient.reptile import ReptileSettings
from workbench.algorithms.memory.attentive import AttentionSettings
from workbench.algorithms.memory.mann import MANNSettings
from workbench.algorithms.memory.matching import MatchingSettings
from workbench.algorithms.memory.metanet import MetaNetSettings
from workbench.algorithms.memory.prototypical import PrototypicalSettings
from workbench.algorithms.memory.snail import SNAILSettings
from workbench.innerloop import InnerOptimizer
from workbench.models import Conv4Settings, MLPSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, LearnerSettings, TrainingSettings

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
        diagnose_every=100,
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
        "mamlpp": (
            f"MAML++ with a stride-2 Conv4 on {alphabets}, 5-way 1-shot",
            replace(
                maml,
                learner=MAMLPlusPlusSettings(inner_rate=0.1),
                training=replace(maml.training, schedule="cosine"),
            ),
        ),
        "alfa": (
            f"ALFA with a stride-2 Conv4 on {alphabets}: rates made for each inner step",
            replace(maml, learner=ALFASettings(inner_rate=0.1)),
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
        "leo": (
            f"LEO on {alphabets}: a class's weights from a code that adapts, 5-way 1-shot",
            experiment(
                LEOSettings(),
                Shape(5, 1, 5),
                _training(20_000, 8, schedule="halve", halvings=10, clip=10.0),
            ),
        ),
        "gail": (
            f"GAIL-Meta on {alphabets}: the last layer generated against a discriminator",
            replace(
                experiment(
                    GAILSettings(inner_rate=0.1, expert_rate=0.1),
                    Shape(5, 5, 5),
                    _training(20_000, 8, schedule="linear", clip=10.0),
                    pooling="stride",
                ),
                estimator=Adversarial(),
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
    training=TrainingSettings(iterations=3_000, tasks=8, validate_every=250, diagnose_every=250),
)

# Five classes make ten pairs, which a network soon knows by heart: with plain Adam validation falls
# from the first hundreds of iterations on. A strong decay of the start's weights keeps it learning.
_DECAYED = replace(_DIGITS.training, optimizer="AdamW", options={"weight_decay": 1.0})

_OF_DIGITS: dict[str, tuple[str, Experiment]] = {
    "digits-maml": (
        "MAML on scikit-learn's 8x8 digits, 2-way 1-shot",
        replace(_DIGITS, training=_DECAYED),
    ),
    "digits-protonet": (
        "Prototypical Networks on scikit-learn's 8x8 digits, 2-way 1-shot",
        replace(_DIGITS, learner=PrototypicalSettings()),
    ),
}

PRESETS: dict[str, tuple[str, Experiment]] = {
    **{f"omniglot-{kind}": value for kind, value in _images("omniglot", "Omniglot").items()},
    **{f"glyphs-{kind}": value for kind, value in _images("glyphs", "the built-in glyphs").items()},
    **_OF_DIGITS,
}
