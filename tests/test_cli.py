"""The command line: its JSON, its exit codes, and one line for each of the user's mistakes."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from workbench.cli import main
from workbench.errors import UserError
from workbench.training import Run, Status


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def workbench(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(list(arguments))
        return Result(code, *capsys.readouterr())

    return run


QUICK = ("--iterations", "12", "--training.tasks", "3", "--training.validation-tasks", "4")


@pytest.fixture
def sine(workbench: Callable[..., Result]) -> str:
    result = workbench("train", "sinusoid-maml", *QUICK, "--run", "sine")
    assert result.code == 0
    assert result.out == "sine\n"
    return "sine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "did you mean 'train'"),
        (["train"], "needs the name of a preset"),
        (["train", "sinusoid-mmal"], "did you mean 'sinusoid-maml'"),
        (["train", "sinusoid-maml", "--learner.inner-rat", "1"], "--learner.inner-rate?"),
        (["train", "sinusoid-maml", "--learner.inner-rate", "-1"], "inner_rate is -1.0"),
        (["train", "sinusoid-maml", "--learner.inner-rate", "fast"], "fast"),
        (["train", "sinusoid-maml", "--learner.inner-rate", "nan"], "inner_rate is nan"),
        (["train", "sinusoid-maml", "--training.options", "foo", "1"], "options do not suit Adam"),
        (["train", "sinusoid-maml", "--training.schedule", "OneCycleLR"], "do not suit OneCycle"),
        (["train", "sinusoid-maml", "--training.options", "lr", "1"], "set training.rate"),
        (
            ["train", "sinusoid-maml", "--training.options", "differentiable", "1"],
            "options do not suit Adam",
        ),
        *(
            (
                ["train", "sinusoid-maml", "--training.schedule", name]
                + ["--training.schedule-options", option, "0"],
                f"options do not suit {name}",
            )
            for name, option in (("StepLR", "step_size"), ("CosineAnnealingLR", "T_max"))
        ),
        (
            ["train", "sinusoid-maml", "--training.schedule", "OneCycleLR"]
            + ["--training.schedule-options", "total_steps", "5", "max_lr", "1"],
            "5 steps are fewer than training.iterations",
        ),
        (["train", "sinusoid-maml", "--test.queries", "0"], "test.queries is 0"),
        (["train", "sinusoid-maml", "--train.shots", "1000000000"], "ask for fewer or smaller"),
        (["train", "sinusoid-maml", "--test.shots", "1000000000"], "ask for fewer or smaller"),
        (["train", "sinusoid-maml", "--training.tasks", "1000000000"], "fewer or smaller tasks"),
        (["train", "sinusoid-maml", "--model.hidden", "30000000000"], "a smaller model"),
        (["train", "sinusoid-maml", "--model.hidden", "300000", "300000"], "a smaller model"),
        *(
            (["train", "sinusoid-maml", option, "9" * 30], "at most 63 bits")
            for option in ("--iterations", "--train.shots", "--model.hidden", "--training.tasks")
        ),
        (["evaluate", "sinusoid-maml", "--episodes", "9" * 30], "fewer episodes or steps"),
        (["evaluate", "sinusoid-maml", "--steps", "9" * 30], "fewer episodes or steps"),
        (["evaluate", "sinusoid-maml", "--shots", "1000000000"], "fewer or smaller tasks"),
        (["train", "sinusoid-maml", "--device", "meta"], "choose cpu"),
        (["train", "sinusoid-maml", "--seed", str(2**64)], "at most 63 bits"),
        (["train", "sinusoid-maml", "--training.rate", "-0.1"], "training.rate is -0.1"),
        (["train", "sinusoid-maml", "--training.compiled", "maybe"], "maybe"),
        (["train", "sinusoid-maml", "--iterations", "0"], "iterations is 0"),
        (
            ["train", "sinusoid-maml", "--train.shots", "1,5"],
            "--train.shots is '1,5': give a whole number, or two with a space between for a range",
        ),
        (["train", "sinusoid-maml", "--minutes", "-1"], "minutes is -1"),
        (["train", "sinusoid-maml", "--tasks", "sinusoids"], "did you mean 'sinusoid'"),
        (["train", "sinusoid-maml", "--tasks", "sinusoid:mml"], "did you mean 'maml'"),
        (["train", "sinusoid-maml", "--device", "tpu9"], "choose cpu"),
        (["train", "sinusoid-maml", "--run", "/proc/none"], "cannot be written"),
        (["train", "sinusoid-maml", "surplus"], "unknown argument surplus"),
        (["train", "digits-maml", "--train.ways", "9"], "ask for at most 5"),
        (["train", "digits-maml", "--train.shots", "500"], "ask for at most"),
        (["train", "digits-maml", "--tasks", "bandit"], "MAML learns classification"),
        (["train", "navigation-maml", "--tasks", "mdp"], "those of these tasks are choices"),
        (["train", "navigation-maml", "--train.ways", "3"], "ask for 2"),
        (["train", "digits-maml", "--tasks", "omniglot:vinyls"], "did you mean 'vinyals'"),
        (["train", "digits-maml", "--tasks", "omniglot:within-alphabet"], "/within-alphabet"),
        (["train", "--resume", "--run", "nowhere"], "no run directory"),
        (["train", "--resume"], "--run"),
        (["train", "--run", "x", "--resume", "--seed", "1"], "cannot be given with --resume"),
        (["train", "bandit-rl2", "--run", "x", "--resume"], "by workbench train --run x --resume"),
        (["train", "x", "--resume"], "by workbench train --run x --resume"),
        (["train", "sinusoid-maml", "--tracker", "tensorbord"], "did you mean 'tensorboard'"),
        (["sweep", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["evaluate", "sinusoid-maml", "--workers", "0"], "workers is 0"),
        (["stop", "nowhere"], "no run directory"),
        (["evaluate"], "the run directory, or the name of a run that ships (required)"),
        (["evaluate", "nowhere"], "no run directory"),
        (["compare", "nowhere", "nor-here"], "no run directory"),
        (["data"], "'list' or 'fetch NAME'"),
        (["data", "fetch", "omniglott"], "did you mean 'omniglot'"),
        (["data", "fetch", "omniglot", "--from", "nowhere"], "no folder nowhere"),
        (["presets", "--jsn"], "--json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_exit_2(
    workbench: Callable[..., Result], arguments: list[str], message: str, tmp_path: Path
) -> None:
    result = workbench(*arguments)
    assert result.code == 2
    assert result.out == ""
    said = [line for line in result.err.splitlines() if not line.startswith("run ")]
    assert len(said) == 1
    assert said[0].startswith("workbench: ")
    assert message in said[0]
    assert list(tmp_path.iterdir()) == []  # nothing half-written


def test_evaluate_json(workbench: Callable[..., Result], sine: str) -> None:
    result = workbench("evaluate", sine, "--episodes", "20", "--steps", "2", "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert result.out.count("\n") == 1
    expected = {
        "learner": "MAML",
        "tasks": "sinusoid",
        "scheme": "maml",
        "split": "test",
        "ways": None,
        "shots": 5,
        "queries": 100,
        "episodes": 20,
        "metric": "mse",
        "transductive": False,
        "seed": 1000,
    }
    assert {name: found[name] for name in expected} == expected
    assert len(found["per_step"]) == 3
    assert found["per_step"][-1] == pytest.approx(found["mean"])
    assert found["ci95"] > 0
    assert re.fullmatch("[0-9a-f]{64}", found["episodes_sha256"])
    assert found["seconds"] > 0
    again = json.loads(
        workbench("evaluate", sine, "--episodes", "20", "--steps", "2", "--json").out
    )
    assert {**again, "seconds": 0} == {**found, "seconds": 0}


def test_your_own_data(workbench: Callable[..., Result], tmp_path: Path) -> None:
    rows = [f"h{i % 9},{i / 10},{i % 7},{i // 9 % 2}" for i in range(270)]
    Path("patients.csv").write_text("\n".join(["hospital,age,pulse,sick", *rows]))
    tasks = "table:patients.csv?task=hospital&target=sick"
    shape = ("--train.ways", "2", "--test.ways", "2", "--train.queries", "5", "--test.queries", "5")
    trained = workbench("train", "digits-maml", "--run", "own", "--tasks", tasks, *shape, *QUICK)
    assert trained.code == 0, trained.err
    record = json.loads(Path("own/config.json").read_text())
    assert record["tasks"] == tasks
    found = json.loads(workbench("evaluate", "own", "--episodes", "4", "--json").out)
    assert (found["tasks"], found["scheme"]) == ("table", tasks.removeprefix("table:"))
    other = f"{tasks}&seed=3"
    assert workbench("evaluate", "own", "--episodes", "4", "--tasks", other).code == 0
    for wrong, said in (
        ("table:patients.csv?task=hospitl&target=sick", "did you mean 'hospital'"),
        ("folder:nowhere", "names no folder of images"),
    ):
        refused = workbench("train", "digits-maml", "--tasks", wrong, *shape)
        assert refused.code == 2
        assert said in refused.err
        assert len(refused.err.strip().splitlines()) <= 2
    Path("patients.csv").write_text("\n".join(["hospital,age,pulse,sick", *rows[::-1]]))
    refused = workbench("evaluate", "own", "--episodes", "4")
    assert refused.code == 2
    assert "not those that own was begun with" in refused.err


def test_evaluate_other_sizes_and_tasks(workbench: Callable[..., Result], sine: str) -> None:
    options = ("--episodes", "5", "--json")
    found = json.loads(
        workbench("evaluate", sine, "--shots", "7", "--queries", "3", "--seed", "4", *options).out
    )
    assert (found["shots"], found["queries"], found["seed"]) == (7, 3, 4)
    found = json.loads(workbench("evaluate", sine, "--tasks", "harmonics", *options).out)
    assert (found["tasks"], found["scheme"]) == ("harmonics", "octave")
    assert workbench("evaluate", sine, "--episodes", "1").code == 2
    assert workbench("evaluate", sine, "--tasks", "digits", *options).code == 2
    quick = json.loads(workbench("evaluate", sine, "--last-step-only", *options).out)
    assert quick["per_step"][:-1] == [None] * 10
    assert quick["per_step"][-1] == quick["mean"]
    plain = workbench("evaluate", sine, "--episodes", "5", "--steps", "1")
    assert "after   1 steps  mse" in plain.out


def test_compare_json(workbench: Callable[..., Result], sine: str) -> None:
    workbench("train", "sinusoid-maml", *QUICK, "--run", "other", "--seed", "1")
    workbench("train", "sinusoid-fomaml", *QUICK, "--run", "first-order")
    result = workbench("compare", sine, "other", "first-order", "--episodes", "10", "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert sorted(len(group["runs"]) for group in found["groups"]) == [1, 2]
    assert len(found["pairs"]) == 1
    assert {"difference", "ci95", "wins", "losses", "ties", "sign_p"} <= found["pairs"][0].keys()
    assert found["ranks"] is None  # of two groups there is the pair
    workbench("train", "sinusoid-metasgd", *QUICK, "--run", "third")
    three = workbench("compare", sine, "first-order", "third", "--episodes", "10", "--json")
    ranks = json.loads(three.out)["ranks"]
    assert sum(ranks["mean"]) == pytest.approx(6)
    three = workbench("compare", sine, "first-order", "third", "--episodes", "10")
    assert f"critical difference {ranks['critical_difference']:.2f}" in three.out
    assert workbench("compare", sine).code == 2
    assert "named twice" in workbench("compare", sine, f"./{sine}").err
    assert "paired" in workbench("compare", sine, "first-order", "--episodes", "10").out


def test_presets(workbench: Callable[..., Result]) -> None:
    lines = workbench("presets").out.splitlines()
    assert all("  " in line for line in lines)  # a name and its sentence stand apart
    found = json.loads(workbench("presets", "--json").out)
    assert len(lines) == len(found)
    assert found["sinusoid-maml"]["experiment"]["training"]["iterations"] == 70_000


def test_the_list_of_presets_needs_no_torch(tmp_path: Path) -> None:
    """Once it was made it is kept, for as long as the files that say it are the same."""
    code = (
        "import sys, pathlib, workbench.cli.train as t; "
        f"t.cache_folder = lambda: pathlib.Path({str(tmp_path / 'cache')!r}); "
        "t.presets([]); print('torch' in sys.modules)"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert first.stdout.endswith("True\n")
    assert second.stdout == first.stdout.removesuffix("True\n") + "False\n"


def test_a_damaged_list_of_presets_is_made_anew(
    workbench: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("workbench.cli.train.cache_folder", lambda: tmp_path / "cache")
    before = workbench("presets").out
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text('{"half a')
    assert workbench("presets").out == before
    assert json.loads(kept.read_text())


def test_flags_reach_the_run(workbench: Callable[..., Result]) -> None:
    flags = ["--learner.inner-rate", "0.02", "--train.shots", "3", "--model.hidden", "8", "8"]
    more = ["--training.rate", "0.002", "--seed", "7", "--tasks", "harmonics"]
    assert workbench("train", "sinusoid-maml", *QUICK, *flags, *more, "--run", "r").code == 0
    record = Run.open("r").experiment.to_record()
    assert record["learner"]["inner_rate"] == 0.02
    assert record["train"]["shots"] == 3
    assert record["model"]["hidden"] == [8, 8]
    assert record["training"]["rate"] == 0.002
    assert (record["seed"], record["tasks"]) == (7, "harmonics")


def test_a_run_without_a_name_is_called_after_its_preset(
    workbench: Callable[..., Result], tmp_path: Path
) -> None:
    workbench("train", "sinusoid-maml", *QUICK, "--seed", "3")
    (found,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"sinusoid-maml-\d{8}-\d{6}-3", found.name)


def test_resuming_a_finished_run_and_taking_it_again(
    workbench: Callable[..., Result], sine: str
) -> None:
    assert workbench("train", "--run", sine, "--resume").code == 0
    result = workbench("train", "sinusoid-maml", "--run", sine)
    assert result.code == 2
    assert "already holds a run" in result.err
    assert workbench("stop", sine).code == 2


def test_a_checkpoint_of_another_method_is_refused(
    workbench: Callable[..., Result], sine: str
) -> None:
    config = json.loads(Path(sine, "config.json").read_text())
    config["learner"] = {"type": "ReptileSettings"}
    Path(sine, "config.json").write_text(json.dumps(config))
    for arguments in (("evaluate", sine), ("train", "--run", sine, "--resume")):
        result = workbench(*arguments)
        assert result.code == 2
        assert "holds the method MAML, not Reptile" in result.err
    config["lerner"] = {}
    Path(sine, "config.json").write_text(json.dumps(config))
    assert "no field 'lerner': did you mean 'learner'" in workbench("evaluate", sine).err


def test_an_interrupted_training_exits_130(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.cli", "train", "sinusoid-maml"]
        + ["--training.compiled", "off", "--training.log-every", "1", "--run", str(run.directory)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not run.metrics() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130, error
    assert "--resume" in error
    assert run.status().state == "interrupted"


def test_help_and_version(workbench: Callable[..., Result]) -> None:
    assert workbench("--help").out.startswith("usage:")
    assert workbench().code == 2
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", workbench("--version").out)
    for command in ("presets", "evaluate", "compare", "stop", "data", "check", "train"):
        result = workbench(command, "--help")
        assert result.code == 0, command
        assert result.out
    assert "--learner.inner-rate" in workbench("train", "sinusoid-maml", "--help").out
    general = workbench("train", "--help").out
    for flag in ("--run", "--iterations", "--train.shots", "--training.rate", "--seed"):
        assert re.search(rf"{flag} +\w", general), flag


def test_without_a_terminal_progress_is_told_in_lines(
    workbench: Callable[..., Result],
) -> None:
    result = workbench("train", "sinusoid-maml", *QUICK, "--run", "r")
    last = [line for line in result.err.splitlines() if line.startswith("outer step")][-1]
    assert re.fullmatch(
        r"outer step 12 of 12, [\d.e+]+/s, 0 s left; train loss \S+; validation mse \S+", last
    )


def test_what_a_user_reads_says_outer_step(workbench: Callable[..., Result]) -> None:
    said = workbench("train", "--help").out + workbench("train", "sinusoid-maml", "--help").out
    trained = workbench("train", "sinusoid-maml", *QUICK, "--run", "r")
    said += trained.err + trained.out + Path("r", "log.txt").read_text()
    assert "outer step" in said
    for other in ("meta-step", r"(?<![-.])iterations?\b", r"\bits?/s"):  # but for the field's name
        assert not re.search(other, said), other


@pytest.mark.slow
def test_check(workbench: Callable[..., Result]) -> None:
    result = workbench("check", "--json")
    assert "checking compiler: " in result.err  # what it is at, while it works
    found = json.loads(result.out)
    assert result.code == 0
    assert found["good"]
    assert {"gradients against torch.func", "determinism", "compiler"} <= {
        check["name"] for check in found["checks"]
    }


def test_our_own_fault_exits_1(
    workbench: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.cli.train.presets", lambda arguments: 1 / 0)
    result = workbench("presets")
    assert result.code == 1
    assert "ZeroDivisionError" in result.err


def test_what_a_flag_says_holds_at_any_length() -> None:
    """`--iterations` stretches the preset, not the other flags."""
    from workbench.cli.train import experiment_of

    flags = ["--iterations", "100", "--training.validate-every", "7"]
    _, experiment = experiment_of("sinusoid-maml", flags)
    assert experiment.training.iterations == 100
    assert experiment.training.validate_every == 7


@pytest.mark.parametrize(
    "options",
    [
        ("--training.options", "amsgrad", "1"),
        ("--training.options", "foreach", "1"),
        ("--training.optimizer", "SGD", "--training.options", "nesterov", "1", "momentum", "0.9"),
        ("--training.schedule", "StepLR", "--training.schedule-options", "step_size", "5"),
        ("--training.schedule", "CosineAnnealingWarmRestarts")
        + ("--training.schedule-options", "T_0", "5"),
        ("--training.schedule", "OneCycleLR")
        + ("--training.schedule-options", "total_steps", "12", "max_lr", "0.01"),
    ],
    ids=lambda options: "-".join(options[1:3]),
)
def test_whole_numbers_and_switches_reach_torch(
    workbench: Callable[..., Result], options: tuple[str, ...]
) -> None:
    assert workbench("train", "sinusoid-maml", *QUICK, *options, "--run", "r").code == 0
    assert workbench("train", "--run", "r", "--resume").code == 0


def test_what_is_said_beside_a_result_is_said(
    workbench: Callable[..., Result], sine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(sine, "metrics.jsonl").open("a") as file:
        file.write("5\n")
    result = workbench("train", "--run", sine, "--resume")
    assert result.code == 0
    assert "is damaged in line" in result.err
    monkeypatch.setattr(Run, "stop", lambda run: Status("interrupted", iteration=7))
    assert workbench("stop", sine).err == "interrupted at outer step 7\n"

    def load(run: Run, which: str) -> None:
        warnings.warn("the method has changed", stacklevel=1)
        raise UserError("that is all")

    monkeypatch.setattr(Run, "load", load)
    said = "workbench: the method has changed\nworkbench: that is all\n"
    assert workbench("evaluate", sine).err == said


def test_a_run_may_be_called_dash(workbench: Callable[..., Result]) -> None:
    said = workbench("train", "sinusoid-maml", *QUICK, "--run=-dash").err
    told = re.search(r"measure it with: workbench (.*)", said)
    assert told is not None
    assert workbench(*shlex.split(told[1]), "--episodes", "2", "--steps", "0").code == 0
    assert Run(Path("-dash it")).argument == "'./-dash it'"


def test_runs_are_listed_and_put_away_and_back(workbench: Callable[..., Result]) -> None:
    assert workbench("train", "sinusoid-maml", *QUICK, "--run", "runs/a").code == 0
    workbench("runs", "--annotate", "a", "the first one")
    line = workbench("runs").out
    assert re.fullmatch(
        r"a +finished  outer step 12 of 12; validation mse \S+; the first one\n", line
    )
    assert workbench("runs", "--rename", "a", "b").code == 0
    assert list(json.loads(workbench("runs", "--json").out)) == ["b"]
    assert "workbench runs runs --restore b" in workbench("runs", "--delete", "b").err
    assert workbench("runs").out == ""
    assert workbench("runs", "--restore", "b").code == 0
    assert workbench("runs", "runs").out.startswith("b ")
    assert "no run directory" in workbench("runs", "--delete", "c").err
    assert "one of --rename" in workbench("runs", "--delete", "b", "--restore", "b").err


def test_tune_goes_on_with_a_study_and_says_what_was_found(tmp_path: Path, capsys):
    study = str(tmp_path / "study")
    brief = ["--iterations", "4", "--training.validate-every", "2"]
    flags = [*brief, "--training.validation-tasks", "4", "--training.compiled", "off"]
    space = ["--space", "learner.order=first,second", "training.rate"]
    assert main(["tune", "sinusoid-maml", "--study", study, *flags, *space, "--trials", "1"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("best validation mse ")
    assert "learner.order" in said.out
    assert "importance needs two finished trials" in said.err
    assert main(["tune", "--study", study, "--resume", "--trials", "2", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [trial["trial"] for trial in record["trials"]] == [1, 2]
    assert record["best"]["run"].startswith(study)
    assert main(["tune", "--study", study]) == 2
    assert "needs the name of a preset first" in capsys.readouterr().err
