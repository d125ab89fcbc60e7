"""The files that an experiment's settings name, such as a knowledge base: a run keeps copies.

Settings say by `files` which of their fields name one. The run's config.json has the names as they
were given; what is built for the run is built from the copies. Of your own data a run keeps the
hash, and a copy where they were in memory only.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from workbench.errors import UserError
from workbench.files import read_content, read_json, write_safely, writing
from workbench.tasks import SOURCES, Tasks, in_memory, name_of
from workbench.tasks.own_data import OwnTasks, load_tasks, save_tasks
from workbench.training.experiment import Experiment


def named_files(experiment: Experiment) -> dict[str, bytes]:
    """What is in the files that an experiment names, by the fields that name them.

    >>> from workbench.training import preset
    >>> named_files(preset("glyphs-attention"))
    {}
    """
    named = {field: getattr(getattr(experiment, part), field.partition(".")[2])
             for part, field in _fields(experiment)}  # fmt: skip
    return {field: read_content(Path(path)) for field, path in named.items() if path}


def own_data(experiment: Experiment) -> OwnTasks | None:
    """The tasks of an experiment where they are of data of one's own; those must be to be kept.

    >>> from workbench.training import preset
    >>> own_data(preset("sinusoid-maml"))
    """
    if in_memory(experiment.tasks) is None and experiment.tasks.partition(":")[0] not in SOURCES:
        return None
    tasks = experiment.open_tasks()
    if not isinstance(tasks, OwnTasks):
        raise UserError(
            f"a run cannot keep {type(tasks).__name__}, tasks that only memory holds: declare them "
            f"in a file tasks/{tasks.name}.py, or train without a run directory"
        )
    return tasks


def keep(files: dict[str, bytes], data: OwnTasks | None, run: Path) -> None:
    """Write the copies of files, the hash of data, and data that no name opens again."""
    folder = run / "files"
    if files:
        with writing(folder):
            folder.mkdir()
    for field, content in files.items():
        write_safely(folder / field, content)
    if data is not None:
        record = {"tasks": name_of(data), "sha256": data.sha256}
        write_safely(run / "data.json", json.dumps(record).encode())
        if data.in_memory:
            save_tasks(_copy(folder, name_of(data)), data)


def check_data(tasks: Tasks, run: Path) -> None:
    """Refuse tasks of other data than those that a run was begun with."""
    path = run / "data.json"
    if not path.exists():
        return
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("sha256"), str):
        raise UserError(f"{path} is damaged: restore it")
    if getattr(tasks, "sha256", "") != record["sha256"]:
        raise UserError(
            f"the data of '{name_of(tasks)}' are not those that {run} was begun with: restore "
            "them, or begin a new run"
        )


def _copy(folder: Path, name: str) -> Path:
    """Where the data of such a name are kept."""
    return folder / f"{name.rpartition(':')[2]}.tasks"


def with_kept(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment with the copies in a folder in place of the files; as it is without them."""
    if not folder.is_dir():
        return experiment
    parts: dict[str, Any] = {}
    copy = _copy(folder, experiment.tasks)
    if in_memory(experiment.tasks) is None and copy.parent == folder and copy.is_file():
        parts["tasks"] = load_tasks(copy)
    for part, field in _fields(experiment):
        settings, name = parts.get(part, getattr(experiment, part)), field.partition(".")[2]
        if getattr(settings, name):
            parts[part] = dataclasses.replace(settings, **{name: str(folder / field)})
    return dataclasses.replace(experiment, **parts)


def _fields(experiment: Experiment) -> list[tuple[str, str]]:
    """The fields that may name a file, each with the part of the experiment that it is in."""
    return [
        (part, f"{part}.{field}")
        for part in ("model", "learner")
        for field in getattr(getattr(experiment, part), "files", ())
    ]
