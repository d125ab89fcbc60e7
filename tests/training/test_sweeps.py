"""Sweeps: what a file describes, units side by side, killed, stopped and failed, and results."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from workbench.cli import main
from workbench.errors import UserError
from workbench.figures import Receipt, read_receipt
from workbench.measures import half_width
from workbench.training import Experiment, Run, Sweep, by_group, compare, gathered, sweep, train
from workbench.training.sweeps import read, runs_of
from workbench.training.sweeps.described import units_of

FILE = """
preset = ["sinusoid-maml", "sinusoid-fomaml"]
iterations = 30
seeds = [0, 1]

[settings]
training.tasks = 3
"training.validation_tasks" = 4

[grid]
learner.inner_rate = [0.01, 1e-4]

[draw]
draws = 2
space = ["training.rate=1e-4..1e-2", "training.tasks=2..5"]

[[list]]

[[list]]
name = "wide net"
model.hidden = [60, 60]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def until(true: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def eager(tiny: Experiment) -> Experiment:
    """Quick, with a checkpoint at every glance."""
    training = dataclasses.replace(tiny.training, compiled="off", checkpoint_seconds=0.0)
    return dataclasses.replace(tiny, training=training)


# ---- what is to be trained --------------------------------------------------------------------


def test_a_file_describes_a_grid_draws_and_a_list(tmp_path: Path) -> None:
    units = read(written(tmp_path, FILE))
    assert len(units) == 2 * 2 * 2 * 2 * 2
    assert units[0].name == "sinusoid-maml,inner_rate=0.01,draw=000,seed=0"
    assert units[1].group == units[0].group
    last = units[-1]
    assert last.name == "sinusoid-fomaml,wide-net,inner_rate=0.0001,draw=001,seed=1"
    own = last.experiment
    assert (own.model.hidden, own.learner.order, own.seed) == ((60, 60), "first", 1)  # type: ignore[attr-defined]
    assert (own.training.iterations, own.training.validation_tasks) == (30, 4)
    assert 1e-4 <= own.training.rate <= 1e-2
    assert own.training.tasks in (2, 3, 4, 5)
    assert dict(last.settings) == {
        "preset": "sinusoid-fomaml",
        "model.hidden": [60, 60],
        "learner.inner_rate": 1e-4,
        "training.rate": own.training.rate,
        "training.tasks": own.training.tasks,
    }
    more = FILE.replace("draws = 2", "draws = 3").replace("[0, 1]", "[0, 1, 2]")
    longer = {unit.name: unit.experiment for unit in read(written(tmp_path, more))}
    assert all(longer[unit.name] == unit.experiment for unit in units)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds", "seed", "the file has 'seed': did you mean 'seeds'"),
        ("seeds = [0, 1]", "seeds = []", "give a list of whole numbers"),
        ("seeds = [0, 1]", "seeds = [0, 0]", "two units are called"),
        ("seeds = [0, 1]", "seeds = [0.5]", "seed is 0.5"),
        ("iterations = 30", 'iterations = "30"', "give a whole number of outer steps"),
        ("preset =", "present =", "the file has 'present': did you mean 'preset'"),
        ('preset = ["sinusoid-maml", "sinusoid-fomaml"]', "", "name a preset, or a run"),
        ("sinusoid-fomaml", "sinusoid-fomaml2", "did you mean 'sinusoid-fomaml'"),
        ("inner_rate", "inner_rat", "did you mean 'inner_rate'"),
        ("[0.01, 1e-4]", "[0.01, -1.0]", r"unit 'sinusoid-maml,inner_rate=-1,.*cannot be neg"),
        ("[0.01, 1e-4]", "0.01", "grid has learner.inner_rate = 0.01: give a list"),
        ("draws = 2", "draws = 0", "draw needs draws"),
        ("training.rate=1e-4", "training.rte=1e-4", "did you mean 'training.rate'"),
        ("hidden = [60, 60]", "hidden = [30000000000]", "unit 'sinusoid-maml,wide-net.* a smaller"),
        ("[[list]]", "[[list]", "is no valid TOML"),
        ("[settings]", "[settings]\nseed = 3", "seed is no setting of a sweep"),
    ],
)
def test_a_mistake_in_a_file_is_a_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(written(tmp_path, FILE.replace(old, new)))


def test_experiments_are_called_by_their_names_or_methods(eager: Experiment) -> None:
    first = dataclasses.replace(eager, learner=dataclasses.replace(eager.learner, order="first"))  # type: ignore[type-var]
    names = [unit.name for unit in units_of([eager, first], [3, 4])]
    assert names == ["maml,seed=3", "maml,seed=4", "maml-2,seed=3", "maml-2,seed=4"]
    assert [u.name for u in units_of({"one/of mine": eager})] == ["one-of-mine,seed=0"]
    with pytest.raises(UserError, match="give an experiment and a seed"):
        units_of(eager, [])


# ---- trained side by side ---------------------------------------------------------------------


def test_a_killed_unit_is_gone_on_with_and_others_are_not_held_up(
    eager: Experiment, tmp_path: Path
) -> None:
    """A long unit is killed; a short one ends meanwhile, and one that diverges ends no other."""
    bad = dataclasses.replace(eager.learner, inner_rate=1e6)  # type: ignore[type-var]
    several = {
        "long": eager.stretched(250),
        "bad": dataclasses.replace(eager, learner=bad),
        "short": eager,
    }
    folder = tmp_path / "out"
    long = Sweep(folder).run("long,seed=0")

    def kill() -> None:
        until(lambda: long.checkpoint_path("latest").exists())
        os.kill(long._owner() or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = sweep(several, folder, workers=2, progress=False)
    killer.join()
    states = found.states().set_index("unit")["state"]
    assert states.to_dict() == {
        "long,seed=0": "finished",
        "bad,seed=0": "diverged",
        "short,seed=0": "finished",
    }
    log = (folder / "log.txt").read_text()
    assert "long,seed=0 is given again: its process ended without a word" in log
    assert log.index("short,seed=0 finished") < log.index("long,seed=0 finished")
    assert "resumed at outer step" in (long.directory / "log.txt").read_text()
    alone = train(several["long"], tmp_path / "alone", progress=False)
    assert alone.run is not None
    pairs = zip(long.metrics(), alone.run.metrics(), strict=True)
    for ours, theirs in pairs:
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}
    assert found.left() == []


SCRIPT = """
import sys
from workbench.training import Run, sweep
sweep({"one": Run.open(sys.argv[1]).experiment}, sys.argv[2], progress=False)
"""


def test_it_is_stopped_or_killed_and_gone_on_with(eager: Experiment, tmp_path: Path) -> None:
    """Children end with whoever began them, with a checkpoint; the same call goes on."""
    base = Run.create(eager.stretched(400), tmp_path / "base")
    found = Sweep(tmp_path / "out")
    run = found.run("one,seed=0")
    command = [sys.executable, "-c", SCRIPT, str(base.directory), str(found.directory)]
    with subprocess.Popen(command) as child:
        until(lambda: run.checkpoint_path("latest").exists())
        with pytest.raises(UserError, match="is being worked on by another process"):
            sweep(directory=found.directory, progress=False)
        child.send_signal(signal.SIGKILL)
    until(lambda: run.status().state == "interrupted")
    stopped = run.status().iteration
    assert 0 < stopped < 400
    stopper = threading.Timer(0.5, main, [["stop", str(found.directory)]])
    stopper.start()
    with pytest.raises(KeyboardInterrupt, match="was interrupted"):
        sweep(found.directory, progress=False)
    stopper.join()
    assert found.left() == ["one,seed=0"]


def test_what_a_folder_holds_is_kept(eager: Experiment, tmp_path: Path) -> None:
    Sweep.made(units_of({"one": eager}), _new(tmp_path / "out"))
    with pytest.raises(UserError, match="'one,seed=0' of .* was begun with other settings"):
        Sweep.made(units_of({"one": eager.stretched(40)}), tmp_path / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    with pytest.raises(UserError, match="holds something else than a sweep"):
        sweep({"one": eager}, tmp_path / "other", progress=False)
    with pytest.raises(UserError, match="there is nothing to sweep"):
        sweep(progress=False)
    with pytest.raises(UserError, match="says itself which seeds"):
        sweep("mine.toml", seeds=[1], progress=False)
    with pytest.raises(UserError, match="workers is 0"):
        sweep({"one": eager}, workers=0, progress=False)


# ---- what they reach --------------------------------------------------------------------------


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def trained(folder: Path, experiment: Experiment) -> Sweep:
    """A sweep of two methods under two seeds, trained here."""
    first = dataclasses.replace(experiment.learner, order="first")  # type: ignore[type-var]
    both = {"second": experiment, "first": dataclasses.replace(experiment, learner=first)}
    found = Sweep.made(units_of(both, [0, 1]), _new(folder))
    for unit in found.units:
        train(run=found.run(unit), resume=True, progress=False)
    return found


def test_results_have_intervals_over_tasks_and_over_seeds(
    eager: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    found = trained(tmp_path / "out", eager)
    units = gathered("out", episodes=20)
    compared = compare(["out"], episodes=20)
    assert [g.seeds for g in compared.groups] == [(0, 1), (0, 1)]
    groups = by_group(units).set_index("group")
    for group in compared.groups:
        record = group.to_record()
        row = groups.loc[Path(group.runs[0]).name.partition(",")[0]]
        assert row["mean"] == pytest.approx(record["mean"])
        assert row["ci95_tasks"] == pytest.approx(record["ci95_tasks"], rel=1e-5)
        assert row["ci95_seeds"] == pytest.approx(record["ci95_seeds"], rel=1e-5)
    own = units.set_index("unit").loc["first,seed=1"]
    assert own["ci95"] == pytest.approx(half_width(np.std(own["per_task"], ddof=1), 20), rel=1e-5)
    (left_out := found.run("first,seed=1")).set_status("diverged", "the reason", 30)
    again = by_group(gathered(found, episodes=20)).set_index("group")
    assert list(again["seeds"]) == [2, 1]
    assert np.isnan(again.loc["first", "ci95_seeds"])
    assert main(["sweep", "out", "--episodes", "20"]) == 2
    assert "first,seed=1 diverged: the reason" in capsys.readouterr().err
    left_out.set_status("finished", "", 30)
    assert main(["sweep", "out", "--episodes", "20", "--figure", "fig.svg"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "out: mse on 20 tasks"
    assert re.match(r"  second: .* over tasks, .* over 2 seeds", said[1])
    receipt = read_receipt(tmp_path / "fig.svg")
    exec(receipt.code, names := {})
    assert Receipt.of(names["groups"], code="", seed=0).data_sha256 == receipt.data_sha256
    assert [run.directory.name for run in runs_of("out")] == list(found.units)
