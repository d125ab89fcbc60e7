"""The panels that show a session: one class, and a function for each view of it."""

from __future__ import annotations

import dataclasses
import time
import weakref
from typing import Any

import traitlets

from workbench.errors import UserError
from workbench.fields import describe
from workbench.inspection.kinds import KINDS
from workbench.inspection.tape import MEGABYTE, Tape
from workbench.inspection.variation import free_settings
from workbench.tasks import names as task_names
from workbench.widgets.exporting import Exporting, Subject
from workbench.widgets.panel import Panel, command
from workbench.widgets.session import Session
from workbench.widgets.wire import to_wire

# What is shown of every adaptation at once; the other kinds are computed when asked for.
SHOWN = ("examples", "steps", "curves", "predictions", "pulls")
_QUICK = 0.1  # seconds below which a kind is computed again by itself after a change


class SessionPanel(Exporting, Panel):
    """A view of a session; all views of it follow each other.

    session  what it shows, or what `Session` can be made of, as 'sinusoid-maml'
    """

    def __init__(self, view: str, session: Any, *more: Any, **sampling: Any) -> None:
        if not isinstance(session, Session):
            session = Session(session, *more, **sampling)
        self.shown = session
        self._asked: dict[str, float] = {}  # kinds that were asked for, and the seconds they took
        self._wired: dict[tuple[int, str, int], dict[str, Any]] = {}
        self._refused: dict[tuple[int, str, int], str] = {}
        self._keys: dict[int, Any] = {}
        super().__init__(view, session.id)
        me = weakref.ref(self)
        self._unwatch = session.watch(lambda topic: _told(me, topic))
        self.refresh("state")

    def close(self) -> None:
        """Take the view away; the session stays."""
        if hasattr(self, "_unwatch"):  # not where it could not be made
            self._unwatch()
        super().close()
        # A cell's result is kept in `Out`: what it showed need not be kept with it.
        self._wired, self.frames, self.shown, self._unwatch = {}, {}, None, lambda: None

    # ---- from the session to the browser ------------------------------------------------------

    def refresh(self, topic: str) -> None:
        """Bring what is shown up to date: of 'state' or 'task' all, of 'cursor' only that."""
        if topic != "cursor":
            frames, self._wired, self._refused = {}, *self._collected()
            for (lane, kind, _), wire in self._wired.items():
                frames[f"{lane}:{kind}"] = wire
            with self.hold_sync():
                self.frames = frames
                self.about = self._about()
        self.cursor = dataclasses.asdict(self.shown.cursor)

    def _collected(self) -> tuple[dict[Any, Any], dict[Any, str]]:
        """Every lane's frames on the wire; those of lanes that did not change are kept."""
        session, task = self.shown, self.shown.cursor.task
        wired: dict[Any, Any] = {}
        refused: dict[Any, str] = {}
        keys: dict[int, Any] = {}
        for lane in range(len(session.lanes)):
            keys[lane] = session.key(lane)
            same = self._keys.get(lane) == keys[lane]
            for kind in self._kinds():
                place = (lane, kind, task)
                if same and place in self._wired:
                    wired[place] = self._wired[place]
                elif same and place in self._refused:
                    refused[place] = self._refused[place]
                elif kind in SHOWN or self._asked[kind] < _QUICK:
                    self._collect(place, wired, refused)
        self._keys = keys
        return wired, refused

    def _collect(self, place: tuple[int, str, int], wired: Any, refused: Any) -> None:
        lane, kind, task = place
        begun = time.perf_counter()
        try:
            wired[place] = to_wire(self.shown.frame(kind, lane, task))
        except UserError as error:
            refused[place] = str(error)
        if kind in self._asked:
            self._asked[kind] = time.perf_counter() - begun

    def _kinds(self) -> list[str]:
        shown = SHOWN if self.shown.sources else ("examples",)
        return [*shown, *(kind for kind in self._asked if kind not in shown)]

    def _about(self) -> dict[str, Any]:
        session = self.shown
        about: dict[str, Any] = {
            "learners": [{"name": s, "note": o.note} for s, o in session.sources.items()],
            "learner": session.lanes[session.cursor.lane].learner,
            "kind": session.kind,
            "task": session.cursor.task,
            "tasks": len(session.episode),
            "ways": session.episode.ways,
            "milliseconds": 1000 * session.seconds,
            "edits": len(session.lanes[session.cursor.lane].edits),
            "undo": session.can_undo,
            "restored": session.restored,
            "lanes": [self._about_lane(lane) for lane in range(len(session.lanes))],
            "kinds": self._about_kinds(),
            "forms": {"sampling": describe(session.state.sampling, session.usual)},
            "choices": {"tasks": task_names()},
        }
        if session.sources:
            tape = session.tape
            about["title"] = tape.learner_name
            about["note"] = session.source.note if session.source else ""
            about["megabytes"] = tape.nbytes / MEGABYTE
            about["limited"] = tape.limited
            about["forms"]["settings"] = self._settings(tape)
        return about

    def _about_lane(self, lane: int) -> dict[str, Any]:
        one = self.shown.lanes[lane]
        steps = self.shown.tape_of(lane).steps if self.shown.sources else 0
        return {
            "parent": one.parent,
            "at": one.at,
            "steps": steps,
            "learner": one.learner,
            "settings": dict(one.settings),
            "edits": len(one.edits),
            "memory": [dict(change) for change in one.memory],
        }

    def _about_kinds(self) -> dict[str, str]:
        """Of every kind 'ready', 'open' (it can be asked for), 'stale', or why it cannot be had."""
        lane, task = self.shown.cursor.lane, self.shown.cursor.task
        if not self.shown.sources:
            return {}
        found = {}
        for kind in KINDS:
            place = (lane, kind, task)
            if place in self._wired:
                found[kind] = "ready"
            elif place in self._refused:
                found[kind] = self._refused[place]
            else:
                found[kind] = "stale" if kind in self._asked else "open"
        return found

    def _settings(self, tape: Tape) -> list[dict[str, Any]]:
        """Controls for what can be varied of the learner under the cursor."""
        settings: Any = getattr(tape.learner, "settings", None)
        if tape.learner is None or settings is None:
            return []
        source = self.shown.source
        start: Any = getattr(source.learner, "settings", None) if source else None
        free = free_settings(tape.learner)
        return [c for c in describe(settings, start) if c["name"].partition(".")[0] in free]

    @traitlets.observe("cursor")
    def _on_cursor(self, change: Any) -> None:
        """The browser moved the cursor; the session tells the other panels."""
        if change["new"] != dataclasses.asdict(self.shown.cursor):
            self._desk.hand(lambda: self.shown.move(**dict(self.cursor)))

    # ---- commands -----------------------------------------------------------------------------

    @command
    def sample(self, **changes: Any) -> None:
        self.shown.sample(**changes)

    @command
    def choose(self, learner: str) -> None:
        self.shown.choose(learner)

    @command
    def vary(self, **changes: Any) -> None:
        self.shown.vary(changes)

    @command
    def edit(self, what: str, **where: Any) -> None:
        self.shown.edit(what, **where)

    @command
    def extend(self, steps: int = 1) -> None:
        self.shown.extend(steps)

    @command
    def branch(self, step: int, settings: dict[str, Any] | None = None) -> int:
        return self.shown.branch(step, settings)

    @command
    def rewrite(self, slot: int, source: int | None = None) -> int:
        return self.shown.rewrite(slot, source)

    @command
    def remove(self, lane: int) -> None:
        self.shown.remove(lane)

    @command
    def save_episode(self, path: str) -> str:
        return str(self.shown.save_episode(path))

    @command
    def open_episode(self, path: str) -> None:
        self.shown.open_episode(path)

    @command
    def undo(self) -> None:
        self.shown.undo()

    @command
    def reset(self) -> None:
        self.shown.reset()

    @command
    def inspect(self, kind: str) -> None:
        """Compute a kind for the current lane and task."""
        refusal = self.try_to_inspect(kind)
        if refusal:
            raise UserError(refusal)

    def try_to_inspect(self, kind: str) -> str:
        """Compute a kind; why it cannot be had, or nothing."""
        session = self.shown
        place = (session.cursor.lane, kind, session.cursor.task)
        self._asked.setdefault(kind, 0.0)
        self._refused.pop(place, None)
        self._collect(place, self._wired, self._refused)
        with self.hold_sync():
            self.frames = {f"{lane}:{k}": wire for (lane, k, _), wire in self._wired.items()}
            self.about = self._about()
        return self._refused.get(place, "")

    @command
    def code(self, kind: str | None = None) -> str:
        return self.shown.code(kind)

    def subject(self, kind: str) -> Subject:
        """What is exported: a kind, of the current lane and task."""
        return Subject.of(self.shown, kind)


def _told(panel: weakref.ref[SessionPanel], topic: str) -> None:
    shown = panel()
    if shown is not None:
        shown.refresh(topic)


def Stage(session: Any, *more: Any, **sampling: Any) -> SessionPanel:
    """An adaptation on one page: the episode, what it does, why; and a timeline.

    >>> Stage("sinusoid-maml", count=2).view
    'stage'
    """
    return SessionPanel("stage", session, *more, **sampling)


def ExportPanel(session: Any, *more: Any, **sampling: Any) -> SessionPanel:
    """Files for a paper of what a session shows, with a preview at true size.

    >>> ExportPanel("sinusoid-maml", count=2).view
    'export'
    """
    return SessionPanel("export", session, *more, **sampling)


def EpisodeBuilder(session: Any = None, *more: Any, **sampling: Any) -> SessionPanel:
    """Tasks as they are: to be sized, drawn anew, and edited example by example.

    >>> EpisodeBuilder(tasks="digits", ways=2).shown.kind
    'classification'
    """
    shown = Session(**sampling) if session is None else session
    return SessionPanel("episode", shown, *more, **({} if session is None else sampling))


def GradientInspector(session: Any, *more: Any, **sampling: Any) -> SessionPanel:
    """The meta-gradient taken apart, and the losses and layers that it comes from.

    >>> GradientInspector("sinusoid-maml", count=2).view
    'gradients'
    """
    return SessionPanel("gradients", session, *more, **sampling)


def MemoryPanel(session: Any, *more: Any, **sampling: Any) -> SessionPanel:
    """What a method has written into its memory, and how much each query reads of it.

    >>> MemoryPanel("bandit-rl2", count=2).view
    'memory'
    """
    return SessionPanel("memory", session, *more, **sampling)
