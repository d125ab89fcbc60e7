"""What a session holds and shows: its lanes, tapes, frames, figures, and the code that makes it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.errors import UserError
from workbench.figures import PAPER, Plot, Style, draw
from workbench.inspection import KINDS, Inspection, Tape, example_frame, stacked
from workbench.inspection.kinds import compute, inspection_named
from workbench.session.code import code_of
from workbench.session.recording import Recorder
from workbench.session.sources import Source
from workbench.session.state import Cursor, Lane, Sampling, State
from workbench.session.turns import one_at_a_time
from workbench.tasks import Episode, Tasks
from workbench.tasks.base import Kind

_OF_A_STEP = ("images",)  # kinds that show one step alone: the one under the cursor

# The kinds that a stage shows in its middle, by what tasks are; the first that there is counts.
_SEEN = {
    "regression": ("curves", "steps"),
    "classification": ("images", "predictions"),
    "control": ("trajectories", "pulls", "steps"),
}
_IN_THE_MIDDLE = {kind for kinds in _SEEN.values() for kind in kinds}


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
    def kind(self) -> Kind:
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

    def frame(
        self, kind: str, lane: int | Sequence[int] | None = None, task: int | None = None
    ) -> pd.DataFrame:
        """The frame of a kind of inspection, by default of the current lane and task.

        Of several lanes it is one frame, whose column `method` tells them apart.
        """
        lane = self.cursor.lane if lane is None else lane
        task = self.cursor.task if task is None else task
        if not isinstance(lane, int):
            for one in lane:
                if not 0 <= one < len(self.lanes):
                    raise UserError(f"there is no lane {one}: choose 0 to {len(self.lanes) - 1}")
            if len(lane) == 1:
                return self.frame(kind, lane[0], task)
            frames = {self.state.name_of(one): self.frame(kind, one, task) for one in lane}
            return stacked(frames)
        with one_at_a_time():
            if kind == "examples":
                return example_frame(self.episode_of(lane), task=task)
            tape, step = self.tape_of(lane), self.cursor.step
            if kind in _OF_A_STEP and step < tape.steps and tape.learner is not None:
                return compute(kind, tape.learner, tape.episode, tape[: step + 1], task)
            return tape.frame(kind, task=task)

    def beside(self, kind: str) -> tuple[int, ...]:
        """The lanes that a figure of this kind shows, unless others are asked for, as panels do:
        losses those of all, and what the stage's middle shows those of two learners, where there
        are several."""
        here, last = self.cursor.lane, len(self.lanes) - 1
        if kind == "steps":
            return tuple(range(last + 1))
        if kind not in _IN_THE_MIDDLE or sum(lane.parent is None for lane in self.lanes) < 2:
            return (here,)
        parent = self.lanes[here].parent
        other = parent if parent is not None else 0 if here == last else last
        return tuple(sorted((here, other)))

    def draw(
        self,
        kind: str | None = None,
        *,
        lanes: Sequence[int] | None = None,
        style: Style = PAPER,
    ) -> Plot:
        """The figure of what is looked at: of the current task, at the current step.

        lanes  whose adaptations it shows, by default those of `beside`

        >>> from workbench.session.session import Session
        >>> session = Session("sinusoid-maml", count=2, queries=5)
        >>> session.move(step=2)
        >>> session.draw("curves").alt_text.split(", ")[-1]
        '0.647 after 2 inner steps.'
        """
        kind = self.seen if kind is None else kind
        lanes = self.beside(kind) if lanes is None else tuple(lanes)
        figure = inspection_named(kind, self.inspections).figure
        frame = self.frame(kind, lanes)
        here = self.cursor
        return draw(figure, frame, style=style, step=here.step, task=here.task, lanes=lanes)

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

    def code(self, kind: str | None = None, lanes: Sequence[int] | None = None) -> str:
        """Lines of Python that make this session again, and draw what is seen; or with a kind make
        its frame.

        lanes  whose adaptations are drawn, or in the frame

        >>> from workbench.session.session import Session
        >>> print(Session("sinusoid-maml", seed=3, count=2).code("steps"))
        from workbench.widgets import Session
        <BLANKLINE>
        session = Session("sinusoid-maml", count=2, seed=3)
        frame = session.frame("steps")
        """
        if kind is None:
            usual = lanes is None or tuple(lanes) == self.beside(self.seen)
            last = f'session.draw("{self.seen}"{"" if usual else f", lanes={list(lanes or ())}"})'
        else:
            usual = lanes is None or list(lanes) == [self.cursor.lane]
            last = f'frame = session.frame("{kind}"{"" if usual else f", {list(lanes or ())}"})'
        return f"{self.lines()}\n{last}"

    def lines(self) -> str:
        """Lines of Python that make this session again."""
        return code_of(self.sources, self.usual, self.state, self.cursor)
