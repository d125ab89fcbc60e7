"""workbench trace, inspect: an adaptation recorded, and its frames as tables and figures."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.cli.parsing import command, note, parse, say
from workbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.inspection import Tape

Split = Literal["train", "validation", "test"]
Which = Literal["best", "latest"]

_TASKS = 4  # of an episode, unless asked otherwise: enough to see agreement
_TABLES, _FIGURES = ("csv",), ("pdf", "svg", "png")


@command
def trace(arguments: list[str]) -> int:
    """Adapt to one episode and save the tape with all its frames."""

    def form(
        run: Path,
        /,
        *,
        out: Path,
        episodes: int = _TASKS,
        split: Split = "test",
        steps: int | None = None,
        seed: int | None = None,
        checkpoint: Which = "best",
    ) -> None:
        """Adapt a trained learner to some tasks and keep every step, with every inspection.

        Args:
            run: the run directory, or the name of a run that ships
            out: the file to write: .metatrace, or .html for a page that any browser shows
            episodes: number of tasks
            split: which classes the tasks are made of
            steps: inner steps; the learner's own if not given
            seed: which tasks are drawn; as in evaluate if not given
            checkpoint: the best one by validation, or the latest
        """
        if out.suffix not in (".metatrace", ".html"):
            raise UserError(f"--out is {out.name}: end it in .metatrace or .html")
        tape = record(run, episodes, split, steps, seed, checkpoint)
        if out.suffix == ".html":
            from workbench.session.page import write_page
            from workbench.session.session import Session

            write_page(Session(tape), out)
        else:
            tape.save(out)
        for remark in filter(None, (tape.diverged, tape.limited)):
            note(remark)
        note(f"{tape!r}; frames: {', '.join(tape.frames)}")
        say(str(out))

    parse(form, arguments, "trace")
    return 0


@command
def inspect(arguments: list[str]) -> int:
    """A view of an adaptation as a table or a figure."""
    from workbench.inspection import Tape

    def form(
        source: Path,
        kind: str,
        /,
        *,
        out: Path,
        task: int = 0,
        episodes: int | None = None,
        split: Split | None = None,
        steps: int | None = None,
        seed: int | None = None,
        checkpoint: Which | None = None,
        width: Literal["single", "double", "slide"] = "single",
        dark: bool = False,
    ) -> None:
        """Write what an inspection of a run's adaptation, or of a saved one, shows.

        Kinds, with those that the method brings where a run or file is given:

        KINDS

        Args:
            source: a run directory, the name of a run that ships, or a .metatrace file
            kind: which, of those above
            out: the file to write: .csv for the frame, .pdf, .svg or .png for its figure
            task: which of the tasks, from 0, by kinds that show a single one
            episodes: number of tasks (of a run; a trace has its own, as the following)
            split: which classes the tasks are made of
            steps: inner steps
            seed: which tasks are drawn
            checkpoint: the best one by validation, or the latest
            width: of the figure: one column of a paper, two, or a slide
            dark: on a dark ground
        """
        ending = out.suffix.lstrip(".").lower()
        _check_ending(out, ending)
        asked: dict[str, object] = {
            "episodes": episodes,
            "split": split,
            "steps": steps,
            "seed": seed,
        }
        asked["checkpoint"] = checkpoint
        given = [name for name, value in asked.items() if value is not None]
        if source.suffix == ".metatrace":
            if given:
                raise UserError(
                    f"--{given[0]} cannot be given with {source.name}, which is already recorded: "
                    "leave it out, or name the run"
                )
            tape = Tape.load(source)
        else:
            tape = record(
                source,
                episodes if episodes is not None else _TASKS,
                split or "test",
                steps,
                seed,
                checkpoint or "best",
                kind,
            )
        frame = tape.frame(kind, task)
        if tape.diverged:
            note(tape.diverged)
        if ending in _TABLES:
            _save_table(frame, out)
        else:
            line = shlex.join(["workbench", "inspect", *arguments])
            try:
                figure = tape.inspections[kind].figure
                _save_figure(figure, frame, tape.about, out, line, width, dark)
            except (LookupError, TypeError, ValueError, ArithmeticError, MemoryError) as error:
                # What was computed here can be drawn; a file's rows may be anything.
                if isinstance(error, UserError) or source.suffix != ".metatrace":
                    raise
                raise UserError(
                    f"the rows of '{kind}' in {source} are not those of one adaptation, and "
                    "cannot be drawn: save it again"
                ) from error
        say(str(out))

    asks = {"-h", "--help"} & {*arguments}
    form.__doc__ = (form.__doc__ or "").replace("KINDS", _known(arguments) if asks else "")
    parse(form, arguments, "inspect")
    return 0


def _known(arguments: list[str]) -> str:
    """What can be asked for, as lines of a help text: also of the method, if one is named."""
    from workbench.inspection import KINDS, Tape, inspections_of, listing
    from workbench.training import run_of

    source = Path(arguments[0])
    if arguments[0].startswith("-"):
        known = KINDS
    elif source.suffix == ".metatrace":
        known = Tape.load(source).inspections
    else:
        known = inspections_of(run_of(source).load("latest")[0])
    return listing(known).replace("\n", "\n        ")


def record(
    run: Path,
    episodes: int,
    split: Split,
    steps: int | None,
    seed: int | None,
    checkpoint: Which,
    kind: str | None = None,
) -> Tape:
    """A run's learner adapting to the first tasks that `evaluate` would measure it on.

    A `kind` that the method does not have is refused before anything is computed.
    """
    from workbench.algorithms.base import brought_to
    from workbench.inspection import Tape
    from workbench.inspection.kinds import inspection_named, inspections_of
    from workbench.training import run_of
    from workbench.training.evaluation import BLOCK, DEFAULT_SEED, test_episodes

    if not 1 <= episodes <= BLOCK:
        raise UserError(f"--episodes is {episodes}: adapt to at least 1 task, at most {BLOCK}")
    if steps is not None and steps < 0:
        raise UserError(f"--steps is {steps}: it cannot be negative")
    opened = run_of(run)
    learner, tasks = opened.load(checkpoint)
    if kind is not None:
        inspection_named(kind, inspections_of(learner))
    seed = DEFAULT_SEED if seed is None else seed
    shape = opened.experiment.test
    episode = next(test_episodes(tasks, shape, episodes, split, seed))
    episode = brought_to(learner, episode[:episodes])
    about: dict[str, Any] = {
        "run": str(run),
        "checkpoint": checkpoint,
        "split": split,
        "seed": seed,
        "experiment": opened.experiment.to_record(),
    }
    return Tape.record(learner, episode, steps, about=about)


def _check_ending(out: Path, ending: str) -> None:
    """Refuse before anything is computed what could not be written."""
    if ending not in (*_TABLES, *_FIGURES):
        raise UserError(f"--out is {out.name}: end it in .csv, .pdf, .svg or .png")


def _save_table(frame: pd.DataFrame, out: Path) -> None:
    from workbench.figures.tables import csv_table
    from workbench.files import write_safely, writing

    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_safely(out, csv_table(frame).encode())


def _save_figure(
    figure: str | Callable[..., Any] | None,
    frame: pd.DataFrame,
    about: Mapping[str, Any],
    out: Path,
    line: str,
    width: str,
    dark: bool,
) -> None:
    from workbench.figures import ColumnWidth, Receipt, Style, draw, save

    plot = draw(figure, frame, style=Style(ColumnWidth[width.upper()], dark))
    configuration = about.get("experiment", {})
    seed = about.get("seed", 0)
    if not isinstance(seed, int) or not isinstance(configuration, Mapping):
        raise UserError("the trace does not say its seed and experiment rightly: record it again")
    save(plot, out, Receipt.of(frame, code=line, seed=seed, configuration=configuration))
