"""Tapes as files, `.metatrace`: what is in one, and the checks of one that comes from anywhere."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from torch import Tensor

from workbench import __version__
from workbench.algorithms.base import Learner
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.files import read_tensors, save_tensors, understood
from workbench.inspection.kinds import KINDS, inspections_of
from workbench.inspection.packing import pack, unpack
from workbench.inspection.recorded import as_recorded, recorded
from workbench.tasks.episode import Episode
from workbench.tasks.storage import check, episode_of, episode_record

KIND, SCHEMA = "metatrace", 1

MOST_STEPS = 100_000
_MOST = 1_000_000  # rows of a data set, and whatever else a frame counts

# What others read of `about`, which else is anybody's.
_ABOUT = {
    "learner": str,
    "run": str,
    "seed": int,
    "settings": dict,
    "experiment": dict,
    "inspections": list,
    "lacks": list,
}


@dataclass(frozen=True, eq=False)
class Stored:
    """What of a tape is in its file; see `Tape`."""

    episode: Episode
    path: list[Adapted]
    frames: dict[tuple[str, int], pd.DataFrame]
    about: dict[str, Any]
    budget: int
    let_go: bool
    refused: dict[str, str]


def description(learner: Learner) -> dict[str, Any]:
    """What a file says of the learner."""
    settings: Any = learner.settings
    fields = dataclasses.fields(settings) if dataclasses.is_dataclass(settings) else ()
    record = {f.name: _plain(getattr(settings, f.name)) for f in fields}
    known = inspections_of(learner)
    own = [as_recorded(one) for name, one in known.items() if name not in KINDS]
    lacks = [name for name, one in known.items() if one.missing(learner) is not None]
    said = {"learner": type(learner).__name__, "settings": record, "lacks": lacks}
    return said | ({"inspections": own} if own else {})


def _plain(setting: Any) -> Any:
    is_record = dataclasses.is_dataclass(setting) and not isinstance(setting, type)
    return dataclasses.asdict(setting) if is_record else setting


def write(path: Path, stored: Stored, *, values: bool = True) -> Path:
    """Save it to one file; without its values it is for the eye alone, and cannot be read here."""
    episode = stored.episode.tensors() if values else {"seed": stored.episode.seed}
    tensors = {f"episode.{n}": t for n, t in episode.items()}
    for adapted in stored.path if values else ():
        for part, named in (("values", adapted.values), ("seen", adapted.seen)):
            tensors |= {f"{part}.{adapted.step}.{n}": t for n, t in named.items()}
    frames = {}
    for (kind, task), frame in stored.frames.items():
        name = f"{kind}/{task}" if task else kind
        columns, frames[name] = pack(frame)
        tensors |= {f"frame.{name}.{n}": t for n, t in columns.items()}
    header = {
        "schema": SCHEMA,
        "version": __version__,
        "about": stored.about,
        "episode": episode_record(stored.episode),
        "steps": len(stored.path) - 1,
        "budget": stored.budget,
        "let_go": stored.let_go,
        "frames": frames,
        "refused": stored.refused,
    }
    return save_tensors(path, tensors, header, kind=KIND)


def read(path: Path | str) -> Stored:
    """What `write` wrote; nothing is believed of the file, and nothing larger than it is made."""
    tensors, record = read_tensors(path, kind=KIND, schema=SCHEMA)
    with understood(path, KIND):
        header = _Header(**record)
        named = _by_head(tensors)
        episode = episode_of(named.pop("episode", {}), header.episode)
        values = _path(named, header.steps, len(episode))
        frames = {}
        most = max([_MOST, header.steps, *(size for t in tensors.values() for size in t.shape)])
        for name, said in header.frames.items():
            kind, _, task = name.partition("/")
            columns = named.get(f"frame.{name}", {})
            frames[kind, int(task or 0)] = unpack(columns, said, most)
        return Stored(
            episode, values, frames, header.about, header.budget, header.let_go, header.refused
        )


@dataclass(frozen=True)
class _Header:
    """What `write` says beside the tensors."""

    schema: Annotated[int, Range(1)]
    version: str
    about: dict[str, Any]
    episode: dict[str, Any]
    steps: Annotated[int, Range(0, MOST_STEPS)]
    budget: Annotated[int, Range(0, 2**62)]
    let_go: bool
    frames: dict[str, Any]
    refused: dict[str, Any]

    def __post_init__(self) -> None:
        check_fields(self, "")
        for name, kind in _ABOUT.items():
            given = self.about.get(name, kind())
            check(isinstance(given, kind), f"about.{name} is no {kind.__name__}")
        for said in self.about.get("inspections", []):
            told = isinstance(said, dict) and set(said) - {"label"} == {"name", "sentence", "scope"}
            check(told and all(isinstance(v, str) for v in said.values()), "an inspection is none")
        recorded(self.about)
        check(all(isinstance(why, str) for why in self.refused.values()), "a refusal is no text")


def _by_head(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors by what stands before their own names: episode, values.3, seen.3, frame.steps."""
    found: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        if first in ("values", "seen"):
            step, _, rest = rest.partition(".")
            first = f"{first}.{step}"
        elif first == "frame":
            kind, _, rest = rest.rpartition(".")
            first = f"frame.{kind}"
        elif first != "episode":
            raise UserError(f"there is a tensor '{name}'")
        found[first][rest] = tensor
    return found


def _path(named: Mapping[str, dict[str, Tensor]], steps: int, tasks: int) -> list[Adapted]:
    """The value after each step."""
    path = []
    for step in range(steps + 1):
        values, seen = (named.get(f"{part}.{step}", {}) for part in ("values", "seen"))
        check(bool(values) or step == 0, f"step {step} has no values")
        for name, tensor in (*values.items(), *seen.items()):
            own = tensor.dim() > 0 and len(tensor) == tasks
            check(own, f"'{name}' of step {step} is not of {tasks} tasks")
        path.append(Adapted(values, seen, step))
    return path
