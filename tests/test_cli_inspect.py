"""workbench trace and inspect: every kind to a table and to figures, and one line a mistake."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from workbench.cli import main
from workbench.figures import DRAWN, read_receipt
from workbench.files import read_tensors, save_tensors
from workbench.inspection import KINDS, Tape
from workbench.training import evaluate, preset, train
from workbench.training.runs import Run


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def sine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "sine"
    base = preset("sinusoid-maml").stretched(3)
    settings = dataclasses.replace(base.training, compiled="off", tasks=2, validate_every=0)
    train(dataclasses.replace(base, training=settings), directory, progress=False)
    return directory


@pytest.fixture(scope="module")
def saved(sine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traces") / "sine.metatrace"
    assert main(["trace", str(sine), "--out", str(path), "--steps", "2", "--episodes", "3"]) == 0
    return path


@pytest.fixture
def workbench(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run


def test_a_trace_holds_the_adaptation_of_the_run(saved: Path, sine: Path) -> None:
    tape = Tape.load(saved)
    assert (tape.steps, len(tape.episode), tape.learner_name) == (2, 3, "MAML")
    refused = {"images", "memory", "slots", "usage", "predictions", "pulls"}
    refused |= {
        "trajectories",
        "returns",
        "regret",
        "expectations",
        "rendered",
        "sampling",
    }  # control
    assert set(tape.frames) == set(KINDS) - refused
    learner, tasks = Run.open(sine).load()
    shape = Run.open(sine).experiment.test
    result = evaluate(learner, tasks, shape, episodes=3, steps=2)
    frame = tape.frame("steps")
    mine = frame[frame["part"] == "query"].pivot(index="task", columns="step", values="mse")
    np.testing.assert_allclose(mine, result.values, rtol=1e-5)
    assert tape.about["experiment"] == Run.open(sine).experiment.to_record()


def test_every_kind_goes_to_a_table(workbench: Callable[..., Result], saved: Path) -> None:
    tape = Tape.load(saved)
    for kind in tape.frames:
        result = workbench("inspect", saved, kind, "--out", f"new/{kind}.csv")
        assert (result.code, result.out) == (0, f"new/{kind}.csv\n")
        table = pd.read_csv(f"new/{kind}.csv")
        assert table.columns.tolist() == tape.frame(kind).columns.tolist()
        assert len(table) == len(tape.frame(kind))


def test_a_table_is_of_the_task_that_is_asked_for(
    workbench: Callable[..., Result], saved: Path
) -> None:
    tape = Tape.load(saved)
    for task in (0, 2):
        result = workbench("inspect", saved, "examples", "--task", task, "--out", "a.csv")
        assert result.code == 0
        x = tape.episode.support.x[task, :, 0].tolist() + tape.episode.query.x[task, :, 0].tolist()
        np.testing.assert_allclose(pd.read_csv("a.csv")["x"], x, rtol=1e-6)
    assert (
        "choose 0 to 2" in workbench("inspect", saved, "curves", "--task", 3, "--out", "a.csv").err
    )


@pytest.mark.parametrize("kind", ["flow", "anatomy", "agreement", "landscape", "norms", "steps"])
def test_figures_carry_a_receipt(
    workbench: Callable[..., Result], saved: Path, kind: str, tmp_path: Path
) -> None:
    ending = {"flow": "pdf", "anatomy": "svg"}.get(kind, "png")
    result = workbench("inspect", saved, kind, "--out", f"deep/{kind}.{ending}", "--dark")
    assert result.code == 0
    receipt = read_receipt(tmp_path / "deep" / f"{kind}.{ending}")
    assert receipt.seed == 1000
    assert receipt.code.startswith(f"workbench inspect {saved} {kind} --out")
    assert receipt.configuration["tasks"] == "sinusoid:maml"


def test_a_run_and_its_trace_show_the_same(
    workbench: Callable[..., Result], saved: Path, sine: Path
) -> None:
    workbench("inspect", saved, "anatomy", "--out", "a.csv")
    options = ("--steps", "2", "--episodes", "3")
    workbench("inspect", sine, "anatomy", "--out", "b.csv", *options)
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "RUN", "flwo", "--out", "a.csv"], "did you mean 'flow'"),
        (["inspect", "RUN", "flow", "--out", "a.xls"], "end it in .csv, .pdf, .svg or .png"),
        (["inspect", "RUN", "flow"], "--out"),
        (["inspect", "RUN", "images", "--out", "a.png"], "shows classes of images"),
        (["inspect", "RUN", "flow", "--out", "a.csv", "--episodes", "0"], "at least 1 task"),
        (["trace", "RUN", "--out", "a.metatrace", "--episodes", "51"], "at most 50"),
        (["inspect", "RUN", "flow", "--out", "a.csv", "--steps", "0"], "at least one inner step"),
        (["inspect", "RUN", "flow", "--out", "/proc/none/a.csv"], "cannot be written"),
        (["inspect", "nowhere", "flow", "--out", "a.csv"], "no run directory"),
        (["inspect", "no.metatrace", "flow", "--out", "a.csv"], "there is no file no.metatrace"),
        (["inspect", "TRACE", "images", "--out", "a.csv"], "shows classes of images"),
        (["inspect", "TRACE", "flow", "--out", "a.csv", "--seed", "3"], "already recorded"),
        (["inspect", "BAD", "flow", "--out", "a.csv"], "damaged or no metatrace"),
        (["trace", "RUN", "--out", "a.txt"], "end it in .metatrace"),
        (["trace", "RUN"], "--out"),
        (["trace", "nowhere", "--out", "a.metatrace"], "no run directory"),
        (["trace", "RUN", "--out", "/proc/none/a.metatrace", "--steps", "0"], "cannot be written"),
        (["inspcet"], "did you mean 'inspect'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_exit_2(
    workbench: Callable[..., Result],
    saved: Path,
    sine: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    bad = saved.with_name("bad.metatrace")
    bad.write_bytes(saved.read_bytes()[:-9])
    named = {"RUN": str(sine), "TRACE": str(saved), "BAD": str(bad)}
    result = workbench(*[named.get(argument, argument) for argument in arguments])
    assert result.code == 2
    assert result.out == ""
    assert len(result.err.splitlines()) == 1
    assert message in result.err
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_help_names_every_kind(workbench: Callable[..., Result]) -> None:
    said = workbench("inspect", "--help").out
    for kind in KINDS:
        assert kind in said
    assert workbench("trace", "--help").code == 0
    assert set(KINDS) <= set(DRAWN)


def test_a_trace_whose_seed_is_a_word_is_one_sentence(
    workbench: Callable[..., Result], saved: Path, tmp_path: Path
) -> None:
    tensors, header = read_tensors(saved, kind="metatrace", schema=1)
    header["about"]["seed"] = "seven"
    path = save_tensors(tmp_path / "word.metatrace", tensors, header, kind="metatrace")
    result = workbench("inspect", path, "curves", "--out", "a.png")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "seed" in result.err
