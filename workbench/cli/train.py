"""workbench presets, train, stop."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import typing
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, make_dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from workbench.cli.parsing import command, note, parse, say, say_json
from workbench.comments import help_of
from workbench.errors import UserError
from workbench.hints import hints_of
from workbench.resources import cache_folder

Options = dict[str, tuple[Any, Any, str]]  # the type, the default and the help of each
ITERATIONS: Options = {"iterations": (int | None, None, "outer steps; schedules stretch with them")}
MINUTES: Options = {"minutes": (float | None, None, "stop after so many minutes, resumable")}
_RUN: Options = {"run": (Path | None, None, "run directory; runs/PRESET-DATE-SEED if none")}
_RANKS: Options = {"ranks": (int, 1, "processes that share the tasks of each meta-batch")}
_TRACKER: Options = {
    "tracker": (str | None, None, "tensorboard or mlflow, perhaps :FOLDER, writes metrics too")
}
_OPTIONS: Options = _RUN | ITERATIONS | MINUTES | _RANKS | _TRACKER
_WITH_RESUME = ("--run", "--minutes", "--ranks", "--tracker")


@command
def presets(arguments: list[str]) -> int:
    """List the ready-made experiments."""

    def form(*, json: bool = False) -> None:
        """The ready-made experiments, one line each.

        Args:
            json: one JSON object with every field of every preset
        """
        if json:
            from workbench.training import preset

            say_json(
                {
                    name: {"description": line, "experiment": preset(name).to_record()}
                    for name, line in _lines().items()
                }
            )
        else:
            lines = _lines()
            width = max(map(len, lines)) + 2
            for name, line in lines.items():
                say(f"{name:<{width}}{line}")

    parse(form, arguments, "presets")
    return 0


def _lines() -> dict[str, str]:
    """Every preset's line.

    Experiments need torch, which takes two seconds to import: what they were called is kept in the
    cache for as long as the files that say it stay the same.
    """
    from workbench.own import METHODS, files_in

    if files_in(METHODS):  # those of one's own run, so that what is wrong with them is said
        from workbench.training import baselines, presets

        return presets() | baselines()
    sources = sorted((Path(__file__).parent.parent / "training" / "presets").glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    kept = cache_folder() / f"presets-{digest[:16]}.json"
    with suppress(OSError, ValueError):
        found: dict[str, str] = json.loads(kept.read_text())
        return found
    from workbench.files import write_safely
    from workbench.training import baselines, presets

    lines = presets() | baselines()
    with suppress(OSError, UserError):  # a place that cannot be written costs the two seconds again
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_safely(kept, json.dumps(lines).encode())
    return lines


@command
def train(arguments: list[str]) -> int:
    """Train a preset, or resume a run."""
    if int(os.environ.get("RANK", "0")) > 0 and "TORCHELASTIC_RUN_ID" in os.environ:
        from workbench.training.following import follow

        return follow()
    if "--resume" in arguments:
        return _resume(arguments)
    if not arguments or arguments[0].startswith("-"):
        if arguments[:1] in (["-h"], ["--help"]):
            say("\n".join(_help()))
            return 0
        raise UserError(
            "train needs the name of a preset first (see `workbench presets`), "
            "or --run DIR --resume"
        )
    name, *flags = arguments
    options, experiment = experiment_of(name, flags)
    if options.run is None and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0:
        raise UserError("torchrun --max-restarts goes on with a run by its name: give --run DIR")
    directory = options.run or default_directory(name, experiment.seed)
    note(f"run {directory}")
    how = {"minutes": options.minutes, "ranks": options.ranks, "tracker": options.tracker}
    again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
    if again and (directory / "config.json").exists():  # begun before torchrun started anew
        return _trained(directory, resume=True, **how)
    return _trained(directory, experiment=experiment, **how)


def _help() -> Iterator[str]:
    """What can be said of a training before its preset is known."""
    from workbench.training import Experiment

    yield "usage: workbench train PRESET [options]"
    yield "       workbench train --run DIR --resume [--minutes M] [--ranks N] [--tracker T]"
    yield ""
    yield "  PRESET is one of those that `workbench presets` lists; they say what is not said here."
    for flag, (_, _, text) in _OPTIONS.items():
        yield f"  --{flag:<33}{text}"
    hints = hints_of(Experiment)
    for known in dataclasses.fields(Experiment):
        told, hint = help_of(Experiment, known.name), hints[known.name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield f"{known.name}: {told}"
            for part in dataclasses.fields(hint):
                name = f"{known.name}.{part.name}".replace("_", "-")
                yield f"  --{name:<33}{help_of(hint, part.name)}"
        elif known.name in ("model", "learner", "estimator"):
            yield f"{known.name}: {told}"
            yield f"  --{known.name + '.…':<33}see workbench train PRESET --help"
        else:
            yield f"  --{known.name:<33}{told}"


def _resume(arguments: list[str]) -> int:
    before, named = "", "--run" in arguments
    for argument in arguments:
        known = (*_WITH_RESUME, "--resume", "--help")
        if argument.startswith("--") and argument.split("=")[0] not in known:
            raise UserError(
                f"{argument} cannot be given with --resume: a resumed run goes on with its own "
                "settings, so that it ends as if it had never stopped"
            )
        if not argument.startswith("-") and before not in _WITH_RESUME:
            where = [*arguments, "DIR"][arguments.index("--run") + 1] if named else argument
            raise UserError(
                f"'{argument}' cannot stand with --resume, since a run keeps its own preset: "
                f"resume it by workbench train --run {where} --resume"
            )
        before = argument

    @dataclass
    class Resume:
        """Go on with a run."""

        run: Path  # the run directory
        resume: bool = False  # go on with the run in --run
        minutes: float | None = None  # stop after so many minutes, resumable
        ranks: int = 1  # processes that share the tasks of each meta-batch
        tracker: str | None = None  # tensorboard or mlflow, perhaps :FOLDER, writes metrics too

    options = parse(Resume, arguments, "train")
    how = {"minutes": options.minutes, "ranks": options.ranks, "tracker": options.tracker}
    return _trained(options.run, resume=True, **how)


def _trained(directory: Path, **how: Any) -> int:
    """Train, and say how it ended."""
    from workbench.training import Run
    from workbench.training import train as run_training
    from workbench.training.group import RankLost

    try:
        outcome = run_training(run=directory, **how)
    except KeyboardInterrupt:
        note(f"go on with: workbench train --run {Run(directory).argument} --resume")
        raise
    except RankLost as lost:
        note(f"workbench: {lost}")
        return 130
    assert outcome.run is not None
    best = ""
    if outcome.best is not None:
        measure = outcome.tasks.measure(outcome.run.experiment.test)
        best = (
            f"; best validation {measure.name} {measure.said(outcome.best.value)} "
            f"at outer step {outcome.best.iteration:,}"
        )
    directory, argument = outcome.run.directory, outcome.run.argument
    if outcome.state == "diverged":
        raise UserError(f"{directory} diverged: {outcome.reason}")
    note(f"{outcome.state} at outer step {outcome.iteration}: {outcome.reason}{best}")
    if outcome.state == "finished":
        note(f"measure it with: workbench evaluate {argument}")
    else:
        note(f"go on with: workbench train --run {argument} --resume")
    say(str(directory))
    if "TORCHELASTIC_RUN_ID" in os.environ:  # which would start anew what was asked to stop
        return 0
    return 130 if outcome.state == "interrupted" else 0


@command
def stop(arguments: list[str]) -> int:
    """Stop a running training, or a sweep's."""
    from workbench.training import Run, Sweep
    from workbench.training.sweeps import is_sweep

    def form(run: Path, /) -> None:
        """Ask a training to write a checkpoint and end.

        Args:
            run: the run directory, or a sweep's folder
        """
        if is_sweep(run):
            Sweep.open(run).stop()
            note("its units write checkpoints and end")
            return
        status = Run.open(run).stop()
        note(f"{status.state} at outer step {status.iteration}")

    parse(form, arguments, "stop")
    return 0


def default_directory(name: str, seed: int) -> Path:
    """runs/PRESET-DATE-SEED."""
    return Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}-{seed}"


def _form(experiment: Any, options: Options) -> type:
    """A dataclass with the run's options and every field of this experiment, for tyro.

    The experiment's learner and model are of any type that can build one; here they are what the
    preset has, so that their fields become flags.
    """
    import tyro

    def option(text: str) -> Any:
        return tyro.conf.arg(help=text)

    hints = hints_of(type(experiment))
    fields: list[Any] = [
        (name, typing.Annotated[hint, option(text)], field(default_factory=partial(copy, default)))
        for name, (hint, default, text) in options.items()
    ]
    for known in dataclasses.fields(experiment):
        value = getattr(experiment, known.name)
        if known.name == "estimator" and value is None:
            continue  # the learner's own: which one is no flag
        if dataclasses.is_dataclass(value):
            fields.append((known.name, type(value), field(default=value)))
        else:
            told = option(help_of(type(experiment), known.name))  # which a made dataclass loses
            fields.append((known.name, typing.Annotated[hints[known.name], told], value))
    return make_dataclass("Train", fields, frozen=True)


def experiment_of(
    name: str, flags: list[str], options: Options = _OPTIONS, command: str = "train"
) -> tuple[Any, Any]:
    """The options of a command and the experiment of a preset, under these flags.

    `--iterations` stretches the preset; what other flags say then holds as it was said.
    """
    from workbench.training import preset

    base = preset(name)
    read = parse(_form(base, options), flags, f"{command} {name}")
    if read.iterations is not None:
        if read.training.iterations != base.training.iterations:
            raise UserError("give --iterations or --training.iterations, not both")
        base = base.stretched(read.iterations)
        read = parse(_form(base, options), flags, f"{command} {name}")
    names = [f.name for f in dataclasses.fields(base) if hasattr(read, f.name)]
    fields = {name: getattr(read, name) for name in names}
    return read, dataclasses.replace(base, **fields)
