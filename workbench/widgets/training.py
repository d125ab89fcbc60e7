"""TrainPanel: start runs in the background, follow, stop and resume them.

All that it shows is read from the run directories, so that it is the same after a kernel restart,
in another notebook, and for runs that were started on the command line.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import traitlets

from workbench.errors import UserError
from workbench.fields import Range, check_fields, describe, with_values
from workbench.files import plain_name
from workbench.inspection import metrics_frame, seeds_frame
from workbench.session.drafts import Draft
from workbench.session.following import Followed, apart, found_in
from workbench.session.messages import ListedRun, Problem, SettingApart, TrainAbout
from workbench.standing import RESUMED, TRASH
from workbench.training import Run, presets, resume_in_background
from workbench.training.opening import check_goes_on
from workbench.training.trainer import tried
from workbench.widgets.drawn import subject_of
from workbench.widgets.exporting import Exporting, Subject
from workbench.widgets.panel import Panel, command
from workbench.wire import WireFrame, to_wire

_EVERY = 0.5  # seconds between looks at the files of runs that train
_DRAWN = 6  # runs whose curves are drawn at first: those that train, then the newest


@dataclass(frozen=True)
class Looks:
    """How curves are drawn."""

    # of what is noisy; the values themselves stay, faint
    smoothing: Annotated[float, Range(0, 0.999)] = 0.0
    along: Literal["outer step", "time"] = "outer step"  # what goes along the axis
    # runs that are equal but for their seed: as their mean with a band, or each by itself
    seeds: Literal["band", "apart"] = "band"

    def __post_init__(self) -> None:
        check_fields(self, "show")


class TrainPanel(Exporting, Panel):
    """Training in the background: settings, live curves of several runs, stop and resume.

    folder  where run directories lie and are made
    preset  what the settings start from

    >>> panel = TrainPanel("no-runs-yet")
    >>> panel.vary(**{"training.iterations": 500})
    >>> print(panel.code())
    from workbench import preset, train
    <BLANKLINE>
    train(preset("sinusoid-maml").stretched(500), "no-runs-yet/sinusoid-maml")
    """

    chosen = traitlets.Unicode(help="The run directory that was opened last.").tag(sync=True)

    def __init__(self, folder: Path | str = "runs", preset: str = "sinusoid-maml") -> None:
        self.folder, self.draft = Path(folder), Draft(preset)
        self.name = ""  # of the next run; empty is one that is free
        self.looks = Looks()
        self.runs: dict[str, Followed] = {}
        self._drawn: dict[str, bool] = {}  # which curves were asked for, and which put away
        self._starting: dict[str, Followed] = {}
        self._closed = False
        self._following: asyncio.Task[None] | None = None
        super().__init__("train")
        threading.Thread(target=_prepare, args=(preset,), daemon=True).start()
        self.look()

    def close(self) -> None:
        """Take the panel away; runs go on."""
        self._closed = True
        super().close()

    # ---- what is shown ------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether there is something to follow."""
        training = bool(self._starting) or any(one.alive for one in self.runs.values())
        return training and not self._closed

    @command
    def look(self) -> None:
        """Read the run directories again; go on doing so while something trains."""
        self.runs = found_in(self.folder, self.runs)
        self._show()
        self._follow()

    def _show(self) -> None:
        drawn = self._names_drawn()
        with self.hold_sync():
            self.frames = self._frames(drawn)
            self.about = {**self._about(drawn)}

    def _frames(self, drawn: list[str]) -> dict[str, WireFrame]:
        """Of each run that is drawn, and of each band of seeds among them."""
        found: dict[str, WireFrame] = {}
        for name in drawn:
            one = self.runs[name]
            parts = {"run": one.wire, "inside": one.inside, "adaptation": one.adaptations}
            found |= {f"{part}:{name}": wire for part, wire in parts.items() if wire is not None}
        if self.looks.seeds == "band":
            for group, names in self._bands(drawn).items():
                frames = [metrics_frame(self.runs[name].rows) for name in names]
                found[f"seeds:{group}"] = to_wire(seeds_frame(frames))
        return found

    def _bands(self, drawn: list[str]) -> dict[str, list[str]]:
        """The runs that are drawn by their group, where there are several seeds and curves."""
        groups = self._groups()
        found: dict[str, list[str]] = {}
        for name in drawn:
            if self.runs[name].wire is not None:
                found.setdefault(groups[name], []).append(name)
        return {group: names for group, names in found.items() if len(names) > 1}

    def _groups(self) -> dict[str, str]:
        """For each run the oldest that is equal to it but for the seed."""
        first: dict[str, str] = {}
        return {name: first.setdefault(one.kind, name) for name, one in self.runs.items()}

    def _names_drawn(self) -> list[str]:
        newest = list(reversed(self.runs))
        usual = sorted(newest, key=lambda name: not self.runs[name].alive)[:_DRAWN]
        return [n for n in self.runs if self._drawn.get(n, n in usual)]

    def _about(self, drawn: list[str]) -> TrainAbout:
        runs: list[ListedRun] = []
        groups = self._groups()
        for name, one in reversed((self._starting | self.runs).items()):
            summary = one.summary()
            if name in self._starting and not one.alive:
                reason = "" if name in self.runs else "trying whether it can be trained"
                summary |= {"state": "starting", "reason": reason}
            resumes = summary["state"] in RESUMED and one.experiment is not None
            runs.append(
                {
                    "name": name,
                    "drawn": name in drawn,
                    "resumes": resumes,
                    "group": groups.get(name, name),
                    **summary,
                }
            )
        directory = self.folder / (self.name or self._free_name())
        return {
            "title": "Training",
            "folder": str(self.folder),
            "name": directory.name,
            "preset": self.draft.preset,
            "presets": [{"name": n, "line": line} for n, line in presets().items()],
            "form": self.draft.form(),
            "runs": runs,
            "trash": [path.parent.name for path in self.folder.glob(f"{TRASH}/*/config.json")],
            "looks": describe(self.looks, Looks()),
            "code": self.draft.code(directory),
            "shell": self.draft.shell(directory),
        }

    def _free_name(self) -> str:
        name, number = self.draft.preset, 1
        while (self.folder / name).exists() or name in self._starting:
            number += 1
            name = f"{self.draft.preset}-{number}"
        return name

    def _follow(self) -> None:
        """Look again by itself, on the kernel's own loop, for as long as something trains."""
        if not self.alive or (self._following is not None and not self._following.done()):
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # outside a kernel nothing turns: `look` is called by hand
            return
        self._following = loop.create_task(_follow(weakref.ref(self)))

    # ---- commands: the next run ---------------------------------------------------------------

    @command
    def choose(self, preset: str) -> None:
        """Start the settings from another preset."""
        draft = Draft(preset)
        draft.start  # noqa: B018  # refuses a name that there is not
        self.draft, self.name = draft, ""
        self._show()

    @command
    def vary(self, **changes: Any) -> None:
        """Change settings, by their dotted names; outer steps stretch what belongs to them."""
        self.draft = self.draft.varied(changes)
        self._show()

    @command
    def call(self, name: str) -> None:
        """Name the next run; an empty name is one that is free."""
        self.name = plain_name(name) if name.strip() else ""
        self._show()

    @command
    def code(self) -> str:
        """The Python that trains what the settings say."""
        return self.draft.code(self.folder / (self.name or self._free_name()))

    @command
    def start(self) -> str:
        """Train what the settings say in a process of its own, which outlives the kernel."""
        experiment = self.draft.experiment
        run = Run(self.folder / (self.name or self._free_name()))

        def make() -> Run:
            tried(experiment)  # what cannot be trained is refused before a file is written
            return Run.create(experiment, run.directory)

        self._begin(Followed(run, experiment), make)
        self.name = ""
        self._show()
        return run.directory.name

    # ---- commands: the runs that there are ----------------------------------------------------

    @command
    def stop(self, name: str) -> None:
        """Ask a run to write a checkpoint and end."""
        self._run(name).stop(wait=0)
        self.look()

    @command
    def resume(self, name: str) -> None:
        """Go on with a run that was stopped, killed or failed."""
        run = self._run(name)
        state = run.status().state
        if state == "running":
            raise UserError(f"{run.directory} is training already: follow it here, or stop it")
        if state == "finished":
            raise UserError(f"{run.directory} is finished: start a longer one under another name")
        check_goes_on(run)
        self._begin(self.runs[name], lambda: run)

    @command
    def draw(self, name: str, drawn: bool = True) -> None:
        """Draw a run's curves, or put them away."""
        self._run(name)
        self._drawn[name] = drawn
        self._show()

    @command
    def pick(self, name: str) -> str:
        """Choose a run: `chosen` is its directory. The line that opens it in the stage."""
        run = self._run(name)
        run.checkpoint()  # refused where there is nothing to open yet
        self.chosen = str(run.directory)
        return f'Stage("{run.directory}")'

    @command
    def show(self, **changes: Any) -> None:
        """How curves are drawn: smoothing, what goes along the axis, seeds as a band or apart."""
        self.looks = with_values(self.looks, changes)
        self._show()

    # ---- commands: runs under other names, with notes, away and back ---------------------------

    @command
    def rename(self, name: str, to: str) -> str:
        """Give a run another name."""
        run = self._run(name).rename(to)
        if name in self._drawn:
            self._drawn[run.directory.name] = self._drawn.pop(name)
        self.look()
        return run.directory.name

    @command
    def annotate(self, name: str, text: str) -> None:
        """Write a note on a run."""
        self._run(name).annotate(text)
        self.look()

    @command
    def delete(self, name: str) -> str:
        """Move a run to the trash, from where `restore` brings it back: its name there."""
        gone = self._run(name).delete()
        self.look()
        return gone.directory.name

    @command
    def restore(self, name: str) -> None:
        """Bring a run back from the trash."""
        Run.open(self.folder / TRASH / name).restore()
        self.look()

    @command
    def apart(self, first: str, second: str) -> list[SettingApart]:
        """The settings in which two runs differ."""
        return apart(self._run(first).experiment, self._run(second).experiment)

    def subject(self, kind: str, lanes: Sequence[int] | None = None) -> Subject:
        """What is drawn, for export: training, diagnostics or the newest run's adaptation."""
        held = {"training": "run", "diagnostics": "inside", "adaptation": "adaptation"}
        frames = self._frames(drawn := self._names_drawn())
        named = [name for name in drawn if f"{held[kind]}:{name}" in frames]
        if not named:
            raise UserError("no curve is drawn: start a run, or draw one of those that there are")
        places = {name: str(self.runs[name].run.directory) for name in named}
        bands = self._bands(named) if self.looks.seeds == "band" else {}
        by = "iteration" if self.looks.along == "outer step" else "seconds"
        return subject_of(kind, places, bands, by, self.looks.smoothing)

    def _run(self, name: str) -> Run:
        if name not in self.runs:
            raise UserError(f"there is no run '{name}' in {self.folder}: look again")
        return self.runs[name].run

    def _begin(self, one: Followed, make: Callable[[], Run]) -> None:
        """Start a run's process; importing takes it and us seconds, in which the kernel is free."""
        name = one.run.directory.name
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # outside a kernel nobody waits: what is refused is refused here
            made = make()
            make = lambda: made  # noqa: E731
        self._starting[name] = one

        def begin() -> None:
            problem: Problem | None = None
            try:
                resume_in_background(make())
            except UserError as error:
                problem = {"text": str(error)}
            except Exception as error:  # a fault of the workbench: said where it is seen
                problem = {"text": f"{type(error).__name__}: {error}"}
            finally:
                self._desk.hand(functools.partial(begun, problem))

        def begun(problem: Problem | None) -> None:
            del self._starting[name]
            if not self._closed:
                self.look()
                self.problem = {**problem} if problem else self.problem

        threading.Thread(target=begin, daemon=True).start()
        self.look()


@functools.cache
def _prepare(preset: str) -> None:
    """Import what the first start of a training needs, which takes seconds, before it is asked."""
    with suppress(UserError):  # which the start says
        tried(Draft(preset).experiment)


async def _follow(reference: weakref.ref[TrainPanel]) -> None:
    while (panel := reference()) is not None and panel.alive:
        try:
            panel.look()
        except Exception as error:  # such as a folder that was taken away meanwhile
            panel.problem = {"text": f"{type(error).__name__}: {error}"}
            return
        del panel
        await asyncio.sleep(_EVERY)
