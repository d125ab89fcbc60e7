"""Experiment: everything that determines a training run, as one frozen value."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol

import torch
from torch import nn

from workbench.algorithms.base import Learner
from workbench.algorithms.estimators.base import Estimator
from workbench.errors import UserError, nearest
from workbench.fields import Among, Range, When, check_fields
from workbench.innerloop import Precision
from workbench.randomness import Seeded
from workbench.tasks import Shape, Tasks, TaskSpec, in_memory, name_of, open_tasks
from workbench.training.evaluation import BLOCK, check_judged
from workbench.training.record import check_tasks, from_record, to_record
from workbench.training.room import check_model, check_room, fitting

_SCHEDULES = ("constant", "linear", "cosine", "halve")


def _optimizers() -> list[str]:
    """The optimizers that need no closure and take whole gradients."""
    return sorted(
        cls.__name__
        for name, cls in _classes(torch.optim, torch.optim.Optimizer).items()
        if name not in _UNFIT and _plain(cls)
    )


def _schedules() -> list[str]:
    """The schedules named here, and torch's that need no option."""
    module = torch.optim.lr_scheduler
    found = _classes(module, module.LRScheduler).items()
    names = [cls.__name__ for name, cls in found if name != _METRIC and _plain(cls)]
    return [*_SCHEDULES, *sorted(names)]


_OF_TORCH = When(lambda own: own.schedule not in _SCHEDULES)
_HALVES = When(lambda own: own.schedule == "halve")


def _devices() -> list[str]:
    """The processor, and the GPUs that this machine has."""
    return ["cpu", *(f"cuda:{place}" for place in range(torch.cuda.device_count()))]


class ModelSettings(Protocol):
    """What a model is to be: builds a plain module, an embedding where outputs is None."""

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> nn.Module: ...


class LearnerSettings(Protocol):
    """What a meta-learner is to be: builds it around the model that it needs."""

    def build(self, model: Any, spec: TaskSpec) -> Learner: ...


@dataclass(frozen=True)
class TrainingSettings:
    """How the outer loop runs."""

    # outer steps: each changes the meta-parameters once
    iterations: Annotated[int, Range(1, span=(100, 100_000), log=True)] = 10_000
    # tasks in a meta-batch; their losses are averaged
    tasks: Annotated[int, Range(1, span=(1, 64))] = 4
    # any class of torch.optim that needs no closure
    optimizer: Annotated[str, Among(_optimizers)] = "Adam"
    # outer learning rate
    rate: Annotated[float, Range(above=0, span=(1e-5, 1), log=True)] = 1e-3
    options: dict[str, float | bool] = field(default_factory=dict)  # more options of the optimizer
    # constant, linear (to 0), cosine (to 0), halve, or a torch class
    schedule: Annotated[str, Among(_schedules)] = "constant"
    # of a torch schedule
    schedule_options: Annotated[dict[str, float | bool], _OF_TORCH] = field(default_factory=dict)
    # equal stages of the schedule 'halve', each at half the rate before
    halvings: Annotated[int, Range(1, span=(1, 20)), _HALVES] = 10
    # greatest norm of the meta-gradient
    clip: Annotated[float | None, Range(above=0, span=(0.1, 100), log=True)] = None
    # strength s of the norm's penalty, s/2 |meta-parameters|^2, in the meta-loss; 0 is none
    penalty: Annotated[float, Range(0, span=(1e-5, 1), log=True)] = 0.0
    # strength s of the pull to where training began, s/2 |meta-parameters - theirs then|^2
    proximal: Annotated[float, Range(0, span=(1e-5, 1), log=True)] = 0.0
    # norm that the meta-parameters are brought to after every outer step
    norm: Annotated[float | None, Range(above=0, span=(0.1, 100), log=True)] = None
    # tasks computed at once; 0 is all, or one by one where the learner rematerialises
    tasks_per_chunk: Annotated[int, Range(0, span=(0, 64))] = 0
    threads: Annotated[int, Range(1, span=(1, 16))] = 1  # chunks computed at the same time
    compiled: Literal["auto", "on", "off"] = "auto"  # trace and compile the meta-gradient
    captured: Literal["auto", "on", "off"] = "auto"  # on a GPU, capture it in a CUDA graph
    # outer steps between rows of training loss
    log_every: Annotated[int, Range(1, span=(1, 1_000), log=True)] = 100
    # outer steps between validations; 0 is never
    validate_every: Annotated[int, Range(0, span=(0, 10_000))] = 1_000
    validation_tasks: Annotated[int, Range(2, span=(2, 1_000))] = 200  # tasks in a validation
    # outer steps between looks at the meta-gradient; 0 is never, and no adaptations are recorded
    diagnose_every: Annotated[int, Range(0, span=(0, 10_000))] = 1_000
    # stop after so many validations without a better one
    patience: Annotated[int | None, Range(1, span=(1, 50))] = None
    # time between checkpoints
    checkpoint_seconds: Annotated[float, Range(0, span=(0, 600))] = 20.0

    def __post_init__(self) -> None:
        check_fields(self, "training")
        if "lr" in self.options:
            raise UserError("training.options has 'lr', which is the outer rate: set training.rate")
        optimizer_class(self.optimizer)
        schedule_class(self.schedule)


_UNFIT = ("lbfgs", "sparseadam")  # which need a closure, or sparse gradients
_METRIC = "reducelronplateau"  # which follows a metric
_NARROW = ("muon", "chainedscheduler")  # for matrices alone; made of other schedules


def _classes(module: Any, base: type) -> dict[str, type]:
    """The classes of a module that inherit from `base`, by their names in small letters."""
    return {
        key.lower(): value
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
        if not key.startswith("_")
    }


def _plain(cls: type) -> bool:
    """Whether it can be made of its first argument alone."""
    _, *more = inspect.signature(cls).parameters.values()
    return cls.__name__.lower() not in _NARROW and all(
        p.default is not p.empty or p.kind is p.VAR_KEYWORD for p in more
    )


def _torch_class(module: Any, base: type, name: str, where: str, extra: tuple[str, ...]) -> Any:
    known = _classes(module, base)
    if name.lower() not in known:
        names = [value.__name__ for value in known.values()]
        raise UserError(f"{where} is '{name}': {nearest(name, [*extra, *names])}")
    return known[name.lower()]


def optimizer_class(name: str) -> type[torch.optim.Optimizer]:
    """The class of torch.optim of that name, in any case.

    >>> optimizer_class("adam").__name__
    'Adam'
    """
    if name.lower() in _UNFIT:
        raise UserError(
            f"training.optimizer is '{name}', which needs a closure or sparse gradients: "
            "choose Adam, AdamW, SGD or another"
        )
    found = _torch_class(torch.optim, torch.optim.Optimizer, name, "training.optimizer", ())
    return found


def schedule_class(name: str) -> type[torch.optim.lr_scheduler.LRScheduler] | None:
    """The class of torch.optim.lr_scheduler of that name; None for the schedules named here."""
    if name in _SCHEDULES:
        return None
    module = torch.optim.lr_scheduler
    if name.lower() == _METRIC:
        raise UserError(
            "training.schedule is 'ReduceLROnPlateau', which follows a metric: "
            "choose one that follows the outer step"
        )
    found = _torch_class(module, module.LRScheduler, name, "training.schedule", _SCHEDULES)
    return found


def _check_device(name: str) -> None:
    try:
        known = torch.device(name).type in ("cpu", "cuda")
    except RuntimeError:
        known = False
    if not known:
        raise UserError(f"device is '{name}': choose cpu, cuda or cuda:N")


def check_present(name: str) -> None:
    """Refuses a GPU that this machine does not have.

    >>> check_present("cpu")
    """
    device, found = torch.device(name), torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= found:
        count = f"{found} GPUs, from cuda:0" if found else "no GPU"
        raise UserError(f"device is '{name}' but torch finds {count} here: use another, or cpu")


def _place(cls: type) -> str:
    """A class, and where it is defined."""
    try:
        line = inspect.getsourcelines(cls)[1]
        return f"{cls.__name__} ({inspect.getsourcefile(cls)}, line {line})"
    except (OSError, TypeError):
        return cls.__name__


@dataclass(frozen=True)
class Experiment:
    """Tasks, model, learner, training and seed: two equal experiments give equal parameters.

    >>> from workbench.training import preset
    >>> record = preset("sinusoid-maml").to_record()
    >>> Experiment.from_record(record).to_record() == record
    True
    """

    tasks: str  # a family or data set, NAME or NAME:SCHEME; `Tasks` themselves get their name
    train: Shape  # the shape of training tasks
    test: Shape  # the shape of validation and test tasks
    model: ModelSettings  # the network that learns
    learner: LearnerSettings  # the method, and how it adapts
    training: TrainingSettings  # how the outer loop runs
    seed: int = 0  # of the initial parameters and of the order of tasks
    device: Annotated[str, Among(_devices)] = "cpu"  # where to compute: cpu, cuda, cuda:1, …
    dtype: Literal["float32", "float64"] = "float32"  # the precision of all numbers
    # how a GPU computes the meta-gradient of float32: float32 throughout, in TF32, or in bfloat16
    precision: Precision = "highest"
    # how the meta-gradient is had; by default as the learner itself has it
    estimator: Estimator | None = None

    def __post_init__(self) -> None:
        given: Any = self.tasks
        if not isinstance(given, str):
            object.__setattr__(self, "tasks", name_of(given))
        # held as long as this is, since memory alone may have them
        object.__setattr__(self, "_held", in_memory(self.tasks) if given is self.tasks else given)
        check_fields(self, "")
        for name in ("model", "learner"):
            settings = getattr(self, name)
            known = dataclasses.is_dataclass(settings) and not isinstance(settings, type)
            if not known or not callable(getattr(settings, "build", None)):
                raise UserError(
                    f"{name} is {_place(type(settings))}, which is no dataclass with a method "
                    "'build': see 'A method in one file' in CONTRIBUTING.md"
                )
        _check_device(self.device)

    def stretched(self, iterations: int) -> Experiment:
        """The same training over another number of outer steps, schedule and validations with it.

        >>> from workbench.training import preset
        >>> preset("sinusoid-maml").stretched(700).training.iterations
        700
        """
        old = self.training
        if iterations < 1:
            raise UserError(f"iterations is {iterations}: it must be at least 1")
        every = round(old.validate_every * iterations / old.iterations)
        training = dataclasses.replace(
            old,
            iterations=iterations,
            validate_every=max(1, every) if old.validate_every else 0,
            log_every=max(1, min(old.log_every, iterations // 10)),
        )
        return dataclasses.replace(self, training=training)

    def open_tasks(self) -> Tasks:
        """The family of tasks; those of data are read once."""
        held: Tasks | None = getattr(self, "_held", None)
        if held is None:
            held = open_tasks(self.tasks)
            if hasattr(held, "sha256"):
                object.__setattr__(self, "_held", held)
        return held

    def build(self) -> tuple[Learner, Tasks]:
        """The learner as the seed initialises it, and the tasks, whatever other threads draw."""
        check_present(self.device)
        tasks = self.open_tasks()
        tasks.check(self.train, "train")
        check_room(tasks, self.train, self.training.tasks, "a meta-batch")
        if self.training.validate_every:
            tasks.check(self.test, "validation")
            check_judged(tasks, self.test, "test.")
            check_room(tasks, self.test, BLOCK, "a validation's block")
        spec = tasks.spec(self.train)
        self._check_size(spec)
        with Seeded(self.seed), fitting("this model", "choose a smaller one"):
            learner = self.learner.build(self.model, spec)
        if not isinstance(learner, Learner):
            raise UserError(
                f"{_place(type(self.learner))} builds {type(learner).__name__}, which is no "
                "Learner: let its class inherit from workbench.algorithms.Learner"
            )
        if tasks.kind not in learner.kinds:
            raise UserError(
                f"{type(learner).__name__} learns {' or '.join(learner.kinds)} and the tasks "
                f"'{self.tasks}' are {tasks.kind}: choose other tasks or another learner"
            )
        if self.estimator is not None:
            learner.estimator = self.estimator
        return learner.to(self.device, self.torch_dtype), tasks

    def _check_size(self, spec: TaskSpec) -> None:
        """Refuses a model that this machine has no memory to train, before it takes any."""
        try:
            with torch.device("meta"):
                learner = self.learner.build(self.model, spec)
        except Exception:  # one that computes while it is built: building will tell
            return
        if isinstance(learner, Learner):
            check_model(learner)

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision as torch names it."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    def to_record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return to_record(self)

    @staticmethod
    def from_record(
        data: Any, where: str = "the experiment", methods: Mapping[str, str] | None = None
    ) -> Experiment:
        """The experiment of such data; a misspelt field or a wrong value is said in a sentence.

        methods  the checksums of the files of one's own from which classes and tasks may be loaded
        """
        experiment = from_record(Experiment, data, where, methods or {})
        check_tasks(experiment.tasks, where, methods or {})
        return experiment
