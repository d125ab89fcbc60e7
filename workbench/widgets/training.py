"""TrainPanel: start runs in the background, follow, stop and resume them.

All that it shows is read from the run directories, so that it is the same after a kernel restart,
in another notebook, and for runs that were started on the command line.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from pathlib import Path
from typing import Any

import traitlets

from workbench.errors import UserError
from workbench.inspection import metrics_frame, stacked
from workbench.session.drafts import Draft
from workbench.session.following import Followed
from workbench.training import Run, presets, resume_in_background
from workbench.training.trainer import tried
from workbench.widgets.exporting import Exporting, Subject
from workbench.widgets.panel import Panel, command

_EVERY = 0.5  # seconds between looks at the files of runs that train
_DRAWN = 6  # runs whose curves are drawn at first: those that train, then the newest
_ENDED = ("paused", "interrupted", "killed", "failed", "new")  # from which one can go on


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
        self.runs: dict[str, Followed] = {}
        self._drawn: dict[str, bool] = {}  # which curves were asked for, and which put away
        self._starting: set[str] = set()
        self._closed = False
        self._following: asyncio.Task[None] | None = None
        super().__init__("train")
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
        found = {}
        for path in sorted(self.folder.glob("*/config.json"), key=lambda p: p.stat().st_mtime):
            name = path.parent.name
            known = self.runs.get(name)
            found[name] = known or Followed(Run(path.parent))
            found[name].look()
        self.runs = found
        self._show()
        self._follow()

    def _show(self) -> None:
        drawn = self._names_drawn()
        with self.hold_sync():
            self.frames = {
                f"run:{name}": self.runs[name].wire
                for name in drawn
                if self.runs[name].wire is not None
            }
            self.about = self._about(drawn)

    def _names_drawn(self) -> list[str]:
        newest = list(reversed(self.runs))
        usual = sorted(newest, key=lambda name: not self.runs[name].alive)[:_DRAWN]
        return [n for n in self.runs if self._drawn.get(n, n in usual)]

    def _about(self, drawn: list[str]) -> dict[str, Any]:
        runs = []
        for name, one in reversed(self.runs.items()):
            summary = one.summary()
            if name in self._starting and not one.alive:
                summary |= {"state": "starting", "reason": ""}
            resumes = summary["state"] in _ENDED and one.experiment is not None
            runs.append({"name": name, "drawn": name in drawn, "resumes": resumes, **summary})
        directory = self.folder / (self.name or self._free_name())
        return {
            "title": "Training",
            "folder": str(self.folder),
            "name": directory.name,
            "preset": self.draft.preset,
            "presets": [{"name": n, "line": line} for n, line in presets().items()],
            "form": self.draft.form(),
            "runs": runs,
            "code": self.draft.code(directory),
            "shell": self.draft.shell(directory),
        }

    def _free_name(self) -> str:
        name, number = self.draft.preset, 1
        while (self.folder / name).exists():
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
        name = name.strip()
        if name and (Path(name).name != name or name.startswith(".")):
            raise UserError(f"a run cannot be called '{name}': give a plain name, without '/'")
        self.name = name
        self._show()

    @command
    def code(self) -> str:
        """The Python that trains what the settings say."""
        return self.draft.code(self.folder / (self.name or self._free_name()))

    @command
    def start(self) -> str:
        """Train what the settings say in a process of its own, which outlives the kernel."""
        experiment = self.draft.experiment
        tried(experiment)  # what cannot be trained is refused before a file is written
        run = Run.create(experiment, self.folder / (self.name or self._free_name()))
        self.name = ""
        self._begin(run)
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
        self._begin(run)

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

    def subject(self, kind: str) -> Subject:
        """The curves that are drawn, for export."""
        drawn = [name for name in self._names_drawn() if self.runs[name].wire is not None]
        if not drawn:
            raise UserError("no curve is drawn: start a run, or draw one of those that there are")
        directories = {name: str(self.runs[name].run.directory) for name in drawn}
        named = ", ".join(f'"{n}": metrics_frame("{d}")' for n, d in directories.items())
        code = (
            "from workbench.inspection import metrics_frame, stacked\n\n"
            f"frame = stacked({{{named}}})"
        )
        frame = stacked({name: metrics_frame(path) for name, path in directories.items()})
        return Subject("training", frame, code, figure="training")

    def _run(self, name: str) -> Run:
        if name not in self.runs:
            raise UserError(f"there is no run '{name}' in {self.folder}: look again")
        return self.runs[name].run

    def _begin(self, run: Run) -> None:
        """Start the run's process; importing takes it seconds, for which the kernel is not held."""
        name = run.directory.name
        self._starting.add(name)

        def begin() -> None:
            try:
                resume_in_background(run)
            finally:
                self._desk.hand(begun)

        def begun() -> None:
            self._starting.discard(name)
            if not self._closed:
                self.look()

        threading.Thread(target=begin, daemon=True).start()
        self.look()


async def _follow(reference: weakref.ref[TrainPanel]) -> None:
    while (panel := reference()) is not None and panel.alive:
        try:
            panel.look()
        except Exception as error:  # such as a folder that was taken away meanwhile
            panel.problem = {"text": f"{type(error).__name__}: {error}"}
            return
        del panel
        await asyncio.sleep(_EVERY)
