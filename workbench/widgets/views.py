"""The panels that show a session: one class, and a function for each view of it."""

from __future__ import annotations

import asyncio
import base64
import weakref
from collections.abc import Sequence
from typing import Any

import traitlets

from workbench.errors import UserError
from workbench.figures import render
from workbench.session.saved import TRACE, saved_trace
from workbench.session.session import Session
from workbench.session.showing import Showing
from workbench.session.turns import one_at_a_time
from workbench.widgets.exporting import Exporting, Subject
from workbench.widgets.panel import Panel, command

_MOMENT = 0.5  # seconds for which inner steps are recorded at once
_BREATH = 0.02  # seconds in between, for commands such as to stop

_DOTS = 110  # an inch, of the picture that is shown without a kernel
_DRAWN = {"gradients": "steps", "memory": "memory"}  # what is drawn there, if not what is seen

_FOLLOWED: weakref.WeakKeyDictionary[Session, asyncio.Task[None]] = weakref.WeakKeyDictionary()


class SessionPanel(Exporting, Panel):
    """A view of a session; all views of it follow each other.

    session  what it shows, or what `Session` can be made of, as 'sinusoid-maml'
    """

    def __init__(self, view: str, session: Any, *more: Any, **sampling: Any) -> None:
        if not isinstance(session, Session):
            session = Session(session, *more, **sampling)
        self.shown = session
        self.opened: SessionPanel | None = None  # one level below
        self._showing: Any = Showing(session)
        super().__init__(view, session.id)
        me = weakref.ref(self)
        self._unwatch = session.watch(lambda topic: _told(me, topic))
        self._show()
        self.cursor = self._showing.cursor()

    def close(self) -> None:
        """Take the view away; the session stays."""
        if hasattr(self, "_unwatch"):  # not where it could not be made
            self._unwatch()
        super().close()
        self._close_below()
        # A cell's result is kept in `Out`: what it showed need not be kept with it.
        self._showing, self.frames, self.shown, self._unwatch = None, {}, None, lambda: None

    def saved(self) -> dict[str, Any]:
        """A picture of what it shows now, in words too, and the adaptation where it is small."""
        with one_at_a_time():
            try:
                plot = self.shown.draw(_DRAWN.get(self.view))
            except UserError:  # nothing of it can be drawn
                return {}
            picture = base64.b64encode(render(plot, "png", dpi=_DOTS)).decode()
            kept: dict[str, Any] = {"image/png": picture, "text/plain": plot.alt_text}
            plot.clear()  # its parts know each other, and would wait long to be collected
            trace = saved_trace(self.shown)
        return kept if trace is None else {**kept, TRACE: trace}

    # ---- long recordings ----------------------------------------------------------------------

    def _do(self, name: str, args: dict[str, Any]) -> Any:
        """A command records for a moment; what takes longer goes on, and can be stopped."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # outside a kernel nothing turns: all is recorded at once
            return super()._do(name, args)
        session = self.shown
        with session.patient(_MOMENT):
            answer = super()._do(name, args)
        if session.recording and session not in _FOLLOWED:
            _FOLLOWED[session] = loop.create_task(_go_on(weakref.ref(session)))
        return answer

    def _answer(self, message: dict[str, Any]) -> None:
        super()._answer(message)
        if self.shown is not None:
            self._tell_progress()

    def _tell_progress(self) -> None:
        now = self.shown.recording
        if now is None:
            self.progress = {}
        else:
            what = f"recording inner steps of {self.shown.state.name_of(now.lane)}"
            self.report(what, now.done, now.total, now.left)

    @command
    def stop(self) -> None:
        self.shown.stop()

    # ---- from the session to the browser ------------------------------------------------------

    def refresh(self, topic: str) -> None:
        """Bring what is shown up to date: of 'state' or 'task' all, else only that."""
        with self.hold_sync():  # a cursor on a lane that is gone is never seen
            if topic in ("recording", "state"):
                self._tell_progress()
            if topic in ("state", "task"):
                self._showing.refresh()
                self._show()
            self.cursor = self._showing.cursor()

    def _show(self) -> None:
        with self.hold_sync():
            self.frames = self._showing.frames()
            below = {} if self.opened is None else {"below": self.opened.model_id}
            self.about = {**self._showing.about(), **below}

    @traitlets.observe("cursor")
    def _on_cursor(self, change: Any) -> None:
        """The browser moved the cursor; the session tells the other panels."""
        if {**change["new"], "moved": 0} != {**self._showing.cursor(), "moved": 0}:
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
    def open_below(self) -> str:
        """Open what the learner trains in a stage, as it is at the cursor's step; the lines that
        do so."""
        below = self.shown.below()
        self._close_below()
        self.opened = SessionPanel("stage", below)
        self._show()
        return f"{self.shown.lines()}\nStage(session.below())".replace(
            "Session\n", "Session, Stage\n", 1
        )

    def _close_below(self) -> None:
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.close()

    @command
    def undo(self) -> None:
        self.shown.undo()

    @command
    def reset(self) -> None:
        self.shown.reset()

    @command
    def inspect(self, kind: str) -> None:
        """Compute a kind for the current lane and task."""
        refusal = self._showing.ask(kind)
        self._show()
        if refusal:
            raise UserError(refusal)

    @command
    def code(self, kind: str | None = None, lanes: list[int] | None = None) -> str:
        return self.shown.code(kind, lanes)

    def subject(self, kind: str, lanes: Sequence[int] | None = None) -> Subject:
        """What is exported: a kind, of these lanes and the current task."""
        return Subject.of(self.shown, kind, lanes)


def _told(panel: weakref.ref[SessionPanel], topic: str) -> None:
    shown = panel()
    if shown is not None:
        shown.refresh(topic)


async def _go_on(reference: weakref.ref[Session]) -> None:
    """Record what is left of a session, and let the kernel hear of other things in between."""
    while (session := reference()) is not None and session.recording:
        await asyncio.sleep(_BREATH)
        with session.patient(_MOMENT):
            session.go_on()
        del session
    if session is not None:
        _FOLLOWED.pop(session, None)


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

    A session that stands at step 0, where no memory holds anything yet, is moved to the last one.

    >>> panel = MemoryPanel("glyphs-matching", count=2)
    >>> panel.view, panel.shown.cursor.step
    ('memory', 1)
    """
    panel = SessionPanel("memory", session, *more, **sampling)
    if panel.shown.sources and panel.shown.cursor.step == 0:
        panel.shown.move(step=panel.shown.tape.steps)
    return panel
