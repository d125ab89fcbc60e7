"""Studies: killed and resumed, side by side, pruned, warm; and what is refused."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from workbench import UserError
from workbench.training import Experiment, Run
from workbench.training.tuning import Dimension, Study, TuningSettings, space_of, tune
from workbench.training.tuning.space import read_space
from workbench.training.tuning.warm import FOLLOWING, near

SPACE = {"training.rate": (1e-4, 1e-1), "learner.order": ["first", "second"]}


@pytest.fixture
def eager(tiny: Experiment) -> Experiment:
    return dataclasses.replace(tiny, training=dataclasses.replace(tiny.training, compiled="off"))


def tried(study: Study) -> list[dict[str, Any]]:
    """What is the same in two studies that tried the same."""
    kept = ["trial", "state", "value", "best", "outer_steps", *study.space]
    return study.history()[kept].to_dict("records")


def told(directory: Path, experiment: Experiment, *trials: tuple[float, float]) -> Study:
    """A study that found these values at these outer rates, nothing trained."""
    space = space_of(experiment, ["training.rate"])
    study = Study.create(experiment, space, directory, TuningSettings())
    among = {"training.rate": optuna.distributions.FloatDistribution(1e-5, 1, log=True)}
    for rate, value in trials:
        params = {"training.rate": rate}
        study.asked().add_trial(
            optuna.trial.create_trial(params=params, distributions=among, value=value)
        )
    return study


def test_trials_are_runs_and_the_best_one_is_found(eager: Experiment, tmp_path: Path):
    study = tune(eager, SPACE, tmp_path / "study", trials=3, pruner="Nop", progress=False)
    history = study.history()
    assert list(history["trial"]) == [1, 2, 3]
    assert set(history["state"]) == {"finished"}
    best = history.loc[history["value"].idxmin()]
    assert study.best.directory == study.trial(int(best["trial"]))
    assert history["best"].iloc[-1] == best["value"]
    trained = study.best.experiment
    assert trained == study.tuned
    assert trained.training.rate == best["training.rate"]
    rows = [r["mse"] for r in study.best.metrics() if r["split"] == "validation"]
    assert min(rows) == best["value"]
    importance = study.importance()
    assert set(importance["setting"]) == set(SPACE)
    assert importance["importance"].sum() == pytest.approx(1)
    with pytest.raises(UserError, match="is not empty: pass --resume"):
        tune(eager, SPACE, tmp_path / "study", progress=False)


KILLED = """
import sys
from workbench.training import Run
from workbench.training.tuning import tune
space = {"training.rate": (1e-4, 1e-1), "learner.order": ["first", "second"]}
tune(Run.open(sys.argv[1]).experiment, space, sys.argv[2], trials=3, progress=False)
"""


@pytest.mark.timeout(400)
def test_killed_in_a_trial_and_gone_on_with_it_tries_the_same(eager: Experiment, tmp_path: Path):
    """SIGKILL while the second trial trains; its run goes on where it was."""
    slow = eager.stretched(200)
    slow = dataclasses.replace(
        slow, training=dataclasses.replace(slow.training, checkpoint_seconds=0.0)
    )
    whole = tune(slow, SPACE, tmp_path / "whole", trials=3, progress=False)
    killed = Study(tmp_path / "killed")
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(whole.directory / "untuned"),
        str(killed.directory),
    ]
    with subprocess.Popen(command) as child:
        latest = Run(killed.trial(2)).checkpoint_path("latest")
        until = time.monotonic() + 100
        while not latest.exists() and time.monotonic() < until:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    states = list(killed.history()["state"])
    assert states[0] == "finished"
    assert states[1] == "interrupted"
    tune(directory=killed.directory, resume=True, progress=False)
    assert "resumed at outer step" in (killed.trial(2) / "log.txt").read_text()
    assert tried(killed) == tried(whole)


def test_one_seed_tries_the_same_and_another_other_settings(eager: Experiment, tmp_path: Path):
    brief = eager.stretched(10)
    seeds = [brief, brief, dataclasses.replace(brief, seed=1)]
    one, same, other = (
        tried(tune(own, SPACE, tmp_path / str(place), trials=3, progress=False))
        for place, own in enumerate(seeds)
    )
    assert one == same
    assert one[0]["training.rate"] != other[0]["training.rate"]


def test_two_processes_share_the_trials(eager: Experiment, tmp_path: Path):
    study = tune(
        eager, SPACE, tmp_path / "study", trials=5, workers=2, pruner="Nop", progress=False
    )
    history = study.history()
    assert list(history["state"]) == ["finished"] * 5
    assert history["training.rate"].nunique() == 5
    for number in range(1, 6):
        log = (study.trial(number) / "log.txt").read_text()
        assert log.count("finished") == 1
        assert "resumed" not in log
    more = tune(directory=study.directory, resume=True, trials=6, progress=False)
    assert len(more.history()) == 6


def test_a_trial_that_validates_badly_is_pruned(eager: Experiment, tmp_path: Path):
    good = told(tmp_path / "study", eager, (1e-2, 1.0))
    journal = good.asked()
    among = {"training.rate": optuna.distributions.FloatDistribution(1e-5, 1, log=True)}
    for _ in range(5):  # which no trial reaches
        journal.add_trial(
            optuna.trial.create_trial(
                params={"training.rate": 1e-2},
                distributions=among,
                value=1e-9,
                intermediate_values={1: 1e-9},
            )
        )
    tune(directory=good.directory, resume=True, trials=7, progress=False)
    last = good.history().iloc[-1]
    assert last["state"] == "pruned"
    assert last["outer_steps"] == 10
    status = Run.open(good.trial(7)).status()
    assert status.state == "paused"
    assert status.reason == "pruned at validation 1"
    assert good.ranked()[0].value == 1e-9


def test_what_diverges_is_no_best(eager: Experiment, tmp_path: Path):
    space = {"learner.inner_rate": (1e5, 1e6)}
    study = tune(eager, space, tmp_path / "study", trials=1, progress=False)
    assert list(study.history()["state"]) == ["diverged"]
    with pytest.raises(UserError, match="no trial of .* has finished yet"):
        assert study.best


def test_a_warm_start_follows_the_near_study(eager: Experiment, tmp_path: Path):
    """The near one is that whose best settings do best, whatever it found on its own tasks."""
    far = told(tmp_path / "far", eager, (1e-5, 0.001), (2e-5, 0.002))
    close = told(tmp_path / "close", eager, *[(1e-2 + i / 1e3, 5.0 + i) for i in range(6)])
    warm = [far.directory, close.directory]
    study = tune(
        eager, ["training.rate"], tmp_path / "study", warm=warm, trials=6, pruner="Nop",
        progress=False,
    )  # fmt: skip
    history = study.history()
    assert near(study.asked()) == str(close.directory)
    assert list(history["training.rate"][:2]) == [1e-5, 1e-2]
    assert history["training.rate"][2:5].tolist() == pytest.approx([0.011, 0.012, 0.013])
    origins = [far, close] + [close] * FOLLOWING
    assert list(history["origin"]) == [*(str(s.directory) for s in origins), "sampler"]


def test_a_line_that_a_kill_cut_short_is_taken_away(eager: Experiment, tmp_path: Path):
    study = told(tmp_path / "study", eager, (1e-2, 1.0))
    with (study.directory / "journal.log").open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    told_again = study.asked()
    told_again.set_user_attr("after", 1)
    assert study.asked().user_attrs["after"] == 1


@pytest.mark.parametrize(
    ("space", "settings", "said"),
    [
        ([], {}, "the space is empty: name the settings"),
        (["learner.inner_rat"], {}, "did you mean 'learner.inner_rate'"),
        ({"learner.order": ["first"]}, {}, "learner.order has one value to choose from, 'first'"),
        ({"learner.order": ["first", "frist"]}, {}, "learner.order is 'frist'"),
        ({"training.rate": (1, 0.1)}, {}, "give a lower and an upper bound"),
        ({"training.rate": (0, 0.1)}, {}, "let it begin above 0"),
        ({"learner.train_steps": (-3, 3)}, {}, "learner.train_steps is -3"),
        (["model.hidden"], {}, "has no range of its own"),
        (["test.shots"], {}, "says what trials are judged by"),
        (None, {"sampler": "TEP"}, "sampler is 'TEP': did you mean 'TPE'"),
        (None, {"pruner": "Medium"}, "pruner is 'Medium': did you mean 'Median'"),
        (None, {"sampler_options": {"startup": 3}}, "sampler_options has 'startup'"),
        (None, {"trials": 0}, "trials is 0"),
        (None, {"workers": 0}, "workers is 0"),
        (None, {"warm": ["nowhere"]}, "nowhere is no study"),
        (None, {"resume": True}, "goes on with its own experiment"),
    ],
)
def test_a_mistake_is_a_sentence(
    eager: Experiment, tmp_path: Path, space: Any, settings: dict[str, Any], said: str
):
    with pytest.raises(UserError, match=said):
        tune(eager, space, tmp_path / "study", progress=False, **settings)
    assert not (tmp_path / "study").exists()


def test_a_study_without_validations_is_refused(eager: Experiment, tmp_path: Path):
    training = dataclasses.replace(eager.training, validate_every=0)
    with pytest.raises(UserError, match="validate_every is 0 and a study judges"):
        tune(dataclasses.replace(eager, training=training), directory=tmp_path / "study")


def test_a_warm_start_of_other_settings_is_refused(eager: Experiment, tmp_path: Path):
    earlier = told(tmp_path / "earlier", eager, (1e-2, 1.0))
    with pytest.raises(UserError, match="tuned none of learner.inner_rate: leave it out"):
        tune(eager, ["learner.inner_rate"], tmp_path / "study", warm=[earlier.directory])


def test_without_optuna_there_is_one_sentence(eager: Experiment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'metalearning-workbench\[tune\]'"):
        tune(eager)


def test_optuna_is_imported_only_when_it_is_used():
    code = "import sys, workbench.cli.tune, workbench.training; print('optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_space_is_that_of_the_settings(eager: Experiment):
    space = space_of(eager, ["learner.train_steps", "learner.order", "model.norm"])
    assert space["learner.train_steps"] == Dimension(0, 50, whole=True)
    assert space["learner.order"].choices == ("second", "first", "truncated")
    assert space["model.norm"].choices == (False, True)
    assert read_space(["model.hidden=40 40,80 80"]) == {"model.hidden": ["40 40", "80 80"]}
    assert space_of(eager, read_space(["model.hidden=40 40,80 80"]))


@pytest.mark.parametrize("sampler", ["Random", "QMC", "CmaEs", "GP", "NSGAII"])
def test_samplers_of_optuna_suggest(eager: Experiment, tmp_path: Path, sampler: str):
    """By name; the same trials in a study that is opened anew for each of them."""
    found = []
    for folder in ("one", "other"):
        how = TuningSettings(sampler=sampler)
        study = Study.create(eager, space_of(eager), tmp_path / folder, how)
        drawn = []
        for number in range(3):
            asked = study.asked()
            asked.sampler = study.sampler(number)
            trial = asked.ask()
            drawn.append({n: d.suggest(trial, n) for n, d in study.space.items()})
            asked.tell(trial, float(number))
        found.append(drawn)
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]
