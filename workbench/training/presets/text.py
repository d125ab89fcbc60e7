"""Texts: a grammar of intents, CLINC150 divided by domain, and sentiment in languages left out.

The papers are those of the methods; all encoders are trained from nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workbench.algorithms.gradient.finetune import FineTuningSettings
from workbench.algorithms.gradient.maml import MAMLSettings
from workbench.algorithms.gradient.reptile import ReptileSettings
from workbench.algorithms.memory.matching import MatchingSettings
from workbench.algorithms.memory.prototypical import PrototypicalSettings
from workbench.innerloop import InnerOptimizer
from workbench.models import NGramMLPSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, LearnerSettings, TrainingSettings

_WIDE = NGramMLPSettings(bins=8192, hidden=(64,))  # few n-grams that differ share a place
_ADAPTED = NGramMLPSettings(buckets=65_536, bins=2048, hidden=())  # each task has one of its own
_TRAINING = TrainingSettings(
    iterations=1_000,
    tasks=1,
    rate=3e-3,
    schedule="cosine",
    log_every=20,
    validate_every=200,
    validation_tasks=100,
    diagnose_every=200,
)


def _texts(tasks: str, of: str, ways: int, many: int) -> dict[str, tuple[str, Experiment]]:
    """The methods on texts of `ways` classes; those that can are trained to tell `many` apart."""

    def experiment(
        learner: LearnerSettings, train: Shape, model: NGramMLPSettings = _WIDE, **training: Any
    ) -> Experiment:
        training_settings = replace(_TRAINING, **training)
        test = Shape(ways, 1, 15)
        return Experiment(tasks, train, test, model, learner, training_settings)

    return {
        "protonet": (
            f"Prototypical Networks on {of}: hashed n-grams that count as much as they tell",
            experiment(PrototypicalSettings(distance="dot"), Shape(many, 1, 2)),
        ),
        "matching": (
            f"Matching Networks on {of}, by cosines of hashed n-grams",
            experiment(MatchingSettings(), Shape(many, 1, 2)),
        ),
        "maml": (
            f"MAML with hashed n-grams on {of}",
            experiment(
                MAMLSettings(inner_rate=1.0, train_steps=3, test_steps=5),
                Shape(ways, 1, 5),
                _ADAPTED,
                tasks=4,
            ),
        ),
        "reptile": (
            f"Reptile with hashed n-grams on {of}",
            experiment(
                ReptileSettings(
                    inner_rate=3e-3,
                    train_steps=5,
                    test_steps=20,
                    optimizer=InnerOptimizer("adam", beta1=0.0),
                    batch=10,
                ),
                Shape(ways, 10, 1),
                _ADAPTED,
                tasks=5,
                optimizer="SGD",
                rate=1.0,
                schedule="linear",
            ),
        ),
        "finetune": (
            f"an encoder pretrained on all training classes of {of}, then a new head",
            experiment(FineTuningSettings(inner_rate=0.1, test_steps=50), Shape(many, 1, 2)),
        ),
    }


_TABLE: dict[str, tuple[str, Experiment]] = {
    f"{family}-{kind}": entry
    for family, group in {
        "grammar": _texts("grammar", "the grammar of intents", 5, 20),
        "clinc150": _texts("clinc150:domains", "CLINC150, new domains", 5, 20),
        "afrisenti": _texts("afrisenti", "AfriSenti, new languages", 3, 3),
    }.items()
    for kind, entry in group.items()
}

# What sentiment looks like in several languages is in short pieces of words, and labels mean the
# same everywhere: the start is what was learned of them, and needs many tweets of each language.
_LINE, _SENTIMENT = _TABLE["afrisenti-maml"]
PRESETS = _TABLE | {
    "afrisenti-maml": (
        _LINE,
        replace(
            _SENTIMENT,
            train=Shape(3, 2, 20),
            model=NGramMLPSettings(buckets=65_536, bins=8192, hidden=(), words=1, radius=1),
            learner=MAMLSettings(inner_rate=0.3, train_steps=3, test_steps=10),
            training=replace(
                _SENTIMENT.training, iterations=200, tasks=8, rate=1e-2, validate_every=50
            ),
        ),
    )
}
