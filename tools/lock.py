"""Prints requirements.lock: the installed versions of all that pyproject.toml asks for.

    .venv/bin/python tools/lock.py > requirements.lock

Names and versions only, so that any package index will do. A local label such as torch's `+cpu`
is dropped: the index that the reader's pip is set up for decides which build comes.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


def closure(requirements: list[str]) -> dict[str, str]:
    """Name → installed version of the requirements and all that these require."""
    found: dict[str, str] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        extras = wanted.extras or {""}
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(wanted.name)
        if name in found and not wanted.extras:
            continue
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"{wanted} is not installed: run `make setup` first") from None
        found[name] = Version(installed.version).public
        for text in installed.requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras):
                needed.marker = None
                waiting.append(needed)
    return found


def main() -> None:
    """Writes the lock to standard output."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    sys.stdout.write("# Written by tools/lock.py. torch goes first: see the Makefile.\n")
    for name, version in sorted(closure(wanted).items()):
        sys.stdout.write(f"{name}=={version}\n")


if __name__ == "__main__":
    main()
