"""workbench tune: a search for settings, begun or gone on with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.cli.parsing import command, note, parse, say, say_json
from workbench.cli.train import ITERATIONS, MINUTES, Options, experiment_of
from workbench.errors import UserError
from workbench.numbers import number


def _options() -> Options:
    from workbench.comments import help_of
    from workbench.hints import hints_of
    from workbench.training.tuning import TuningSettings

    hints = hints_of(TuningSettings)
    own: Options = {
        field.name: (hints[field.name], getattr(TuningSettings(), field.name), help_of(
            TuningSettings, field.name
        ))
        for field in dataclasses.fields(TuningSettings)
    }  # fmt: skip
    words = "settings to tune: NAME for its own range, NAME=LOW..HIGH or NAME=ONE,OTHER"
    return {
        "study": (Path | None, None, "folder of the study; runs/PRESET-study-DATE-SEED if none"),
        "space": (tuple[str, ...], (), f"{words}; the rates in force if none"),
        **own,
        "warm": (tuple[Path, ...], (), "earlier studies to start from, the near one of them"),
        "workers": (int, 1, "processes that train trials side by side"),
        **ITERATIONS,
        **MINUTES,
        "json": (bool, False, "one JSON object on standard output"),
    }


@command
def tune(arguments: list[str]) -> int:
    """Seek settings for a preset, or go on with a study."""
    if "--resume" in arguments:
        return _resume(arguments)
    if not arguments or arguments[0].startswith("-"):
        if arguments[:1] in (["-h"], ["--help"]):
            say("usage: workbench tune PRESET [options]")
            say("       workbench tune --study DIR --resume [--trials N] [--workers N]")
            say("")
            for flag, (_, _, text) in _options().items():
                say(f"  --{flag.replace('_', '-'):<33}{text}")
            say(f"  --{'…':<33}and the flags of workbench train PRESET")
            return 0
        raise UserError(
            "tune needs the name of a preset first (see `workbench presets`), "
            "or --study DIR --resume"
        )
    from workbench.training.tuning import TuningSettings
    from workbench.training.tuning.space import read_space

    name, *flags = arguments
    options, experiment = experiment_of(name, flags, _options(), "tune")
    stamp = f"{datetime.now():%Y%m%d-%H%M%S}"
    study = options.study or Path("runs") / f"{name}-study-{stamp}-{experiment.seed}"
    how = {f.name: getattr(options, f.name) for f in dataclasses.fields(TuningSettings)}
    note(f"study {study}")
    return _tuned(
        study,
        options,
        experiment=experiment,
        space=read_space(options.space) if options.space else None,
        warm=options.warm,
        **how,
    )


def _resume(arguments: list[str]) -> int:
    @dataclass
    class Resume:
        """Go on with a study."""

        study: Path  # its folder
        resume: bool = False  # go on with the study in --study
        trials: int | None = None  # trials in all, if more than before
        workers: int = 1  # processes that train trials side by side
        minutes: float | None = None  # stop after so many minutes, resumable
        json: bool = False  # one JSON object on standard output

    options = parse(Resume, arguments, "tune")
    more = {} if options.trials is None else {"trials": options.trials}
    return _tuned(options.study, options, resume=True, **more)


def _tuned(directory: Path, options: Any, **how: Any) -> int:
    """Tune, and say what was found."""
    from workbench.training.runs import Run
    from workbench.training.tuning import tune as run_tuning

    again = f"workbench tune --study {Run(directory).argument} --resume"
    try:
        study = run_tuning(
            directory=directory, workers=options.workers, minutes=options.minutes, **how
        )
    except KeyboardInterrupt:
        note(f"go on with: {again}")
        raise
    history = study.history()
    if len(history) < study.settings.trials or "interrupted" in set(history["state"]):
        note(f"{len(history)} of {study.settings.trials} trials begun; go on with: {again}")
    best = study.best
    found = history.set_index("trial").loc[int(best.directory.name)]
    settings = {name: found[name] for name in study.space}
    try:
        importance = dict(study.importance().itertuples(index=False))
    except UserError as error:
        note(str(error))
        importance = {}
    if options.json:
        say_json(
            {
                "study": str(directory),
                "measure": study.measure.to_record(),
                "best": {"run": str(best.directory), "value": found["value"], **settings},
                "importance": importance,
                "trials": history.astype(object).where(history.notna(), None).to_dict("records"),
            }
        )
        return 0
    said = study.measure.said(found["value"])
    say(f"best validation {study.measure.name} {said}: {best.directory}")
    for name, value in settings.items():
        share = f"  importance {100 * importance[name]:.0f}%" if name in importance else ""
        told = number(value) if isinstance(value, int | float) else value
        say(f"  {name:<32}{told}{share}")
    note(f"measure it with: workbench evaluate {best.argument}")
    return 0
