"""Tape: a recorded adaptation that can be rewound, branched, saved, and shown without its model.

It keeps every value that `adapt` yielded, cut from its graph. Rewinding is bit for bit, since the
values are the very ones, and so is going on from one, since a step is a pure function of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, overload

import pandas as pd
import torch

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.divergence import Divergence, divergence
from workbench.algorithms.inspections import Inspection
from workbench.algorithms.memory.learner import MemoryLearner
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.files import LARGEST
from workbench.inspection.kinds import compute, inspection_named, inspections_of
from workbench.inspection.layers import check_task
from workbench.inspection.recorded import recorded
from workbench.inspection.stored import KIND, MOST_STEPS, Stored, description, read, write
from workbench.inspection.variation import switched, varied, without_optimizer
from workbench.tasks.episode import Episode

MEGABYTE = 2**20
_QUICK_TASKS = 8  # of which frames of a quick kind are saved

_OWN = ("weights.", "optimizer.")  # what an adaptation carries over to an edited episode


class Tape(Sequence[Adapted]):
    """The values of one adaptation, the starting value first: `tape[k]` is that after k steps.

    learner  what adapted; None on a tape that was loaded from a file
    episode  the tasks that it adapted to
    budget   bytes to keep below: beyond them the gradients seen at middle steps are let go (they
             are computed anew where they are asked for), never a value
    about    plain data on what is recorded, such as the run's configuration

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("sinusoid").sample(2, seed=0)
    >>> tape = Tape.record(MAML(MLP(1, 1)), episode, steps=4)
    >>> len(tape), tape[2].step, tape.limited
    (5, 2, '')
    >>> other = tape.branch(2, inner_rate=0.1)
    >>> other[2] is tape[2], torch.equal(other[3].values["weights.head.bias"],
    ...                                  tape[3].values["weights.head.bias"])
    (True, False)
    """

    def __init__(
        self,
        learner: Learner | None,
        episode: Episode,
        path: Sequence[Adapted],
        *,
        budget: int = 512 * MEGABYTE,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if not path:
            raise UserError("a tape needs the starting value: make it by Tape.record")
        self.learner, self.episode, self.budget = learner, episode, budget
        self.about: dict[str, Any] = dict(about or {})
        self.parent: Tape | None = None
        self.branched_at: int | None = None
        self._path: list[Adapted] = []
        self._ended = Divergence((), (), (), False)  # of as many values as it names steps
        self._frames: dict[tuple[str, int], pd.DataFrame] = {}  # by kind and task
        self._refused: dict[str, str] = {}
        self._let_go = False
        self._held: dict[int, int] = {}  # bytes by address, until they are more than the budget
        self._mixed = False  # a branch that began with other examples, or another learner
        for adapted in path:
            self._append(adapted)

    @classmethod
    def record(
        cls,
        learner: Learner,
        episode: Episode,
        steps: int | None = None,
        *,
        budget: int = 512 * MEGABYTE,
        about: Mapping[str, Any] | None = None,
    ) -> Tape:
        """Adapt and keep every value; `steps` is by default the learner's own number."""
        with torch.no_grad():
            tape = cls(learner, episode, [learner.begin(episode)], budget=budget, about=about)
            tape.extend(learner.steps(episode) if steps is None else steps)
        return tape

    # ---- a sequence of values ---------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._path)

    @overload
    def __getitem__(self, step: int) -> Adapted: ...

    @overload
    def __getitem__(self, step: slice) -> list[Adapted]: ...

    def __getitem__(self, step: int | slice) -> Adapted | list[Adapted]:
        return self._path[step]

    def __iter__(self) -> Iterator[Adapted]:
        return iter(self._path)

    @property
    def steps(self) -> int:
        """How many inner steps are on the tape."""
        return len(self._path) - 1

    def __repr__(self) -> str:
        return (
            f"Tape({self.learner_name}, {len(self.episode)} tasks, {self.steps} steps, "
            f"{self.nbytes / MEGABYTE:.1f} of {self.budget / MEGABYTE:.0f} MB)"
        )

    @property
    def learner_name(self) -> str:
        """The method, also where only the file is left of it."""
        if self.learner is None:
            return str(self.about.get("learner", "unknown method"))
        return type(self.learner).__name__

    # ---- memory -----------------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """Memory that the values take; what several share counts once."""
        return sum(_storages(self._path).values())

    @property
    def limited(self) -> str:
        """What the budget cost: a sentence, empty where everything was kept."""
        if not self._let_go:
            return ""
        text = (
            f"over its budget of {self.budget / MEGABYTE:.1f} MB the tape let go the gradients "
            "seen at middle steps; they are computed anew where needed"
        )
        if self.nbytes > self.budget:
            text += f"; the values alone take {self.nbytes / MEGABYTE:.1f} MB and were all kept"
        return text

    @property
    def diverged(self) -> str:
        """Which tasks stopped being finite, where, and the cure; empty where none did."""
        return self.ended.sentence()

    @property
    def ended(self) -> Divergence:
        """What of it is finite, task by task."""
        if len(self._ended.steps) != len(self._path):
            self._ended = divergence(self._path)
        return self._ended

    def _append(self, adapted: Adapted) -> None:
        self._path.append(adapted.detach())
        if not self._let_go:
            self._held |= _storages(self._path[-1:])
            if sum(self._held.values()) <= self.budget:
                return
        first = len(self._path) - 2 if self._let_go else 1  # those before are light
        self._let_go = True
        for index in range(max(first, 1), len(self._path) - 1):
            full = self._path[index]
            light = {n: t for n, t in full.seen.items() if not n.startswith("gradient.")}
            if len(light) < len(full.seen):
                self._path[index] = Adapted(full.values, light, full.step)

    # ---- going on and branching -------------------------------------------------------------

    def extend(self, steps: int, *, until: Callable[[], bool] | None = None) -> Tape:
        """Go on until the tape has so many inner steps, or `until` says after one to leave it."""
        if steps > self.steps:
            start, learner = self._path[-1], self._needed()
            tensors = (*start.values.values(), *start.seen.values())
            taken = (steps - self.steps) * sum(t.numel() * t.element_size() for t in tensors)
            if taken > LARGEST or steps > MOST_STEPS:
                raise UserError(
                    f"a tape of {steps:,} inner steps takes {taken / 2**30:,.1f} GiB or more: "
                    f"record at most {MOST_STEPS:,}, and what fits a quarter of the memory"
                )
            with torch.no_grad():
                for adapted in islice(
                    adapt(learner, self.episode, start=start, steps=steps), 1, None
                ):
                    self._append(adapted)
                    if until is not None and until():
                        break
            self._frames, self._refused = {}, {}
        return self

    def branch(
        self,
        step: int,
        *,
        learner: Learner | None = None,
        episode: Episode | None = None,
        steps: int | None = None,
        memory: Sequence[Mapping[str, int]] = (),
        **settings: Any,
    ) -> Tape:
        """A tape of its own that shares the values up to `step` and then goes another way.

        learner   another learner, or
        settings  settings of this one to change: inner_rate, optimizer, clip, ...
        episode   other examples: an edited support
        steps     how many inner steps in all, by default as many as this tape has
        memory    slots to empty, {"slot": 3}, or to fill with another's, {"slot": 3, "source": 1}
        """
        if not 0 <= step <= self.steps:
            raise UserError(
                f"the tape has {self.steps} steps and was to be branched at step {step}: "
                f"choose 0 to {self.steps}"
            )
        learner = varied(learner or self._needed(), **settings)
        start, head = self._path[step], self._path[:step]
        if _optimizer(description(learner)) != _optimizer(self._said()):
            start = without_optimizer(start)
        mixed = self._mixed
        if episode is not None:
            start = _moved(start, learner, episode)
            mixed = mixed or (step > 0)
        if self.learner is None or not _same_parameters(self.learner, learner):
            mixed = mixed or (step > 0)
        else:
            learner = switched(self.learner, learner, step)
        if memory:
            start, mixed = _remembering(learner, start, memory), True
        child = Tape(
            learner,
            self.episode if episode is None else episode,
            [*head, start],
            budget=self.budget,
            about=self.about,
        )
        child._path[:step] = head
        if start is self._path[step]:
            child._path[step] = start
        child.parent, child.branched_at, child._mixed = self, step, mixed
        return child.extend(self.steps if steps is None else steps)

    def _said(self) -> dict[str, Any]:
        """What is known of the recording, the learner's own settings among it."""
        return {**self.about, **({} if self.learner is None else description(self.learner))}

    def _needed(self) -> Learner:
        if self.learner is None:
            raise UserError(
                "this tape came from a file and has no learner: give one, "
                "as in tape.branch(step, learner=run.load()[0])"
            )
        return self.learner

    # ---- frames and files -------------------------------------------------------------------

    def frame(self, kind: str, task: int = 0) -> pd.DataFrame:
        """The frame of an inspection (see `inspections`), kept once computed.

        `task` is which of the episode's tasks is shown, by kinds that show a single one.
        """
        if (kind, task) in self._frames:
            return self._frames[kind, task]
        one = inspection_named(kind, self.inspections)
        check_task(self.episode, task)
        place = (kind, 0 if one.scope == "episode" else task)
        if place not in self._frames:
            if self.learner is None:
                without = f"the tape was saved without its frame '{kind}' of task {task}"
                raise UserError(self._refused.get(kind, without))
            if self._mixed and one.cost == "adapts anew":
                raise UserError(
                    f"'{kind}' follows one learner on the same examples from the first step, and "
                    f"this branch changed them at step {self.branched_at}: look at the lane that "
                    "it leaves, or branch at step 0"
                )
            self._frames[place] = compute(
                kind, self.learner, self.episode, self._path, task, self.ended
            )
        return self._frames[place]

    @property
    def inspections(self) -> dict[str, Inspection]:
        """The ways to look at this adaptation, by name: everybody's, then the method's own."""
        own = recorded(self.about) if self.learner is None else {}
        return inspections_of(self.learner) | own

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The frames that are there without computing any; of the first task only."""
        return {kind: frame for (kind, task), frame in self._frames.items() if task == 0}

    def save(
        self, path: Path | str, kinds: Sequence[str] | None = None, *, values: bool = True
    ) -> Path:
        """Write a `.metatrace` file: the episode, the values, and the frames of all kinds.

        Kinds that show a single task are written for the first one, the quick ones for the first
        few, and whatever was looked at. Kinds that this method or these tasks do not have are left
        out, with the reason. Without `values` it is for JupyterLab's views alone, and quick.

        >>> import tempfile
        >>> from workbench.algorithms import MAML
        >>> from workbench.models import MLP
        >>> from workbench.tasks import open_tasks
        >>> tape = Tape.record(MAML(MLP(1, 1)), open_tasks("sinusoid").sample(2, seed=0), steps=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = Tape.load(tape.save(f"{folder}/one.metatrace", kinds=["steps"]))
        >>> again.frame("steps").equals(tape.frame("steps"))
        True
        """
        path = Path(path)
        if path.suffix != f".{KIND}":
            raise UserError(f"a tape cannot be written as '{path.name}': end it in .{KIND}")
        if self.learner is not None:
            for kind in self.inspections if kinds is None else kinds:
                one = inspection_named(kind, self.inspections)
                if one.cost != "quick" and not values:
                    continue
                several = one.cost == "quick" and one.scope == "task"
                try:
                    for task in range(min(_QUICK_TASKS if several else 1, len(self.episode))):
                        self.frame(kind, task)
                except UserError as error:
                    if kinds is not None:
                        raise
                    self._refused[kind] = str(error)
        told = (self._said(), self.budget, self._let_go, self._refused)
        stored = Stored(self.episode, self._path, self._frames, *told)
        return write(path, stored, values=values)

    @staticmethod
    def load(path: Path | str) -> Tape:
        """A saved tape, shown in full without the learner; it goes on only with one."""
        stored = read(path)
        tape = Tape(None, stored.episode, stored.path[:1], about=stored.about)
        tape._path, tape._frames = stored.path, stored.frames
        tape.budget, tape._let_go, tape._refused = stored.budget, stored.let_go, stored.refused
        return tape


def _storages(path: Sequence[Adapted]) -> dict[int, int]:
    """The bytes of what values hold, by address: what several share is there once."""
    tensors = (t for one in path for t in (*one.values.values(), *one.seen.values()))
    return {s.data_ptr(): s.nbytes() for s in (t.untyped_storage() for t in tensors)}


def _moved(start: Adapted, learner: Learner, episode: Episode) -> Adapted:
    """The value with what it remembers of an episode replaced by what another one has.

    Fast weights and optimizer state stay. A memory stays as it was written; an empty one is made
    anew.
    """
    with torch.no_grad():
        fresh = learner.begin(episode)
    own = {name: t for name, t in start.values.items() if name.startswith(_OWN)}
    for name, tensor in own.items():
        if name in fresh.values and fresh.values[name].shape != tensor.shape:
            raise UserError(
                f"the tape's '{name}' has shape {list(tensor.shape)} and the other episode needs "
                f"{list(fresh.values[name].shape)}: keep the number of tasks and ways"
            )
    if own or start.step == 0:
        return Adapted({**fresh.values, **own}, start.seen, start.step)
    return start


def _remembering(learner: Learner, start: Adapted, changes: Sequence[Mapping[str, int]]) -> Adapted:
    """The value with slots of its memory emptied, or filled with what others hold."""
    if not isinstance(learner, MemoryLearner):
        raise UserError(
            f"{type(learner).__name__} has no memory with slots to change: "
            "branch with other settings, or edit the support"
        )
    for change in changes:
        if "source" in change:
            start = learner.given(start, change["slot"], change["source"])
        else:
            start = learner.without(start, [change["slot"]])
    return start


def _same_parameters(a: Learner, b: Learner) -> bool:
    return {id(p) for p in a.parameters()} == {id(p) for p in b.parameters()}


def _optimizer(description: Mapping[str, Any]) -> Any:
    return description.get("settings", {}).get("optimizer")
