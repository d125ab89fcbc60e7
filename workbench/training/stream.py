"""The tasks of a training, outer step by outer step."""

from __future__ import annotations

import torch

from workbench.randomness import spawn
from workbench.tasks import Episode, Tasks
from workbench.training.evaluation import check_finite
from workbench.training.experiment import Experiment

_TRAIN_STREAM = 1
_BLOCK_ELEMENTS = 1_500_000  # numbers in a block of sampled episodes
_BLOCK_ITERATIONS = 256


class EpisodeStream:
    """The training episodes by outer step, sampled in blocks so that small tasks cost little.

    >>> from workbench.training import preset
    >>> experiment = preset("sinusoid-maml")
    >>> len(EpisodeStream(experiment, experiment.open_tasks())[0])
    25
    """

    def __init__(self, experiment: Experiment, tasks: Tasks) -> None:
        gpu = torch.device(experiment.device).type == "cuda"
        self.experiment, self.tasks = experiment, tasks.on(experiment.device) if gpu else tasks
        one = tasks.sample(1, seed=0, split="train", shape=experiment.train)
        elements = sum(t.numel() for t in one.tensors().values()) * experiment.training.tasks
        self.block_size = max(1, min(_BLOCK_ITERATIONS, _BLOCK_ELEMENTS // elements))
        self._block: tuple[int, list[Episode]] = (-1, [])

    def __getitem__(self, iteration: int) -> Episode:
        number, place = divmod(iteration, self.block_size)
        if self._block[0] != number:
            self._block = (number, self._sample(number))
        return self._block[1][place]

    def _sample(self, number: int) -> list[Episode]:
        size = self.experiment.training.tasks
        block = self.tasks.sample(
            size * self.block_size,
            seed=spawn(self.experiment.seed, _TRAIN_STREAM, number),
            split="train",
            shape=self.experiment.train,
        )
        check_finite(block, self.tasks.name)
        block.check()  # once for all its episodes
        return block.to(self.experiment.device, self.experiment.torch_dtype).split(size)
