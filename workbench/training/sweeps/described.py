"""What a sweep consists of: read from a file, or from experiments; refused before anything starts.

A file is TOML. Every entry of its list is tried with every combination of its grid and every draw,
each under every seed; what is not there counts as one of it:

    preset = "sinusoid-maml"          # or several; or run = "runs/mine", of which the experiment is
    iterations = 2000                 # outer steps; schedules stretch with them
    seeds = [0, 1, 2]

    [settings]                        # of all units
    training.tasks = 10

    [grid]                            # each value with each
    learner.order = ["first", "second"]

    [draw]                            # as `workbench tune --space` takes them
    draws = 20
    seed = 0
    space = ["learner.inner_rate=1e-3..1", "training.rate"]

    [[list]]
    name = "wide"
    model.hidden = [100, 100]

Units are called by their settings, so that the same file leads to the same runs, and one to which
seeds, values or draws were added to some more.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from workbench.errors import UserError, nearest
from workbench.fields import describe, with_values
from workbench.randomness import fold, uniform
from workbench.training.experiment import Experiment
from workbench.training.presets import preset
from workbench.training.record import check_loads_elsewhere
from workbench.training.runs import Run
from workbench.training.trainer import tried
from workbench.training.tuning.space import Choice, read_space, space_of

_KEYS = ("preset", "run", "iterations", "seeds", "settings", "grid", "draw", "list")
_DRAW_KEYS = ("draws", "seed", "space")
_LONGEST = 200  # letters of a unit's name; file systems take 255


@dataclass(frozen=True)
class Unit:
    """One training of a sweep.

    name      the folder of its run
    group     what it is called with others that are equal but for their seed
    settings  those that tell its group from others, by dotted names
    """

    name: str
    group: str
    settings: Mapping[str, Any]
    experiment: Experiment


@dataclass(frozen=True)
class _Part:
    """Something that a unit may be made with, and what it adds to the name."""

    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def read(path: Path | str) -> list[Unit]:
    """The units that a file describes, every one of which can be trained."""
    import tomllib

    path = Path(path)
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check its name") from None
    except ValueError as error:
        raise UserError(f"{path} is no valid TOML ({error}): mend it") from None
    try:
        return _checked(_units(given))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def units_of(
    experiments: Experiment | Sequence[Experiment] | Mapping[str, Experiment],
    seeds: Iterable[int] | None = None,
) -> list[Unit]:
    """Experiments, by their names or else their methods', each under these seeds, or its own.

    >>> from workbench.training import preset
    >>> [unit.name for unit in units_of(preset("sinusoid-maml"), [0, 1])]
    ['maml,seed=0', 'maml,seed=1']
    """
    if isinstance(experiments, Experiment):
        experiments = [experiments]
    if not isinstance(experiments, Mapping):
        named: dict[str, Experiment] = {}
        for one in experiments:
            method = type(one.learner).__name__.removesuffix("Settings").lower()
            number = sum(name.partition("-")[0] == method for name in named) + 1
            named[method if number == 1 else f"{method}-{number}"] = one
        experiments = named
    units = []
    for name, experiment in experiments.items():
        own = [experiment.seed] if seeds is None else list(seeds)
        units += _seeded(_plain(name), {}, experiment, own)
    return _checked(units)


def _checked(units: list[Unit]) -> list[Unit]:
    """The units, if there are any, no two of one name, and none that cannot be trained."""
    if not units:
        raise UserError("there is no unit to train: give an experiment and a seed, at least")
    names = [unit.name for unit in units]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two units are called '{name}': leave one of them out")
        if len(name) > _LONGEST:
            raise UserError(
                f"the unit '{name[:40]}…' has too long a name: give it as a list, named"
            )
    for group in {unit.group: unit for unit in units}.values():
        try:
            check_loads_elsewhere(group.experiment)
            tried(group.experiment)
        except UserError as error:
            raise UserError(f"unit '{group.name}' cannot be trained: {error}") from None
    return units


def _seeded(
    group: str, settings: Mapping[str, Any], experiment: Experiment, seeds: Sequence[Any]
) -> list[Unit]:
    return [
        Unit(
            ",".join(filter(None, (group, f"seed={seed}"))),
            group,
            settings,
            dataclasses.replace(experiment, seed=seed),
        )
        for seed in seeds
    ]


def _units(given: Mapping[str, Any]) -> list[Unit]:
    _known(given, _KEYS, "the file")
    bases = _bases(given)
    seeds = given.get("seeds")
    if seeds is not None and (not isinstance(seeds, list) or not seeds):
        raise UserError(f"seeds is {seeds!r}: give a list of whole numbers, as in [0, 1, 2]")
    units = []
    for base, start in bases.items():
        names = [control["name"] for control in describe(start)]
        start = _with(start, _flat(given.get("settings", {}), names, "settings"), base)
        parts = (_listed(given, names), _gridded(given, names), _drawn(given, start))
        first = [_Part(base, {"preset": base})] if len(bases) > 1 else [_Part()]
        for chosen in itertools.product(first, *parts):
            settings: dict[str, Any] = {}
            for part in chosen:
                settings |= part.settings
            group = ",".join(filter(None, (part.name for part in chosen)))
            values = {name: value for name, value in settings.items() if name != "preset"}
            experiment = _with(start, values, group)
            own = [experiment.seed] if seeds is None else seeds
            units += _seeded(group, settings, experiment, own)
    return units


def _bases(given: Mapping[str, Any]) -> dict[str, Experiment]:
    """What settings are changed of."""
    if ("preset" in given) == ("run" in given):
        raise UserError("name a preset, or a run whose experiment is meant: one of the two")
    if "run" in given:
        found = {"": Run.open(given["run"]).experiment}
    else:
        names = given["preset"] if isinstance(given["preset"], list) else [given["preset"]]
        found = {str(name): preset(str(name)) for name in names}
    iterations = given.get("iterations")
    if iterations is None:
        return found
    if not isinstance(iterations, int):
        raise UserError(f"iterations is {iterations!r}: give a whole number of outer steps")
    return {name: base.stretched(iterations) for name, base in found.items()}


def _with(start: Experiment, values: Mapping[str, Any], unit: str) -> Experiment:
    try:
        return with_values(start, values)
    except UserError as error:
        raise UserError(f"unit '{unit}': {error}" if unit else str(error)) from None


def _listed(given: Mapping[str, Any], names: Sequence[str]) -> list[_Part]:
    """The entries of the list, called as they say or else by their settings."""
    found = given.get("list", [{}])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UserError("list must be tables, each begun by a line [[list]]")
    parts = []
    for one in found:
        own = _flat({k: v for k, v in one.items() if k != "name"}, names, "list")
        parts.append(_Part(_plain(str(one["name"])) if "name" in one else _called(own), own))
    return parts


def _gridded(given: Mapping[str, Any], names: Sequence[str]) -> list[_Part]:
    """Every combination of the values of the grid."""
    grid = _flat(given.get("grid", {}), names, "grid")
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"grid has {name} = {values!r}: give a list of values")
    rows = [dict(zip(grid, row, strict=True)) for row in itertools.product(*grid.values())]
    return [_Part(_called(row), row) for row in rows]


def _drawn(given: Mapping[str, Any], start: Experiment) -> list[_Part]:
    """Settings drawn at random: the first ones are the same however many there are."""
    draw = given.get("draw")
    if draw is None:
        return [_Part()]
    if not isinstance(draw, dict):
        raise UserError("draw must be a table, begun by a line [draw]")
    _known(draw, _DRAW_KEYS, "draw")
    draws, seed, words = draw.get("draws"), draw.get("seed", 0), draw.get("space")
    if not isinstance(draws, int) or draws < 1 or not isinstance(seed, int):
        raise UserError("draw needs draws, a whole number of at least 1, and perhaps a seed")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UserError('draw needs space, a list as in ["training.rate=1e-4..1e-2"]')
    space = space_of(start, read_space(words))
    shares = uniform(fold(torch.tensor([seed]), torch.arange(draws)), (len(space),), torch.float64)
    width = max(3, len(str(draws - 1)))
    found = []
    for number, row in enumerate(shares.tolist()):
        values: dict[str, Choice] = {
            name: of.drawn(share) for (name, of), share in zip(space.items(), row, strict=True)
        }
        found.append(_Part(f"draw={number:0{width}d}", values))
    return found


def _known(given: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in given:
        if key not in keys:
            raise UserError(f"{where} has '{key}': {nearest(key, list(keys))}")


def _flat(table: Any, names: Sequence[str], where: str, prefix: str = "") -> dict[str, Any]:
    """A table's settings by dotted names, whichever way it has them: quoted, dotted or nested."""
    if not isinstance(table, dict):
        raise UserError(f"{where} must be a table of settings: begin it by a line [{where}]")
    found: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}".replace("-", "_")
        if isinstance(value, dict) and name not in names:
            found |= _flat(value, names, where, f"{name}.")
        else:
            found[name] = value
    if "seed" in found:
        raise UserError("the seed is no setting of a sweep: give seeds, as in [0, 1, 2]")
    return found


def _called(settings: Mapping[str, Any]) -> str:
    """Settings as a name: `inner_rate=0.1,order=first`; whole dotted names where ends are alike.

    >>> _called({"learner.inner_rate": 0.1, "model.hidden": [40, 40]})
    'inner_rate=0.1,hidden=40x40'
    """
    ends = [name.rpartition(".")[2] for name in settings]
    short = len(set(ends)) == len(ends) and "seed" not in ends
    names = ends if short else list(settings)
    return ",".join(
        f"{name}={_plain(_word(value))}"
        for name, value in zip(names, settings.values(), strict=True)
    )


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return "-".join(f"{name}-{_word(one)}" for name, one in value.items())
    if isinstance(value, list):
        return "x".join(map(_word, value))
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _plain(text: str) -> str:
    """Text as a part of a folder's name."""
    return re.sub(r"[^\w.+=-]+", "-", text).strip(".") or "unit"
