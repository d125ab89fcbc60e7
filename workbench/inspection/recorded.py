"""What a file says of the inspections that its method brought: enough to list their frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.algorithms.inspections import Inspection
from workbench.errors import UserError


def as_recorded(one: Inspection) -> dict[str, str]:
    """What a file says of a method's own inspection: enough to list its frames."""
    label = {} if one.label in ("", one.name) else {"label": one.label}
    return {"name": one.name, "sentence": one.sentence, "scope": one.scope} | label


def recorded(about: Mapping[str, Any]) -> dict[str, Inspection]:
    """The inspections of its own that a file's method had; they are shown and not made.

    >>> list(recorded({"inspections": [{"name": "a", "sentence": "A", "scope": "task"}]}))
    ['a']
    """
    return {
        said["name"]: Inspection(
            said["name"],
            _gone,
            {},
            said["sentence"],
            said["scope"],
            label=said.get("label", ""),
        )
        for said in about.get("inspections", [])
    }


def _gone(*_: Any) -> Any:
    raise UserError("a file holds frames and not what makes them: load the run")
