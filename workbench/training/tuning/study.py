"""Study: a folder with a search for settings in it, its trials, and what they say.

`study.json` has the space and how it is searched, `untuned/` the experiment as an ordinary run that
is not trained, `trials/0003/` the run of a trial, `journal.log` Optuna's storage. A trial that a
process works on is claimed by a lock, so that one whose process was killed is known and gone on
with.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from workbench.errors import UserError
from workbench.fields import Among, Range, check_fields, with_values
from workbench.files import holding, read_record, understood, write_safely, writing
from workbench.measures import Measure, noted
from workbench.training.experiment import Experiment
from workbench.training.runs import Run
from workbench.training.tuning.library import (
    make_pruner,
    make_sampler,
    open_storage,
    optuna,
    pruners,
    samplers,
)
from workbench.training.tuning.space import Choice, Dimension, Space

if TYPE_CHECKING:
    import pandas as pd

_NAME = "study"  # Optuna's name of the one in a folder
_IMPORTANCE_SEED = 0


@dataclass(frozen=True)
class TuningSettings:
    """How a space is searched."""

    trials: Annotated[int, Range(1, span=(5, 200))] = 20  # trainings, those that are pruned counted
    # any of Optuna's samplers that needs no option: who says what is tried next
    sampler: Annotated[str, Among(samplers)] = "TPE"
    sampler_options: dict[str, float | bool] = field(default_factory=dict)  # of the sampler
    # any of Optuna's pruners that needs no option: who ends trials that validate badly; Nop is none
    pruner: Annotated[str, Among(pruners)] = "Median"
    pruner_options: dict[str, float | bool] = field(default_factory=dict)  # of the pruner

    def __post_init__(self) -> None:
        check_fields(self, "")

    def check(self) -> None:
        """Refuses a sampler or pruner that cannot be made."""
        make_sampler(self.sampler, self.sampler_options, 0, 0)
        make_pruner(self.pruner, self.pruner_options)


@dataclass(frozen=True)
class Study:
    """A folder with a search for settings.

    >>> Study(Path("studies/mine")).trial(3)
    PosixPath('studies/mine/trials/0003')
    """

    directory: Path

    @staticmethod
    def create(
        experiment: Experiment,
        space: Space,
        directory: Path,
        settings: TuningSettings,
        warm: Sequence[Path] = (),
    ) -> Study:
        """A new study in a folder that holds nothing yet."""
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise UserError(
                f"{directory} is not empty: pass --resume to go on with a study, or choose "
                "another folder"
            )
        settings.check()
        study = Study(directory)
        Run.create(experiment, directory / "untuned")
        with writing(directory):
            (directory / "trials").mkdir()
            (directory / "claims").mkdir()
        direction = "minimize" if study.measure.sign < 0 else "maximize"
        optuna().create_study(
            storage=open_storage(directory), study_name=_NAME, direction=direction
        )
        study._write(settings, space, warm)  # last: from here it is a study
        return study

    @staticmethod
    def open(directory: Path | str) -> Study:
        """An existing study."""
        if not (Path(directory) / "study.json").is_file():
            raise UserError(f"{directory} is no study (it has no study.json)")
        return Study(Path(directory))

    def _write(self, settings: TuningSettings, space: Space, warm: Sequence[Path]) -> None:
        record = {
            "settings": dataclasses.asdict(settings),
            "space": {name: dataclasses.asdict(one) for name, one in space.items()},
            "warm": [str(path) for path in warm],
        }
        write_safely(self.directory / "study.json", json.dumps(record, indent=2).encode())

    def prolong(self, trials: int) -> None:
        """Let it have so many trials in all."""
        settings = dataclasses.replace(self.settings, trials=trials)
        self._write(settings, self.space, self.warm)

    # What it is

    def _record(self) -> dict[str, Any]:
        return read_record(self.directory / "study.json", kind="study")

    @property
    def settings(self) -> TuningSettings:
        """How the space is searched."""
        with understood(self.directory / "study.json", "study"):
            return TuningSettings(**self._record()["settings"])

    @property
    def space(self) -> Space:
        """Where each setting is sought."""
        with understood(self.directory / "study.json", "study"):
            return {
                name: Dimension(**{**of, "choices": tuple(of["choices"])})
                for name, of in self._record()["space"].items()
            }

    @property
    def warm(self) -> list[Path]:
        """Earlier studies that it starts from."""
        with understood(self.directory / "study.json", "study"):
            return [Path(path) for path in self._record()["warm"]]

    @functools.cached_property
    def experiment(self) -> Experiment:
        """What is tuned, as it was given."""
        return Run.open(self.directory / "untuned").experiment

    @functools.cached_property
    def measure(self) -> Measure:
        """What trials are judged by on validation tasks."""
        measure: Measure = self.experiment.open_tasks().measure(self.experiment.test)
        return measure

    def with_settings(self, values: Mapping[str, Choice]) -> Experiment:
        """The experiment under other settings."""
        return with_values(self.experiment, values)

    def trial(self, number: int) -> Path:
        """The run directory of a trial; they are counted from 1."""
        return self.directory / "trials" / f"{number:04d}"

    def claim(self, number: int) -> Any:
        """A lock on a trial, held by the process that works on it; not waited for."""
        return holding(self.directory / "claims" / str(number), wait=False)

    def log(self, text: str) -> None:
        """A line for people."""
        path = self.directory / "log.txt"
        with writing(path), path.open("a") as file:
            file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}\n")

    def stop(self) -> None:
        """Ask the processes that train its trials to write checkpoints and end."""
        for number in self.history().query("state == 'running'")["trial"]:
            with suppress(UserError):  # it has just ended, or has not begun
                Run.open(self.trial(number)).stop(wait=0)

    # What Optuna knows of it

    def asked(self) -> Any:
        """Optuna's study; its sampler is that of the next trial."""
        settings = self.settings
        found = optuna().load_study(
            storage=open_storage(self.directory),
            study_name=_NAME,
            sampler=self.sampler(0),
            pruner=make_pruner(settings.pruner, settings.pruner_options),
        )
        return found

    def sampler(self, number: int) -> Any:
        """What suggests the settings of a trial."""
        own = self.settings
        return make_sampler(own.sampler, own.sampler_options, self.experiment.seed, number)

    # What it found

    @property
    def best(self) -> Run:
        """The run of the best trial by validation, of those that were not pruned."""
        return Run.open(self.trial(self._best().number + 1))

    @property
    def tuned(self) -> Experiment:
        """The experiment under the best trial's settings."""
        return self.with_settings(self._best().params)

    def _best(self) -> Any:
        finished = self.ranked()
        if not finished:
            raise UserError(f"no trial of {self.directory} has finished yet: go on with the study")
        return finished[0]

    def ranked(self) -> list[Any]:
        """Optuna's finished trials, the best one first."""
        sign = self.measure.sign
        return sorted(_finished(self.asked()), key=lambda t: (-sign * t.value, t.number))

    def history(self) -> pd.DataFrame:
        """A row a trial: how it ended, its best validation, the best so far, and its settings.

        trial        its number, from 1
        state        finished, pruned, diverged, failed, running, or interrupted
        value        its best validation
        best         that of the finished trials up to here
        outer_steps  how far it was trained
        seconds      how long that took
        origin       where its settings come from: the sampler, or an earlier study
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        best = math.nan
        for trial in self.asked().get_trials(deepcopy=False):
            state = self._state(trial)
            if state == "waiting":
                continue
            told = trial.user_attrs
            value = math.nan if trial.value is None else told.get("value", trial.value)
            if state == "finished" and not self.measure.sign * value < self.measure.sign * best:
                best = value
            rows.append(
                {
                    "trial": trial.number + 1,
                    "state": state,
                    "value": value,
                    "best": best,
                    "outer_steps": told.get("outer_steps", 0),
                    "seconds": told.get("seconds", math.nan),
                    "origin": told.get("origin", "sampler"),
                    **{name: trial.params.get(name) for name in self.space},
                }
            )
        names = ["trial", "state", "value", "best", "outer_steps", "seconds", "origin"]
        frame = pd.DataFrame(rows, columns=[*names, *self.space])
        shown = dataclasses.replace(self.measure, label=self.measure.words)
        return noted(frame, [dataclasses.replace(shown, name=n) for n in ("value", "best")])

    def _state(self, trial: Any) -> str:
        known = {"COMPLETE": "finished", "FAIL": "failed", "WAITING": "waiting"}
        if trial.state.name == "RUNNING":
            with self.claim(trial.number + 1) as free:
                return "interrupted" if free else "running"
        return known.get(trial.state.name) or str(trial.user_attrs.get("ended", "pruned"))

    def importance(self) -> pd.DataFrame:
        """How much of what the finished trials differ by each setting explains, by fANOVA.

        setting     its name
        importance  its share, all together 1
        """
        import pandas as pd

        asked = self.asked()
        values = {trial.value for trial in _finished(asked)}
        if len(values) < 2:
            raise UserError(
                "importance needs two finished trials that differ, and this study has "
                f"{len(values)}: go on with it"
            )
        fanova = optuna().importance.FanovaImportanceEvaluator(seed=_IMPORTANCE_SEED)
        found = optuna().importance.get_param_importances(asked, evaluator=fanova)
        return pd.DataFrame(list(found.items()), columns=["setting", "importance"])


def _finished(asked: Any) -> list[Any]:
    complete = optuna().trial.TrialState.COMPLETE
    return list(asked.get_trials(deepcopy=False, states=(complete,)))
