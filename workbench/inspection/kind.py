"""How the package's own kinds of inspection are written down: their columns are in their help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from workbench.algorithms.inspections import Inspection


def columns_of(function: Callable[..., Any]) -> dict[str, str]:
    """What each column holds, as the function's own help says it.

    >>> from workbench.inspection import influence_frame
    >>> list(columns_of(influence_frame))[:3]
    ['task', 'example', 'target']
    """
    found: dict[str, str] = {}
    names: list[str] = []
    block = [*(inspect.getdoc(function) or "").split("\n\n"), "", ""][1]
    for line in block.splitlines():
        named = re.match(r"(\.{3}|[a-z_]+(?:, [a-z_]+)*) +(?=\S)", line)
        if named and not line.startswith(" "):
            names = named[1].split(", ")
            found |= dict.fromkeys(names, line[named.end() :].strip())
        else:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def kind_of(
    name: str,
    make: Callable[..., pd.DataFrame],
    sentence: str,
    *,
    documents: Callable[..., Any] | None = None,
    **more: Any,
) -> Inspection:
    """One of the package's own: its columns are in its function's help, its figure has its name."""
    return Inspection(name, make, columns_of(documents or make), sentence, figure=name, **more)
