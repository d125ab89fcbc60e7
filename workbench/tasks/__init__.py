"""Tasks: what a meta-learner learns from.

- A family of *tasks* (`Tasks`) is opened by name: `open_tasks("sinusoid")`,
  `open_tasks("omniglot:background-only")`. What stands after the colon is the *scheme*: which
  published setting, which division of the classes. A file `tasks/NAME.py` beside you is a family
  too (`workbench.own`).
- `tasks.sample(n, seed=0, split="test", shape=Shape(ways=5, shots=1))` draws n tasks, always the
  same for the same arguments, as one `Episode`.
- An `Episode` has *support* `Examples` to learn from and *query* `Examples` to be judged by (or
  an *environment* to act in), and `info` on what they are and where they come from.
- A `Shape` says how big a task is, a `TaskSpec` what a model for it must take and give.
- An `Objective` says what they are judged by: the loss of an example, and `Metric`s. Tasks carry
  it (`tasks.objective`) and every episode knows it.
- `tasks_from(x, classes)` makes tasks of your own data: arrays, a table, a folder of images. A
  folder and a table have names too, `folder:PATH` and `table:FILE.csv?task=hospital&target=sick`.
- `features_of(network, tasks)` gives the same tasks with features in place of the inputs.
- `edited(episode, edits)` changes single examples, as `EDITS` can: move, relabel, draw, ...
- `save_episode` and `load_episode` keep an episode, edited by hand or not, in a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from workbench.errors import UserError, nearest
from workbench.own import TASKS, declared, file_named, files_in, left_alone
from workbench.tasks.base import Shape as Shape
from workbench.tasks.base import Split as Split
from workbench.tasks.base import Tasks as Tasks
from workbench.tasks.base import TaskSpec as TaskSpec
from workbench.tasks.editing import EDITS as EDITS
from workbench.tasks.editing import edited as edited
from workbench.tasks.episode import Episode as Episode
from workbench.tasks.episode import Examples as Examples
from workbench.tasks.features import features_of as features_of
from workbench.tasks.objectives import Metric as Metric
from workbench.tasks.objectives import Objective as Objective
from workbench.tasks.own_data import SOURCES as SOURCES
from workbench.tasks.own_data import opened
from workbench.tasks.own_data import tasks_from as tasks_from
from workbench.tasks.storage import load_episode as load_episode
from workbench.tasks.storage import save_episode as save_episode
from workbench.tasks.tabled import TABLED, digits_with_gaps

__all__ = [
    "EDITS",
    "Episode",
    "Examples",
    "Metric",
    "Objective",
    "Shape",
    "Split",
    "TaskSpec",
    "Tasks",
    "edited",
    "features_of",
    "load_episode",
    "name_of",
    "names",
    "open_tasks",
    "save_episode",
    "tasks_from",
]

_GIVEN: WeakValueDictionary[str, Tasks] = WeakValueDictionary()  # what no name alone can open


def open_tasks(name: str) -> Tasks:
    """A family of tasks by `NAME` or `NAME:SCHEME`; without a scheme the first one it has.

    >>> open_tasks("sinusoid:reptile").scheme
    'reptile'
    """
    if not isinstance(name, str):
        raise UserError(
            f"tasks are opened by name, and this is a {type(name).__name__}: make tasks of your "
            "own data by tasks_from(x, classes)"
        )
    if name in _GIVEN:
        return _GIVEN[name]
    family, _, scheme = name.partition(":")
    if family in SOURCES:
        return opened(family, scheme)
    path = file_of(name)
    if path is None and family not in _FAMILIES:
        if re.fullmatch("[0-9a-f]{16}", scheme):
            raise UserError(
                f"'{name}' are tasks of data that were in memory and are not here: make them "
                "again by tasks_from, or load the run that keeps them"
            )
        known = [*_FAMILIES, *(path.stem for path in files_in(TASKS))]
        raise UserError(
            f"there are no tasks '{family}': {nearest(family, known)}{left_alone(TASKS)}"
        )
    schemes = _FAMILIES[family] if path is None else _own_schemes(path)
    scheme, *options = (scheme or next(iter(schemes))).split("/")
    if scheme not in schemes:
        raise UserError(
            f"{family} has no scheme '{scheme}': {nearest(scheme, list(schemes))}{_after(family)}"
        )
    return schemes[scheme](options)


def name_of(tasks: Any) -> str:
    """The `NAME:SCHEME` of tasks; by it `open_tasks` finds them as long as somebody holds them.

    >>> name_of(open_tasks("sinusoid"))
    'sinusoid:maml'
    """
    if not isinstance(tasks, Tasks):
        raise UserError(
            f"a {type(tasks).__name__} is no tasks: give their name, or make tasks of your own "
            "data by tasks_from(x, classes)"
        )
    name = f"{tasks.name}:{tasks.scheme}"
    if not (tasks.name in _FAMILIES or tasks.name in SOURCES or file_of(name) is not None):
        _GIVEN[name] = tasks
    return name


def in_memory(name: str) -> Tasks | None:
    """The tasks of that name that only memory holds, if there are any.

    >>> in_memory("sinusoid:maml")
    """
    return _GIVEN.get(name)


def _after(family: str) -> str:
    """What may follow a family's scheme, in a word; empty where nothing does."""
    if family != "omniglot":
        return ""
    from workbench.tasks.families.omniglot import OPTIONS

    listed = ", ".join(f"/{option}" for option in OPTIONS)
    return f"; after a scheme may stand {listed}"


def names() -> list[str]:
    """Every `NAME:SCHEME` that `open_tasks` knows, each family's default first, your own last.

    >>> names()[0]
    'sinusoid:maml'
    """
    built_in = [f"{family}:{scheme}" for family, schemes in _FAMILIES.items() for scheme in schemes]
    return [*built_in, *own_lines(), *sorted(_GIVEN)]


def own_lines() -> dict[str, str]:
    """The line of every `NAME:SCHEME` that the files in the folder `tasks` declare.

    >>> own_lines()
    {}
    """
    return {
        f"{path.stem}:{scheme}": line
        for path in files_in(TASKS)
        for scheme, (line, _) in _own_table(path).items()
    }


def file_of(name: str) -> Path | None:
    """The file in the folder `tasks` that a family's name is of; None where it is built in.

    >>> file_of("sinusoid:maml")
    """
    family = name.partition(":")[0]
    path = file_named(TASKS, family)
    if path is not None and (family in _FAMILIES or family in SOURCES):
        raise UserError(f"{path} has the name of tasks that are built in: give it another")
    return path


def _own_table(path: Path) -> dict[str, Any]:
    """What a file in the folder `tasks` declares; what is no family is refused."""
    file_of(path.stem)
    found = declared(path)
    for scheme, entry in found.items():
        good = isinstance(entry, tuple | list) and len(entry) == 2
        if not (good and isinstance(entry[0], str) and callable(entry[1])):
            raise UserError(
                f"the scheme '{scheme}' in {path} is {str(entry)[:60]}: make it "
                "(one line, factory), where factory() gives the Tasks"
            )
    return found


def _own_schemes(path: Path) -> Mapping[str, Callable[[list[str]], Tasks]]:
    table = _own_table(path)
    if not table:
        raise UserError(
            f"{path} declares no tasks: give it TASKS = {{scheme: (one line, factory)}}"
        )
    return {scheme: partial(_own, path, scheme, factory) for scheme, (_, factory) in table.items()}


def _own(path: Path, scheme: str, factory: Callable[[], Any], options: list[str]) -> Tasks:
    _no_options(path.stem, options)
    tasks = factory()
    if not isinstance(tasks, Tasks):
        raise UserError(
            f"the scheme '{scheme}' in {path} gives {type(tasks).__name__}, which is no Tasks: "
            "let its class inherit from workbench.tasks.Tasks"
        )
    named = (getattr(tasks, "name", None), getattr(tasks, "scheme", None))
    if named != (path.stem, scheme):
        raise UserError(
            f"the tasks in {path} call themselves {named[0]}:{named[1]}: "
            f"let their name be '{path.stem}' and their scheme '{scheme}'"
        )
    return tasks


# Opening imports only what the family needs: scikit-learn and Pillow are slow to load.


def _curves(family: str, scheme: str, options: list[str]) -> Tasks:
    from workbench.tasks.families.sinusoid import FAMILIES, Curves

    _no_options(family, options)
    return Curves(family, scheme, FAMILIES[family, scheme])


def _glyphs(options: list[str], *, labelled: bool = True) -> Tasks:
    from workbench.tasks.families.glyphs import open_glyphs
    from workbench.tasks.families.unlabelled import without_labels

    _no_options("glyphs", options)
    return open_glyphs() if labelled else without_labels(open_glyphs())


def _noisy(family: str, scheme: str, options: list[str]) -> Tasks:
    from workbench.tasks.families.glyphs import open_glyphs
    from workbench.tasks.families.noisy import with_wrong_labels
    from workbench.tasks.families.problems import open_whole_digits

    _no_options(family, options)
    right = open_glyphs() if family == "glyphs" else open_whole_digits()
    return with_wrong_labels(right, scheme)


def _omniglot(scheme: str, options: list[str]) -> Tasks:
    from workbench.tasks.families.omniglot import open_omniglot

    return open_omniglot(scheme, options)


def _acted(family: str, scheme: str, options: list[str]) -> Tasks:
    _no_options(family, options)
    home = "mujoco" if family in ("cheetah", "ant") else family
    tasks: Tasks = import_module(f"workbench.tasks.control.{home}").opened(family, scheme)
    return tasks


def _recurring(below: str, options: list[str]) -> Tasks:
    from workbench.tasks.families.glyphs import open_glyphs
    from workbench.tasks.families.recurring import Recurring
    from workbench.tasks.families.sinusoid import FAMILIES, Curves

    _no_options("recurring", options)
    if below == "glyphs":
        return Recurring(open_glyphs(within_alphabet=True))
    return Recurring(Curves("sinusoid", "maml", FAMILIES["sinusoid", "maml"]))


def _families(scheme: str, options: list[str]) -> Tasks:
    from workbench.tasks.families.curve_families import CurveFamilies
    from workbench.tasks.families.given_families import open_glyph_families

    _no_options("families", options)
    return open_glyph_families() if scheme == "glyphs" else CurveFamilies(scheme)


def _new_pen(options: list[str]) -> Tasks:
    from workbench.tasks.families.glyphs import open_glyphs
    from workbench.tasks.families.shifts import NewPen

    _no_options("glyphs", options)
    return NewPen(open_glyphs())


def _clinc150(scheme: str, options: list[str]) -> Tasks:
    from workbench.tasks.families.clinc150 import open_clinc150

    return open_clinc150(scheme, options)


def _afrisenti(options: list[str]) -> Tasks:
    from workbench.tasks.families.afrisenti import open_afrisenti

    return open_afrisenti(options)


def _plain(place: str, opener: str, given: tuple[str, ...], options: list[str]) -> Tasks:
    """What the function `opener` gives, in the file at `place`; there are no options."""
    _no_options(place.rpartition(".")[2], options)
    tasks: Tasks = getattr(import_module(f"workbench.tasks.{place}"), opener)(*given)
    return tasks


def _of(place: str, opener: str, *given: str) -> Callable[[list[str]], Tasks]:
    return partial(_plain, place, opener, given)


def _no_options(family: str, options: list[str]) -> None:
    if options:
        raise UserError(
            f"{family} takes nothing after its scheme, but was given '/{'/'.join(options)}': "
            "leave it out"
        )


_FAMILIES: Mapping[str, Mapping[str, Callable[[list[str]], Tasks]]] = {
    "sinusoid": {
        "maml": partial(_curves, "sinusoid", "maml"),
        "reptile": partial(_curves, "sinusoid", "reptile"),
    },
    "harmonics": {"octave": partial(_curves, "harmonics", "octave")},
    "linear-sine": {"sum": partial(_curves, "linear-sine", "sum")},
    "glyphs": {
        "alphabets": _glyphs,
        "unlabelled": partial(_glyphs, labelled=False),
        "pen": _new_pen,
        **{scheme: partial(_noisy, "glyphs", scheme) for scheme in ("noisy", "confused")},
    },
    "moons": {"turned": _of("families.shifts", "Moons")},
    "digits": {
        "5-2-3": _of("families.digits", "open_digits"),
        "whole": _of("families.problems", "open_whole_digits"),
        **{scheme: partial(_noisy, "digits", scheme) for scheme in ("noisy", "confused")},
        "patches": digits_with_gaps,
    },
    "quadratics": {"normal": _of("families.problems", "Quadratics")},
    "omniglot": {
        scheme: partial(_omniglot, scheme)
        for scheme in ("background-evaluation", "vinyals", "random", "background-only")
    },
    "bandit": {"bernoulli": _of("control.bandits", "Bandits")},
    "mdp": {"tabular": _of("control.mdp", "MDPs")},
    "navigation": {"plane": _of("control.navigation", "Navigations")},
    **{
        family: {scheme: partial(_acted, family, scheme) for scheme in schemes}
        for family, schemes in (
            ("reacher", ("goal", "mass", "length")),
            ("grid", ("goal", "walls")),
            ("pendulum", ("body",)),
            ("cheetah", ("direction", "velocity")),
            ("ant", ("goal",)),
        )
    },
    "grammar": {"domains": _of("families.grammar", "open_grammar")},
    "clinc150": {name: partial(_clinc150, name) for name in ("intents", "domains")},
    "afrisenti": {"leave-out": _afrisenti},
    **TABLED,
    "streams": {
        name: _of("families.streams", "DigitStreams", name) for name in ("permuted", "turned")
    },
    "taste": {"rank": _of("families.tastes", "open_tastes")},
    "movielens": {
        name: _of("families.movielens", "open_movielens", name) for name in ("people", "films")
    },
    "families": {name: partial(_families, name) for name in ("sines", "harmonics", "glyphs")},
    "recurring": {name: partial(_recurring, name) for name in ("sinusoid", "glyphs")},
}
