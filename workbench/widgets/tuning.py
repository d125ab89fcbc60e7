"""TunePanel: a study's best settings, its history and what mattered, followed while it goes on.

It is composed of ipywidgets and the package's own figures; all that it shows is read from the
study's folder, so that it is the same after a kernel restart and for studies of the command line.
"""

from __future__ import annotations

import asyncio
import html
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets  # type: ignore[import-untyped]
import pandas as pd
from traitlets import HasTraits

from workbench.errors import UserError
from workbench.figures import render, setting_importance, setting_slices, study_history
from workbench.numbers import number
from workbench.session.turns import Desk, one_at_a_time
from workbench.training import Experiment
from workbench.training.tuning import Study, begin, start_worker
from workbench.training.tuning.space import Given

_EVERY = 1.0  # seconds between looks at a study that goes on
_VIEWS = {"history": "history", "importance": "importance", "by setting": "slices"}


class TunePanel(ipywidgets.VBox):
    """A search for settings: go on with it in the background, follow it, stop it.

    directory   the study's folder
    experiment  what to tune, where there is no study in it yet
    space       where settings are sought, as `tune` takes it
    settings    the fields of `TuningSettings`
    """

    def __init__(
        self,
        directory: Path | str,
        experiment: Experiment | None = None,
        space: Sequence[str] | Mapping[str, Given] | None = None,
        **settings: Any,
    ) -> None:
        if (Path(directory) / "study.json").exists():
            self.study = Study.open(directory)
        else:
            self.study = begin(experiment, space, directory, **settings)
        self._desk = Desk()
        self._following: asyncio.Task[None] | None = None
        self._closed = False
        self.trials = ipywidgets.BoundedIntText(
            self.study.settings.trials, min=1, max=10_000, description="trials"
        )
        self.workers = ipywidgets.BoundedIntText(1, min=1, max=64, description="processes")
        self.going = ipywidgets.Button(description="Go on", tooltip="train the trials left")
        self.stopping = ipywidgets.Button(description="Stop", tooltip="it can be gone on with")
        self.view = ipywidgets.ToggleButtons(options=list(_VIEWS.items()))
        self.problem, self.summary, self.drawn, self.table = (ipywidgets.HTML() for _ in range(4))
        super().__init__(
            [
                ipywidgets.HBox([self.trials, self.workers, self.going, self.stopping]),
                self.problem,
                self.summary,
                self.view,
                self.drawn,
                self.table,
            ]
        )
        self.going.on_click(lambda _: self._do(self.go_on))
        self.stopping.on_click(lambda _: self._do(self.study.stop))
        HasTraits.observe(self.view, lambda _: self._do(self.look), "value")
        self.look()

    def close(self) -> None:
        """Take the panel away; the study goes on."""
        self._closed = True
        super().close()

    @property
    def alive(self) -> bool:
        """Whether a trial is being trained."""
        return not self._closed and "running" in set(self.study.history()["state"])

    def go_on(self) -> None:
        """Train the trials that are left, in processes of their own."""
        if self.trials.value != self.study.settings.trials:
            self.study.prolong(self.trials.value)
        for _ in range(self.workers.value):
            start_worker(self.study)
        self._follow(begun=True)

    def look(self) -> None:
        """Read the study's folder again; go on doing so while a trial is trained."""
        history = self.study.history()
        self.summary.value = self._summary(history)
        self.table.value = _table(history)
        self.drawn.value = self._figure(history)
        self._follow()

    def _summary(self, history: pd.DataFrame) -> str:
        counts = history["state"].value_counts()
        said = ", ".join(f"{count} {state}" for state, count in counts.items()) or "none begun"
        text = f"{len(history)} of {self.study.settings.trials} trials: {said}."
        if "finished" in counts:
            found = history.set_index("trial").loc[int(self.study.best.directory.name)]
            settings = ", ".join(f"{name} {_word(found[name])}" for name in self.study.space)
            measure = self.study.measure
            text += (
                f" Best validation {measure.words} {measure.said(found['value'])} "
                f"(trial {found.name}): {settings}."
            )
        return f"<p>{html.escape(text)}</p>"

    def _figure(self, history: pd.DataFrame) -> str:
        if history["value"].notna().sum() == 0:
            return "<p>Nothing is validated yet: go on with the study.</p>"
        try:
            if self.view.value == "importance":
                plot = setting_importance(self.study.importance())
            else:
                draw = study_history if self.view.value == "history" else setting_slices
                plot = draw(history)
        except UserError as error:
            return f"<p>{html.escape(str(error))}</p>"
        return render(plot, "svg").decode()

    def _do(self, what: Callable[[], None]) -> None:
        """What a button asks for, on the kernel's main thread; a mistake is said in its place."""
        self._desk.hand(partial(self._done, what))

    def _done(self, what: Callable[[], None]) -> None:
        try:
            with one_at_a_time():
                what()
            self.problem.value = ""
        except UserError as error:
            self.problem.value = f"<b>{html.escape(str(error))}</b>"
        except Exception as error:  # a fault of the workbench: said where it is seen
            self.problem.value = f"<b>{html.escape(f'{type(error).__name__}: {error}')}</b>"

    def _follow(self, begun: bool = False) -> None:
        """Look again by itself, on the kernel's own loop, for as long as something trains."""
        if self._following is not None and not self._following.done():
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if begun or self.alive:
            self._following = loop.create_task(_follow(weakref.ref(self)))


async def _follow(reference: weakref.ref[TunePanel]) -> None:
    idle = 0
    while idle < 10:  # a process takes seconds to begin, and a moment from trial to trial
        await asyncio.sleep(_EVERY)
        panel = reference()
        if panel is None or panel._closed:
            return
        panel._done(panel.look)
        idle = 0 if panel.alive else idle + 1
        del panel


def _word(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else str(value)


def _table(history: pd.DataFrame) -> str:
    shown = history.drop(columns=["best"]).iloc[::-1]
    return str(shown.to_html(index=False, border=0, float_format=number, na_rep="", escape=True))
