"""Panel: the one anywidget behind every view, and the traffic between it and the browser.

State goes to the browser in synced traits (so that it can be saved and replayed), commands come
as messages `{id, command, args}` and are answered by `{id, result}` or `{id, error}`. What a
command changed arrives before its answer. An error is shown in the panel, never swallowed.
"""

from __future__ import annotations

import functools
import traceback
import uuid
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import anywidget
import torch
import traitlets

from workbench.errors import UserError
from workbench.session.bundle import bundle
from workbench.session.messages import Answer, Problem, Progress
from workbench.session.turns import Desk, one_at_a_time
from workbench.widgets.still import sentence

F = TypeVar("F", bound=Callable[..., Any])

_MADE_IN: dict[str, tuple[str, list[weakref.ref[Panel]]]] = {}  # by cell: its run, its panels


def command(function: F) -> F:
    """Marks a method that the browser may call."""
    function.is_command = True  # type: ignore[attr-defined]
    return function


class Panel(anywidget.AnyWidget):
    """A view in the notebook; see `workbench.widgets.Stage` and the others for what each shows."""

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    view = traitlets.Unicode().tag(sync=True)
    session = traitlets.Unicode().tag(sync=True)
    about = traitlets.Dict().tag(sync=True)
    frames = traitlets.Dict().tag(sync=True)
    cursor = traitlets.Dict().tag(sync=True)
    problem = traitlets.Dict().tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)

    def __init__(self, view: str, session: str = "", **traits: Any) -> None:
        super().__init__(
            _esm=bundle("panel.js"),
            _css=bundle("panel.css"),
            view=view,
            session=session or uuid.uuid4().hex,
            **traits,
        )
        self._desk = Desk()
        self.on_msg(_received)
        _close_those_of_an_earlier_run(self)

    def close(self) -> None:
        """Take the view away, and the layout that ipywidgets gives to each."""
        layout = self.layout
        super().close()
        layout.close()

    # ---- commands -----------------------------------------------------------------------------

    def receive(self, message: dict[str, Any]) -> None:
        """Do what the browser asks for, on the kernel's main thread, and answer."""
        self._desk.hand(functools.partial(self._answer, message))

    def _answer(self, message: dict[str, Any]) -> None:
        answer: Answer = {"id": message.get("id")}
        try:
            with one_at_a_time(), torch.enable_grad():
                answer["result"] = self._do(str(message.get("command")), message.get("args") or {})
            self.problem = {}
        except UserError as error:
            answer["error"] = str(error)
            self.problem = {**Problem(text=str(error))}
        except Exception as error:  # a fault of the workbench: said in full where it is seen
            answer["error"] = f"{type(error).__name__}: {error}"
            problem = Problem(text=answer["error"], details=traceback.format_exc())
            self.problem = {**problem}
        finally:
            self.progress = {}
        self.send(answer)

    def _ipython_display_(self) -> None:
        """Show it, and keep in the notebook what stands for it where no kernel answers."""
        from IPython.display import HTML, display

        saved = self.saved()
        display(HTML(sentence(pictured=bool(saved))))
        if saved:
            display(saved, raw=True)
        data, metadata = self._repr_mimebundle_() or ({}, {})
        display(data, metadata=metadata, raw=True)

    def saved(self) -> dict[str, Any]:
        """What a notebook keeps of it for when no kernel runs, by MIME type."""
        return {}

    def _do(self, name: str, args: dict[str, Any]) -> Any:
        method = getattr(type(self), name, None)
        if not getattr(method, "is_command", False):
            raise UserError(f"this panel has no command '{name}': load the page again")
        return getattr(self, name)(**args)

    def report(self, what: str, done: float, total: float, left: float | None = None) -> None:
        """Show how far long work is."""
        self.progress = {**Progress(what=what, done=done, total=total, left=left)}


def _received(panel: Panel, message: Any, buffers: Any) -> None:
    if isinstance(message, dict) and "command" in message:
        panel.receive(message)


def _close_those_of_an_earlier_run(panel: Panel) -> None:
    """A cell that runs again replaces its panels; the old ones would stay in memory for ever."""
    cell, run = _running_cell()
    if not cell:
        return
    earlier, panels = _MADE_IN.get(cell, ("", []))
    if earlier != run:
        for reference in panels:
            old = reference()
            if old is not None:
                old.close()
        panels = []
    _MADE_IN[cell] = (run, [*panels, weakref.ref(panel)])


def _running_cell() -> tuple[str, str]:
    """The cell that is being run, and which run of it; nothing outside a notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return "", ""
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return "", ""
    parent = kernel.get_parent()
    cell = parent.get("metadata", {}).get("cellId", "")
    return cell, parent.get("header", {}).get("msg_id", "")
