"""ComparePanel: runs on the same test tasks, and the tasks on which they differ opened in a stage.

It computes in a thread of its own, block by block, without the lock that panels share: its
learners are its own, and a kernel that waits for a block of images would seem frozen. What it has
found is handed to the kernel's main thread, which alone touches the widget.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch

from workbench.errors import UserError
from workbench.fields import Range, check_fields, describe, with_values
from workbench.inspection import comparison_frame
from workbench.session.messages import CompareAbout, KnownRun
from workbench.session.session import Session
from workbench.session.state import MOST_STEPS
from workbench.tasks.base import Split
from workbench.training import Comparison, Run, name_of, run_of, shipped_runs
from workbench.training.comparison import Group, comparable, paired
from workbench.training.evaluation import DEFAULT_SEED, drawn_at, evaluations, interval
from workbench.training.sweeps import is_sweep, runs_of
from workbench.widgets.exporting import Exporting, Subject
from workbench.widgets.panel import Panel, command
from workbench.widgets.views import SessionPanel
from workbench.wire import to_wire


@dataclass(frozen=True)
class Comparing:
    """On which tasks runs are compared."""

    # test tasks: four times as many halve the intervals
    episodes: Annotated[int, Range(2, span=(50, 2_000), log=True)] = 600
    split: Split = "test"  # the part of the tasks: test tasks were never trained on
    seed: int = DEFAULT_SEED  # which tasks are drawn; as in `workbench evaluate` unless changed
    inductive: bool = False  # normalise a query by the support's statistics, not its own

    def __post_init__(self) -> None:
        check_fields(self, "comparison")


class ComparePanel(Exporting, Panel):
    """Runs side by side on the same tasks: means, paired differences, and single tasks.

    runs      directories of runs or of sweeps, or names of shipped ones; runs equal but for their
              seed are one group; with two or more the comparison begins at once
    settings  the fields of `Comparing`: episodes, split, seed, inductive

    >>> panel = ComparePanel()
    >>> panel.about["chosen"]
    []
    """

    def __init__(self, *runs: Path | str, **settings: Any) -> None:
        self._stop = threading.Event()
        self.opened: SessionPanel | None = None
        self.names = _units(runs)
        self.settings = self._begun = with_values(Comparing(), settings)
        self.result: Comparison | None = None
        self._asked = ""  # what the result is of
        self._worker: threading.Thread | None = None
        super().__init__("compare")
        self._show()
        if len(self.names) > 1:
            self.compare()

    def close(self) -> None:
        """Take the panel away, and stop what it computes."""
        self._stop.set()
        if self.opened is not None:
            self.opened.close()
        super().close()

    # ---- commands -----------------------------------------------------------------------------

    @command
    def choose(self, names: Sequence[str]) -> None:
        """Which runs to compare; a sweep is all its units."""
        self.names = _units(names)
        self._show()

    @command
    def vary(self, **changes: Any) -> None:
        """Change how they are compared."""
        self.settings = with_values(self.settings, changes)
        self._show()

    @command
    def compare(self) -> None:
        """Begin anew, in the background."""
        runs = [run_of(name) for name in self.names]
        comparable(runs)
        loaded = [run.load() for run in runs]  # here: building seeds torch's global generator
        self._stop.set()
        self._stop = threading.Event()
        self.result, self._asked = None, self._question()
        work = partial(_compare, weakref.ref(self), runs, loaded, self.settings, self._stop)
        self._worker = threading.Thread(target=work, daemon=True)
        self._show(working=True)
        self._worker.start()

    @command
    def stop(self) -> None:
        """End after the block of tasks that is being computed; what was found stays."""
        self._stop.set()

    @command
    def code(self) -> str:
        """The Python that compares them."""
        runs = ", ".join(f'run_of("{name}")' for name in self.names)
        usual = dataclasses.asdict(Comparing())
        changed = {k: v for k, v in dataclasses.asdict(self.settings).items() if v != usual[k]}
        more = "".join(f", {name}={value!r}" for name, value in changed.items())
        return "\n".join(
            [
                "from workbench.inspection import comparison_frame",
                "from workbench.training import compare, run_of",
                "",
                f"comparison = compare([{runs}]{more})",
                "frame = comparison_frame({g.name: g.evaluations for g in comparison.groups})",
            ]
        )

    @command
    def pick(self, task: int, pair: int = 0) -> str:
        """Open one of the compared tasks in a stage; the lines that do so.

        The two methods of a pair are lanes there, at the step at which they differ most.
        """
        given = self.sampling(task)
        names = [name_of(run_of(name)) for name in self.names]
        two = self._two(pair)
        first, *others = [group.name for group in two] or names[:1]
        rest = [name for name in names if name not in (first, *others)]
        session = Session(first, *others, *rest, **given)
        for other in others:
            session.choose(other)
        session.move(lane=0, step=_parting(two, task))
        if self.opened is not None:
            self.opened.close()
        self.opened = SessionPanel("stage", session)
        self._show()
        return f"{session.lines()}\nStage(session)".replace("Session\n", "Session, Stage\n", 1)

    def _two(self, pair: int) -> list[Group]:
        """The methods of a pair; none where nothing is known of what is chosen now."""
        if self.result is None or self._asked != self._question():
            return []
        groups = {group.name: group for group in self.result.groups}
        chosen = self.result.pairs[min(pair, len(self.result.pairs) - 1)]
        return [groups[chosen.first], groups[chosen.second]]

    def sampling(self, task: int) -> dict[str, Any]:
        """How a `Session` draws the very task that was measured."""
        if not 0 <= task < self.settings.episodes:
            raise UserError(f"there is no task {task}: choose 0 to {self.settings.episodes - 1}")
        experiment = run_of(self.names[0]).experiment
        sizes = dataclasses.asdict(experiment.test)
        if not all(isinstance(size, int) for size in sizes.values()):
            raise UserError(
                "these tasks have several sizes, and a stage shows tasks of one: compare at one "
                "number of ways and shots to open them"
            )
        seed, first = drawn_at(task, self.settings.seed)
        at = {"split": self.settings.split, "seed": seed, "first": first, "count": 1}
        return {"tasks": experiment.tasks, **sizes, **at}

    def subject(self, kind: str, lanes: Sequence[int] | None = None) -> Subject:
        """The comparison, for export."""
        if self.result is None or self.about["working"] or self.about["stale"]:
            raise UserError("the comparison is not finished: compare first, and then export")
        if self.about["episodes"] < self.settings.episodes:
            raise UserError("the comparison was stopped: compare all tasks, and then export")
        frame = comparison_frame({g.name: g.evaluations for g in self.result.groups})
        return Subject("comparison", frame, self.code(), self.settings.seed, figure="comparison")

    # ---- what is shown ------------------------------------------------------------------------

    @property
    def working(self) -> bool:
        """Whether it computes."""
        return self._worker is not None and self._worker.is_alive()

    def _found(self, known: Comparison, done: int, left: float) -> None:
        """More tasks were measured."""
        self.result = known
        self._show(working=True)
        if done < self.settings.episodes:
            self.report("comparing on tasks", done, self.settings.episodes, left)

    def _ended(self, trouble: str) -> None:
        self.progress = {}
        if trouble:
            self.problem = {"text": trouble}
        self._show(working=False)

    def _question(self) -> str:
        return repr((self.names, self.settings))

    def _show(self, working: bool | None = None) -> None:
        with self.hold_sync():
            if self.result is None:
                self.frames = {}
            else:
                self.frames = {n: to_wire(f) for n, f in frames_of(self.result).items()}
            self.about = {**self._about(self.working if working is None else working)}

    def _about(self, working: bool) -> CompareAbout:
        about: CompareAbout = {
            "title": "Comparison",
            "chosen": self.names,
            "stage": "" if self.opened is None else self.opened.model_id,
            "known": known_runs(self.names),
            "form": describe(self.settings, self._begun),
            "working": working,
            "stale": self.result is not None and self._asked != self._question(),
            "code": self.code() if self.names else "",
            "shell": self._shell(),
        }
        if self.result is not None:
            first = self.result.groups[0].evaluations[0]
            about |= {
                "axis": first.axis,
                "measure": self.result.measure.to_record(),
                "tasks": f"{first.tasks}:{first.scheme}",
                "split": first.split,
                "episodes": len(first.values),
                "sha256": self.result.episodes_sha256,
                "transductive": [
                    g.name for g in self.result.groups if g.evaluations[0].transductive
                ],
            }
        return about

    def _shell(self) -> str:
        words = ["workbench", "compare", *self.names]
        for control in describe(self.settings, Comparing()):
            if control["value"] != control["default"]:
                value = [] if control["type"] == "boolean" else [str(control["value"])]
                words += [f"--{control['name']}", *value]
        return " ".join(words) if self.names else ""


def _compare(
    reference: weakref.ref[ComparePanel],
    runs: list[Run],
    loaded: list[Any],
    settings: Comparing,
    stop: threading.Event,
) -> None:
    """The worker: every run on a block of tasks, then what is known so far, and so on."""

    def tell(what: Callable[[ComparePanel], None]) -> None:
        """Hand it over; not to a panel that is gone, or asks for something else by now."""

        def told() -> None:
            panel = reference()
            if panel is not None and panel._stop is stop:
                what(panel)

        panel = reference()
        if panel is not None:
            panel._desk.hand(told)

    began, trouble = time.monotonic(), ""
    experiments = [run.experiment for run in runs]
    streams = [
        evaluations(
            learner,
            tasks,
            experiment.test,
            episodes=settings.episodes,
            split=settings.split,
            seed=settings.seed,
            inductive=settings.inductive or None,
        )
        for experiment, (learner, tasks) in zip(experiments, loaded, strict=True)
    ]
    try:
        for results in zip(*streams, strict=True):
            known, done = paired(runs, experiments, results), len(results[0].values)
            left = (time.monotonic() - began) / done * (settings.episodes - done)
            tell(partial(ComparePanel._found, known=known, done=done, left=left))
            if stop.is_set():
                break
    except UserError as error:
        trouble = str(error)
    except Exception as error:  # a fault of the workbench: said where it is seen
        trouble = f"{type(error).__name__}: {error}"
    tell(partial(ComparePanel._ended, trouble=trouble))


def _parting(two: Sequence[Group], task: int) -> int:
    """The step at which two methods differ most on a task, the later of equals; else the last."""
    paths = [group.evaluations[0] for group in two]
    if not paths or paths[0].axis != "step":
        return MOST_STEPS
    steps = min(path.values.shape[1] for path in paths)
    a, b = (path.values[task, :steps].double() for path in paths)
    apart = (a - b).abs().nan_to_num(torch.inf)
    return int(steps - 1 - apart.flip(0).argmax())


def _units(names: Sequence[Path | str]) -> list[str]:
    """The runs of these names, those of a sweep in its place; refused where there is none."""
    found: list[str] = []
    for name in names:
        runs = runs_of(name)
        found += [str(run.directory) for run in runs] if is_sweep(name) else [str(name)]
    return found


def known_runs(also: Sequence[str] = ()) -> list[KnownRun]:
    """What can be compared: those named, the runs beside you, sweeps' too, and the shipped ones."""
    beside = [str(path.parent) for path in sorted(Path("runs").glob("*/config.json"))]
    found: list[KnownRun] = []
    for name in dict.fromkeys([*also, *beside, *shipped_runs()]):
        with contextlib.suppress(UserError):
            run = run_of(name)
            if run.checkpoint_path("best").exists() or run.checkpoint_path("latest").exists():
                found.append({"name": name, "tasks": run.experiment.tasks})
    for path in sorted(Path("runs").glob("*/sweep.json")):
        with contextlib.suppress(UserError):
            units = runs_of(path.parent)
            if not {str(run.directory) for run in units} & set(also):
                found.append({"name": str(path.parent), "tasks": units[0].experiment.tasks})
    return found


def frames_of(comparison: Comparison) -> dict[str, pd.DataFrame]:
    """What is shown of a comparison.

    groups  a row a method: mean over tasks with its 95% interval, and over seeds; a sentence in
            their place where tasks diverged
    pairs   a row a pair: the paired difference with its interval, wins, losses, sign test
    steps   a row a method and inner step, or move: mean with its interval
    tasks   a row a task: a column a method, after the last step
    """
    groups, steps = [], []
    tasks: dict[str, Any] = {}
    for group in comparison.groups:
        record = group.to_record()
        groups.append(
            {
                "method": group.name,
                "runs": ", ".join(group.runs),
                "seeds": len(group.seeds),
                "mean": record["mean"],
                "ci95": record["ci95_tasks"],
                "seeds_ci95": record["ci95_seeds"],
                "diverged": group.diverged or None,
            }
        )
        values = torch.stack([e.values for e in group.evaluations]).mean(dim=0)
        for step, column in enumerate(values.unbind(dim=1)):
            row = {"method": group.name, "step": step, "mean": float(column.mean())}
            steps.append(row | {"ci95": interval(column)})
        tasks |= {"task": range(len(values)), group.name: group.per_task.numpy()}
    pairs = pd.DataFrame([dataclasses.asdict(pair) for pair in comparison.pairs])
    return {
        "groups": pd.DataFrame(groups).astype({"seeds_ci95": "float64"}),
        "pairs": pairs,
        "steps": pd.DataFrame(steps),
        "tasks": pd.DataFrame(tasks),
    }
