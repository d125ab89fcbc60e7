"""Streams: classes of glyphs and Omniglot one after the other, and digits in domain after domain.

OML after Javed and White (2019) and ANML after Beaulieu et al. (2020), on smaller nets and streams
of 20 classes; prototypes after Snell et al. (2017); rehearsal on a network pretrained on all
training classes. All nets normalise each image by itself: a stream has no batch.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.continual.anml import ANMLSettings
from workbench.algorithms.continual.oml import OMLSettings
from workbench.algorithms.continual.prototypes import StreamPrototypesSettings
from workbench.algorithms.continual.rehearsal import RehearsalSettings
from workbench.models import Conv4Settings, MLPSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, LearnerSettings, TrainingSettings

_TRAINING = TrainingSettings(
    iterations=1_000,
    tasks=2,
    rate=3e-3,
    schedule="cosine",
    compiled="off",  # what comes in a stage is counted
    log_every=10,
    validate_every=200,
    validation_tasks=10,
    diagnose_every=200,
)


def _classes(tasks: str, of: str) -> dict[str, tuple[str, Experiment]]:
    """The methods on streams of classes: 20 in training, 10 in tests."""

    def experiment(learner: LearnerSettings, tasks_at_once: int = 2) -> Experiment:
        return Experiment(
            tasks,
            Shape(ways=20, shots=5, queries=5),
            Shape(ways=10, shots=15, queries=5),
            Conv4Settings(filters=32, pooling="stride", norm="image"),
            learner,
            replace(_TRAINING, tasks=tasks_at_once),
        )

    return {
        "oml": (f"OML on streams of {of}", experiment(OMLSettings(inner_rate=0.01))),
        "anml": (f"ANML on streams of {of}", experiment(ANMLSettings(inner_rate=0.03))),
        "stream-prototypes": (
            f"Prototypical Networks that meet {of} class by class",
            replace(
                experiment(StreamPrototypesSettings(), 1), train=Shape(ways=40, shots=2, queries=3)
            ),
        ),
        "rehearsal": (
            f"a pretrained network that rehearses one example of each class of {of}",
            replace(
                experiment(RehearsalSettings(kept=1), 1),
                tasks=f"{tasks}/no-rotations" if tasks.startswith("omniglot") else tasks,
                train=Shape(ways=60, shots=1, queries=2),
            ),
        ),
    }


def _domains(tasks: str, of: str) -> dict[str, tuple[str, Experiment]]:
    """The methods on streams of domains, five of all digits."""

    def experiment(learner: LearnerSettings) -> Experiment:
        return Experiment(
            tasks,
            Shape(ways=10, shots=2, queries=2),
            Shape(ways=10, shots=5, queries=5),
            MLPSettings(hidden=(128, 64)),
            learner,
            replace(_TRAINING, tasks=4),
        )

    return {
        "oml": (f"OML on digits {of}", experiment(OMLSettings(inner_rate=0.03))),
        "stream-prototypes": (
            f"Prototypical Networks that meet digits {of}",
            experiment(StreamPrototypesSettings()),
        ),
        "rehearsal": (
            f"a pretrained network that rehearses one example of each class of digits {of}",
            experiment(RehearsalSettings(kept=1)),
        ),
    }


PRESETS: dict[str, tuple[str, Experiment]] = {
    **{f"glyphs-{kind}": value for kind, value in _classes("glyphs", "glyphs").items()},
    **{
        f"omniglot-{kind}": value
        for kind, value in _classes("omniglot:background-only", "Omniglot's characters").items()
    },
    **{
        f"{scheme}-{kind}": value
        for scheme, of in (
            ("permuted", "whose pixels are permuted anew five times"),
            ("turned", "that are turned further five times"),
        )
        for kind, value in _domains(f"streams:{scheme}", of).items()
    },
}
