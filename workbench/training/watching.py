"""What is recorded of a training beside its losses: diagnostics and adaptations along it.

Both are functions of the experiment and the trainer's state and leave it as it is: a training that
is watched ends with the bits of one that is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from workbench.randomness import Seeded, spawn
from workbench.training.evaluation import evaluate, interval
from workbench.training.trainer import VALIDATION_SEED, Trainer, finite

_STREAM = 2
_FEWEST, _MOST = 4, 6  # tasks of which the meta-gradients are compared
_CURVE_TASKS = 20  # on which an adaptation is recorded


def diagnostics(trainer: Trainer) -> dict[str, Any]:
    """The row on what the meta-gradient is like now, and on the outer step that was just made.

    It is taken on training tasks drawn for this alone.
    """
    from workbench.inspection.diagnostics import diagnosed

    experiment = trainer.experiment
    tasks = max(_FEWEST, min(_MOST, experiment.training.tasks))
    episode = trainer.tasks.sample(
        tasks,
        seed=spawn(experiment.seed, _STREAM, trainer.iteration),
        split="train",
        shape=experiment.train,
    ).to(experiment.device, experiment.torch_dtype)
    with _apart(trainer):
        found = diagnosed(trainer.learner, episode)
    pairs = list(zip(trainer.parameters.values(), trainer.before, strict=True))
    moved = torch.stack([(p.detach() - before).norm() for p, before in pairs]).norm()
    size = torch.stack([before.norm() for _, before in pairs]).norm()
    found["update"] = float(moved / size)
    named = {name: finite(value) for name, value in found.items()}
    return {"iteration": trainer.iteration, "split": "diagnostics", "tasks": tasks, **named}


def adaptation(trainer: Trainer) -> list[dict[str, Any]]:
    """The tasks' metric after every inner step (or move) on some validation tasks, a row each."""
    experiment = trainer.experiment
    measure = trainer.tasks.measure(experiment.test)
    with _apart(trainer):
        result = evaluate(
            trainer.learner,
            trainer.tasks,
            experiment.test,
            episodes=min(_CURVE_TASKS, experiment.training.validation_tasks),
            split="validation",
            seed=VALIDATION_SEED,
        )
    return [
        {
            "iteration": trainer.iteration,
            "split": "adaptation",
            result.axis: step,
            measure.name: finite(float(column.mean())),
            "measure": measure.to_record(),
            "ci95": finite(interval(column)),
        }
        for step, column in enumerate(result.values.unbind(dim=1))
    ]


@contextmanager
def or_as_before(trainer: Trainer) -> Iterator[None]:
    """A measurement that is broken off leaves the trainer as it was."""
    learner = {name: tensor.clone() for name, tensor in trainer.learner.state_dict().items()}
    generators = [trainer.random.generator(device) for device in trainer.devices().values()]
    states, best = [one.get_state() for one in generators], trainer.best
    try:
        yield
    except BaseException:
        trainer.learner.load_state_dict(learner)
        trainer.learner.train()
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        trainer.best = best
        raise


@contextmanager
def _apart(trainer: Trainer) -> Iterator[None]:
    """Generators and buffers are left as they were."""
    buffers = [(buffer, buffer.clone()) for buffer in trainer.learner.buffers()]
    own = Seeded(spawn(trainer.experiment.seed, _STREAM, trainer.iteration))
    with own if trainer.draws else nullcontext():
        yield
    for buffer, before in buffers:
        buffer.copy_(before)
