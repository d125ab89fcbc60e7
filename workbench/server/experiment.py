"""A new experiment: the presets that one can start from, and a notebook made of a template.

python -m workbench.server.experiment    the presets as JSON, for a server that has no torch
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from workbench.errors import UserError
from workbench.resources import resources
from workbench.server.messages import Asked, Done, PresetChoice, ShippedNotebook
from workbench.server.places import folder_made, names_of, open_file

_STYLES = {
    "one column": "PAPER",
    "two columns": "Style(ColumnWidth.DOUBLE)",
    "slide": "Style(ColumnWidth.SLIDE)",
    "slide, dark": "Style(ColumnWidth.SLIDE, dark=True)",
}
STEPS = 100  # outer steps of the first training, so that the notebook runs at once
_VALIDATIONS = 4  # of it
_SECONDS = 120  # that reading the presets may take

# Cell by cell; what begins with # and a space is text.
_CELLS = (
    """# An experiment: $preset

Every cell runs as it stands. The experiment is plain data: change any field of it by `replace`.""",
    """from dataclasses import replace

import torch

from workbench import evaluate, preset, train
from workbench.figures import $style_names, draw
from workbench.inspection import evaluation_frame, metrics_frame
from workbench.widgets import Session, Stage

torch.set_num_threads($threads)
style = $style
experiment = replace(preset("$preset"), seed=$seed, device="$device").stretched($steps)
quick = replace(experiment.training, validate_every=$every)  # validations take the longest
experiment = replace(experiment, training=quick)
experiment""",
    """## Train

$steps outer steps show that it runs: the preset has $iterations. `train(experiment, "runs/mine")` \
keeps a run, which the side bar *Runs* lists.""",
    """outcome = train(experiment, progress=False)
draw("training", metrics_frame(outcome.metrics), style=style)""",
    """## Measure, on tasks that are new""",
    """evaluation = evaluate(outcome.learner, outcome.tasks, experiment.test, episodes=20)
evaluation""",
    """## Step through an adaptation""",
    """session = Session(outcome.learner, tasks=experiment.tasks, budget=$budget * 2**20)
Stage(session)""",
)


def notebook_of(asked: Asked, iterations: int) -> dict[str, Any]:
    """A notebook for an experiment that starts from a preset.

    >>> asked = {"preset": "sinusoid-maml", "seed": 3, "threads": 2, "device": "cpu",
    ...          "style": "slide", "budget": 64}
    >>> made = notebook_of(asked, 70000)
    >>> "seed=3" in "".join(made["cells"][1]["source"])
    True
    """
    if asked["style"] not in _STYLES:
        raise UserError(f"there is no style '{asked['style']}': choose one of {', '.join(_STYLES)}")
    style = _STYLES[asked["style"]]
    words = {
        **{name: asked[name] for name in ("preset", "seed", "device", "budget")},
        "threads": asked["threads"],
        "style": style,
        "style_names": "PAPER" if style == "PAPER" else "ColumnWidth, Style",
        "steps": (steps := min(STEPS, iterations)),
        "every": max(1, steps // _VALIDATIONS),
        "iterations": f"{iterations:,}",
    }
    return _notebook([Template(text).substitute(words) for text in _CELLS])


def looking_at(places: Sequence[str]) -> dict[str, Any]:
    """A notebook that shows a run in the stage, or puts several beside each other.

    >>> looking_at(["runs/a", "runs/b"])["cells"][0]["source"][-1]
    'ComparePanel("runs/a", "runs/b")'
    """
    if not places or not all(isinstance(place, str) and names_of(place) for place in places):
        raise UserError("say which runs are to be looked at, by their places")
    panel = "Stage" if len(places) == 1 else "ComparePanel"
    named = ", ".join(json.dumps(place, ensure_ascii=False) for place in places)
    return _notebook([f"from workbench.widgets import {panel}\n\n{panel}({named})"])


def _notebook(cells: Sequence[str]) -> dict[str, Any]:
    made: list[dict[str, Any]] = []
    for number, text in enumerate(cells):
        cell: dict[str, Any] = {"id": str(number), "metadata": {}}
        cell["source"] = text.splitlines(keepends=True)
        if text.startswith("#"):
            made.append({"cell_type": "markdown", **cell})
        else:
            made.append({"cell_type": "code", "execution_count": None, "outputs": [], **cell})
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {
        "cells": made,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def shipped_notebooks() -> list[ShippedNotebook]:
    """The notebooks that come with the workbench, by what their first line calls them.

    >>> shipped_notebooks()[2]
    {'name': '02-maml.ipynb', 'title': 'MAML, step by step'}
    """
    found: list[ShippedNotebook] = []
    for path in sorted(resources("notebooks").glob("*.ipynb")):
        first = "".join(json.loads(path.read_text())["cells"][0]["source"])
        found.append({"name": path.name, "title": first.splitlines()[0].lstrip("# ")})
    return found


def copied(root: Path, name: str) -> Done:
    """A shipped notebook below `notebooks`, copied there where it is not yet."""
    if name not in {one["name"] for one in shipped_notebooks()}:
        raise UserError(f"no notebook '{name}' comes with the workbench")
    with folder_made(root, "notebooks") as folder:
        how = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open_file(folder, name, how) as handle:
            if handle is not None:
                os.write(handle, (resources("notebooks") / name).read_bytes())
    return {"place": f"notebooks/{name}", "undo": "", "content": {}}


class Presets:
    """The presets, your own in `methods` among them, read by a process that has torch."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._read: dict[tuple[Any, ...], list[PresetChoice]] = {}

    def choices(self) -> list[PresetChoice]:
        """Those that there are now; read again only where your own files changed."""
        own = tuple(
            (str(path), path.stat().st_mtime_ns)
            for folder in ("methods", "tasks")
            for path in sorted((self.root / folder).glob("*.py"))
        )
        if own not in self._read:
            self._read = {own: self._asked()}
        return self._read[own]

    def iterations(self, preset: str) -> int:
        """How many outer steps a preset has; refused where there is none of that name."""
        for one in self.choices():
            if one["name"] == preset:
                return one["iterations"]
        raise UserError(f"there is no preset '{preset}': choose one of the list")

    def _asked(self) -> list[PresetChoice]:
        done = subprocess.run(
            [sys.executable, "-m", "workbench.server.experiment"],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise UserError(f"the presets cannot be read: {last}")
        return json.loads(done.stdout)


def _choices() -> list[PresetChoice]:
    from workbench.training import baselines, preset, presets

    found: list[PresetChoice] = []
    for name, line in presets().items():
        if name in baselines():
            continue
        experiment = preset(name)
        method = type(experiment.learner).__name__.removesuffix("Settings")
        found.append(
            {
                "name": name,
                "line": line,
                "family": experiment.tasks,
                "method": method,
                "iterations": experiment.training.iterations,
            }
        )
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_choices()))
