"""Episodes as files: every tensor, and all that is said of the tasks, bit for bit.

A file may come from anywhere: everything in it is checked before anything is made of it.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.files import read_tensors, save_tensors, understood
from workbench.tasks.control.bandits import BernoulliBandit
from workbench.tasks.control.environment import Environment
from workbench.tasks.control.grid import Grid
from workbench.tasks.control.mdp import TabularMDP
from workbench.tasks.control.mujoco import Ant, HalfCheetah
from workbench.tasks.control.navigation import Navigation
from workbench.tasks.control.pendulum import Pendulum
from workbench.tasks.control.reacher import Reacher
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.objectives import objective_of, objective_record, standard

KIND, SCHEMA = "episode", 1
_ENVIRONMENTS: dict[str, Any] = {
    made.__name__: made
    for made in (BernoulliBandit, TabularMDP, Navigation, Reacher, Grid, Pendulum, HalfCheetah, Ant)
}
_MOST = 1_000_000  # episodes of a trial
_SAID = ("dataset", "scheme", "split")  # words, where an episode's info has them
_PARTS = ("support", "query")


def save_episode(path: Path | str, episode: Episode) -> Path:
    """Write an episode, such as one that was edited by hand, to a file.

    >>> import tempfile
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("sinusoid").sample(2, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_episode(f"{folder}/mine.episode", episode)
    ...     load_episode(path).sha256() == episode.sha256()
    True
    """
    header = {"schema": SCHEMA, "episode": episode_record(episode)}
    return save_tensors(path, episode.tensors(), header, kind=KIND)


def load_episode(path: Path | str) -> Episode:
    """The episode that `save_episode` wrote."""
    tensors, header = read_tensors(path, kind=KIND, schema=SCHEMA)
    with understood(path, KIND):
        return episode_of(tensors, header["episode"])


def episode_record(episode: Episode) -> dict[str, Any]:
    """What an episode has beside its tensors, as plain data."""
    record: dict[str, Any] = {"ways": episode.ways, "info": {}, "environment": None}
    for name, value in episode.info.items():
        if not isinstance(value, Tensor):
            record["info"][name] = value
    if episode.env is not None:
        record["environment"] = _environment_record(episode.env)
    if episode.objective is not standard(episode.kind):
        record["objective"] = objective_record(episode.objective)
    return record


def episode_of(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> Episode:
    """The episode of such tensors and such a record, of which nothing is believed."""
    said = _Record(**record)

    def examples(part: str) -> Any:  # None for control tasks
        if f"{part}.x" not in tensors:
            return None
        return Examples(tensors[f"{part}.x"], tensors[f"{part}.y"], tensors.get(f"{part}.weight"))

    def mapping(part: str) -> dict[str, Tensor]:
        head = part + "."
        return {k.removeprefix(head): t for k, t in tensors.items() if k.startswith(head)}

    env = None if said.environment is None else _environment_of(said.environment)
    # in older files the state that a bandit's trial begins in held what is its task's
    task = mapping("task") or {n: t for n, t in mapping("state").items() if n != "pulls"}
    episode = Episode(
        examples("support"),
        examples("query"),
        tensors["seed"],
        said.ways,
        {**said.info, **mapping("info")},
        env,
        task,
        None if said.objective is None else objective_of(said.objective),  # type: ignore[arg-type]
    )
    _check_tensors(episode)
    _check_info(episode)
    return episode


@dataclass(frozen=True)
class _Record:
    """What `episode_record` writes."""

    ways: Annotated[int | None, Range(1, 10_000)]
    info: dict[str, Any]
    environment: dict[str, Any] | None
    objective: dict[str, Any] | None = None  # where it is not the standard one of such tasks

    def __post_init__(self) -> None:
        check_fields(self, "episode")


def _environment_record(env: Environment) -> dict[str, Any]:
    name = type(env).__name__
    if isinstance(env, Repeated) and not isinstance(env.env, Repeated):
        return {"type": name, "episodes": env.episodes, "env": _environment_record(env.env)}
    if isinstance(env, AbsentEnvironment):
        return {"type": env.name, "fields": None}
    if _ENVIRONMENTS.get(name) is type(env):
        return {"type": name, **vars(env)}
    own: Any = env
    cls, known = type(env), dataclasses.is_dataclass(type(own))
    fields = {f.name: getattr(own, f.name) for f in dataclasses.fields(own)} if known else {}
    if not known or not all(isinstance(value, int | float | str) for value in fields.values()):
        raise UserError(
            f"the environment {name} cannot be saved: make it a dataclass of numbers and words"
        )
    return {"type": f"{cls.__module__}:{cls.__qualname__}", "fields": fields}


def _environment_of(record: Mapping[str, Any], *, repeated: bool = True) -> Environment:
    """The environment of such a record; only a trial's episodes are of another one."""
    fields = dict(record)
    name = fields.pop("type")
    if name == "Repeated" and repeated:
        episodes = fields["episodes"]
        check(type(episodes) is int and 1 <= episodes <= _MOST, "a trial has no episodes")
        return Repeated(_environment_of(fields["env"], repeated=False), episodes)
    if isinstance(name, str) and ":" in name:
        return _own_environment(name, **fields)
    if name not in _ENVIRONMENTS:
        raise UserError(f"there is no environment {name}")
    if name == "BernoulliBandit" and "actions" in fields:  # an older file
        fields = {"arms": fields["actions"], "horizon": fields["horizon"]}
    made: Environment = _ENVIRONMENTS[name](**fields)
    return made


def _own_environment(name: str, fields: dict[str, Any] | None) -> Environment:
    """A user's own, where its class is imported already; no file is run for it."""
    module, _, cls_name = name.partition(":")
    cls: Any = getattr(sys.modules.get(module), cls_name, None)
    known = isinstance(cls, type) and dataclasses.is_dataclass(cls) and cls.__module__ == module
    if fields is None or not (known and callable(getattr(cls, "reset", None))):
        return AbsentEnvironment(name)
    made: Environment = cls(**fields)
    return made


@dataclass(frozen=True)
class AbsentEnvironment:
    """The environment of an episode from a file, whose class is not there: it only has a name."""

    name: str

    def __getattr__(self, what: str) -> Any:
        if what.startswith("__"):
            raise AttributeError(what)
        raise UserError(
            f"this episode is acted in {self.name}, which its file only names: "
            "import its module before you load it"
        )


def _check_tensors(episode: Episode) -> None:
    """Refuses tensors that are not those of one batch of tasks."""
    seed = episode.seed
    check(seed.dim() == 1 and len(seed) > 0 and seed.dtype == torch.int64, "seed is no [task]")
    for name, tensor in episode.tensors().items():
        check(tensor.dim() > 0 and len(tensor) == len(seed), f"{name} is not of {len(seed)} tasks")
        check(not tensor.is_complex(), f"{name} is complex")
    if episode.env is not None:
        one: Any = episode.env.env if isinstance(episode.env, Repeated) else episode.env
        if not isinstance(one, AbsentEnvironment) and hasattr(one, "check_task"):
            one.check_task(episode.task, len(seed))
    for part in _PARTS:
        examples: Examples | None = getattr(episode, part)
        if episode.env is not None:
            check(examples is None, f"a control task has no {part}")
            continue
        check(examples is not None, f"{part} is missing")
        assert examples is not None
        x, y, weight = examples.x, examples.y, examples.weight
        check(y.dim() > 1 and x.dim() > 1, f"{part} is no [task, example]")
        check(x.shape[:2] == y.shape[:2], f"{part} has not as many inputs as targets")
        if weight is not None:
            check(weight.shape == y.shape[:2], f"{part}.weight is no [task, example]")
            check(weight.is_floating_point(), f"{part}.weight holds no numbers")
            check(bool(((weight >= 0) & weight.isfinite()).all()), f"{part}.weight is negative")
        alike = x.shape[2:] == episode.support.x.shape[2:] and x.dtype == episode.support.x.dtype
        check(alike, "support and query have other inputs")
        alike = y.shape[2:] == episode.support.y.shape[2:] and y.dtype == episode.support.y.dtype
        check(alike, "support and query have other targets")
        if episode.ways is not None:
            classes = y.dim() == 2 and y.dtype == torch.int64
            check(classes, f"{part}.y is no [task, example] of whole numbers")
            check(bool(((y >= 0) & (y < episode.ways)).all()), f"{part}.y has other classes")


def _check_info(episode: Episode) -> None:
    """Refuses what is said of the tasks where it is not what readers of it rely on."""
    info = episode.info
    for name in _SAID:
        check(isinstance(info.get(name, ""), str), f"{name} is no word")
    check("dataset" not in info or "scheme" in info, "scheme is missing")
    for part in _PARTS:
        index = info.get(f"{part}_index")
        if index is not None:
            shape = getattr(episode, part).y.shape[:2]
            good = isinstance(index, Tensor) and index.shape == shape
            check(good and not index.is_floating_point(), f"{part}_index is no [task, example]")
    names, classes = info.get("class_names"), info.get("classes")
    check(names is None or isinstance(names, list), "class_names is no list")
    if classes is not None:
        whole = isinstance(classes, Tensor) and classes.dtype == torch.int64
        check(whole and classes.shape[1:] == (episode.ways,), "classes is no [task, way]")
        known = names is None or bool((classes < len(names)).all() and (classes >= -1).all())
        check(known, "classes has some without a name")
    edits = info.get("edits", ())
    check(isinstance(edits, list | tuple), "edits is no list")
    for edit in edits:
        check(isinstance(edit, dict), "an edit is odd")
        if edit.get("what") == "aim" and episode.env is not None:  # the goal of a control task
            check(type(edit.get("task")) is int, "an edit is odd")
            continue
        check(edit.get("part") in _PARTS, "an edit has no part")
        check(isinstance(edit.get("what"), str) and type(edit.get("task")) is int, "an edit is odd")
        places = (edit.get("example"), edit.get("place"))
        check(all(type(p) is int or p is None for p in places), "an edit has no example")
        check("example" in edit, "an edit has no example")


def check(good: bool, complaint: str) -> None:
    """Refuse what is not good."""
    if not good:
        raise UserError(complaint)
