"""Session: the one object that all panels show: tasks, learners, adaptations, and a cursor.

It knows of no widget. A session is a small plain `State` (which tasks, which lanes, what was
edited and varied); everything else is computed from it. That state is what is saved, what is
restored after a kernel restart, and what code to copy is written from.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from workbench.errors import UserError, nearest
from workbench.fields import check_fields, with_values
from workbench.files import understood
from workbench.inspection.tape import MEGABYTE
from workbench.session.below import source_below
from workbench.session.keeping import keep, kept, place_of, put_aside
from workbench.session.looking import Looking
from workbench.session.recording import OPEN, Recorder, Recording
from workbench.session.sources import Source, source_of
from workbench.session.state import Cursor, Lane, State
from workbench.session.turns import in_turn, one_at_a_time
from workbench.tasks import save_episode

Watcher = Callable[[str], None]

_UNDO = 100
_ONE_SLIDE = 1.0  # seconds within which changes of one setting are undone together
# edits that replace the one before, of the same example or goal
_LAST_COUNTS = ("move", "draw", "noise", "aim")


class Session(Looking):
    """An adaptation that can be stepped, edited, branched and inspected.

    learners   one or several to choose among: trained runs or presets by name, run directories,
               `.metatrace` files, or learners of your own (with `tasks`); none only builds episodes
    sampling   the fields of `Sampling`: tasks, split, ways, shots, queries, count, seed
    name       keeps the session in `.workbench/sessions/NAME.json`, from which it is restored
    budget     bytes that the tape of each lane may take before it lets gradients go

    >>> session = Session("sinusoid-maml", seed=3, count=2)
    >>> session.edit("move", task=0, part="support", example=1, y=2.0)
    >>> session.branch(2, inner_rate=0.1)
    1
    >>> frame = session.frame("curves")
    >>> session.tape.branched_at, len(session.lanes)
    (2, 2)
    """

    def __init__(
        self,
        *learners: Any,
        name: str = "",
        budget: int = 256 * MEGABYTE,
        **sampling: Any,
    ) -> None:
        if name and not name.replace("-", "").replace("_", "").isalnum():
            raise UserError(
                f"a session's name is part of a file's: '{name}' may have no signs but - _"
            )
        self.sources: dict[str, Source] = {}
        for given in learners:
            source = source_of(given)
            self.sources[_unused(source.name, self.sources)] = source
        self.id = uuid.uuid4().hex  # what its panels know each other by
        self.name, self.budget = name, budget
        self.cursor = Cursor()
        self.seconds = 0.0  # that the last change took
        self.restored = False
        self._watchers: list[Watcher] = []
        self._past: list[State] = []
        self._slid: tuple[Any, ...] = ()  # which settings were varied last, and when
        self._slid_at = 0.0
        self._tapes = {}
        self._first = tuple(self.sources)
        self._recorder = Recorder(self.sources, budget)
        self._recorder.check_begun(sampling)
        self.usual = self._recorder.sampling({})
        given = self._recorder.sampling(sampling) if sampling else self.usual
        self.start = State(given, (Lane(next(iter(self.sources), "")),))
        self.state = self.start
        if not self._restore():
            self._become(self.start, remember=False)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._past)

    # ---- what can be done -------------------------------------------------------------------

    @in_turn
    def sample(self, **changes: Any) -> None:
        """Draw other tasks: the fields of `Sampling` to change. Edits and branches end."""
        sampling = with_values(self.state.sampling, changes)
        self._begin_anew(State(sampling, self.state.unbranched()))

    @in_turn
    def choose(self, learner: str) -> None:
        """Adapt to the same tasks with another of the session's learners, in a lane beside.

        Where there is such a lane already, it becomes current.
        """
        if learner not in self.sources:
            raise UserError(
                f"the session has no learner '{learner}': {nearest(learner, list(self.sources))}"
            )
        ended = 0 < self.cursor.step == self.tape.steps
        own = [lane.learner if lane.parent is None else None for lane in self.lanes]
        if learner not in own:
            self._become(dataclasses.replace(self.state, lanes=(*self.lanes, Lane(learner))))
            own.append(learner)
        self.move(lane=own.index(learner))
        if ended:  # who looks at the outcome looks at the other's
            self.move(step=self.tape.steps)

    @in_turn
    def add(self, learner: Any) -> str:
        """One more learner to choose among; its name."""
        source = source_of(learner)
        name = _unused(source.name, self.sources)
        self.sources[name] = source
        if self.lanes[0].learner == "":
            self._become(self.state.with_lane(0, learner=name), remember=False)
        self._tell("state")
        return name

    @in_turn
    def vary(self, settings: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Change settings of the current lane's learner, by their (dotted) names, and `steps`."""
        changes = {**(settings or {}), **more}
        slid = (self.cursor.lane, *sorted(changes))
        again = slid == self._slid and time.monotonic() - self._slid_at < _ONE_SLIDE
        lane = self.lanes[self.cursor.lane]
        steps = changes.pop("steps", lane.steps)
        new = dataclasses.replace(lane, settings={**lane.settings, **changes}, steps=steps)
        if steps is not None and steps == lane.steps and self._takes(new) != self._takes(lane):
            new = dataclasses.replace(new, steps=None)  # the newer word on how many steps counts
        state = self.state.with_lane(self.cursor.lane, **vars(new))
        self._become(state, remember=not again)
        self._slid, self._slid_at = slid, time.monotonic()

    @in_turn
    def edit(self, what: str, **where: Any) -> None:
        """Change an example of the current lane's tasks: see `workbench.tasks.EDITS`."""
        edit = {"what": what, **where}
        lane = self.state.edited_in(self.cursor.lane)
        edits = list(self.lanes[lane].edits)
        again = bool(edits) and what in _LAST_COUNTS and _same_place(edits[-1], edit)
        if again:  # a drag is one edit, however many points it went through
            edit = {**edits.pop(), **edit}
        changed = self.state.with_lane(lane, edits=(*edits, edit))
        self._become(changed, remember=not again)

    def save_episode(self, path: Path | str) -> Path:
        """Keep the current lane's tasks, edits too, in a file."""
        return save_episode(path, self.episode)

    @in_turn
    def open_episode(self, path: Path | str) -> None:
        """Adapt to the tasks of a file that `save_episode` wrote. Edits and branches end."""
        edits = ({"what": OPEN, "path": str(path)},)
        self._begin_anew(State(self.state.sampling, self.state.unbranched(edits)))

    @in_turn
    def extend(self, steps: int = 1) -> None:
        """So many inner steps more on the current lane."""
        self.vary(steps=self.steps_of(self.cursor.lane) + steps)
        self.move(step=self.tape.steps)

    @in_turn
    def branch(
        self,
        step: int | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        steps: int | None = None,
        **more: Any,
    ) -> int:
        """A new lane from a step of the current one, with other settings; it becomes current."""
        parent = self.cursor.lane
        at = self.cursor.step if step is None else step
        if not 0 <= at <= self.tape.steps:
            raise UserError(
                f"the lane has {self.tape.steps} steps and was to be branched at step {at}: "
                f"choose 0 to {self.tape.steps}"
            )
        old = self.lanes[parent]
        lane = Lane(
            old.learner, {**old.settings, **(settings or {}), **more}, (), steps, parent, at
        )
        self._become(dataclasses.replace(self.state, lanes=(*self.lanes, lane)))
        self.move(lane=len(self.lanes) - 1)
        return self.cursor.lane

    @in_turn
    def rewrite(self, slot: int, source: int | None = None, *, step: int | None = None) -> int:
        """Empty a slot of the memory, or fill it with what another holds, on a branch; its lane.

        The branch leaves at `step`, by default the cursor's (or the first that has written).
        """
        at = max(self.cursor.step, 1) if step is None else step
        change = {"slot": slot} if source is None else {"slot": slot, "source": source}
        here = self.lanes[self.cursor.lane]
        state = self.state
        if here.parent is None or here.at != at:
            lane = Lane(here.learner, here.settings, (), None, self.cursor.lane, at, (change,))
            state = dataclasses.replace(state, lanes=(*self.lanes, lane))
        else:
            state = state.with_lane(self.cursor.lane, memory=(*here.memory, change))
        added = len(state.lanes) > len(self.lanes)
        self._become(state)
        if added:
            self.move(lane=len(self.lanes) - 1)
        self.move(step=max(self.cursor.step, at))
        return self.cursor.lane

    @in_turn
    def remove(self, lane: int) -> None:
        """Take a lane away that is not the first, and all that branches from it."""
        if not 0 < lane < len(self.lanes):
            raise UserError(f"no lane {lane} can be removed: choose 1 to {len(self.lanes) - 1}")
        self._become(self.state.without_lane(lane))

    @in_turn
    def undo(self) -> None:
        """Go back to what was before the last change."""
        if not self._past:
            raise UserError("there is nothing to undo")
        self._become(self._past.pop(), remember=False)

    @in_turn
    def reset(self) -> None:
        """Go back to how the session began; this can be undone."""
        self._become(self.start)

    @in_turn
    def move(self, **cursor: Any) -> None:
        """Look at another task, step, lane, part, example or layer; what is out of range is cut."""
        names = [field.name for field in dataclasses.fields(Cursor)]
        for given in cursor:
            if given not in names:
                raise UserError(f"the cursor has no '{given}': {nearest(given, names)}")
        before = self.cursor
        there = self._within(dataclasses.replace(before, **{"moved": 0, **cursor}))
        if there != before:
            self.cursor = there
            other = (self.cursor.task, self.cursor.lane) != (before.task, before.lane)
            self._tell("task" if other else "cursor")

    def below(self, step: int | None = None) -> Session:
        """A session of the learner that the current lane's trains, as it is after a step."""
        step = self.cursor.step if step is None else step
        title = self.lanes[self.cursor.lane].learner
        return Session(source_below(self.tape, title, step, self.cursor.task))

    def _takes(self, lane: Lane) -> int | None:
        """How many steps the current lane's learner would take of itself."""
        return self._recorder.own_steps(lane, self.episode)

    # ---- those that show it -----------------------------------------------------------------

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call back on every change with 'state', 'task' or 'cursor', and with 'recording' where
        more is recorded; returns what ends it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def _tell(self, topic: str) -> None:
        self._keep()
        for watcher in tuple(self._watchers):
            watcher(topic)

    # ---- computing --------------------------------------------------------------------------

    def _become(self, state: State, *, remember: bool = True) -> None:
        """Take over a state once all of it could be computed; else nothing has changed."""
        begun = time.perf_counter()
        with one_at_a_time(), torch.enable_grad():
            tapes = self._recorder.tapes(state, self._tapes)
        self.seconds = time.perf_counter() - begun
        if remember:
            self._past = [*self._past[-_UNDO:], self.state]
        self.state, self._tapes, self._slid = state, tapes, ()
        self.cursor = self._within(self.cursor)
        self._tell("state")

    def _begin_anew(self, state: State) -> None:
        """Take over a state without branches; who looked at one looks at where it came from."""
        own = self.state.own(self.cursor.lane)
        lane = sum(one.parent is None for one in self.lanes[:own])
        self._become(state)
        self.move(lane=lane)

    def _within(self, cursor: Cursor) -> Cursor:
        lane = min(max(cursor.lane, 0), len(self.lanes) - 1)
        episode = self.episode_of(lane)
        steps = self.tape_of(lane).steps if self.sources else 0
        return dataclasses.replace(
            cursor,
            lane=lane,
            task=min(max(cursor.task, 0), len(episode) - 1),
            step=min(max(cursor.step, 0), steps),
        )

    # ---- long recordings ---------------------------------------------------------------------

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Record for so many seconds at once; `go_on` does the rest, or `stop` leaves it undone."""
        before, self._recorder.patience = self._recorder.patience, seconds
        try:
            yield
        finally:
            self._recorder.patience = before

    @property
    def recording(self) -> Recording | None:
        """How far steps are that are still being recorded; None where all are there."""
        return self._recorder.recording(self.state, self._tapes)

    @in_turn
    def go_on(self) -> None:
        """Go on for a while with what is still being recorded."""
        if self.recording is not None:
            with torch.enable_grad():
                self._recorder.go_on(self.state, self._tapes)
            self._tell("recording" if self.recording else "state")

    @in_turn
    def stop(self) -> None:
        """Leave what is still being recorded as it is: the steps that there are stay."""
        state = self.state
        for lane in range(len(self.lanes)):
            if self.state.key(lane) in self._recorder.unfinished:
                state = state.with_lane(lane, steps=self.tape_of(lane).steps)
        tapes = [self.tape_of(lane) for lane in range(len(self.lanes))]
        self._recorder.unfinished = {}
        self.state = state
        self._tapes = {state.key(lane): tape for lane, tape in enumerate(tapes)}
        self.cursor = self._within(self.cursor)
        self._tell("state")

    # ---- kept over a kernel restart ---------------------------------------------------------

    def _keep(self) -> None:
        if self.name:
            record = {"state": self.state.to_record(), "cursor": dataclasses.asdict(self.cursor)}
            keep(self.name, self._origin(), record)

    def _restore(self) -> bool:
        """Go on where the session of this name was left; not if it began as another one."""
        if not self.name:
            return False
        try:
            record = kept(self.name, self._origin())
            if record is None:
                return False
            with understood(place_of(self.name), "session"):
                cursor = Cursor(**record["cursor"])
                check_fields(cursor, "cursor")
                self._become(State.from_record(record["state"]), remember=False)
                self.move(**dataclasses.asdict(cursor))
        except UserError as error:  # damaged, of another version, or without a file that it needs
            aside = put_aside(self.name)
            warnings.warn(
                f"{error}; it lies in {aside} now, and the session begins anew", stacklevel=3
            )
            return False
        self.restored = self.state != self.start
        return True

    def _origin(self) -> dict[str, Any]:
        """What a session began as: with another beginning it is another session."""
        return {"start": self.start.to_record(), "learners": list(self._first)}


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    """The name, or the first of `name 2`, `name 3`, ... that is free."""
    names = (name, *(f"{name} {number}" for number in range(2, len(taken) + 3)))
    return next(one for one in names if one not in taken)


def _same_place(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return all(a.get(name) == b.get(name) for name in ("what", "task", "part", "example"))
