"""Run directories: locking, stopping, following, and what a failing disk leaves."""

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from workbench.algorithms import MAMLSettings
from workbench.errors import UserError
from workbench.training import (
    Experiment,
    Outcome,
    Run,
    Trainer,
    evaluation,
    start_in_background,
    train,
)


def longer(experiment: Experiment, iterations: int = 1_000_000) -> Experiment:
    training = dataclasses.replace(
        experiment.training, iterations=iterations, validate_every=0, compiled="off"
    )
    return dataclasses.replace(experiment, training=training)


def test_a_finished_run_has_its_files_and_metrics(tiny: Experiment, tmp_path: Path) -> None:
    outcome = train(tiny, tmp_path / "run", progress=False)
    run = Run.open(tmp_path / "run")
    assert run.experiment == tiny
    assert run.status().state == outcome.state == "finished"
    rows = run.metrics()
    assert [r["iteration"] for r in rows if r["split"] == "train"] == [5, 10, 15, 20, 25, 30]
    validations = [r for r in rows if r["split"] == "validation"]
    assert [r["iteration"] for r in validations] == [10, 20, 30]
    best = min(validations, key=lambda r: r["mse"])
    header = run.checkpoint("best")[0].header
    assert header["best"] == {
        "value": best["mse"],
        "iteration": best["iteration"],
        "validations_since": 0,
    }
    assert header["iteration"] == best["iteration"]
    assert outcome.best is not None
    assert outcome.best.value == best["mse"]


def test_best_is_not_overwritten_by_worse(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([3.0, 1.0, 2.0])
    real = Trainer.validate

    def faked(self: Trainer) -> dict[str, object]:
        class Faked:
            mean, ci95, metric, notice = next(values), 0.1, "mse", ""

        monkeypatch.setattr("workbench.training.trainer.evaluate", lambda *a, **k: Faked)
        return real(self)

    monkeypatch.setattr(Trainer, "validate", faked)
    outcome = train(tiny, tmp_path / "run", progress=False)
    assert outcome.best is not None
    assert (outcome.best.value, outcome.best.iteration) == (1.0, 20)
    assert Run(tmp_path / "run").checkpoint("best")[0].header["iteration"] == 20


def test_patience_ends_a_training(tiny: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    class Worse:
        mean, ci95, metric, notice = 1.0, 0.1, "mse", ""

    monkeypatch.setattr("workbench.training.trainer.evaluate", lambda *a, **k: Worse)
    training = dataclasses.replace(tiny.training, validate_every=5, patience=2)
    outcome = train(dataclasses.replace(tiny, training=training), progress=False)
    assert outcome.iteration == 15  # best at 5, then 10 and 15 without a better one
    assert outcome.state == "finished"
    assert "validation" in outcome.reason


def test_minutes_pause_a_training(tiny: Experiment, tmp_path: Path) -> None:
    outcome = train(longer(tiny), tmp_path / "run", minutes=0.005, progress=False)
    assert outcome.state == "paused"
    assert Run(tmp_path / "run").checkpoint("latest")[0].header["iteration"] == outcome.iteration


def test_a_pause_leaves_best_as_it_would_have_been(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tiny, progress=False)
    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0)
    outcome = train(tiny, tmp_path / "run", minutes=1e-9, progress=False)
    assert outcome.iteration < 10  # paused before the first validation, and again and again
    while outcome.state == "paused":
        outcome = train(run=tmp_path / "run", resume=True, minutes=1e-9, progress=False)
    assert outcome.best == whole.best
    planned = [r["iteration"] for r in outcome.metrics if r["split"] == "validation"]
    assert planned == [10, 20, 30]


def test_an_interrupt_writes_a_checkpoint(tiny: Experiment, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    timer = threading.Timer(0.8, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    outcome = train(longer(tiny), tmp_path / "run", progress=False)
    timer.join()
    run = Run(tmp_path / "run")
    assert outcome.state == run.status().state == "interrupted"
    assert run.checkpoint("latest")[0].header["iteration"] == outcome.iteration
    assert signal.getsignal(signal.SIGTERM) == before


def test_in_the_background_followed_stopped_and_resumed(tiny: Experiment, tmp_path: Path) -> None:
    run = start_in_background(longer(tiny), tmp_path / "run")
    rows = run.follow(every=0.05)
    assert next(rows)["iteration"] == 5
    status = run.status()
    assert status.state == "running"
    with pytest.raises(UserError, match=f"in use by the living process {status.process}"):
        train(run=run, resume=True, progress=False)
    assert run.stop().state == "interrupted"
    assert [r["iteration"] for r in rows][-1] <= run.status().iteration  # and following ends
    with pytest.raises(UserError, match="nothing to stop"):
        run.stop()


def test_a_run_directory_is_not_taken_twice(tiny: Experiment, tmp_path: Path) -> None:
    train(tiny, tmp_path / "run", progress=False)
    with pytest.raises(UserError, match="already holds a run"):
        train(tiny, tmp_path / "run", progress=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(UserError, match="other files"):
        train(tiny, tmp_path / "other", progress=False)
    with pytest.raises(UserError, match="no run directory"):
        train(run=tmp_path / "none", resume=True)


def test_what_cannot_be_built_writes_nothing(tiny: Experiment, tmp_path: Path) -> None:
    wrong = dataclasses.replace(tiny, tasks="sinusoidal")
    for start in (lambda: train(wrong, tmp_path / "run"),
                  lambda: start_in_background(wrong, tmp_path / "run")):  # fmt: skip
        with pytest.raises(UserError, match="did you mean 'sinusoid'"):
            start()
        assert not (tmp_path / "run").exists()


def test_of_two_that_take_a_directory_at_once_one_is_refused(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Run.create(tiny, tmp_path / "run")
    other = dataclasses.replace(tiny, seed=5)
    with monkeypatch.context() as patch:  # what the other saw an instant before
        patch.setattr(Path, "exists", lambda path: False)
        patch.setattr(Path, "is_dir", lambda path: False)
        with pytest.raises(UserError, match="just taken by another process"):
            Run.create(other, tmp_path / "run")
    assert Run.open(tmp_path / "run").experiment == tiny
    assert (tmp_path / "run" / "checkpoints").is_dir()
    with pytest.raises(UserError, match="holds another experiment"):
        train(other, Run.open(tmp_path / "run"), progress=False)


def test_metrics_past_the_checkpoint_and_half_rows_are_cut(
    tiny: Experiment, tmp_path: Path
) -> None:
    run = Run.create(tiny, tmp_path / "run")
    for iteration in (5, 10, 15):
        run.append({"iteration": iteration})
    with (run.directory / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 20, "lo')
    assert [row["iteration"] for row in run.metrics()] == [5, 10, 15]
    run.cut_metrics(10)
    assert (run.directory / "metrics.jsonl").read_text() == '{"iteration": 5}\n{"iteration": 10}\n'


def test_a_full_disk_is_one_sentence_and_keeps_the_last_checkpoint(
    tiny: Experiment, tmp_path: Path
) -> None:
    train(tiny, tmp_path / "run", progress=False)
    run = Run(tmp_path / "run")
    config = json.loads((run.directory / "config.json").read_text())
    config["training"]["iterations"] = 40
    (run.directory / "config.json").write_text(json.dumps(config))
    before = run.checkpoint_path("latest").read_bytes()
    limit = len(before) - 1000
    script = (
        "import resource, sys; from workbench.cli import main;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        f"sys.exit(main(['train', '--resume', '--run', {str(run.directory)!r}]))"
    )
    # -B: no half-written bytecode (see test_clusters)
    done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if not line.startswith("outer step ")]
    assert len(said) == 1
    assert "is full" in said[0]
    assert run.checkpoint_path("latest").read_bytes() == before
    assert sorted(p.name for p in (run.directory / "checkpoints").iterdir()) == [
        "best.safetensors",
        "latest.safetensors",
    ]


def test_a_full_disk_leaves_no_empty_run(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="is full"):
        train(tiny, tmp_path / "run", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_says_so(tiny: Experiment, tmp_path: Path) -> None:
    run = start_in_background(longer(tiny), tmp_path / "run")
    status = run.status()
    assert status.process is not None
    os.kill(status.process, signal.SIGKILL)
    until = time.monotonic() + 20
    while run.status().state == "running" and time.monotonic() < until:
        time.sleep(0.05)
    assert run.status().state == "killed"


def test_killed_before_it_could_say_that_it_runs(tiny: Experiment, tmp_path: Path) -> None:
    run = Run.create(tiny, tmp_path / "run")
    assert run.status().state == "new"
    with run.locked():
        assert run.status().state == "running"
    assert run.status().state == "killed"


def test_a_loss_that_is_no_number_ends_in_a_sentence(tiny: Experiment, tmp_path: Path) -> None:
    training = dataclasses.replace(tiny.training, optimizer="SGD", rate=1e30)
    with pytest.raises(UserError, match="not a finite number"):
        train(dataclasses.replace(tiny, training=training), tmp_path / "run", progress=False)
    assert Run(tmp_path / "run").status().state == "diverged"
    assert not Run(tmp_path / "run").checkpoint_path("latest").exists()
    with pytest.raises(UserError, match="to the same end: start a new one"):
        train(run=tmp_path / "run", resume=True, progress=False)


def test_damaged_metrics_are_kept_beside_and_the_rest_goes_on(
    tiny: Experiment, tmp_path: Path
) -> None:
    train(tiny, tmp_path / "run", progress=False)
    run = Run(tmp_path / "run")
    path = run.directory / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    bad = [b"5\n", b'{"iteration": 15, "lo\xff\n']
    damaged = b"".join([*lines[:2], bad[0], lines[2], bad[1], *lines[4:]])
    path.write_bytes(damaged)
    with pytest.warns(UserWarning, match="damaged in 2 lines, the first of them line 3, which is"):
        assert len(run.metrics()) == len(lines) - 1
    with pytest.warns(UserWarning, match=r"it is kept as metrics-damaged-1\.jsonl"):
        train(run=run, resume=True, progress=False)
    assert (run.directory / "metrics-damaged-1.jsonl").read_bytes() == damaged
    assert path.read_bytes() == b"".join([*lines[:3], *lines[4:]])
    assert "is kept as metrics-damaged-1.jsonl" in (run.directory / "log.txt").read_text()


def test_what_a_kill_left_half_written_is_swept(tiny: Experiment, tmp_path: Path) -> None:
    train(tiny, tmp_path / "run", progress=False)
    run = Run(tmp_path / "run")
    left = [run.directory / ".status.json.123.456"]
    left += [run.directory / "checkpoints" / ".latest.safetensors.123.140245"]
    other = run.directory / ".notes"
    for path in (*left, other):
        path.write_text("half")
    train(run=run, resume=True, progress=False)
    assert [path.exists() for path in (*left, other)] == [False, False, True]


def test_a_method_that_another_process_could_not_load_is_refused(
    tiny: Experiment, tmp_path: Path
) -> None:
    @dataclasses.dataclass(frozen=True)
    class Mine(MAMLSettings):
        """Of this file."""

    mine = dataclasses.replace(tiny, learner=Mine())
    with pytest.raises(UserError, match="is no file in the folder 'methods'"):
        start_in_background(mine, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_is_renamed_annotated_deleted_and_restored(tiny: Experiment, tmp_path: Path) -> None:
    run = train(tiny, tmp_path / "one", progress=False).run
    assert run is not None
    assert run.note == ""
    run.annotate(" with the larger rate \n")
    two = run.rename("two")
    assert (two.directory, two.note) == (tmp_path / "two", "with the larger rate")
    assert not run.directory.exists()
    two.annotate("")
    assert two.note == ""
    gone = two.delete()
    assert gone.directory == tmp_path / ".trash" / "two"
    assert gone.status().state == "finished"  # all of it is there
    train(tiny, tmp_path / "two", progress=False)
    with pytest.raises(UserError, match="is there already"):
        gone.restore()
    assert Run.open(tmp_path / "two").delete().directory.name == "two-2"
    assert gone.restore().directory == tmp_path / "two"
    with pytest.raises(UserError, match="not in the trash"):
        two.restore()
    for name in ("a/b", "..", "", ".hidden"):
        with pytest.raises(UserError, match="give a plain name"):
            two.rename(name)
    with two.locked(), pytest.raises(UserError, match="is training: stop it first"):
        two.delete()


def test_a_stop_does_not_wait_for_a_compilation(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for by signal or by the stop file, before there is anything to save."""
    for ask in ("file", "signal"):
        run = Run.create(tiny, tmp_path / ask)

        def compiling(*given: object, run: Run = run, ask: str = ask, **more: object) -> None:
            (run.directory / "stop").touch() if ask == "file" else signal.raise_signal(
                signal.SIGTERM
            )
            subprocess.run(["sleep", "30"], check=False)  # as a compiler is waited for

        monkeypatch.setattr("workbench.training.loop.Trainer", compiling)
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            train(run=run, resume=True, progress=False)
        assert time.monotonic() - started < 15
        status = run.status()
        assert (status.state, status.reason) == (
            "interrupted",
            "stopped before an outer step was made",
        )
    monkeypatch.undo()
    assert train(run=run, resume=True, progress=False).state == "finished"


@pytest.mark.parametrize("ask", ["file", "signal"])
def test_nor_for_one_in_the_middle_of_a_training(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """Such as for tasks of another shape: then the outer steps that were made are kept."""
    settings = dataclasses.replace(tiny.training, compiled="on")
    run = Run.create(dataclasses.replace(tiny, training=settings), tmp_path / "run")
    made = Trainer.update

    def compiles(function: Any, tensors: object) -> Any:
        return lambda *given: function(given)

    def waits(function: object, tensors: object) -> None:
        (run.directory / "stop").touch() if ask == "file" else signal.raise_signal(signal.SIGTERM)
        subprocess.run(["sleep", "30"], check=False)

    def update(trainer: Trainer) -> None:
        if trainer.iteration == 3:
            trainer.meta_gradients._certified._functions.clear()  # type: ignore[union-attr]
            monkeypatch.setattr("workbench.innerloop.compiled._compile", waits)
        made(trainer)

    monkeypatch.setattr("workbench.innerloop.compiled._refusal", lambda: None)
    monkeypatch.setattr("workbench.innerloop.compiled._compile", compiles)
    monkeypatch.setattr(Trainer, "update", update)
    started = time.monotonic()
    outcome = train(run=run, resume=True, progress=False)
    assert time.monotonic() - started < 15
    assert (outcome.state, outcome.iteration) == ("interrupted", 3)
    assert run.status().state == "interrupted"
    assert run.checkpoint("latest")[0].header["iteration"] == 3


@pytest.mark.parametrize(
    ("ask", "call", "iteration"),
    [("file", 3, 20), ("signal", 3, 20), ("file", 4, 20), ("file", 5, 30)],
)
def test_nor_for_a_validation_which_is_made_anew_when_it_goes_on(
    tiny: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ask: str,
    call: int,
    iteration: int,
) -> None:
    """The stopped and resumed run is the run that never stopped, its rows and its best too."""
    settings = dataclasses.replace(tiny.training, diagnose_every=10)
    watched = dataclasses.replace(tiny, training=settings)
    whole = train(watched, progress=False)
    run = Run.create(watched, tmp_path / "run")
    measured, made = evaluation.measure, []

    def slow(*given: Any, **more: Any) -> Any:
        made.append(1)
        if len(made) == call:  # every second one is of the adaptation after a validation
            (run.directory / "stop").touch() if ask == "file" else signal.raise_signal(
                signal.SIGTERM
            )
            for _ in range(3000):  # as if many tasks were left
                time.sleep(0.01)
        return measured(*given, **more)

    monkeypatch.setattr("workbench.training.evaluation.measure", slow)
    started = time.monotonic()
    outcome = train(run=run, resume=True, progress=False)
    assert time.monotonic() - started < 15
    assert outcome.state == run.status().state == "interrupted"
    assert outcome.iteration == iteration
    assert outcome.learner.training
    assert [row["split"] for row in run.metrics()][-1] == "diagnostics"
    monkeypatch.undo()
    outcome = train(run=run, resume=True, progress=False)
    assert outcome.state == "finished"
    assert outcome.best == whole.best

    def rows(of: Outcome) -> list[dict[str, Any]]:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in of.metrics]

    assert rows(outcome) == rows(whole)
    for name, tensor in whole.learner.state_dict().items():
        assert torch.equal(tensor, outcome.learner.state_dict()[name])
