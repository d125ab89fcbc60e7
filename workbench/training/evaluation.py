"""Evaluation: how well a learner adapts to new tasks, after every inner step, with an interval."""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from workbench.algorithms.base import Learner, brought_to
from workbench.algorithms.capabilities import Plays, Remembers
from workbench.algorithms.divergence import Divergence, joined
from workbench.errors import UserError
from workbench.innerloop import computing
from workbench.measures import Measure, half_width
from workbench.randomness import spawn
from workbench.tasks import Episode, Shape, Tasks, TaskSpec
from workbench.tasks.base import Split
from workbench.tasks.objectives import check_objective
from workbench.training.measuring import measure
from workbench.training.room import check_bytes, check_room
from workbench.training.threads import run_chunks

DEFAULT_SEED = 1000  # of test tasks: the same for every method and run
BLOCK = 50  # tasks sampled at once; part of what a seed means
_ELEMENTS, _ELEMENTS_ON_GPU = 300_000, 10_000_000  # in the inputs of tasks computed at once


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of an evaluation.

    measure  what the metric is: its name, which way is better, its unit, what guessing reaches
    values   each task's metric after 0, 1, 2 ... inner steps, `[task, step]`; where steps are
             moves, the rewards of the first 0, 1, 2 ... moves together, `[task, move]`
    axis     which of the two: step or move
    ended    where tasks diverged: from there on their values are NaN, and so is every mean
    notice   a sentence that stands in every result of these tasks; mostly there is none
    """

    learner: str
    tasks: str
    scheme: str
    split: str
    ways: int | tuple[int, int] | None
    shots: int | tuple[int, int] | None
    queries: int | None
    measure: Measure
    axis: Literal["step", "move"]
    transductive: bool
    seed: int
    episodes_sha256: str
    seconds: float
    values: Tensor
    ended: Divergence
    notice: str = ""

    @property
    def metric(self) -> str:
        """The name of what was measured."""
        return self.measure.name

    @property
    def part(self) -> Literal["query", "trial"]:
        """What it was measured on."""
        return "trial" if self.queries is None else "query"

    @property
    def per_task(self) -> Tensor:
        """Each task's metric after the last step."""
        return self.values[:, -1]

    @property
    def diverged(self) -> str:
        """How many tasks diverged, where, and the cure; empty where none did."""
        return self.ended.summary

    @property
    def mean(self) -> float:
        """The mean over tasks after the last step; NaN where one of them diverged."""
        return float(self.per_task.mean())

    @property
    def ci95(self) -> float:
        """Half the width of the mean's 95% interval."""
        return interval(self.per_task)

    @property
    def per_step(self) -> list[float]:
        """The mean over tasks after 0, 1, 2 ... steps, or moves."""
        return [float(value) for value in self.values.mean(dim=0)]

    def about_divergence(self) -> dict[str, Any] | None:
        """How many tasks diverged, the inner step at which the first did, and a sentence of it."""
        bad = self.ended.among(range(len(self.values)))
        if not bad:
            return None
        step = self.ended.steps[min(self.ended.lengths[task] for task in bad)]
        return {"tasks": len(bad), "step": step, "sentence": self.diverged}

    def to_record(self) -> dict[str, Any]:
        """Plain data for JSON: all but the single tasks' values."""
        names = ("learner", "tasks", "scheme", "split", "ways", "shots", "queries")
        more = ("transductive", "seed", "episodes_sha256", "seconds")
        return {
            **{name: getattr(self, name) for name in names},
            "episodes": len(self.values),
            "metric": self.metric,
            "axis": self.axis,
            **{name: getattr(self.measure, name) for name in ("better", "unit", "chance")},
            "mean": self.mean,
            "ci95": self.ci95,
            "per_step": self.per_step,
            "per_step_ci95": [interval(column) for column in self.values.unbind(dim=1)],
            "diverged": self.about_divergence(),
            **{name: getattr(self, name) for name in more},
            **({"notice": self.notice} if self.notice else {}),
        }


def interval(values: Tensor) -> float:
    """Half the width of the 95% interval of a mean, by Student's t.

    >>> round(interval(torch.tensor([1.0, 2.0, 3.0])), 3)
    2.484
    """
    return half_width(float(values.std()), len(values)) if len(values) > 1 else math.nan


def evaluate(
    learner: Learner,
    tasks: Tasks,
    shape: Shape,
    *,
    episodes: int = 600,
    split: Split = "test",
    steps: int | None = None,
    seed: int = DEFAULT_SEED,
    inductive: bool | None = None,
    every_step: bool = True,
    blocks: Iterable[Block] | None = None,
) -> Evaluation:
    """Adapt to `episodes` new tasks and measure after every inner step, or only at the end.

    Control tasks are measured after every move instead, since a step may make several, unless the
    learner `Plays`: then by what its policy does after every step.

    The tasks depend on family, shape, split and seed alone, so that methods can be compared on
    the same ones. `steps` and `inductive` are by default the learner's own. `blocks` are the tasks'
    blocks where they are measured in other processes: see `evaluate_run`.

    A learner that `Remembers` goes through them as a stream: each task is measured, then remembered
    with the learner's own number of steps, and the next one starts from that. The interval is over
    the tasks of this one stream. Afterwards the learner remembers what it did before.

    >>> from workbench.training import preset
    >>> experiment = preset("sinusoid-maml")
    >>> learner, tasks = experiment.build()
    >>> result = evaluate(learner, tasks, experiment.test, episodes=10, steps=2)
    >>> result.metric, len(result.per_step)
    ('mse', 3)
    """
    result, *_ = deque(
        evaluations(
            learner,
            tasks,
            shape,
            episodes=episodes,
            split=split,
            steps=steps,
            seed=seed,
            inductive=inductive,
            every_step=every_step,
            blocks=blocks,
            whole=True,
        ),
        maxlen=1,
    )
    return result


def evaluations(
    learner: Learner,
    tasks: Tasks,
    shape: Shape,
    *,
    episodes: int = 600,
    split: Split = "test",
    steps: int | None = None,
    seed: int = DEFAULT_SEED,
    inductive: bool | None = None,
    every_step: bool = True,
    blocks: Iterable[Block] | None = None,
    whole: bool = False,
) -> Iterator[Evaluation]:
    """`evaluate` as it goes on: what is known after every block of tasks, or only the whole.

    >>> from workbench.training import preset
    >>> learner, tasks = preset("sinusoid-maml").build()
    >>> [len(e.values) for e in evaluations(learner, tasks, preset("sinusoid-maml").test,
    ...                                     episodes=60, steps=0)]
    [50, 60]
    """
    if episodes < 2:
        raise UserError(f"episodes is {episodes}: an interval needs at least 2")
    if steps is not None and steps < 0:
        raise UserError(f"steps is {steps}: it cannot be negative")
    check_judged(tasks, shape)
    check_room(tasks, shape, BLOCK, "a block")
    check_bytes(8.0 * episodes * ((steps or 0) + 1), "the results", "fewer episodes or steps")
    started = time.perf_counter()
    digest, plays = hashlib.sha256(), isinstance(learner, Plays)
    values: list[Tensor] = []
    ends: list[Divergence] = []
    with evaluating(learner, inductive):
        for block in blocks or (
            measured_block(learner, episode, steps, every_step=every_step)
            for episode in test_episodes(tasks, shape, episodes, split, seed)
        ):
            digest.update(block.sha256.encode())
            values.append(torch.from_numpy(block.values))
            ends += block.ends
            if whole and sum(map(len, values)) < episodes:
                continue
            yield Evaluation(
                learner=type(learner).__name__,
                tasks=tasks.name,
                scheme=tasks.scheme,
                split=split,
                ways=None if tasks.kind == "regression" else shape.ways,
                shots=shape.shots,
                queries=None if tasks.kind == "control" else shape.queries,
                measure=tasks.measure(shape),
                axis="move" if tasks.kind == "control" and not plays else "step",
                transductive=not learner.inductive and has_batch_norm(learner),
                seed=seed,
                episodes_sha256=digest.hexdigest(),
                seconds=time.perf_counter() - started,
                values=torch.cat(values),
                ended=joined(ends),
                notice=tasks.notice,
            )


@dataclass(frozen=True, eq=False)
class Block:
    """What is known of some tasks: plain enough to come from another process as it is.

    sha256  a fingerprint of the tasks
    values  as an evaluation's
    ends    where tasks diverged, by pieces that were computed at once
    """

    sha256: str
    values: np.ndarray
    ends: list[Divergence]


def measured_block(
    learner: Learner, block: Episode, steps: int | None, *, every_step: bool
) -> Block:
    """Each task of a block measured, with the learner as it is while it is `evaluating`."""
    stream = isinstance(learner, Remembers)
    gpu = any(t.device.type != "cpu" for t in (block.seed, *learner.parameters()))
    pieces = block.split(1 if stream else _chunk(block, gpu))
    threads = 1 if stream or gpu else torch.get_num_threads()

    def run(piece: Episode) -> tuple[Tensor, Divergence]:
        piece = brought_to(learner, piece)
        with computing("highest", piece.seed.device):
            found, ended = measure(learner, piece, steps, every_step=every_step)
        if isinstance(learner, Remembers):
            learner.update(piece)
        return found.double().cpu(), ended

    found = run_chunks(run, pieces, threads)
    values = torch.cat([values for values, _ in found]).numpy()
    return Block(block.sha256(), values, [ended for _, ended in found])


def test_episodes(
    tasks: Tasks, shape: Shape, episodes: int, split: Split, seed: int
) -> Iterator[Episode]:
    """The tasks of an evaluation, some at a time; more episodes begin with the same ones."""
    for block in range(math.ceil(episodes / BLOCK)):
        yield block_of(tasks, shape, episodes, split, seed, block)


def block_of(
    tasks: Tasks, shape: Shape, episodes: int, split: Split, seed: int, block: int
) -> Episode:
    """The tasks of one block of an evaluation, counted from 0."""
    count = min(BLOCK, episodes - block * BLOCK)
    episode = tasks.sample(BLOCK, seed=spawn(seed, block), split=split, shape=shape)
    check_finite(episode, tasks.name)
    return episode[:count] if count < BLOCK else episode


def drawn_at(task: int, seed: int) -> tuple[int, int]:
    """The seed with which a test task is sampled, and its place among the tasks of that seed.

    >>> from workbench.tasks import open_tasks
    >>> tasks, shape = open_tasks("sinusoid"), Shape(1, 5, 10)
    >>> (*_, last) = test_episodes(tasks, shape, 60, "test", 1000)
    >>> own, place = drawn_at(57, 1000)
    >>> again = tasks.sample(place + 1, seed=own, split="test", shape=shape)[place:]
    >>> again.sha256() == last[7:8].sha256()
    True
    """
    block, place = divmod(task, BLOCK)
    return spawn(seed, block), place


test_episodes.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest thinks


def check_judged(tasks: Tasks, shape: Shape, where: str = "") -> None:
    """Refuses a shape by which no learner can be judged, and what is no tasks."""
    if not isinstance(tasks, Tasks):
        raise UserError(
            f"a {type(tasks).__name__} is no tasks: open some by open_tasks(name), or make tasks "
            "of your own data by tasks_from(x, classes)"
        )
    check_objective(tasks.objective)
    if tasks.kind != "control" and shape.queries < 1:
        raise UserError(f"{where}queries is 0: a learner is judged by queries, ask for at least 1")


def check_alike(trained: TaskSpec, tasks: Tasks, shape: Shape) -> None:
    """Refuses tasks that a learner trained on other ones cannot take."""
    spec = tasks.spec(shape)
    same = (spec.kind, spec.input_shape) == (trained.kind, trained.input_shape)
    if not same or (spec.kind != "classification" and spec.outputs != trained.outputs):
        raise UserError(
            f"the learner was trained for {trained.kind} with inputs of shape "
            f"{trained.input_shape}, and the tasks '{tasks.name}' are {spec.kind} with "
            f"{spec.input_shape}: choose tasks of the same form"
        )


def check_finite(episode: Episode, name: str) -> None:
    """Refuses data with NaN or infinity in it."""
    for part, examples in episode.parts.items():
        for field in ("x", "y"):
            held: Tensor = getattr(examples, field)
            # a sum of finite numbers is finite, unless they are huge: then each is looked at
            if not held.is_floating_point() or bool(held.sum().isfinite()):
                continue
            if not bool(held.isfinite().all()):
                raise UserError(
                    f"the data of the tasks '{name}' has NaN or infinity in {part}.{field}: "
                    "mend or drop those examples"
                )


def has_batch_norm(learner: nn.Module) -> bool:
    """Whether predictions can depend on the batch that they are made in."""
    norm = nn.modules.batchnorm._BatchNorm
    return any(isinstance(module, norm) for module in learner.modules())


@contextmanager
def evaluating(learner: Learner, inductive: bool | None) -> Iterator[None]:
    """Evaluation mode, and the learner left as it was."""
    training, before = learner.training, learner.inductive
    memory = {}
    if isinstance(learner, Remembers):
        memory = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    learner.eval()
    if inductive is not None:
        learner.inductive = inductive
    try:
        yield
    finally:
        learner.train(training)
        learner.inductive = before
        if memory:
            learner.load_state_dict(memory)


def _chunk(episode: Episode, gpu: bool) -> int:
    """How many tasks to compute at once: small models want many, images few; a GPU many."""
    elements = sum(t.numel() for t in episode.tensors().values()) / len(episode)
    return max(1, min(BLOCK, int((_ELEMENTS_ON_GPU if gpu else _ELEMENTS) / elements)))
