"""From a session's plain state to its tapes: tasks are opened and drawn, edited, adapted to."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.algorithms.base import Learner, brought_to
from workbench.errors import UserError
from workbench.fields import with_values
from workbench.inspection import Tape, varied
from workbench.session.sources import Source
from workbench.session.state import MOST_STEPS, Lane, Sampling, State
from workbench.tasks import Episode, Shape, Tasks, load_episode, name_of, open_tasks
from workbench.tasks.base import SPLITS
from workbench.tasks.editing import edited

OPEN = "open"  # the edit that puts a saved episode in place of the drawn one

_MOST_QUERIES = 20  # of a task, where nothing else was asked for: enough to see


@dataclass(frozen=True)
class Recording:
    """A lane whose adaptation is still being recorded: how far it is, and what it takes."""

    lane: int
    done: int
    total: int
    seconds: float  # that `done` steps took

    @property
    def left(self) -> float:
        """The seconds that it takes still."""
        return self.seconds / max(self.done, 1) * (self.total - self.done)


class Recorder:
    """Records what a state describes; the sources' learners adapt, and nothing else is kept.

    `patience` is for how many seconds it records at once; what is left then is `unfinished`, and
    `go_on` goes on with it.
    """

    def __init__(self, sources: Mapping[str, Source], budget: int) -> None:
        self.sources, self.budget = sources, budget
        self.patience: float | None = None
        self.unfinished: dict[str, int] = {}  # how many steps a lane is to have, by its key
        self._took: dict[str, float] = {}
        self._opened: dict[str, Tasks] = {}

    def tapes(self, state: State, before: Mapping[str, Tape]) -> dict[str, Tape]:
        """The tape of every lane by its key; those that are the same as before are kept."""
        if not self.sources:
            self.episode(state)
            return {}
        tapes: dict[str, Tape] = {}
        wanted: dict[str, int] = {}
        until = math.inf if self.patience is None else time.monotonic() + self.patience
        for place, lane in enumerate(state.lanes):
            key = state.key(place)
            if key in before:
                tape, steps = before[key], self.unfinished.get(key, before[key].steps)
            else:
                tape, steps = self._begun(state, place, lane, tapes, wanted)
            tapes[key], wanted[key] = tape, steps
            branched = max((one.at for one in state.lanes if one.parent == place), default=0)
            tape.extend(min(branched, steps))
            self._extend(key, tape, steps, until)
        self.unfinished = {
            key: wanted[key] for key, tape in tapes.items() if tape.steps < wanted[key]
        }
        return tapes

    def recording(self, state: State, tapes: Mapping[str, Tape]) -> Recording | None:
        """How far the first lane is that is not whole; None where all are."""
        for lane in range(len(state.lanes)):
            key = state.key(lane)
            if key in self.unfinished:
                return Recording(lane, tapes[key].steps, self.unfinished[key], self._took[key])
        return None

    def go_on(self, state: State, tapes: Mapping[str, Tape]) -> None:
        """Go on for a while with the first lane that is not whole."""
        now = self.recording(state, tapes)
        if now is not None:
            key = state.key(now.lane)
            self._extend(key, tapes[key], now.total, time.monotonic() + (self.patience or 0))
            if tapes[key].steps == now.total:
                del self.unfinished[key]

    def _extend(self, key: str, tape: Tape, steps: int, until: float) -> None:
        """Record more steps, all of them or as many as there is time for."""
        begun = time.monotonic()
        tape.extend(steps, until=lambda: time.monotonic() > until)
        self._took[key] = self._took.get(key, 0.0) + time.monotonic() - begun

    def episode(self, state: State) -> Episode:
        """The tasks that the first lane adapts to, drawn and edited."""
        return self._edited(state, 0, self._sampled(state.sampling))

    def _begun(
        self,
        state: State,
        place: int,
        lane: Lane,
        tapes: Mapping[str, Tape],
        wanted: Mapping[str, int],
    ) -> tuple[Tape, int]:
        """A lane's tape as it begins, and how many steps it is to have."""
        source = self.sources[lane.learner]
        if source.tape is not None:
            untouched = lane == Lane(lane.learner) and not state.edits_of(place)
            if untouched and state.sampling == self._recorded(source.tape):
                return source.tape, source.tape.steps
            if source.learner is None:
                raise UserError(
                    "a saved tape shows what was recorded and cannot adapt anew: "
                    "open the run that it came from to edit, vary or branch"
                )
        learner = self._varied(lane)
        if lane.parent is None:
            episode = brought_to(learner, self.episode(state))
            tape = Tape.record(learner, episode, 0, budget=self.budget, about=source.about)
            return tape, self._steps(lane, learner, episode)
        parent = tapes[state.key(lane.parent)]
        episode = self._edited(state, place, parent.episode) if lane.edits else parent.episode
        assert parent.learner is not None
        steps = wanted[state.key(lane.parent)]  # unless it says otherwise
        if lane.steps is not None or learner.steps(episode) != parent.learner.steps(parent.episode):
            steps = self._steps(lane, learner, episode)
        if steps < lane.at:
            raise UserError(
                f"branch {place} leaves at step {lane.at} and was to have {steps} inner steps: "
                f"give at least {lane.at}, or branch earlier"
            )
        tape = parent.branch(
            lane.at,
            learner=learner,
            episode=episode if lane.edits else None,
            steps=lane.at,
            memory=lane.memory,
        )
        return tape, steps

    def _steps(self, lane: Lane, learner: Learner, episode: Episode) -> int:
        """How many inner steps a lane has: what it says, or the learner's own number."""
        steps = learner.steps(episode) if lane.steps is None else lane.steps
        if steps > MOST_STEPS:
            raise UserError(f"the learner takes {steps:,} inner steps: give at most {MOST_STEPS:,}")
        return steps

    def own_steps(self, lane: Lane, episode: Episode) -> int | None:
        """How many inner steps the lane's learner takes of itself, as it is varied."""
        source = self.sources[lane.learner]
        return None if source.learner is None else self._varied(lane).steps(episode)

    def _varied(self, lane: Lane) -> Learner:
        learner = self.sources[lane.learner].learner
        assert learner is not None
        if not lane.settings:
            return learner
        old: Any = learner.settings
        new = with_values(old, lane.settings)
        changed = {
            f.name: getattr(new, f.name)
            for f in dataclasses.fields(new)
            if getattr(new, f.name) != getattr(old, f.name)
        }
        return varied(learner, **changed)

    def open(self, name: str) -> Tasks:
        """A family of tasks; a run's own is not opened again."""
        if name not in self._opened:
            own = [s.tasks for s in self.sources.values() if s.tasks and s.tasks_name == name]
            self._opened[name] = own[0] if own else open_tasks(name)
        return self._opened[name]

    def _sampled(self, sampling: Sampling) -> Episode:
        first = next(iter(self.sources.values()), None)
        tape = None if first is None else first.tape
        if tape is not None and sampling == self._recorded(tape):
            return tape.episode
        tasks = self.open(sampling.tasks)
        shape = Shape(sampling.ways, sampling.shots, sampling.queries)
        last = sampling.first + sampling.count
        drawn = tasks.sample(last, seed=sampling.seed, split=sampling.split, shape=shape)
        return drawn[sampling.first :] if sampling.first else drawn

    def _edited(self, state: State, place: int, episode: Episode) -> Episode:
        edits = state.lanes[place].edits
        if edits and edits[0]["what"] == OPEN:
            episode, edits = load_episode(edits[0]["path"]), edits[1:]
        return edited(episode, edits, self.open(state.sampling.tasks)) if edits else episode

    def check_begun(self, given: Mapping[str, Any]) -> None:
        """Refuse a learner of one's own without tasks: none are known to suit it."""
        source = next(iter(self.sources.values()), None)
        if source is None or source.learner is None or "tasks" in given:
            return
        if source.tasks is None and source.tape is None:
            raise UserError(
                f"{source.name} was given without tasks: name those that it adapts to, as in "
                "Session(learner, tasks='sinusoid'), or give your own by tasks_from"
            )

    def sampling(self, given: Mapping[str, Any]) -> Sampling:
        """What the first learner was made for, where nothing else is asked for."""
        source = next(iter(self.sources.values()), None)
        first: dict[str, Any] = {}
        if source is not None and source.shape is not None:
            shape = source.shape
            first = {"tasks": source.tasks_name, "ways": _most(shape.ways)}
            first |= {"shots": _most(shape.shots), "queries": min(shape.queries, _MOST_QUERIES)}
        elif source is not None and source.tape is not None:
            first = sampling_of(source.tape)
        if "tasks" in given:
            tasks = given["tasks"]
            if not isinstance(tasks, str):
                given = {**given, "tasks": name_of(tasks)}
                self._opened[given["tasks"]] = tasks
            if given["tasks"] != first.get("tasks"):
                shape = self.open(given["tasks"]).default_shape
                first |= {"ways": _most(shape.ways), "shots": _most(shape.shots)}
                first |= {"queries": min(shape.queries, _MOST_QUERIES)}
        return with_values(Sampling(), {**first, **given})

    def _recorded(self, tape: Tape) -> Sampling:
        return with_values(Sampling(), sampling_of(tape))


def _most(size: int | tuple[int, int]) -> int:
    return size if isinstance(size, int) else size[1]


def sampling_of(tape: Tape) -> dict[str, Any]:
    """What is known of how a tape's tasks were drawn."""
    episode, info = tape.episode, tape.episode.info
    known: dict[str, Any] = {"count": len(episode), "seed": int(tape.about.get("seed", 0))}
    if "dataset" in info:
        known["tasks"] = f"{info['dataset']}:{info['scheme']}"
    if info.get("split") in SPLITS:
        known["split"] = info["split"]
    if episode.kind != "control":
        ways = episode.ways or 1
        known |= {"ways": ways, "shots": max(1, episode.support.y.shape[1] // ways)}
        known["queries"] = episode.query.y.shape[1] // ways
    return known
