"""The files that an experiment's settings name, such as a knowledge base: a run keeps copies.

Settings say by `files` which of their fields name one. The run's config.json has the names as they
were given; what is built for the run is built from the copies.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from workbench.files import read_content, write_safely, writing
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


def keep(files: dict[str, bytes], folder: Path) -> None:
    """Write the copies."""
    with writing(folder):
        folder.mkdir()
    for field, content in files.items():
        write_safely(folder / field, content)


def with_kept(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment with the copies in a folder in place of the files; as it is without them."""
    if not folder.is_dir():
        return experiment
    parts: dict[str, Any] = {}
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
