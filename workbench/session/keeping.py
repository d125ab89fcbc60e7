"""Named sessions as files, from which they are found again after a kernel restart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.files import read_record

FOLDER = Path(".workbench") / "sessions"  # beside the notebook


def keep(name: str, origin: Mapping[str, Any], record: Mapping[str, Any]) -> Path:
    """Write a session down: what it began as, and what it is.

    Many times a second while a point is dragged, so without waiting for the disk.
    """
    path = place_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({"origin": origin, **record}))
    beside.replace(path)
    return path


def kept(name: str, origin: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of the session of that name; None where there is none that began like this."""
    path = place_of(name)
    if not path.is_file():
        return None
    record = read_record(path, kind="session")
    return record if record.get("origin") == origin else None


def put_aside(name: str) -> Path:
    """Move a session's file that cannot be read out of the way; where it is now."""
    path = place_of(name)
    return path.replace(path.with_suffix(".damaged.json"))


def place_of(name: str) -> Path:
    """The file of the session of that name."""
    return FOLDER / f"{name}.json"
