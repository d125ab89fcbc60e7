"""Tasks: what a meta-learner learns from.

- A family of *tasks* (`Tasks`) is opened by name: `open_tasks("sinusoid")`,
  `open_tasks("omniglot:background-only")`. What stands after the colon is the *scheme*: which
  published setting, which division of the classes.
- `tasks.sample(n, seed=0, split="test", shape=Shape(ways=5, shots=1))` draws n tasks, always the
  same for the same arguments, as one `Episode`.
- An `Episode` has *support* `Examples` to learn from and *query* `Examples` to be judged by (or
  an *environment* to act in), and `info` on what they are and where they come from.
- A `Shape` says how big a task is, a `TaskSpec` what a model for it must take and give.
- An `Objective` says what they are judged by: the loss of an example, and `Metric`s. Tasks carry
  it (`tasks.objective`) and every episode knows it.
- `edited(episode, edits)` changes single examples, as `EDITS` can: move, relabel, draw, ...
- `save_episode` and `load_episode` keep an episode, edited by hand or not, in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from workbench.errors import UserError, nearest
from workbench.tasks.base import Shape as Shape
from workbench.tasks.base import Split as Split
from workbench.tasks.base import Tasks as Tasks
from workbench.tasks.base import TaskSpec as TaskSpec
from workbench.tasks.editing import EDITS as EDITS
from workbench.tasks.editing import edited as edited
from workbench.tasks.episode import Episode as Episode
from workbench.tasks.episode import Examples as Examples
from workbench.tasks.objectives import Metric as Metric
from workbench.tasks.objectives import Objective as Objective
from workbench.tasks.storage import load_episode as load_episode
from workbench.tasks.storage import save_episode as save_episode

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
    "load_episode",
    "names",
    "open_tasks",
    "save_episode",
]


def open_tasks(name: str) -> Tasks:
    """A family of tasks by `NAME` or `NAME:SCHEME`; without a scheme the first one it has.

    >>> open_tasks("sinusoid:reptile").scheme
    'reptile'
    """
    family, _, scheme = name.partition(":")
    if family not in _FAMILIES:
        raise UserError(f"there are no tasks '{family}': {nearest(family, list(_FAMILIES))}")
    schemes = _FAMILIES[family]
    scheme, *options = (scheme or next(iter(schemes))).split("/")
    if scheme not in schemes:
        raise UserError(f"{family} has no scheme '{scheme}': {nearest(scheme, list(schemes))}")
    return schemes[scheme](options)


def names() -> list[str]:
    """Every `NAME:SCHEME` that `open_tasks` knows, each family's default first.

    >>> names()[0]
    'sinusoid:maml'
    """
    return [f"{family}:{scheme}" for family, schemes in _FAMILIES.items() for scheme in schemes]


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


def _digits(options: list[str]) -> Tasks:
    from workbench.tasks.families.digits import open_digits

    _no_options("digits", options)
    return open_digits()


def _omniglot(scheme: str, options: list[str]) -> Tasks:
    from workbench.tasks.families.omniglot import open_omniglot

    return open_omniglot(scheme, options)


def _bandit(options: list[str]) -> Tasks:
    from workbench.tasks.control.bandits import Bandits

    _no_options("bandit", options)
    return Bandits()


def _mdp(options: list[str]) -> Tasks:
    from workbench.tasks.control.mdp import MDPs

    _no_options("mdp", options)
    return MDPs()


def _recurring(below: str, options: list[str]) -> Tasks:
    from workbench.tasks.families.glyphs import open_glyphs
    from workbench.tasks.families.recurring import Recurring
    from workbench.tasks.families.sinusoid import FAMILIES, Curves

    _no_options("recurring", options)
    if below == "glyphs":
        return Recurring(open_glyphs(within_alphabet=True))
    return Recurring(Curves("sinusoid", "maml", FAMILIES["sinusoid", "maml"]))


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
    "glyphs": {"alphabets": _glyphs, "unlabelled": partial(_glyphs, labelled=False)},
    "digits": {"5-2-3": _digits},
    "omniglot": {
        scheme: partial(_omniglot, scheme)
        for scheme in ("background-evaluation", "vinyals", "random", "background-only")
    },
    "bandit": {"bernoulli": _bandit},
    "mdp": {"tabular": _mdp},
    "recurring": {name: partial(_recurring, name) for name in ("sinusoid", "glyphs")},
}
