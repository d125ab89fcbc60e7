"""Where settings are sought: each within its own range, or between bounds that are given.

A setting goes by its dotted name, as a form shows it: `learner.inner_rate`, `training.rate`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from workbench.errors import UserError, nearest
from workbench.fields import Field, describe, with_values
from workbench.training.experiment import Experiment

Choice = str | int | float | bool
Given = tuple[float, float] | Sequence[Choice] | None  # bounds, choices, or the setting's own
# What a trial is judged by, or must not change if trials are to be compared.
_FIXED = ("tasks", "test.", "seed", "device", "dtype", "training.validat")


@dataclass(frozen=True)
class Dimension:
    """Where one setting is sought: between two numbers, or among choices.

    log    by factors
    whole  among whole numbers
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Choice, ...] = ()

    def suggest(self, trial: Any, name: str) -> Choice:
        """What an Optuna trial makes of it."""
        if self.choices:
            return cast(Choice, trial.suggest_categorical(name, self.choices))
        if self.whole:
            return int(trial.suggest_int(name, int(self.low), int(self.high)))
        return float(trial.suggest_float(name, self.low, self.high, log=self.log))

    def drawn(self, share: float) -> Choice:
        """The value at a share of the way, from 0 up to below 1; by factors where it is sought so.

        >>> Dimension(1e-3, 1e-1, log=True).drawn(0.5), Dimension(1, 4, whole=True).drawn(0.99)
        (0.01, 4)
        """
        if self.choices:
            return self.choices[int(share * len(self.choices))]
        if self.whole:
            return int(self.low) + int(share * (int(self.high) - int(self.low) + 1))
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return float(self.low + share * (self.high - self.low))

    def nearest(self, value: Choice) -> Choice | None:
        """The value as it can be sought here; None where it is no such choice.

        >>> Dimension(1e-3, 1e-1, log=True).nearest(0.4)
        0.1
        """
        if self.choices:
            return value if value in self.choices else None
        if isinstance(value, str):
            return None
        bounded = min(max(value, self.low), self.high)
        return round(bounded) if self.whole else float(bounded)


Space = dict[str, Dimension]


def space_of(
    experiment: Experiment, given: Sequence[str] | Mapping[str, Given] | None = None
) -> Space:
    """Where the settings of an experiment are sought.

    given  names of settings, each sought within its own range; or with each its bounds, as a pair
           of numbers, or a list of choices. By default the rates of learner and training that are
           in force.

    >>> from workbench.training import preset
    >>> space = space_of(preset("sinusoid-maml"))
    >>> list(space)
    ['learner.inner_rate', 'training.rate']
    >>> space["learner.inner_rate"]
    Dimension(low=0.0001, high=1, log=True, whole=False, choices=())
    """
    controls = {control["name"]: control for control in describe(experiment)}
    if given is None:
        asked: Mapping[str, Given] = dict.fromkeys(filter(None, map(_in_force, controls.values())))
    else:
        asked = given if isinstance(given, Mapping) else dict.fromkeys(given)
    if not asked:
        raise UserError("the space is empty: name the settings to tune, such as learner.inner_rate")
    return {name: _dimension(experiment, controls, name, of) for name, of in asked.items()}


def _in_force(control: Field) -> str:
    """The setting's name, if it is a rate that is not zero."""
    rate = control["type"] == "rate" and isinstance(control["value"], float | int)
    mine = control["name"].startswith(("learner.", "training."))
    return control["name"] if rate and mine and control["value"] else ""


def _dimension(
    experiment: Experiment, controls: Mapping[str, Field], name: str, given: Given
) -> Dimension:
    if name not in controls:
        raise UserError(f"there is no setting '{name}' to tune: {nearest(name, list(controls))}")
    if name.startswith(_FIXED):
        raise UserError(f"{name} says what trials are judged by: tune other settings than this one")
    control = controls[name]
    found = _own(control) if given is None else _given(control, given)
    ends = found.choices or (found.low, found.high)
    if len(set(ends)) < 2:
        raise UserError(f"{name} has one value to choose from, {ends[0]!r}: give it two or more")
    for end in ends:  # refused here, and not trial by trial
        with_values(experiment, {name: int(end) if found.whole else end})
    return found


def _own(control: Field) -> Dimension:
    """The range that the setting's field says."""
    if control["choices"]:
        return Dimension(choices=tuple(control["choices"]))
    if control["type"] == "boolean":
        return Dimension(choices=(False, True))
    if control["span"] is None:
        raise UserError(
            f"{control['name']} has no range of its own: give bounds, or choices to tune it among"
        )
    low, high = control["span"]
    return Dimension(low, high, log=control["type"] == "rate", whole=control["type"] == "integer")


def _given(control: Field, given: Any) -> Dimension:
    """The bounds or choices that somebody named."""
    name, kind = control["name"], control["type"]
    if not isinstance(given, tuple) or kind not in ("rate", "number", "integer"):
        if isinstance(given, str) or not isinstance(given, Sequence) or not given:
            raise UserError(f"{name} is sought in {given!r}: give two bounds, or a list of choices")
        return Dimension(choices=tuple(given))
    numbers = [n for n in given if isinstance(n, int | float) and math.isfinite(n)]
    if len(given) != 2 or len(numbers) != 2 or numbers[0] > numbers[1]:
        raise UserError(f"{name} is sought in {given!r}: give a lower and an upper bound")
    low, high = numbers
    if kind == "rate" and low <= 0:
        raise UserError(f"{name} is sought by factors, from {low}: let it begin above 0")
    return Dimension(low, high, log=kind == "rate", whole=kind == "integer")


def read_space(words: Sequence[str]) -> dict[str, Given]:
    """A space as a command line says it: NAME, NAME=LOW..HIGH, or NAME=ONE,OTHER.

    >>> read_space(["training.rate=1e-4..1e-2", "learner.order=first,second", "learner.clip"])
    {'training.rate': (0.0001, 0.01), 'learner.order': ['first', 'second'], 'learner.clip': None}
    """
    found: dict[str, Given] = {}
    for word in words:
        name, _, rest = word.partition("=")
        name = name.replace("-", "_")
        if not rest:
            found[name] = None
        elif ".." in rest:
            bounds = [_number(part) for part in rest.split("..")]
            found[name] = cast(Given, tuple(bounds))
        else:
            found[name] = [_number(part) for part in rest.split(",")]
    return found


def _number(text: str) -> Choice:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
