"""Frozen dataclasses to plain data and back, saying exactly what is wrong with the data."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from workbench.algorithms.estimators.base import Estimator
from workbench.errors import UserError, nearest
from workbench.hints import from_plain, hints_of
from workbench.own import METHODS, TASKS, is_own, loaded, record_of
from workbench.tasks import file_of

T = TypeVar("T")


def to_record(value: Any) -> Any:
    """Plain data of a dataclass; settings of learners and models carry their type.

    >>> from workbench.tasks import Shape
    >>> to_record(Shape(ways=5, shots=1, queries=2))
    {'ways': 5, 'shots': 1, 'queries': 2}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        tag = {"type": _type_name(type(value))} if _is_part(type(value)) else {}
        if hasattr(value, "from_record"):
            tag = {}
        fields = {f.name: to_record(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return tag | fields
    if isinstance(value, (list, tuple)):
        return [to_record(item) for item in value]
    if isinstance(value, dict):
        return {key: to_record(item) for key, item in value.items()}
    return value


def flattened(record: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The settings of a record by their dotted names, as text.

    >>> dict(flattened({"training": {"tasks": 4}, "seed": 0}))
    {'training.tasks': '4', 'seed': '0'}
    """
    if isinstance(record, Mapping) and record:
        for key, value in record.items():
            yield from flattened(value, f"{name}.{key}" if name else key)
    else:
        yield name, str(record)


def own_files(experiment: Any) -> dict[str, dict[str, str]]:
    """The files outside the package that an experiment needs, with their hash and their text.

    >>> from workbench.training import preset
    >>> own_files(preset("sinusoid-maml"))
    {}
    """
    found = {}
    for settings in _parts(experiment):
        module = sys.modules.get(type(settings).__module__)
        path = getattr(module, "__file__", None)
        if module is None or path is None or module.__name__.partition(".")[0] == "workbench":
            continue
        found[module.__name__] = record_of(Path(path))
    tasks = file_of(experiment.tasks)
    if tasks is not None:
        found[f"{TASKS}.{tasks.stem}"] = record_of(tasks)
    return found


def check_loads_elsewhere(experiment: Any) -> None:
    """Refuses an experiment with a method that another process would not find."""
    for name in own_files(experiment):
        if not is_own(name):
            raise UserError(
                f"{name} is no file in the folder '{METHODS}', from which alone another process "
                f"loads a method: keep it as {METHODS}/{name.rpartition('.')[2]}.py"
            )


def _parts(value: Any) -> Iterator[Any]:
    """A dataclass and all dataclasses in its fields."""
    if dataclasses.is_dataclass(value):
        yield value
        for known in dataclasses.fields(value):
            yield from _parts(getattr(value, known.name))


def check_tasks(name: str, where: str, methods: Mapping[str, str]) -> None:
    """Refuse a family of the user's own that a record names, where its file is another by now."""
    module = f"{TASKS}.{name.partition(':')[0]}"
    if module in methods or file_of(name) is not None:
        loaded(module, methods.get(module), f"{where}, field 'tasks' names '{name}'")


def from_record(cls: type[T], data: Any, where: str, methods: Mapping[str, str]) -> T:
    """The dataclass of such data.

    methods  the checksums of the files of one's own from which classes may be loaded
    """
    if not isinstance(data, dict):
        raise UserError(f"{where} is {data!r}: it must be an object with named fields")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    given = {name: value for name, value in data.items() if name != "type"}
    for name in given:
        if name not in fields:
            raise UserError(f"{where} has no field '{name}': {nearest(name, list(fields))}")
    for name, known in fields.items():
        required = known.default is known.default_factory is dataclasses.MISSING
        if required and name not in given:
            raise UserError(f"{where} lacks the field '{name}'")
    hints = hints_of(cls)
    for name, value in given.items():
        usual = fields[name].default
        if isinstance(value, dict) and "type" not in value and _is_part(type(usual)):
            given[name] = {"type": _type_name(type(usual)), **value}  # what older records leave out
    part = functools.partial(_part, methods=methods)
    return cls(
        **{n: from_plain(hints[n], v, f"{where}, field '{n}'", part) for n, v in given.items()}
    )


def _part(cls: type, value: Any, where: str, methods: Mapping[str, str]) -> Any:
    """The dataclass that stands in a field of a class, or of what a class stands for."""
    if not dataclasses.is_dataclass(cls):
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            raise UserError(f"{where} must be an object with a 'type'")
        cls = settings_class(value["type"], where, methods)
    return from_record(cls, value, where, methods)


def _is_part(cls: type) -> bool:
    """Whether a class is one of several that may stand in its place."""
    return dataclasses.is_dataclass(cls) and (hasattr(cls, "build") or issubclass(cls, Estimator))


def _type_name(cls: type) -> str:
    """The bare name of a class of the package; module:name of a user's own."""
    inside = cls.__module__.startswith("workbench.")
    return cls.__name__ if inside else f"{cls.__module__}:{cls.__qualname__}"


def settings_class(name: str, where: str, methods: Mapping[str, str]) -> type:
    """The settings class that a record names; no file is run but one's own, unchanged.

    >>> settings_class("MAMLSettings", "here", {})
    <class 'workbench.algorithms.gradient.maml.MAMLSettings'>
    """
    module_name, _, class_name = name.rpartition(":")
    if not module_name:
        known = _known_settings()
        if name not in known:
            raise UserError(f"{where} names the type '{name}': {nearest(name, list(known))}")
        return known[name]
    named = f"{where} names the type '{name}'"
    module = loaded(module_name, methods.get(module_name), named)
    found = getattr(module, class_name, None)
    if not isinstance(found, type) or found.__module__ != module_name or not _is_part(found):
        raise UserError(f"{named}, which is no settings dataclass")
    return found


def _known_settings() -> dict[str, type]:
    import workbench.algorithms
    import workbench.innerloop
    import workbench.models

    packages = (workbench.algorithms, workbench.innerloop, workbench.models)
    every = {name: getattr(package, name) for package in packages for name in package.__all__}
    return {n: cls for n, cls in every.items() if isinstance(cls, type) and _is_part(cls)}
