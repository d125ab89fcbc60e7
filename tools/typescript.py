"""What crosses from Python to the panels, in TypeScript: `make types` writes it.

    python tools/typescript.py > extensions/src/generated.ts

Every type is said once, in Python, with the comments on its fields.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NotRequired, Union

from workbench.comments import help_of
from workbench.fields import Field
from workbench.inspection import KINDS
from workbench.measures import Measure
from workbench.server import messages as served
from workbench.session import messages
from workbench.session.state import Cursor
from workbench.standing import Validation
from workbench.wire import WireColumn, WireFrame

_HEAD = "/** What crosses from Python: written by `make types` and by no hand. */\n"
_PLAIN = {int: "number", float: "number", str: "string", bool: "boolean", type(None): "null"}
_PLAIN |= {bytes: "DataView", Any: "any"}


def main() -> str:
    """The whole file.

    >>> "export interface WireFrame {" in main()
    True
    """
    defined = [
        one
        for module in (messages, served)
        for one in vars(module).values()
        if isinstance(one, type) and one.__module__ == module.__name__
    ]
    told: list[type] = [Measure, Validation, WireColumn, WireFrame, Cursor, Field, *defined]
    return "\n".join([_HEAD, *map(interface, told), columns(), inspections()])


def inspections() -> str:
    """The package's own inspections, for what is looked at without a kernel."""
    lines = [
        "/** The inspections that every method has, whether a frame is of all tasks, of what kind",
        " * these must be (of any, where none is named), and other labels on tasks of a kind. */",
        "export const KINDS: (Inspection & {",
        "  whole: boolean; tasks: string[]; called: Record<string, string>",
        "})[] = [",
    ]
    for one in KINDS.values():
        told = {
            "name": one.name,
            "label": one.label,
            "called": dict(one.called),
            "sentence": one.sentence,
            "view": one.view,
            "whole": one.scope == "episode",
            "tasks": list(one.tasks),
        }
        fields = ", ".join(f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in told.items())
        lines.append(f"  {{ {fields} }},")
    return "\n".join([*lines, "];", ""])


def columns() -> str:
    """What the frame of each inspection holds; any names where tasks name some of them."""
    lines = ["/** The columns of every inspection's frame. */", "export interface Columns {"]
    for one in KINDS.values():
        either = "string" if "..." in one.columns else _either(map(_quoted, one.columns))
        lines.append(f"  {one.name}: {either};")
    return "\n".join([*lines, "}", ""])


def interface(cls: type) -> str:
    """A dataclass's or typed dictionary's plain data.

    >>> print(interface(messages.KnownRun))
    /** A run that can be compared, and its tasks. */
    export interface KnownRun {
      name: string;
      tasks: string;
    }
    <BLANKLINE>
    """
    words = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
    fields = typing.get_type_hints(cls, include_extras=True)
    if dataclasses.is_dataclass(cls):
        fields = {one.name: fields[one.name] for one in dataclasses.fields(cls)}
    lines = [f"/** {words} */", f"export interface {cls.__name__} {{"]
    for name, hint in fields.items():
        open_ = typing.get_origin(hint) is NotRequired
        said = help_of(cls, name)
        lines += [f"  /** {said[0].upper()}{said[1:]}. */"] if said else []
        lines.append(f"  {name}{'?' if open_ else ''}: {spelled(hint)};")
    return "\n".join([*lines, "}", ""])


def spelled(hint: Any) -> str:
    """A type hint in TypeScript.

    >>> spelled(dict[str, list[int | str] | None])
    'Record<string, (number | string)[] | null>'
    """
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is NotRequired:
        return spelled(inside[0])
    if origin is typing.Annotated:  # the plain data of a dataclass
        return spelled(inside[1])
    if origin is Literal:
        return _either(map(_quoted, inside))
    if origin in (Union, types.UnionType):
        return _either(map(spelled, inside))
    if origin in (dict, Mapping):
        return f"Record<{spelled(inside[0])}, {spelled(inside[1])}>"
    if origin is tuple and inside[-1] is not ...:
        return f"[{', '.join(map(spelled, inside))}]"
    if origin in (list, tuple):
        each = spelled(inside[0])
        return f"({each})[]" if " | " in each else f"{each}[]"
    if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or typing.is_typeddict(hint)):
        return hint.__name__
    raise TypeError(f"{hint} has no form in TypeScript: say it plainer")


def _either(parts: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(parts))


def _quoted(value: Any) -> str:
    return "null" if value is None else f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    print(main(), end="")  # noqa: T201
