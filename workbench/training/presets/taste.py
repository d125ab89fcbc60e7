"""Taste: made-up people of a known rank, and MovieLens; the first ratings of a new person.

MeLU after Lee et al. (2019), MAML after Finn et al. (2017), on the same net of films.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.gradient.finetune import FineTuningSettings
from workbench.algorithms.gradient.maml import MAMLSettings
from workbench.algorithms.gradient.melu import MeLUSettings
from workbench.models import FilmNetSettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, LearnerSettings, TrainingSettings

_TRAINING = TrainingSettings(
    iterations=800,
    tasks=8,
    optimizer="AdamW",
    rate=1e-2,
    options={"weight_decay": 0.1},
    schedule="cosine",
    log_every=20,
    validate_every=100,
    validation_tasks=100,
    diagnose_every=100,
)
# Few ratings of a film: so large an eps holds back what is learned of one that is rarely met.
_HELD_BACK = replace(_TRAINING, iterations=400, options={"weight_decay": 0.3, "eps": 0.03})


def _people(
    tasks: str, of: str, films: int, training: TrainingSettings
) -> dict[str, tuple[str, Experiment]]:
    """The methods on people of one kind."""

    def experiment(learner: LearnerSettings) -> Experiment:
        train, test = Shape(ways=1, shots=5, queries=20), Shape(ways=1, shots=5, queries=50)
        return Experiment(tasks, train, test, FilmNetSettings(films=films), learner, training)

    # A step fewer than in training: those who train have had their say in what others say.
    melu = MeLUSettings(inner_rate=0.03, train_steps=3, test_steps=2, rates="layer")
    return {
        "melu": (
            f"MeLU on {of}: embeddings of films stay, decisions adapt to five ratings",
            experiment(melu),
        ),
        "maml": (
            f"MAML on {of}: all that is known of films adapts to five ratings",
            experiment(MAMLSettings(inner_rate=0.03, train_steps=3, test_steps=2, rates="layer")),
        ),
        "finetune": (
            f"one network for all training people of {of}, fine-tuned on five ratings",
            experiment(FineTuningSettings(inner_rate=0.01, test_steps=10)),
        ),
    }


PRESETS: dict[str, tuple[str, Experiment]] = {
    **{
        f"taste-{kind}": value
        for kind, value in _people("taste", "made-up people of rank 3", 304, _TRAINING).items()
    },
    **{
        f"movielens-{kind}": value
        for kind, value in _people("movielens", "MovieLens's people", 9216, _HELD_BACK).items()
    },
}
