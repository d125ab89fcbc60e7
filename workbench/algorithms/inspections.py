"""A way to look at an adaptation, as one record: what is listed, computed and drawn of it.

`workbench.inspection.KINDS` has those of every method; a method brings its own by the attribute
`inspections` of its class, and they are then in the stepper, the command line and the panels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench.errors import UserError
from workbench.fields import check_fields
from workbench.tasks.episode import Kind

View = Literal[
    "stage",
    "export",
    "loss",
    "acting",
    "layers",
    "flow",
    "anatomy",
    "agreement",
    "landscape",
    "memory",
    "stream",
]


@dataclass(frozen=True)
class Inspection:
    """One way to look at an adaptation, from computing it to drawing it.

    name      what it is asked for by
    make      the data frame of `(learner, episode, path)` and, where it shows a single task, that
              task's number
    columns   what each column of the frame holds; '...' are those that tasks name, as metrics
    sentence  what it shows, for lists
    scope     whether it shows a single task, or all of the episode
    needs     capabilities: classes of which the learner must be one
    tasks     kinds of task that it is of; of all where none is named
    cost      quick (then kept for several tasks), slow, or adapts anew: it goes through every step
              again, which needs one learner on the same examples from the first
    shows     tasks (the examples alone), steps (each, as far as it is finite), or outcome (what
              an adaptation came to: nothing of one that diverged)
    figure    a name in `workbench.figures.DRAWN`, or a function of the frame and `style`
    view      which view of the panels shows it: 'stage' and 'loss' at once, 'export' only as a
              file, others where they are looked at; None as a table of its own
    label     what its tab is called; empty where it stands in the tab of another of its view. What
              has no view is called by its name where nothing is said
    called    what its tab is called instead on tasks of a kind

    >>> import pandas as pd
    >>> def lengths(learner, episode, path):
    ...     return pd.DataFrame({"steps": [len(path) - 1]})
    >>> Inspection("length", lengths, {"steps": "inner steps"}, "How long it took", "episode").cost
    'quick'
    """

    name: str
    make: Callable[..., Any]
    columns: Mapping[str, str]
    sentence: str
    scope: Literal["task", "episode"] = "task"
    needs: tuple[type, ...] = ()
    tasks: tuple[Kind, ...] = ()
    cost: Literal["quick", "slow", "adapts anew"] = "quick"
    shows: Literal["tasks", "steps", "outcome"] = "steps"
    figure: str | Callable[..., Any] | None = None
    view: View | None = None
    label: str = ""
    called: Mapping[Kind, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, "inspection")
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", self.name):
            raise UserError(
                f"an inspection cannot be named {self.name!r}: use small letters, digits, - and _"
            )
        if not callable(self.make):
            raise UserError(
                f"the inspection '{self.name}' has no function that makes its frame: "
                "give make=function(learner, episode, path)"
            )
        if self.view is None and not self.label:
            object.__setattr__(self, "label", self.name)

    def missing(self, learner: Any) -> type | None:
        """The first capability that the learner lacks for it."""
        return next((need for need in self.needs if not isinstance(learner, need)), None)

    def fits(self, learner: Any, kind: Kind) -> bool:
        """Whether it can be of such a learner, on tasks of that kind."""
        return self.missing(learner) is None and self.suits(kind)

    def suits(self, kind: Kind) -> bool:
        """Whether it can be of tasks of that kind."""
        return not self.tasks or kind in self.tasks
