"""Command lines from typed functions and dataclasses, by tyro; a mistake is one sentence."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from workbench.errors import UserError

T = TypeVar("T")


def parse(form: Callable[..., T], arguments: list[str], command: str) -> T:
    """What `form` (a dataclass, or a function to be called) makes of the arguments."""
    if isinstance(form, type):
        return _parsed(form, arguments, command)
    return _parsed(_later(form), arguments, command)()


def _parsed(form: Callable[..., T], arguments: list[str], command: str) -> T:
    import tyro

    config = (tyro.conf.FlagCreatePairsOff,)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(form, args=arguments, prog=f"workbench {command}", config=config)
    except SystemExit as stop:
        if stop.code in (0, None):  # --help
            raise _Helped from None
        raise UserError(sentence(complaint.getvalue(), command)) from None


def _later(function: Callable[..., T]) -> Callable[..., Callable[[], T]]:
    """The function as one that only keeps its arguments: it is called once they are read.

    What it says on standard error is no complaint about the arguments.
    """

    @functools.wraps(function)
    def kept(*arguments: Any, **options: Any) -> Callable[[], T]:
        return functools.partial(function, *arguments, **options)

    return kept


class _Helped(Exception):
    """The help was printed; there is nothing else to do."""


def command(function: Callable[[list[str]], int]) -> Callable[[list[str]], int]:
    """A command that ends well where it was asked only for help."""

    def run(arguments: list[str]) -> int:
        try:
            return function(arguments)
        except _Helped:
            return 0

    run.__doc__ = function.__doc__
    return run


def sentence(complaint: str, command: str) -> str:
    """tyro's framed complaint as one sentence with the cure.

    >>> sentence(" Value error\\n ----\\n  Error parsing --n: no\\n  number\\n ----\\n For", "x")
    '--n: no number (see workbench x --help)'
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", complaint)
    blocks: list[list[str]] = [[]]  # parted by rules, after the title
    for line in (raw.strip(" │").rstrip() for raw in plain.splitlines()):
        if line and set(line) <= set("-─"):
            blocks.append([])
        elif line and line[0] not in "╭╰":
            blocks[-1].append(line)
    if "╭" not in plain:  # a terminal without Unicode has the title above a rule
        blocks.pop(0)
    text = " ".join(blocks[0])
    text = text.removeprefix("Error parsing ").rstrip(".")
    repeated = re.match(r"(\w+): (\1\.)", text)  # 'learner: learner.rate is …'
    if repeated:
        text = text[repeated.start(2) :]
    range_ = re.match(r"(--[\w.-]+): no type matching INT\|\{INT INT\} .*? from \['(.*?)'\]", text)
    if range_:
        option, value = range_.groups()
        cure = "give a whole number, or two with a space between for a range"
        return f"{option} is '{value}': {cure} (see workbench {command} --help)"
    if text.startswith("Unrecognized options: "):
        unknown = text.removeprefix("Unrecognized options: ").split(",")[0].strip()
        meant = re.search(r"--[\w.-]+", " ".join(line for b in blocks[1:] for line in b))
        guess = f"did you mean {meant.group()}? " if meant and unknown.startswith("-") else ""
        kind = "option" if unknown.startswith("-") else "argument"
        return f"unknown {kind} {unknown}: {guess}(see workbench {command} --help)"
    return f"{text} (see workbench {command} --help)"


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A line beside the result."""
    sys.stderr.write(text + "\n")


def say_json(record: Any) -> None:
    """The one JSON object of a result; a number that is none is null."""
    say(json.dumps(_plain(record), allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
