"""What is shown of a session: its frames on the wire, and what is to be said beside them."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, cast

from workbench.algorithms.capabilities import Trains, live_settings
from workbench.algorithms.divergence import followed
from workbench.answers import SECOND_ORDER
from workbench.errors import UserError
from workbench.fields import Field, describe
from workbench.inspection import Inspection
from workbench.inspection.kinds import KINDS
from workbench.inspection.layers import lacking
from workbench.inspection.rendered import renders
from workbench.inspection.tape import MEGABYTE, Tape
from workbench.session import messages
from workbench.session.session import Session
from workbench.session.state import with_choice_of_tasks
from workbench.wire import WireFrame, to_wire

# What is shown of every adaptation at once: the stage, and the losses of its timeline. The other
# kinds are computed when asked for.
SHOWN = tuple(name for name, kind in KINDS.items() if kind.view in ("stage", "loss"))
_QUICK = 0.1  # seconds below which a kind is computed again by itself after a change

Place = tuple[int, str, int]  # a lane, a kind, a task


class Showing:
    """Frames of the session's lanes and of the task under its cursor, computed no oftener than
    needed.

    >>> showing = Showing(Session("sinusoid-maml", count=2, queries=5))
    >>> sorted(showing.frames())[:2], showing.about()["title"]
    (['0:curves', '0:examples'], 'sinusoid-maml')
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._asked: dict[str, float] = {}  # kinds that were asked for, and the seconds they took
        self._wired: dict[Place, WireFrame] = {}
        self._refused: dict[Place, str] = {}
        self._keys: dict[int, str] = {}
        self.refresh()

    def frames(self) -> dict[str, WireFrame]:
        """Every frame that is there, by lane and kind."""
        return {f"{lane}:{kind}": wire for (lane, kind, _), wire in self._wired.items()}

    def cursor(self) -> dict[str, Any]:
        """Where the session looks."""
        return dataclasses.asdict(self.session.cursor)

    def ask(self, kind: str) -> str:
        """Compute a kind for the current lane and task; why it cannot be had, or nothing."""
        place = (self.session.cursor.lane, kind, self.session.cursor.task)
        self._asked.setdefault(kind, 0.0)
        self._refused.pop(place, None)
        self._collect(place, self._wired, self._refused)
        return self._refused.get(place, "")

    def refresh(self) -> None:
        """Compute what changed; the frames of lanes that did not are kept."""
        session, task = self.session, self.session.cursor.task
        wired: dict[Place, WireFrame] = {}
        refused: dict[Place, str] = {}
        keys: dict[int, str] = {}
        for lane in range(len(session.lanes)):
            recorded = session.tape_of(lane).steps if session.sources else 0
            keys[lane] = f"{session.key(lane)} {recorded}"
            same = self._keys.get(lane) == keys[lane]
            for kind in self._kinds():
                place = (lane, kind, task)
                if same and place in self._wired:
                    wired[place] = self._wired[place]
                elif same and place in self._refused:
                    refused[place] = self._refused[place]
                elif kind in SHOWN or self._asked[kind] < _QUICK:
                    self._collect(place, wired, refused)
        self._keys, self._wired, self._refused = keys, wired, refused

    def _collect(
        self, place: Place, wired: dict[Place, WireFrame], refused: dict[Place, str]
    ) -> None:
        lane, kind, task = place
        begun = time.perf_counter()
        try:
            wired[place] = to_wire(self.session.frame(kind, lane, task))
        except UserError as error:
            refused[place] = str(error)
        if kind in self._asked:
            self._asked[kind] = time.perf_counter() - begun

    def _kinds(self) -> list[str]:
        shown = SHOWN if self.session.sources else ("examples",)
        return [*shown, *(kind for kind in self._asked if kind not in shown)]

    def about(self) -> messages.SessionAbout:
        """What is to be said beside the frames, as plain data."""
        session = self.session
        about: messages.SessionAbout = {
            "learners": [{"name": s, "note": o.note} for s, o in session.sources.items()],
            "learner": session.lanes[session.cursor.lane].learner,
            "kind": session.kind,
            "task": session.cursor.task,
            "tasks": len(session.episode),
            "ways": session.episode.ways,
            "milliseconds": 1000 * session.seconds,
            "edits": len(session.state.edits_of(session.cursor.lane)),
            "aims": session.episode.task.get("goal", session.episode.seed).dim() == 2,
            "renders": renders(session.episode),
            "trains": bool(session.sources) and isinstance(session.tape.learner, Trains),
            "undo": session.can_undo,
            "restored": session.restored,
            "lanes": [self._about_lane(lane) for lane in range(len(session.lanes))],
            "kinds": self._about_kinds(),
            "inspections": [
                {
                    "name": one.name,
                    "label": one.called.get(session.kind, one.label),
                    "sentence": one.sentence,
                    "view": one.view,
                }
                for one in session.inspections.values()
                if self._fits(one)
            ],
            "whole": sorted(  # kinds whose frames are of all tasks
                name for name, one in session.inspections.items() if one.scope == "episode"
            ),
            "forms": {"sampling": with_choice_of_tasks(self._sampling())},
            "definitions": {"second-order part": SECOND_ORDER},
        }
        if session.sources:
            tape = session.tape
            about["title"] = session.lanes[session.cursor.lane].learner
            about["note"] = session.source.note if session.source else ""
            about["megabytes"] = tape.nbytes / MEGABYTE
            about["limited"] = "; ".join(filter(None, (tape.diverged, tape.limited)))
            about["forms"]["settings"] = self._settings(tape)
        return about

    def _fits(self, one: Inspection) -> bool:
        """Whether there can be any of these adaptations; of a file, as it says itself."""
        if not self.session.sources:
            return True
        tape, kind = self.session.tape, self.session.kind
        if tape.learner is not None:
            return one.fits(tape.learner, kind)
        return one.name not in tape.about.get("lacks", []) and one.suits(kind)

    def _about_lane(self, lane: int) -> messages.Lane:
        one = self.session.lanes[lane]
        steps = self.session.tape_of(lane).steps if self.session.sources else 0
        return {
            "name": self.session.state.name_of(lane),
            "changed": self.session.state.changed_in(lane),
            "parent": one.parent,
            "at": one.at,
            "steps": steps,
            "learner": one.learner,
            "settings": dict(one.settings),
            "edits": len(self.session.state.edits_of(lane)),
            "diverged": self._diverged(lane),
            "memory": [cast(messages.SlotChange, {**change}) for change in one.memory],
        }

    def _diverged(self, lane: int) -> messages.Diverged | None:
        """Where the task under the cursor diverged on a lane, and how far axes follow it."""
        session, task = self.session, self.session.cursor.task
        tape = session.tape_of(lane) if session.sources else None
        if tape is None or not tape.ended.among([task]):
            return None
        return {
            "step": tape.ended.steps[tape.ended.lengths[task]],
            "sentence": tape.ended.sentence([task]),
            "follow": followed(tape, task),
        }

    def _about_kinds(self) -> dict[str, str]:
        """Of every kind 'ready', 'open' (it can be asked for), 'stale', or why it cannot be had."""
        lane, task = self.session.cursor.lane, self.session.cursor.task
        if not self.session.sources:
            return {}
        found, learner = {}, self.session.tape.learner
        for kind, one in self.session.inspections.items():
            place = (lane, kind, task)
            missing = None if learner is None else one.missing(learner)
            if place in self._wired:
                found[kind] = "ready"
            elif place in self._refused:
                found[kind] = self._refused[place]
            elif learner is not None and missing is not None:
                found[kind] = str(lacking(learner, missing, f"'{kind}'"))
            elif one.tasks and self.session.kind not in one.tasks:
                known = " or ".join(one.tasks)
                found[kind] = f"'{kind}' is of {known}, and these tasks are {self.session.kind}"
            else:
                found[kind] = "stale" if kind in self._asked else "open"
        return found

    def _sampling(self) -> list[Field]:
        """Controls for which tasks are drawn, without what changes nothing in this kind."""
        idle = {"regression": "ways", "control": "queries"}.get(self.session.kind)
        state, start = self.session.state, self.session.start
        controls = with_choice_of_tasks(describe(state.sampling, start.sampling))
        return [control for control in controls if control["name"] != idle]

    def _settings(self, tape: Tape) -> list[Field]:
        """Controls for what can be varied of the learner under the cursor."""
        if tape.learner is None or not (free := live_settings(tape.learner)):
            return []
        source = self.session.source
        start = source.learner.settings if source and source.learner else None
        controls = [
            c for c in describe(tape.learner.settings, start) if c["name"].partition(".")[0] in free
        ]
        for control in controls:
            if control["name"] == "test_steps":  # a lane that was extended has more
                control["value"] = self.session.steps_of(self.session.cursor.lane)
        return controls
