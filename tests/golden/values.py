"""What every preset computes, in numbers: run as a module, it writes `values.json` anew.

    python -m tests.golden.values

Each preset on tiny tasks takes three meta-steps in float64 and is evaluated; each kind of
inspection looks at one adaptation. `test_golden.py` holds today's code to the file, so that a
change of structure cannot change a number. A change that is meant to changes the file too.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from workbench import UserError
from workbench.algorithms import adapt
from workbench.inspection import KINDS
from workbench.inspection.kinds import compute
from workbench.tasks import Shape
from workbench.training import Experiment, evaluate, preset, run_of, shipped_runs
from workbench.training.presets import presets
from workbench.training.trainer import Trainer

FILE = Path(__file__).with_name("values.json")
INSPECTED = ("sinusoid-maml", "digits-maml", "digits-protonet", "bandit-rl2")
SHIPPED_TASKS = 4
NEEDED = {  # files of the presets of a family
    "omniglot": "omniglot/images_background.zip",
    "clinc150": "clinc150/data_full.json",
    "afrisenti": "afrisenti/tso/test.tsv",
    "heart": "heart-disease/processed.va.data",
    "movielens": "movielens-latest-small/ratings.csv",
}
# Starts where rates are so large that a rounding error grows to the size of what is measured.
CHAOTIC = ("sines-meta-evolved",)


def names() -> list[str]:
    """Every preset that can be tried here; those of real data need its files."""
    folder = Path(os.environ.get("WORKBENCH_DATA", ""))
    missing = [family for family, path in NEEDED.items() if not (folder / path).is_file()]
    known = [name for name in presets() if name not in CHAOTIC]
    return [name for name in known if name.partition("-")[0] not in missing]


def small(name: str) -> Experiment:
    """A preset on tasks that take little time, in float64 and without compiling."""
    experiment = preset(name)

    def fewer(shape: Shape) -> Shape:
        if experiment.open_tasks().kind != "classification":
            return shape
        if experiment.tasks.startswith("streams"):  # of all digits
            return replace(shape, shots=1, queries=1)
        shots = min(shape.shots, 2) if isinstance(shape.shots, int) else shape.shots
        ways = min(shape.ways, 5) if isinstance(shape.ways, int) else shape.ways
        return replace(shape, ways=ways, shots=shots, queries=2)

    if name.startswith("omniglot"):
        experiment = replace(experiment, tasks="omniglot:background-only")
    training = replace(experiment.training, tasks=2, compiled="off", validate_every=0, threads=1)
    return replace(
        experiment,
        train=fewer(experiment.train),
        test=fewer(experiment.test),
        training=training,
        dtype="float64",
    )


def trained(name: str) -> dict[str, Any]:
    """Losses, parameters and evaluation of a preset after three meta-steps."""
    experiment = small(name)
    trainer, losses = Trainer(experiment), []
    for _ in range(3):
        trainer.update()
        losses.append(float(trainer.loss_sum))
    found = {n: summary(p) for n, p in trainer.learner.state_dict().items()}
    result = evaluate(trainer.learner, trainer.tasks, experiment.test, episodes=2)
    return {"losses": losses, "parameters": found, "evaluation": result.per_step}


def inspected(name: str) -> dict[str, Any]:
    """Every frame that a preset's adaptation can give, in sums of its columns."""
    experiment = small(name)
    learner, tasks = experiment.build()
    episode = tasks.sample(2, seed=3, split="test", shape=experiment.test)
    episode = episode.to(dtype=torch.float64)
    learner.eval()
    with torch.no_grad():
        path = list(adapt(learner, episode))
    frames = {}
    for kind in KINDS:
        try:
            frames[kind] = columns(compute(kind, learner, episode, path))
        except UserError:
            frames[kind] = {"refused": [1.0]}
    return frames


def shipped(name: str) -> list[float]:
    """What a run that ships reaches on a few test tasks."""
    run = run_of(name)
    learner, tasks = run.load()
    learner = learner.double()
    return evaluate(learner, tasks, run.experiment.test, episodes=SHIPPED_TASKS).per_step


def summary(tensor: torch.Tensor) -> list[float]:
    """Numbers in which a change of any element shows."""
    flat = tensor.detach().double().flatten()
    ramp = torch.linspace(0.5, 1.5, max(1, len(flat)), dtype=torch.float64)
    return [float(flat.norm()), float((flat * ramp[: len(flat)]).sum())]


def columns(frame: pd.DataFrame) -> dict[str, list[float]]:
    """Sums of what is finite in the numeric columns, and how many values there are."""
    found = {}
    for name in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[name]):
            values = frame[name].to_numpy(dtype=float)
            values = values[np.isfinite(values)]
            found[str(name)] = [float(values.sum()), float(np.abs(values).sum()), len(values)]
    return found


def main() -> None:
    """Writes the file."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    found = {
        "trained": {name: trained(name) for name in names()},
        "inspected": {name: inspected(name) for name in INSPECTED},
        "shipped": {name: shipped(name) for name in shipped_runs()},
    }
    FILE.write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    main()
