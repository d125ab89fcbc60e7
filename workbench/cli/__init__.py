"""The command line, `workbench COMMAND …`.

Standard output has results alone (one JSON object with --json), standard error the rest.
Exit codes: 0 done, 2 the user's mistake or a training that diverged (one line), 1 our own fault,
130 interrupted, resumable.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from importlib import import_module

from workbench.errors import UserError, nearest

# Where each command's function lives; nothing is imported before its command is called.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "lab": ("workbench.lab", "main", "copy the notebooks where there are none, open JupyterLab"),
    "presets": ("workbench.cli.train", "presets", "list the ready-made experiments"),
    "train": ("workbench.cli.train", "train", "train a preset, or resume a run"),
    "tune": ("workbench.cli.tune", "tune", "seek the settings of a preset that validate best"),
    "sweep": ("workbench.cli.sweep", "sweep", "train many from one file, and measure them"),
    "runs": ("workbench.cli.runs", "runs", "list runs; rename, annotate, delete, restore them"),
    "stop": ("workbench.cli.train", "stop", "stop a running training; it can be resumed"),
    "evaluate": ("workbench.cli.results", "evaluate", "measure a run on new tasks"),
    "compare": ("workbench.cli.results", "compare", "compare runs on the same new tasks"),
    "trace": ("workbench.cli.inspect", "trace", "adapt to an episode and save every step of it"),
    "inspect": ("workbench.cli.inspect", "inspect", "write a view of an adaptation: table, figure"),
    "data": ("workbench.cli.data", "data", "list data sets, or fetch one"),
    "check": ("workbench.cli.check", "check", "certify this installation"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            return _dispatch(arguments)
    except UserError as error:
        sys.stderr.write(f"workbench: {' '.join(str(error).split())}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("workbench: interrupted\n")
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if found := _own_mistake(error):
            sys.stderr.write(f"workbench: {found}\n")
            return 2
        traceback.print_exc()
        sys.stderr.write("workbench: this is a fault of the workbench itself, not of yours\n")
        return 1


def _warn(message: Warning | str, *where: object, **more: object) -> None:
    """A warning is a line beside the result."""
    sys.stderr.write(f"workbench: {' '.join(str(message).split())}\n")


def _own_mistake(error: Exception) -> str:
    """The line about an error out of a file of the user's own; empty if it is none."""
    from workbench.own import place_of

    place = place_of(error)
    if place is None:
        return ""
    said = " ".join(str(error).split())
    return f"{place[0]}, line {place[1]}: {type(error).__name__}: {said}: mend that file"


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        stream = sys.stdout if arguments else sys.stderr
        stream.write(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from workbench import __version__

        sys.stdout.write(f"{__version__}\n")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise UserError(f"there is no command '{name}': {nearest(name, list(COMMANDS))}")
    if name in ("train", "tune", "sweep", "evaluate", "compare"):
        from workbench.training.execution import keep_freed_memory

        keep_freed_memory()
    module, function, _ = COMMANDS[name]
    command: Callable[[list[str]], int] = getattr(import_module(module), function)
    return command(rest)


def usage() -> str:
    """What the commands are.

    >>> "workbench train" in usage()
    True
    """
    lines = [f"  workbench {name:<10}{line}" for name, (_, _, line) in COMMANDS.items()]
    return "\n".join(["usage:", *lines, "  workbench COMMAND --help", ""])
