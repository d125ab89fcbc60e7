"""The ready-made experiments: pure data, at the settings of the papers that they follow.

A family of tasks a file. For other settings change a field: `dataclasses.replace` in Python, a flag
on the command line.
"""

from __future__ import annotations

from functools import cache

from workbench.errors import UserError, nearest
from workbench.own import METHODS, declared, files_in, left_alone
from workbench.training.experiment import Experiment


def presets() -> dict[str, str]:
    """What can be trained: every preset's name and its one line, your own methods' last.

    >>> presets()["digits-maml"]
    "MAML on scikit-learn's 8x8 digits, 2-way 1-shot"
    """
    return {name: line for name, (line, _) in (_built_in() | _own()).items()}


def baselines() -> dict[str, str]:
    """What there is nothing to train of, by name: it is evaluated, compared and shown as it is.

    >>> baselines()["bandit-thompson"]
    'by the book, nothing to train: Thompson sampling'
    """
    return {name: line for name, (line, _) in _by_the_book().items()}


def preset(name: str) -> Experiment:
    """A ready-made experiment by name: built in, a baseline, or of a method in `methods`.

    >>> preset("sinusoid-maml").training.tasks
    25
    """
    built_in = _built_in() | _by_the_book()
    if name in built_in:
        return built_in[name][1]
    own = _own()
    if name not in own:
        known = [*built_in, *own]
        raise UserError(f"there is no preset '{name}': {nearest(name, known)}{left_alone(METHODS)}")
    return own[name][1]


@cache
def _built_in() -> dict[str, tuple[str, Experiment]]:
    """Those of the package. They name every method, so they are loaded when one is asked for."""
    from workbench.training.presets import (
        architectures,
        control,
        images,
        levels,
        medicine,
        navigation,
        optimizers,
        reacher,
        shifts,
        sinusoid,
        streams,
        taste,
        text,
    )

    parts = (
        *(sinusoid, images, architectures, shifts, control, navigation, reacher),
        *(text, taste, streams, medicine, optimizers, levels),
    )
    return {name: entry for part in parts for name, entry in part.PRESETS.items()}


@cache
def _by_the_book() -> dict[str, tuple[str, Experiment]]:
    from workbench.training.presets import by_the_book

    return by_the_book.PRESETS


def _own() -> dict[str, tuple[str, Experiment]]:
    """Those of the methods beside you; what is no preset is refused."""
    found: dict[str, tuple[str, Experiment]] = {}
    for path in files_in(METHODS):
        found |= declared(path)
    for name, entry in found.items():
        good = isinstance(entry, tuple | list) and len(entry) == 2
        if not (good and isinstance(entry[0], str) and isinstance(entry[1], Experiment)):
            raise UserError(
                f"the preset '{name}' of a method is {str(entry)[:60]!r}: make it "
                "(one line, Experiment(...))"
            )
    return found
