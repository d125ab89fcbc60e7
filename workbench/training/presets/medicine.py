"""Diagnosis from few patients, and values that are missing: research, and no medical device.

The papers are those of the methods. Patients come as they are, 5 to 20 of them diagnosed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workbench.algorithms.gradient.finetune import FineTuningSettings
from workbench.algorithms.gradient.maml import MAMLSettings
from workbench.algorithms.gradient.metasgd import MetaSGDSettings
from workbench.algorithms.memory.prototypical import PrototypicalSettings
from workbench.models import MLPSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, LearnerSettings, TrainingSettings

_TRAINING = TrainingSettings(
    iterations=1_500,
    tasks=8,
    rate=3e-3,
    schedule="cosine",
    log_every=20,
    validate_every=250,
    validation_tasks=100,
)
_PATIENTS = Shape(ways=2, shots=(5, 20), queries=20)
_META_SGD = MetaSGDSettings(inner_rate=0.1, train_steps=3, test_steps=3)
_MAML = MAMLSettings(inner_rate=0.1, train_steps=3, test_steps=5)


def _diagnoses(tasks: str, of: str, **training: Any) -> dict[str, tuple[str, Experiment]]:
    """The methods on tasks of present or absent."""

    def experiment(learner: LearnerSettings, train: Shape = _PATIENTS) -> Experiment:
        settings = replace(_TRAINING, **training)
        return Experiment(tasks, train, Shape(2, 10, 40), MLPSettings((64, 64)), learner, settings)

    return {
        "metasgd": (f"Meta-SGD on {of}: how much each finding may teach", experiment(_META_SGD)),
        "maml": (f"MAML on {of}", experiment(_MAML)),
        "protonet": (f"Prototypical Networks on {of}", experiment(PrototypicalSettings())),
        "finetune": (
            f"a network pretrained on all other patients of {of}, then a new head",
            experiment(FineTuningSettings(inner_rate=0.1, test_steps=50), Shape(2, 10, 30)),
        ),
    }


_CLINIC, _HEART, _GAPS = (
    _diagnoses("clinic:present", "new diseases of a generated clinic"),
    _diagnoses("heart:leave-out/hungary", "heart disease in a new hospital", iterations=500),
    _diagnoses("clinic:present/random", "new diseases where values are missing"),
)
_DIGITS = Experiment(
    tasks="digits:patches/random",
    train=Shape(2, 5, 10),
    test=Shape(2, 5, 15),
    model=MLPSettings((64, 64)),
    learner=_META_SGD,
    training=_TRAINING,
)

PRESETS: dict[str, tuple[str, Experiment]] = {
    **{f"clinic-{name}": entry for name, entry in _CLINIC.items()},
    **{f"heart-{name}": entry for name, entry in _HEART.items()},
    "clinic-which-protonet": (
        "which of five new diseases of the clinic it is, by Prototypical Networks",
        Experiment(
            tasks="clinic:which",
            train=Shape(5, 3, 10),
            test=Shape(5, 3, 15),
            model=MLPSettings((64, 64)),
            learner=PrototypicalSettings(),
            training=_TRAINING,
        ),
    ),
    "clinic-missing-metasgd": _GAPS["metasgd"],
    "clinic-missing-protonet": _GAPS["protonet"],
    "digits-missing-metasgd": ("Meta-SGD on digits with patches out", _DIGITS),
    "digits-missing-protonet": (
        "Prototypical Networks on digits with patches out",
        replace(_DIGITS, learner=PrototypicalSettings()),
    ),
    "diabetes-metasgd": (
        "how far diabetes is a year later, by Meta-SGD, where groups of values are missing",
        Experiment(
            tasks="diabetes:patients/groups-50",
            train=Shape(1, (5, 20), 20),
            test=Shape(1, 10, 40),
            model=MLPSettings((40, 40)),
            learner=replace(_META_SGD, inner_rate=0.01),
            training=_TRAINING,
        ),
    ),
}
