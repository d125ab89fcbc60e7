"""What a session holds and shows: its lanes, tapes, frames, figures, and the code that makes it."""

from __future__ import annotations

import pandas as pd

from workbench.errors import UserError
from workbench.figures import PAPER, Plot, Style, draw
from workbench.inspection import KINDS, Inspection, Tape, example_frame
from workbench.inspection.kinds import compute, inspection_named
from workbench.session.code import code_of
from workbench.session.recording import Recorder
from workbench.session.sources import Source
from workbench.session.state import Cursor, Lane, Sampling, State
from workbench.session.turns import one_at_a_time
from workbench.tasks import Episode, Tasks

_OF_A_STEP = ("images",)  # kinds that show one step alone: the one under the cursor

# The kinds that a stage shows in its middle, by what tasks are; the first that there is counts.
_SEEN = {
    "regression": ("curves", "steps"),
    "classification": ("images", "predictions"),
    "control": ("trajectories", "pulls", "steps"),
}


class Looking:
    """The part of a `Session` that changes nothing."""

    sources: dict[str, Source]
    usual: Sampling
    start: State  # how it began: what it is reset to
    state: State
    cursor: Cursor
    _recorder: Recorder
    _tapes: dict[str, Tape]

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The first adaptation and its branches."""
        return self.state.lanes

    @property
    def tasks(self) -> Tasks:
        """The family of tasks, or the data set."""
        return self._recorder.open(self.state.sampling.tasks)

    @property
    def kind(self) -> str:
        """Classification, regression or control."""
        return self.episode.kind

    def key(self, lane: int) -> str:
        """The same as long as a lane's adaptation is the same."""
        return self.state.key(lane)

    @property
    def source(self) -> Source | None:
        """Where the current lane's learner comes from."""
        return self.sources.get(self.lanes[self.cursor.lane].learner)

    @property
    def tape(self) -> Tape:
        """The current lane's recorded adaptation."""
        return self.tape_of(self.cursor.lane)

    @property
    def episode(self) -> Episode:
        """The current lane's tasks, as they were edited."""
        return self.episode_of(self.cursor.lane)

    def tape_of(self, lane: int) -> Tape:
        """A lane's recorded adaptation."""
        if not self.sources:
            raise UserError("this session has no learner: give one, as in Session('sinusoid-maml')")
        return self._tapes[self.state.key(lane)]

    def steps_of(self, lane: int) -> int:
        """How many inner steps a lane has, those that are still being recorded among them."""
        return self._recorder.unfinished.get(self.state.key(lane), self.tape_of(lane).steps)

    def episode_of(self, lane: int) -> Episode:
        """A lane's tasks, as they were edited."""
        if self.sources:
            return self.tape_of(lane).episode
        return self._recorder.episode(self.state)

    @property
    def inspections(self) -> dict[str, Inspection]:
        """The ways to look at the current lane's adaptation, by name."""
        return self.tape.inspections if self.sources else dict(KINDS)

    def frame(self, kind: str, lane: int | None = None, task: int | None = None) -> pd.DataFrame:
        """The frame of a kind of inspection, by default of the current lane and task."""
        lane = self.cursor.lane if lane is None else lane
        task = self.cursor.task if task is None else task
        with one_at_a_time():
            if kind == "examples":
                return example_frame(self.episode_of(lane), task=task)
            tape, step = self.tape_of(lane), self.cursor.step
            if kind in _OF_A_STEP and step < tape.steps and tape.learner is not None:
                return compute(kind, tape.learner, tape.episode, tape[: step + 1], task)
            return tape.frame(kind, task=task)

    def draw(self, kind: str | None = None, *, style: Style = PAPER) -> Plot:
        """The figure of what is looked at: of the current lane and task, at the current step.

        >>> from workbench.session.session import Session
        >>> session = Session("sinusoid-maml", count=2, queries=5)
        >>> session.move(step=2)
        >>> session.draw("curves").alt_text.split(", ")[-1]
        '0.647 after 2 inner steps.'
        """
        kind = self.seen if kind is None else kind
        figure = inspection_named(kind, self.inspections).figure
        return draw(figure, self.frame(kind), style=style, step=self.cursor.step)

    @property
    def seen(self) -> str:
        """The kind of inspection that a stage shows in its middle."""
        if not self.sources:
            return "examples"
        for kind in _SEEN.get(self.kind, ()):
            try:
                self.frame(kind)
            except UserError:
                continue
            return kind
        return "steps"

    def code(self, kind: str | None = None) -> str:
        """Lines of Python that make this session again, and draw what is seen; or with a kind make
        its frame.

        >>> from workbench.session.session import Session
        >>> print(Session("sinusoid-maml", seed=3, count=2).code("steps"))
        from workbench.widgets import Session
        <BLANKLINE>
        session = Session("sinusoid-maml", count=2, seed=3)
        frame = session.frame("steps")
        """
        last = (
            f'session.draw("{self.seen}")' if kind is None else f'frame = session.frame("{kind}")'
        )
        return f"{self.lines()}\n{last}"

    def lines(self) -> str:
        """Lines of Python that make this session again."""
        return code_of(self.sources, self.usual, self.state, self.cursor)
