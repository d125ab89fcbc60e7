import dataclasses

import pytest

from workbench.tasks import Shape
from workbench.training import Experiment, preset


@pytest.fixture
def tiny() -> Experiment:
    """Sinusoid MAML, thirty quick iterations."""
    base = preset("sinusoid-maml").stretched(30)
    training = dataclasses.replace(
        base.training, tasks=3, log_every=5, validate_every=10, validation_tasks=4
    )
    return dataclasses.replace(base, training=training, test=Shape(1, 5, 10))
