"""Architecture search in the inner loop, on glyphs and on Omniglot.

A small net of dense layers whose operations are mixed, after Lian et al. (2020), who search cells
of convolutions on larger images.
"""

from __future__ import annotations

from workbench.algorithms.gradient.architectures import ArchitectureSettings
from workbench.models import MixedSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings


def _search(tasks: str) -> Experiment:
    return Experiment(
        tasks,
        train=Shape(ways=5, shots=1, queries=3),
        test=Shape(ways=5, shots=1, queries=15),
        model=MixedSettings(),
        learner=ArchitectureSettings(inner_rate=0.1),
        training=TrainingSettings(
            iterations=5_000,
            tasks=8,
            rate=3e-3,
            schedule="cosine",
            clip=5.0,
            log_every=20,
            validate_every=250,
            validation_tasks=100,
            diagnose_every=250,
        ),
    )


PRESETS = {
    "glyphs-architectures": (
        "T-NAS on the built-in glyphs: operations of a small net chosen for each task",
        _search("glyphs"),
    ),
    "omniglot-architectures": (
        "T-NAS on Omniglot: operations of a small net chosen for each task",
        _search("omniglot"),
    ),
}
