"""A run directory as its files tell it, and all that there are below a folder.

Runs may be thousands, huge, broken, or written while they are read: of each only what changed is
read again, of its metrics the end alone, and what cannot be read is said of that run.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import UserError
from workbench.files import measured, plain_data
from workbench.server.messages import RunsPage, RunsQuery, ServedRun
from workbench.server.places import inside, is_there, open_file, opened, tail
from workbench.standing import (
    RESUMED,
    TRASH,
    Status,
    Validation,
    pace_of,
    standing,
    validation_of,
)

MOST = 100  # runs of an answer
_CONFIG, _STATUS, _NOTE, _METRICS = 1_000_000, 100_000, 4_000, 64_000  # bytes that are read
_POINTS = 40  # of a run's recent numbers
_DEEP, _FOLDERS = 6, 20_000  # how far and how many folders are searched
_SKIPPED = {"node_modules", "__pycache__", "checkpoints", "files", "figures", "venv", "env"}


@dataclass
class _Known:
    """What was read of a run, and by what it is known to be the same still."""

    marks: dict[str, tuple[int, ...]] = field(default_factory=dict)
    config: dict[str, Any] | None = None
    broken: str = ""
    group: str = ""
    status: Any = None
    note: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    last: Validation | None = None
    best: Validation | None = None
    recent: list[float] = field(default_factory=list)


class Lookout:
    """All runs below a folder, as they stand whenever one looks.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Lookout(Path(folder)).page({})["total"]
    0
    """

    def __init__(self, root: Path | str) -> None:
        self.root = root
        self._known: dict[str, _Known] = {}
        self._one_at_a_time = threading.Lock()

    def page(self, asked: Mapping[str, Any]) -> RunsPage:
        """The runs that are asked for, as they stand now."""
        query = _query(asked)
        runs, trash, limited = self._all()
        alive = sum(run["state"] == "running" for run in runs)
        chosen = _ordered([run for run in runs if _asked_for(run, query)], query)
        first = min(query["first"], max(len(chosen) - 1, 0))
        return {
            "runs": chosen[first : first + query["count"]],
            "first": first,
            "total": len(chosen),
            "alive": alive,
            "trash": trash,
            "limited": limited,
        }

    def run(self, place: str) -> tuple[ServedRun, dict[str, Any]]:
        """One run as it stands now, and its configuration, which is empty where it is broken."""
        with opened(self.root, place) as folder:
            if not is_there(folder, "config.json"):
                raise UserError(f"'{place}' is no run directory (it has no config.json)")
        with self._one_at_a_time:
            run = self._look(place)
            if run is None:
                raise UserError(f"'{place}' was moved away meanwhile: look again")
            return run, self._known[place].config or {}

    def configured(self) -> dict[str, dict[str, Any]]:
        """The configuration of every run, by its place."""
        runs, _, _ = self._all()
        known = {run["place"]: self._known.get(run["place"]) for run in runs}
        return {place: one.config or {} for place, one in known.items() if one is not None}

    def _all(self) -> tuple[list[ServedRun], list[str], str]:
        """Every run as it stands now, the trash, and what was not searched."""
        with self._one_at_a_time:
            places, trash, limited = self._places()
            runs = [run for place in places if (run := self._look(place)) is not None]
            for gone in self._known.keys() - set(places):
                del self._known[gone]
        return runs, trash, limited

    def _places(self) -> tuple[list[str], list[str], str]:
        """Where runs are, where deleted ones are, and what was not searched."""
        found: list[str] = []
        trash: list[tuple[float, str]] = []
        left = _FOLDERS
        with opened(self.root, "") as root:
            for place, names, handle in _walk(root):
                left -= 1
                if left < 0:
                    said = f"more than {_FOLDERS:,} folders: serve a smaller one to see all runs"
                    return found, [one for _, one in sorted(trash)], said
                if "config.json" not in names or not is_there(handle, "checkpoints"):
                    continue
                if place.rpartition("/")[0].rpartition("/")[2] == TRASH:
                    trash.append((os.fstat(handle).st_ctime, place))
                else:
                    found.append(place)
        return found, [one for _, one in sorted(trash)], ""

    def _look(self, place: str) -> ServedRun | None:
        known = self._known.setdefault(place, _Known())
        try:
            with opened(self.root, place) as folder:
                return _seen(place, folder, known)
        except (UserError, OSError):  # it was moved away meanwhile
            return None


def _walk(handle: int) -> Iterator[tuple[str, list[str], int]]:
    """Each folder below an open one: its place, the names of its files, and itself, open."""
    for top, folders, files, inner in os.fwalk(".", dir_fd=handle, follow_symlinks=False):
        place = top[2:]
        depth = place.count("/") + bool(place)
        is_run = "config.json" in files
        folders[:] = sorted(
            name
            for name in folders
            if not is_run
            and depth < _DEEP
            and name not in _SKIPPED
            and (name == TRASH or not name.startswith("."))
        )
        yield place, files, inner


def _seen(place: str, folder: int, known: _Known) -> ServedRun | None:
    for name, read in _READERS.items():
        if known.marks.get(name) == _mark(folder, name):
            continue
        with open_file(folder, name) as handle:
            known.marks[name] = () if handle is None else _marked(os.fstat(handle))
            read(known, handle)
    return _told(place, folder, known, _standing(folder, known))


def status_of(folder: int) -> Status:
    """How the run in an open directory stands."""
    known = _Known()
    with open_file(folder, "status.json") as handle:
        known.marks["status.json"] = () if handle is None else _marked(os.fstat(handle))
        _read_status(known, handle)
    return _standing(folder, known)


def _standing(folder: int, known: _Known) -> Status:
    owner, begun = held(folder)
    damaged = known.status is None and known.marks["status.json"] != ()
    record = {} if damaged else known.status or {"state": "new"}
    return standing(record, owner=owner, begun=begun)


def _mark(folder: int, name: str) -> tuple[int, ...]:
    try:
        return _marked(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError:
        return ()


def _marked(now: os.stat_result) -> tuple[int, ...]:
    return now.st_ino, now.st_size, now.st_mtime_ns


def _told(place: str, folder: int, known: _Known, status: Status) -> ServedRun:
    alive = status.state == "running"
    config, rows = known.config or {}, known.rows
    iterations = _whole(_part(config, "training").get("iterations"))
    last_row = rows[-1]["iteration"] if rows else 0
    iteration = max(last_row, 0 if alive else status.iteration)
    pace = pace_of(rows, iterations - iteration, alive=alive)
    method = str(_part(config, "learner").get("type", "")).removesuffix("Settings")
    seed = config.get("seed")
    return {
        "place": place,
        "name": place.rpartition("/")[2] or place,
        "method": method.rpartition(":")[2].rpartition(".")[2],
        "tasks": str(config.get("tasks", "")),
        "seed": seed if isinstance(seed, int) else None,
        "state": "broken" if known.broken else status.state,
        "reason": known.broken or status.reason,
        "note": known.note,
        "stopping": alive and is_there(folder, "stop"),
        "iteration": iteration,
        "iterations": iterations,
        "rate": pace.rate,
        "left": pace.left,
        "begun": known.marks["config.json"][2] / 1e9 if known.marks["config.json"] else 0.0,
        "last": known.last,
        "best": known.best,
        "recent": known.recent,
        "resumes": not known.broken and status.state in RESUMED,
        "opens": _has_checkpoint(folder),
        "command": _command(place, status),
        "group": known.group,
        "heading": "",
        "seeds": 0,
    }


def _command(place: str, status: Status) -> str:
    argument = shlex.quote(f"./{place}" if place.startswith("-") else place)
    if status.state == "running":
        return f"workbench stop {argument}"
    if status.state in RESUMED:
        return f"workbench train --run {argument} --resume"
    return f"workbench evaluate {argument}"


def held(folder: int) -> tuple[int | None, bool]:
    """The living process that holds a run, if one does, and whether one ever did."""
    with open_file(folder, "lock") as handle:
        if handle is None:
            return None, False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            text = os.pread(handle, 20, 0)
            return (int(text) if text.isdigit() else 0), True
    return None, True


def _has_checkpoint(folder: int) -> bool:
    with suppress(UserError), inside(folder, "checkpoints") as inner:
        return any(is_there(inner, f"{name}.safetensors") for name in ("best", "latest"))
    return False


# ---- what is read of each file ----------------------------------------------------------------


def _read_config(known: _Known, handle: int | None) -> None:
    known.config, known.broken, known.group = None, "", ""
    if handle is None:
        known.broken = "its config.json cannot be read"
        return
    content, whole = tail(handle, _CONFIG)
    try:
        config = plain_data(content) if whole else None
    except ValueError:
        config = None
    if not isinstance(config, dict):
        known.broken = "its config.json is damaged: restore it"
        return
    known.config = config
    apart = json.dumps({**config, "seed": None}, sort_keys=True)
    known.group = hashlib.sha256(apart.encode()).hexdigest()[:12]


def _read_status(known: _Known, handle: int | None) -> None:
    known.status = None
    if handle is not None:
        try:
            known.status = plain_data(tail(handle, _STATUS)[0])
        except ValueError:
            return


def _read_note(known: _Known, handle: int | None) -> None:
    known.note = "" if handle is None else tail(handle, _NOTE)[0].decode(errors="replace").strip()


def _read_metrics(known: _Known, handle: int | None) -> None:
    known.rows = []
    if handle is not None:
        content, whole = tail(handle, _METRICS)
        known.rows = measured(content if whole else content[content.find(b"\n") + 1 :])[0]
    known.last = validation_of(known.rows)
    known.best = validation_of(known.rows, best=True)
    known.recent = _recent(known.rows, known.last)


_READERS = {
    "config.json": _read_config,
    "status.json": _read_status,
    "note.txt": _read_note,
    "metrics.jsonl": _read_metrics,
}


def _recent(rows: list[dict[str, Any]], last: Validation | None) -> list[float]:
    """The last validations by their metric, or training losses where there are none."""
    if last is not None:
        name = last["metric"]
        found = [row.get(name) for row in rows if row.get("split") == "validation"]
    else:
        found = [row.get("loss") for row in rows if row.get("split", "train") == "train"]
    return [float(value) for value in found if value is not None][-_POINTS:]


# ---- which are asked for ---------------------------------------------------------------------


def _query(asked: Mapping[str, Any]) -> RunsQuery:
    sort, group = asked.get("sort", "newest"), asked.get("group", "none")
    if sort not in ("newest", "name", "state", "value"):
        raise UserError(f"runs cannot be sorted by '{sort}'")
    if group not in ("none", "seeds", "folder"):
        raise UserError(f"runs cannot be grouped by '{group}'")
    try:
        first, count = int(asked.get("first", 0)), int(asked.get("count", MOST))
    except ValueError:
        raise UserError("first and count are whole numbers") from None
    return {
        "first": max(first, 0),
        "count": min(max(count, 1), MOST),
        "text": str(asked.get("text", "")).lower(),
        "state": str(asked.get("state", "")),
        "sort": sort,
        "group": group,
    }


def _asked_for(run: ServedRun, query: RunsQuery) -> bool:
    if query["state"] and run["state"] != query["state"]:
        return False
    said = (run["place"], run["method"], run["tasks"], run["note"], run["state"])
    return all(word in " ".join(said).lower() for word in query["text"].split())


def _ordered(runs: list[ServedRun], query: RunsQuery) -> list[ServedRun]:
    """Sorted; where they are grouped, a group stands where its first run would."""
    runs = sorted(runs, key=_KEYS[query["sort"]])
    if query["group"] == "none":
        return runs
    groups: dict[str, list[ServedRun]] = {}
    for run in runs:
        parent = run["place"].rpartition("/")[0]
        groups.setdefault(run["group"] if query["group"] == "seeds" else parent, []).append(run)
    ordered = []
    for name, members in groups.items():
        first = members[0]
        if query["group"] == "seeds":
            heading = f"{first['method']} · {first['tasks']}"
            told = {"heading": heading, "seeds": len({one["seed"] for one in members})}
        else:
            told = {"heading": name or "."}
        ordered += [{**first, **told}, *members[1:]]
    return ordered  # type: ignore[return-value]


def _value(run: ServedRun) -> tuple[bool, float]:
    """The better its last validation, the earlier; those without one come last."""
    last = run["last"]
    if last is None:
        return True, 0.0
    return False, -last["value"] if last["measure"]["better"] == "higher" else last["value"]


_STATE_ORDER = ("running", "broken", "failed", "killed", "diverged", "interrupted", "paused", "new")
_KEYS: dict[str, Any] = {
    "newest": lambda run: (run["state"] != "running", -run["begun"], run["place"]),
    "name": lambda run: run["place"],
    "state": lambda run: (
        _STATE_ORDER.index(run["state"]) if run["state"] in _STATE_ORDER else len(_STATE_ORDER),
        run["place"],
    ),
    "value": lambda run: (_value(run), run["place"]),
}


def _part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
