"""Baselines by name: evaluated, compared, shown in a session, and refused by the trainer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.algorithms.cases import BASELINES
from workbench.errors import UserError
from workbench.inspection import KINDS, Tape
from workbench.session.session import Session
from workbench.tasks import Shape
from workbench.training import (
    Experiment,
    baselines,
    compare,
    evaluate,
    preset,
    presets,
    run_of,
    train,
)


@pytest.mark.parametrize("name", baselines())
def test_a_baseline_is_an_experiment_with_nothing_to_train(name: str, tmp_path: Path) -> None:
    experiment = preset(name)
    assert Experiment.from_record(json.loads(json.dumps(experiment.to_record()))) == experiment
    learner, _ = experiment.build()
    assert list(learner.parameters()) == []
    assert name not in presets()
    with pytest.raises(UserError, match="no meta-parameter to train, since it learns by a fixed"):
        train(experiment, run=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_baselines_are_compared_and_those_that_know_more_win() -> None:
    found = compare([run_of(f"bandit-{rule}") for rule in ("random", "gittins", "optimal")])
    assert [group.runs for group in found.groups] == [
        ("bandit-optimal",),
        ("bandit-gittins",),
        ("bandit-random",),
    ]
    assert all(pair.difference > pair.ci95 for pair in found.pairs)


def test_beside_a_trained_run_a_baseline_is_judged_on_its_tasks(tmp_path: Path) -> None:
    experiment = preset("bandit-rl2").stretched(1)
    shape = Shape(ways=3, shots=4)
    experiment = dataclasses.replace(
        experiment,
        train=shape,
        test=shape,
        training=dataclasses.replace(experiment.training, tasks=4, validate_every=0),
    )
    run = train(experiment, run=tmp_path / "run", progress=False).run
    assert run is not None
    found = compare([run_of("bandit-thompson"), run], episodes=10)
    assert {e.shots for group in found.groups for e in group.evaluations} == {4}
    alone = run_of("bandit-thompson")
    assert alone.experiment.test == Shape(5, 10, 0)
    assert alone.status().state == "finished"
    with pytest.raises(UserError, match="did you mean 'mdp-psrl'"):
        run_of("mdp-psr")


def test_a_session_shows_a_baseline_move_by_move(tmp_path: Path) -> None:
    session = Session("mdp-psrl", count=2, shots=1)
    assert session.source is not None
    assert session.source.note == "by the book, nothing to train: posterior sampling"
    assert session.steps_of(0) == 10
    frame = session.tape.frame("pulls")
    assert len(frame) == 50
    assert frame["value"].isna().all()


@pytest.mark.parametrize("name", BASELINES)
def test_a_trace_of_a_baseline_is_that_of_its_adaptation(name: str, tmp_path: Path) -> None:
    case = BASELINES[name]
    tape = Tape.record(case.build().eval(), case.episode())
    tape.save(tmp_path / "one.metatrace")
    again = Tape.load(tmp_path / "one.metatrace")
    for kind in ("steps", "pulls"):
        assert again.frame(kind).equals(tape.frame(kind))
    assert {"steps", "pulls"} <= {*again.frames} <= {*KINDS}


def test_an_evaluation_is_the_same_whatever_it_is_cut_into() -> None:
    experiment = dataclasses.replace(preset("mdp-psrl"), test=Shape(5, 2, 0))
    learner, tasks = experiment.build()
    few, more = (evaluate(learner, tasks, experiment.test, episodes=n) for n in (20, 60))
    assert few.axis == "move"
    assert few.values.equal(more.values[:20])
