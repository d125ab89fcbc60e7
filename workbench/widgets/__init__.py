"""Panels for JupyterLab: build tasks, step an adaptation, look into it, train, compare, export.

The vocabulary:

- A `Session` holds tasks, learners and what was recorded when these adapted, and one *cursor*:
  the task, inner step, layer and example that is looked at. It is no widget, and all that a panel
  does to it is a line of Python too: `session.code()` shows the lines.
- `Stage(session)` shows an adaptation on one page; `EpisodeBuilder`, `GradientInspector` and
  `MemoryPanel` show a part of it at full width. Panels of one session follow each other.
- `TrainPanel` trains in the background, `TunePanel` seeks settings, `ComparePanel` puts finished
  runs side by side.
- `ExportPanel` makes files for a paper of what a session shows, as `export` does from Python;
  `write_page` makes one HTML file of a stage that steps without kernel or network.

Wherever a session is asked for, what it can be made of will do: `Stage("sinusoid-maml")` opens the
trained run of that name (`workbench.training.shipped_runs()` lists those that come with it),
`Stage("runs/mine")` one of your own, `Stage("saved.metatrace")` a saved adaptation.

Names are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.late import late

if TYPE_CHECKING:
    from workbench.session.page import write_page as write_page
    from workbench.session.session import Session as Session
    from workbench.widgets.comparing import ComparePanel as ComparePanel
    from workbench.widgets.exporting import export as export
    from workbench.widgets.training import TrainPanel as TrainPanel
    from workbench.widgets.tuning import TunePanel as TunePanel
    from workbench.widgets.views import EpisodeBuilder as EpisodeBuilder
    from workbench.widgets.views import ExportPanel as ExportPanel
    from workbench.widgets.views import GradientInspector as GradientInspector
    from workbench.widgets.views import MemoryPanel as MemoryPanel
    from workbench.widgets.views import Stage as Stage

_HOMES = {
    "ComparePanel": "workbench.widgets.comparing",
    "EpisodeBuilder": "workbench.widgets.views",
    "ExportPanel": "workbench.widgets.views",
    "GradientInspector": "workbench.widgets.views",
    "MemoryPanel": "workbench.widgets.views",
    "Session": "workbench.session.session",
    "Stage": "workbench.widgets.views",
    "TrainPanel": "workbench.widgets.training",
    "TunePanel": "workbench.widgets.tuning",
    "export": "workbench.widgets.exporting",
    "write_page": "workbench.session.page",
}

__all__ = list(_HOMES)

__getattr__ = late(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
