"""The one exception that means 'the user can mend this', and what every settings class checks."""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Any


class UserError(ValueError):
    """A mistake the user can mend: one sentence saying what is wrong, where, and the cure.

    The command line prints it in one line and exits with 2; a panel shows it in place.

    >>> raise UserError("ways is 9 but the split 'test' has 3 classes: ask for at most 3")
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: ways is 9 but the split 'test' has 3 classes: ask for at most 3
    """


def nearest(word: str, known: list[str]) -> str:
    """The cure for a misspelt name: the nearest known one, or all of them.

    >>> nearest("omniglott", ["omniglot", "glyphs"])
    "did you mean 'omniglot'?"
    """
    import difflib

    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"choose one of {', '.join(sorted(known))}"


def check_fields(settings: Any, where: str) -> None:
    """Refuses a choice that a field does not have, and what is no number or not finite.

    >>> from workbench.algorithms import MAMLSettings
    >>> MAMLSettings(order="frist")
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: learner.order is 'frist': did you mean 'first'?
    """
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        hint, value = hints[field.name], getattr(settings, field.name)
        name = f"{where}.{field.name}"
        if typing.get_origin(hint) is typing.Literal:
            choices = list(typing.get_args(hint))
            if value not in choices:
                raise UserError(f"{name} is {value!r}: {nearest(str(value), choices)}")
        elif hint is int and not isinstance(value, int):
            raise UserError(f"{name} is {value!r}: it must be a whole number")
        elif hint is float and not (isinstance(value, int | float) and math.isfinite(value)):
            raise UserError(f"{name} is {value!r}: it must be a finite number")
