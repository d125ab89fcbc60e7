"""Episodes as files: every tensor, and all that is said of the tasks, bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from workbench.errors import UserError
from workbench.files import read_tensors, save_tensors
from workbench.tasks.bandit import BernoulliBandit
from workbench.tasks.episode import Episode, Examples

KIND, SCHEMA = "episode", 1
_ENVIRONMENTS = {"BernoulliBandit": BernoulliBandit}


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
    try:
        return episode_of(tensors, header["episode"])
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is damaged or no {KIND} file: save it again") from None


def episode_record(episode: Episode) -> dict[str, Any]:
    """What an episode has beside its tensors, as plain data."""
    record: dict[str, Any] = {"ways": episode.ways, "info": {}, "environment": None}
    for name, value in episode.info.items():
        if not isinstance(value, Tensor):
            record["info"][name] = value
    if episode.env is not None:
        name = type(episode.env).__name__
        if _ENVIRONMENTS.get(name) is not type(episode.env):
            raise UserError(
                f"the environment {name} cannot be saved: only episodes of "
                f"{', '.join(_ENVIRONMENTS)} can; save its frames instead"
            )
        fields = dataclasses.asdict(episode.env)
        record["environment"] = {"type": name, **fields}
    return record


def episode_of(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> Episode:
    """The episode of such tensors and such a record."""

    def examples(part: str) -> Any:  # None for control tasks
        if f"{part}.x" not in tensors:
            return None
        return Examples(tensors[f"{part}.x"], tensors[f"{part}.y"], tensors.get(f"{part}.weight"))

    def mapping(part: str) -> dict[str, Tensor]:
        head = part + "."
        return {k.removeprefix(head): t for k, t in tensors.items() if k.startswith(head)}

    env = None
    if record["environment"] is not None:
        fields = dict(record["environment"])
        env = _ENVIRONMENTS[fields.pop("type")](**fields)
    return Episode(
        examples("support"),
        examples("query"),
        tensors["seed"],
        record["ways"],
        {**record["info"], **mapping("info")},
        env,
        mapping("state"),
    )
