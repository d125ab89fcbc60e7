"""Type hints of settings, read in one place: the values that a field may hold, and how plain data
or what a form says becomes one of them.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from workbench.errors import UserError

_PLAIN = {
    int: "a whole number",
    float: "a finite number",
    str: "text",
    bool: "true or false",
    type(None): "null",
}


def hints_of(cls: type, *, extras: bool = False) -> dict[str, Any]:
    """The type of each field; `Annotated` with what it adds only where extras are wanted.

    >>> from workbench.tasks import Shape
    >>> hints_of(Shape)["queries"]
    <class 'int'>
    """
    return typing.get_type_hints(cls, include_extras=extras)


def arms_of(hint: Any) -> tuple[Any, ...]:
    """The types that a union joins; a plain type alone."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def numbers_in(hint: Any, value: Any) -> list[float] | None:
    """The numbers that a value of this type consists of; None where it is of another type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is bool:
        return [] if isinstance(value, bool) else None
    if hint is int:
        return [value] if isinstance(value, int) and not isinstance(value, bool) else None
    if hint is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return [float(value)] if number and abs(value) <= sys.float_info.max else None
    if hint is str:
        return [] if isinstance(value, str) else None
    if origin is tuple and isinstance(value, tuple | list):
        open_ended = inner[-1] is ...
        if not open_ended and len(value) != len(inner):
            return None
        parts = [numbers_in(inner[0 if open_ended else i], v) for i, v in enumerate(value)]
    elif origin is dict and isinstance(value, Mapping):
        parts = [
            next((n for arm in arms_of(inner[1]) if (n := numbers_in(arm, v)) is not None), None)
            for v in value.values()
        ]
    elif origin in (tuple, dict):
        return None
    else:
        return []  # another class sees to itself
    if any(part is None for part in parts):
        return None
    return [number for part in parts for number in part or []]


def described(hint: Any) -> str:
    """What a value of this type is, in words.

    >>> described(tuple[int, ...]), described(None | float)
    ('whole numbers', 'null or a finite number')
    """
    if len(arms := arms_of(hint)) > 1:
        return " or ".join(map(described, arms))
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        number = {int: "whole numbers", float: "finite numbers"}.get(inner[0], "values")
        return number if inner[-1] is ... else f"{len(inner)} {number}"
    if typing.get_origin(hint) is dict:
        return "a mapping from names to numbers"
    return _PLAIN.get(hint, str(hint).replace("typing.", ""))


def from_plain(hint: Any, value: Any, where: str, part: Callable[[type, Any, str], Any]) -> Any:
    """Plain data as a field's type wants it; refused where it is of another type.

    part  makes what stands in a field of a dataclass, a protocol or an abstract class

    >>> from_plain(tuple[float, ...] | None, [1, 2.5], "rates", part=None)
    (1.0, 2.5)
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if len(arms := arms_of(hint)) > 1:
        return _from_union(arms, value, where, part)
    if origin is typing.Literal:
        if value not in inner:
            raise UserError(f"{where} is {value!r}: choose {' or '.join(map(str, inner))}")
        return value
    if origin is tuple and isinstance(value, list):
        if inner[-1:] == (...,):
            return tuple(from_plain(inner[0], item, where, part) for item in value)
        if len(inner) == len(value):
            pairs = zip(inner, value, strict=True)
            return tuple(from_plain(each, item, where, part) for each, item in pairs)
    if origin is dict and isinstance(value, dict):
        return {key: from_plain(inner[1], item, where, part) for key, item in value.items()}
    if isinstance(hint, type):
        stands_for = getattr(hint, "_is_protocol", False) or inspect.isabstract(hint)
        if dataclasses.is_dataclass(hint) or stands_for:
            return part(hint, value, where)
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
            return value
    raise UserError(f"{where} is {value!r}: it must be {described(hint)}")


def _from_union(
    arms: tuple[Any, ...], value: Any, where: str, part: Callable[[type, Any, str], Any]
) -> Any:
    wanted = [arm for arm in arms if arm is not type(None)]
    if len(wanted) == 1 and isinstance(value, dict):  # which says itself what is wrong with it
        return from_plain(wanted[0], value, where, part)
    for arm in arms:
        try:
            return from_plain(arm, value, where, part)
        except UserError:
            continue
    said = " or ".join(map(described, arms))
    raise UserError(f"{where} is {value!r}: it must be {said}")


def from_form(hint: Any, value: Any) -> Any:
    """What a form says, as the field's type has it; what cannot be read is left to be refused."""
    arms = arms_of(hint)
    inside = {typing.get_origin(arm): typing.get_args(arm) for arm in arms}
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if int in arms and isinstance(value, float) and value.is_integer():
        return int(value)
    if float in arms and number:
        return float(value)
    if tuple in inside and isinstance(value, str):
        numbers = tuple(_number(word) for word in value.replace(",", " ").split())
        return numbers[0] if int in arms and len(numbers) == 1 else numbers
    if tuple in inside and isinstance(value, list):
        return tuple(value)
    if dict in inside and isinstance(value, str):
        pairs = (word.partition("=") for word in value.replace(",", " ").split())
        return {name: _number(text) for name, _, text in pairs}
    return value


def _number(word: str) -> Any:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
