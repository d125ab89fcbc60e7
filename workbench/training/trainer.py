"""The one outer loop: episode -> meta-gradient -> torch optimizer -> metrics, for every learner.

Everything an outer step does is a function of the experiment and the step's number (tasks,
schedule) or stands in the checkpoint (parameters, optimizer, running sums, generators): a run
that was killed and resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

import dataclasses
import math
import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from workbench import __version__
from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Anneals, Prepares
from workbench.algorithms.values import Adapted, MetaGradient, trainable
from workbench.errors import UserError
from workbench.randomness import Seeded, spawn
from workbench.tasks import Episode, Tasks
from workbench.training.checkpoints import (
    Checkpoint,
    check_alike,
    check_header,
    check_tensors,
    load_learner,
    load_optimizer,
    optimizer_tensors,
)
from workbench.training.evaluation import evaluate
from workbench.training.execution import MetaGradients, modes_of
from workbench.training.experiment import Experiment
from workbench.training.group import Group
from workbench.training.outer import Regulariser, make_optimizer, make_schedule, stand_ins
from workbench.training.stream import EpisodeStream

_PREPARING_STREAM = 3
VALIDATION_SEED = 2000  # the same validation tasks for every run, so that runs can be compared


class Diverged(UserError):
    """The meta-loss or a parameter is not finite any more: there is nothing to go on from."""


@dataclass(frozen=True)
class Best:
    """The best validation so far."""

    value: float
    iteration: int
    validations_since: int = 0


class Trainer:
    """A training at some outer step (its `iteration`): `update` makes one, `checkpoint` keeps it.

    `path` makes a resumed training compute its gradients the way it did before. With a `group`
    other processes compute a part of each.

    >>> from workbench.training import preset
    >>> trainer = Trainer(preset("sinusoid-maml").stretched(10))
    >>> trainer.update()
    >>> trainer.iteration
    1
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        built: tuple[Learner, Tasks] | None = None,
        path: str | None = None,
        group: Group | None = None,
    ) -> None:
        self.experiment, self.group = experiment, group
        self.learner, self.tasks = built or experiment.build()
        self.learner.train()
        if isinstance(self.learner, Prepares):
            self.learner.prepare(self._sample)
        self.episodes = EpisodeStream(experiment, self.tasks)
        settings = experiment.training
        self.parameters = dict(trainable(self.learner))
        self.paces = paces_of(self.learner)
        self.optimizer = make_optimizer(settings, list(self.parameters.values()), self.paces)
        self.schedule = make_schedule(settings, self.optimizer)
        self.regulariser = Regulariser(settings, list(self.parameters.values()))
        self.iteration = 0
        self.before: list[Tensor] = []  # the parameters before the last step that is diagnosed
        self.best: Best | None = None
        self.loss_sum = torch.zeros((), device=experiment.device, dtype=torch.float64)
        self.loss_count = 0
        self.random = Seeded(experiment.seed)
        self.draws = draws = self._draws()
        self._drawing: AbstractContextManager[object] = self.random if draws else nullcontext()
        ways = {"compiled": settings.compiled, "captured": settings.captured}
        self.meta_gradients = MetaGradients(
            self.learner,
            **(modes_of("eager") if draws else ways if path is None else modes_of(path)),
            precision=experiment.precision,
            iterations=settings.iterations,
            tasks_per_chunk=settings.tasks_per_chunk,
            threads=1 if draws else settings.threads,
            passing=True,
            group=group,
        )
        self.meta_gradients.check_precision(self.episodes[0])
        if self.meta_gradients.path != "eager":
            # Certify on the first episode, whose result comes from the eager path:
            # every outer step that counts then runs the same way, resumed or not.
            for _ in range(self.windows):
                self.meta_gradients(self.episodes[0])

    def _sample(self, count: int) -> Episode:
        """Training tasks for a learner that prepares itself."""
        own = self.experiment
        seed = spawn(own.seed, _PREPARING_STREAM)
        found = self.tasks.sample(count, seed=seed, split="train", shape=own.train)
        return found.to(own.device, own.torch_dtype)

    @cached_property
    def windows(self) -> int:
        """Outer steps that a batch of tasks serves: more than one where each is a part of it."""
        # asked once: the first episode would be sampled anew for every outer step that follows it
        return self.learner.estimator.outer_steps(self.learner.steps(self.episodes[0]))

    @property
    def finished(self) -> bool:
        """Whether all outer steps are done, or validation stopped getting better."""
        return self.iteration >= self.experiment.training.iterations or self.lost_patience

    @property
    def lost_patience(self) -> bool:
        """Whether validation has not got better for too long."""
        patience = self.experiment.training.patience
        return (
            patience is not None
            and self.best is not None
            and self.best.validations_since >= patience
        )

    def _draws(self) -> bool:
        """Whether the learner draws from torch's generators, and not from its tasks' seeds alone.

        Then it does so from this training's own, in this thread, at the cost of some speed.
        """
        trial = Seeded(self.experiment.seed)
        with trial:
            self.learner.meta_gradient(self.episodes[0].split(1)[0])
        return trial.drawn

    def compute(self, iteration: int) -> MetaGradient:
        """The meta-gradient of an outer step."""
        trajectory, window = divmod(iteration, self.windows)
        if window == 0:
            self.meta_gradients.carried = None
        if isinstance(self.learner, Anneals):
            self.learner.anneal(iteration / self.experiment.training.iterations)
        with self._drawing:
            return self.meta_gradients(self.episodes[trajectory])

    def update(self) -> None:
        """One outer step."""
        settings = self.experiment.training
        if self.group is not None:
            self.group.tell(self.iteration, self.parameters)
        gradients, losses = self.compute(self.iteration)
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        self.regulariser.add_gradients()
        if settings.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), settings.clip)
        every = settings.diagnose_every
        if every and (self.iteration + 1) % every == 0:
            self.before = [p.detach().clone() for p in self.parameters.values()]
        self.optimizer.step()
        self.regulariser.project()
        self.schedule.step()
        self.loss_sum += losses.mean()
        self.loss_count += 1
        self.iteration += 1

    def row(self) -> dict[str, Any]:
        """The mean training loss since the last row; a loss that is no number ends the run."""
        loss = float(self.loss_sum) / max(1, self.loss_count)
        self.check_loss()
        self.loss_sum.zero_()
        self.loss_count = 0
        norms = torch.stack([p.grad.norm() for p in self.parameters.values()])  # type: ignore[union-attr]
        return {
            "iteration": self.iteration,
            "split": "train",
            "loss": loss,
            "gradient_norm": finite(float(norms.norm())),
            "rate": self.optimizer.param_groups[0]["lr"],
        }

    def check_loss(self) -> None:
        """Refuses to go on from a loss or a parameter that is not finite."""
        good = bool(torch.isfinite(self.loss_sum)) and all(
            bool(torch.isfinite(p).all()) for p in self.parameters.values()
        )
        if not good:
            raise Diverged(
                f"the meta-loss is not a finite number by outer step {self.iteration}: lower "
                "training.rate or the inner rate, or set training.clip; the last checkpoint, "
                "from before, is kept"
            )

    def validate(self) -> dict[str, Any]:
        """Measure on validation tasks; `best` follows."""
        with self._drawing:
            result = evaluate(
                self.learner,
                self.tasks,
                self.experiment.test,
                episodes=self.experiment.training.validation_tasks,
                split="validation",
                seed=VALIDATION_SEED,
                every_step=False,
            )
        measure = self.tasks.measure(self.experiment.test)
        if math.isfinite(result.mean):
            if self.best is None or measure.sign * result.mean > measure.sign * self.best.value:
                self.best = Best(result.mean, self.iteration)
            else:
                since = self.best.validations_since + 1
                self.best = dataclasses.replace(self.best, validations_since=since)
        row = {
            "iteration": self.iteration,
            "split": "validation",
            measure.name: finite(result.mean),
            "measure": measure.to_record(),
            "ci95": finite(result.ci95),
            "best": self.best is not None and self.best.iteration == self.iteration,
        }
        row |= {"notice": result.notice} if result.notice else {}
        return row if math.isfinite(result.mean) else row | {"diverged": result.diverged}

    def checkpoint(self, seconds: float = 0.0) -> Checkpoint:
        """All that the next outer step depends on."""
        tensors: dict[str, Tensor] = {
            f"learner.{name}": tensor for name, tensor in self.learner.state_dict().items()
        }
        state, rest = optimizer_tensors(self.optimizer)
        tensors |= {f"optimizer.{name}": tensor for name, tensor in state.items()}
        tensors |= {f"random.{kind}": self.random.generator(device).get_state()
                    for kind, device in self.devices().items()}  # fmt: skip
        tensors["loss_sum"] = self.loss_sum
        carried = self.meta_gradients.carried
        if carried is not None:
            tensors |= {f"carried.{name}": tensor for name, tensor in carried.values.items()}
        header = {
            "method": type(self.learner).__name__,
            "iteration": self.iteration,
            "optimizer": {"class": type(self.optimizer).__name__, **rest},
            "schedule": self.schedule.state_dict(),
            "loss_count": self.loss_count,
            "best": None if self.best is None else dataclasses.asdict(self.best),
            "carried": None if carried is None else carried.step,
            "path": self.meta_gradients.path,
            "note": self.meta_gradients.note,
            "certificates": [dataclasses.asdict(c) for c in self.meta_gradients.certificates],
            "threads": torch.get_num_threads(),
            "seconds": seconds,
            "versions": versions(),
        }
        return Checkpoint(tensors, header)

    def restore(self, checkpoint: Checkpoint, name: str) -> None:
        """Go back to a checkpoint of this experiment, bit for bit."""
        check_header(checkpoint, name)
        header = checkpoint.header
        load_learner(self.learner, checkpoint, name)
        stored = header["optimizer"]
        if stored["class"] != type(self.optimizer).__name__:
            raise UserError(
                f"{name} was trained by the optimizer {stored['class']}, not "
                f"{type(self.optimizer).__name__}: restore the run's config.json"
            )
        optimizer, schedule = stand_ins(
            self.experiment.training,
            self.parameters.values(),
            self.paces,
            stepped=header["iteration"] > 0,
        )
        load_optimizer(self.optimizer, checkpoint, optimizer, name)
        check_alike(header["schedule"], schedule.state_dict(), "schedule", name)
        self.schedule.load_state_dict(header["schedule"])
        self.iteration = header["iteration"]
        self.best = None if header["best"] is None else Best(**header["best"])
        states = {kind: self.random.generator(d).get_state() for kind, d in self.devices().items()}
        check_tensors(checkpoint.part("random"), states, "random", name)
        check_tensors(
            {k: t for k, t in checkpoint.tensors.items() if k == "loss_sum"},
            {"loss_sum": self.loss_sum},
            "training",
            name,
        )
        self.loss_sum.copy_(checkpoint.tensors["loss_sum"])
        self.loss_count = header["loss_count"]
        self._carry_on(checkpoint, name)
        for kind, device in self.devices().items():
            try:
                self.random.generator(device).set_state(checkpoint.tensors[f"random.{kind}"])
            except RuntimeError as error:
                raise UserError(
                    f"{name} has no state of random numbers in 'random.{kind}' ({error}): delete it"
                ) from None

    def _carry_on(self, checkpoint: Checkpoint, name: str) -> None:
        """Go on within an adaptation, where the checkpoint was made between two windows of it."""
        trajectory, window = divmod(self.iteration, self.windows)
        step, found = checkpoint.header.get("carried"), checkpoint.part("carried")
        if window == 0:
            self.meta_gradients.carried = None
            return
        if step != window * self.learner.estimator.window:
            raise UserError(
                f"{name} carries on from step {step!r} of an adaptation, and outer step "
                f"{self.iteration} is {window} windows into one: delete it"
            )
        episode = self.episodes[trajectory]
        with Seeded(self.experiment.seed):
            _, like = self.learner.estimator(self.learner, episode.split(1)[0])
        assert like is not None
        wanted = {n: t.expand(len(episode), *t.shape[1:]) for n, t in like.values.items()}
        check_tensors(found, wanted, "carried", name)
        self.meta_gradients.carried = Adapted({n: found[n] for n in wanted}, step=step)

    def devices(self) -> dict[str, str]:
        """By kind, the devices that random numbers may be drawn on."""
        own = self.experiment.device
        return {"cpu": "cpu", torch.device(own).type: own}


def tried(experiment: Experiment) -> tuple[Learner, Tasks]:
    """What the experiment builds, once all that can be known to fail beforehand was tried."""
    learner, tasks = experiment.build()
    parameters = [parameter for _, parameter in trainable(learner)]
    stand_ins(experiment.training, parameters, paces_of(learner))
    return learner, tasks


def paces_of(learner: Learner) -> list[float]:
    """Of each meta-parameter, the factor of the outer rate that the estimator gives it."""
    return [learner.estimator.pace(name) for name, _ in trainable(learner)]


def versions() -> dict[str, str]:
    """What the bits of a result may depend on."""
    return {
        "workbench": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def finite(value: float) -> float | None:
    """A number as JSON can hold it.

    >>> finite(float("nan"))
    """
    return value if math.isfinite(value) else None
