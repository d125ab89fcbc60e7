"""What a session is, as plain frozen values: enough to compute everything again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from workbench.errors import UserError
from workbench.fields import Field, Range, check_fields
from workbench.tasks import names
from workbench.tasks.base import Split

MOST_STEPS = 10_000  # of a lane: what a panel can record in seconds
_MOST_EXAMPLES = 1_000_000  # of all tasks of a session together


@dataclass(frozen=True)
class Sampling:
    """Which tasks a session adapts to."""

    tasks: str = "sinusoid:maml"  # the family or data set that tasks are drawn from
    split: Split = "test"  # the part of it: test tasks were never trained on
    ways: Annotated[int, Range(1, 10_000, span=(1, 20))] = 5  # classes of a task (a bandit's arms)
    # support examples a class (a bandit's pulls)
    shots: Annotated[int, Range(1, 1_000_000, span=(1, 50))] = 1
    # query examples a class to be judged by
    queries: Annotated[int, Range(0, 1_000_000, span=(0, 100))] = 15
    # tasks adapted to at once, to be compared
    count: Annotated[int, Range(1, 10_000, span=(1, 32))] = 4
    seed: int = 0  # draws other tasks; the same seed draws the same ones everywhere
    # which of the tasks that the seed draws comes first
    first: Annotated[int, Range(0, 10_000, span=(0, 50))] = 0

    def __post_init__(self) -> None:
        check_fields(self, "sampling")
        tasks = self.first + self.count
        examples = tasks * self.ways * (self.shots + self.queries)
        if examples > _MOST_EXAMPLES:
            raise UserError(
                f"{tasks:,} tasks of {self.ways} ways with {self.shots} shots and {self.queries} "
                f"queries have {examples:,} examples: ask for at most {_MOST_EXAMPLES:,}"
            )


def with_choice_of_tasks(controls: list[Field]) -> list[Field]:
    """The controls, with that of `tasks` a choice among all that there are.

    >>> from workbench.fields import describe
    >>> (tasks, *_) = with_choice_of_tasks(describe(Sampling()))
    >>> tasks["type"], "sinusoid:maml" in tasks["choices"]
    ('choice', True)
    """
    found = []
    for one in controls:
        if one["name"] == "tasks":
            known: list[str | int] = [*names()]
            value = str(one["value"])
            choices = known if value in known else [value, *known]
            one = {**one, "type": "choice", "choices": choices, "free": "folder:PATH"}
        found.append(one)
    return found


@dataclass(frozen=True)
class Lane:
    """One way an adaptation goes: a learner's own, or a branch of another lane at a step.

    learner   by its name in the session
    settings  of the learner that differ here, by dotted name
    edits     of the episode, in order: {"what": "move", "task": 0, ...}; lanes that are no branches
              adapt to one episode, and the first has its edits
    steps     inner steps; None is the learner's own number
    parent    the lane it branches from, and `at` which step; None where it begins at the start
    memory    slots emptied, {"slot": 3}, or filled, {"slot": 3, "source": 1}, where it branches
    """

    learner: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    edits: tuple[dict[str, Any], ...] = ()
    steps: Annotated[int | None, Range(0, MOST_STEPS)] = None
    parent: int | None = None
    at: Annotated[int, Range(0)] = 0
    memory: tuple[dict[str, int], ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "lane")
        for change in self.memory:
            known = {"slot"} <= set(change) <= {"slot", "source"}
            if not known or not all(type(slot) is int for slot in change.values()):
                raise UserError(
                    f"a change of the memory is {change}: name a slot, and a source to fill it"
                )


@dataclass(frozen=True)
class Cursor:
    """What is looked at: all panels of a session show the same."""

    task: int = 0
    step: int = 0
    lane: int = 0
    part: Literal["support", "query"] = "support"
    example: int = 0
    layer: str = "all"
    # when a browser moved it there, by its count; 0 is a move by Python, which no panel overrules
    moved: int = field(default=0, compare=False)


@dataclass(frozen=True)
class State:
    """Everything that a session is, beside the learners themselves."""

    sampling: Sampling
    lanes: tuple[Lane, ...]

    def __post_init__(self) -> None:
        if not self.lanes or self.lanes[0].parent is not None:
            raise UserError("a session begins with a lane of its own: it has none")
        for place, lane in enumerate(self.lanes[1:], start=1):
            if lane.parent is not None and not 0 <= lane.parent < place:
                raise UserError(f"lane {place} branches from {lane.parent}: name one before it")

    def key(self, lane: int) -> str:
        """The same for two states in which the lane comes out the same."""
        one = self.lanes[lane]
        above = "" if one.parent is None else self.key(one.parent)
        record = dataclasses.asdict(
            dataclasses.replace(one, parent=None, edits=self.edits_of(lane))
        )
        return json.dumps([above, dataclasses.asdict(self.sampling), record], sort_keys=True)

    def edits_of(self, lane: int) -> tuple[dict[str, Any], ...]:
        """What was edited in a lane's episode, beside what was in the lane that it came from."""
        return self.lanes[self.edited_in(lane)].edits

    def edited_in(self, lane: int) -> int:
        """The lane that holds a lane's edits: those that are no branches share the first one's."""
        return 0 if self.lanes[lane].parent is None else lane

    def own(self, lane: int) -> int:
        """Where a lane comes from in the end: the lane of its learner that is no branch."""
        parent = self.lanes[lane].parent
        return lane if parent is None else self.own(parent)

    def unbranched(self, edits: tuple[dict[str, Any], ...] = ()) -> tuple[Lane, ...]:
        """The lanes that are no branches, on an episode with these edits alone."""
        lanes = [dataclasses.replace(lane, edits=()) for lane in self.lanes if lane.parent is None]
        return (dataclasses.replace(lanes[0], edits=edits), *lanes[1:])

    def name_of(self, lane: int) -> str:
        """What a lane is called, everywhere: by its learner, and by what is changed in it.

        >>> first, other = Lane("maml"), Lane("maml", {"inner_rate": 0.1}, parent=0, at=2)
        >>> State(Sampling(), (first, other)).name_of(1)
        'maml, branch 1: inner rate 0.1'
        """
        one, changed = self.lanes[lane], self.changed_in(lane)
        name = one.learner or "tasks"
        if one.parent is not None:
            number = sum(other.parent is not None for other in self.lanes[: lane + 1])
            name += f", branch {number}"
        return f"{name}: {changed}" if changed else name

    def changed_in(self, lane: int) -> str:
        """What is other in a lane than in the one that it came from, in words."""
        one = self.lanes[lane]
        before = {} if one.parent is None else self.lanes[one.parent].settings
        said = [
            f"{name.replace('_', ' ').replace('.', ' ')} {_said(value)}"
            for name, value in one.settings.items()
            if (name not in before or before[name] != value)
            and not (name == "test_steps" and one.steps is not None)
        ]
        if one.steps is not None:
            said.append("1 inner step" if one.steps == 1 else f"{one.steps} inner steps")
        said += [_rewritten(change) for change in one.memory]
        if one.edits and one.parent is not None:
            said.append("1 edit" if len(one.edits) == 1 else f"{len(one.edits)} edits")
        return ", ".join(said)

    def with_lane(self, lane: int, **changes: Any) -> State:
        """The state with one lane changed."""
        lanes = list(self.lanes)
        lanes[lane] = dataclasses.replace(lanes[lane], **changes)
        return dataclasses.replace(self, lanes=tuple(lanes))

    def without_lane(self, lane: int) -> State:
        """The state without a branch and all that branches from it."""
        gone = {lane}
        for place, one in enumerate(self.lanes):
            if one.parent in gone:
                gone.add(place)
        kept = [place for place in range(len(self.lanes)) if place not in gone]
        place_of: dict[int | None, int | None] = {old: new for new, old in enumerate(kept)}
        lanes = [
            dataclasses.replace(self.lanes[old], parent=place_of.get(self.lanes[old].parent))
            for old in kept
        ]
        return dataclasses.replace(self, lanes=tuple(lanes))

    def to_record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> State:
        """The state of such data."""
        listed = ("edits", "memory")
        lanes = tuple(
            Lane(**{**lane, **{name: tuple(lane[name]) for name in listed}})
            for lane in record["lanes"]
        )
        return State(Sampling(**record["sampling"]), lanes)


def _said(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _rewritten(change: Mapping[str, int]) -> str:
    """What was done to the memory, in words; slots count from 1."""
    slot = f"slot {change['slot'] + 1}"
    return f"{slot} as slot {change['source'] + 1}" if "source" in change else f"{slot} emptied"
