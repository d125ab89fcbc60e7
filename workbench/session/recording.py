"""From a session's plain state to its tapes: tasks are opened and drawn, edited, adapted to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
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


class Recorder:
    """Records what a state describes; the sources' learners adapt, and nothing else is kept."""

    def __init__(self, sources: Mapping[str, Source], budget: int) -> None:
        self.sources, self.budget = sources, budget
        self._opened: dict[str, Tasks] = {}

    def tapes(self, state: State, before: Mapping[str, Tape]) -> dict[str, Tape]:
        """The tape of every lane by its key; those that are the same as before are kept."""
        if not self.sources:
            self.episode(state)
            return {}
        tapes: dict[str, Tape] = {}
        for place, lane in enumerate(state.lanes):
            key = state.key(place)
            tapes[key] = before.get(key) or self._record(state, place, lane, tapes)
        return tapes

    def episode(self, state: State) -> Episode:
        """The tasks that the first lane adapts to, drawn and edited."""
        return self._edited(state, 0, self._sampled(state.sampling))

    def _record(self, state: State, place: int, lane: Lane, tapes: Mapping[str, Tape]) -> Tape:
        source = self.sources[lane.learner]
        if source.tape is not None:
            if lane == Lane(lane.learner) and state.sampling == self._recorded(source.tape):
                return source.tape
            if source.learner is None:
                raise UserError(
                    "a saved tape shows what was recorded and cannot adapt anew: "
                    "open the run that it came from to edit, vary or branch"
                )
        learner = self._varied(lane)
        if lane.parent is not None:
            parent = tapes[state.key(lane.parent)]
            episode = self._edited(state, place, parent.episode) if lane.edits else None
            return parent.branch(
                lane.at, learner=learner, episode=episode, steps=lane.steps, memory=lane.memory
            )
        episode = brought_to(learner, self.episode(state))
        steps = learner.steps(episode) if lane.steps is None else lane.steps
        if steps > MOST_STEPS:
            raise UserError(f"the learner takes {steps:,} inner steps: give at most {MOST_STEPS:,}")
        return Tape.record(learner, episode, steps, budget=self.budget, about=source.about)

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
