"""TrainPanel: what its settings say is what trains, and what it shows is what the files say."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import shlex
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.cli.train import experiment_of
from workbench.errors import UserError
from workbench.fields import with_values
from workbench.figures.summary import interval
from workbench.inspection import metrics_frame, seeds_frame
from workbench.session.drafts import FIRST, Draft
from workbench.session.following import Followed
from workbench.tasks import name_of, tasks_from
from workbench.training import Experiment, Run, preset, presets, train
from workbench.widgets.training import TrainPanel


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in; what still trains in it at the end is stopped."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for path in tmp_path.glob("runs/*"):
        with contextlib.suppress(UserError):
            Run(path).stop()


@pytest.fixture
def panel(folder: Path) -> Iterator[TrainPanel]:
    panel = TrainPanel()
    yield panel
    panel.close()


def until(condition: Callable[[], bool], panel: TrainPanel, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, panel.about["runs"]
        time.sleep(0.05)
        panel.look()


def shown(panel: TrainPanel, name: str) -> dict:
    return next(run for run in panel.about["runs"] if run["name"] == name)


def answer(panel: TrainPanel, command: str, **args: object) -> dict:
    sent: list[dict] = []
    panel.send = lambda content, buffers=None: sent.append(content)  # type: ignore[method-assign]
    panel.receive({"id": 1, "command": command, "args": args})
    return sent[-1]


# ---- settings ---------------------------------------------------------------------------------

CHANGES = {
    "training.iterations": 700,
    "train.shots": 10,
    "model.hidden": "64 32",
    "model.norm": True,
    "learner.inner_rate": 0.05,
    "learner.optimizer.momentum": 0.9,
    "learner.order": "first",
    "training.options": "weight_decay=0.1",
    "training.clip": 5,
    "seed": 3,
}


def test_python_and_command_line_train_what_the_settings_say(tmp_path: Path):
    draft = Draft("sinusoid-maml").varied(CHANGES)
    experiment = draft.experiment
    assert experiment.model.hidden == (64, 32)
    assert experiment.training.options == {"weight_decay": 0.1}

    trained: list[tuple[Experiment, str]] = []
    code = draft.code(Path("runs/one")).replace("from workbench import preset, train\n", "")
    exec(code, {"preset": preset, "train": lambda *given: trained.append(given)})
    assert trained == [(experiment, "runs/one")]

    words = shlex.split(draft.shell(Path("runs/one")))
    assert words[:3] == ["workbench", "train", "sinusoid-maml"]
    options, asked = experiment_of(words[2], words[3:])
    assert asked == experiment
    assert options.run == Path("runs/one")


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_has_a_form_that_changes_nothing_by_itself(name: str):
    draft = Draft(name)
    form = draft.form()
    assert [c["name"] for c in form if c["value"] != c["default"]] == []
    assert draft.varied({c["name"]: c["value"] for c in form}) == draft
    assert sum(c["name"] in FIRST for c in form) >= 5
    assert all(c["help"] for c in form), [c["name"] for c in form if not c["help"]]
    assert {c["group"] for c in form} == {"Tasks", "Model", "Learner", "Training", "Machine"}


def test_iterations_stretch_what_belongs_to_them_and_explicit_settings_hold():
    draft = Draft("sinusoid-maml").varied({"training.iterations": 700})
    assert draft.experiment == preset("sinusoid-maml").stretched(700)
    assert draft.changes == {}
    kept = draft.varied({"training.validate_every": 10}).varied({"training.iterations": 900})
    assert kept.experiment.training.validate_every == 10
    assert kept.varied({"training.iterations": 70_000}).iterations is None
    back = kept.varied({"training.validate_every": kept.start.training.validate_every})
    assert back.changes == {}


def test_a_refused_setting_changes_nothing_and_says_the_cure(panel: TrainPanel):
    before = panel.about
    said = answer(panel, "vary", **{"learner.order": "frist"})
    assert said["error"] == "learner.order is 'frist': did you mean 'first'?"
    assert panel.problem["text"] == said["error"]
    assert panel.about == before
    for name in ("a/b", "..", ".hidden"):
        assert "give a plain name" in answer(panel, "call", name=name)["error"]
    assert "did you mean" in answer(panel, "choose", preset="sinusoid-mamml")["error"]


def test_what_cannot_be_trained_is_refused_before_a_directory_is_made(panel: TrainPanel):
    panel.vary(tasks="bandit")
    assert "choose other tasks or another learner" in answer(panel, "start")["error"]
    assert not Path("runs").exists()


def test_a_start_holds_the_kernel_for_nothing(panel: TrainPanel, monkeypatch: pytest.MonkeyPatch):
    """What is imported and tried first takes seconds: in a kernel the panel says so and goes on."""
    gate = threading.Event()

    def slowly(experiment: Experiment) -> None:
        assert gate.wait(30)
        if experiment.tasks == "bandit":
            raise UserError("MAML learns from other tasks")

    monkeypatch.setattr("workbench.widgets.training.tried", slowly)
    monkeypatch.setattr("workbench.widgets.training.resume_in_background", lambda run: run)

    async def kernel() -> None:
        own = TrainPanel()
        assert answer(own, "start")["result"] == "sinusoid-maml"
        assert shown(own, "sinusoid-maml")["state"] == "starting"
        own.vary(tasks="bandit")
        assert own.about["name"] == answer(own, "start")["result"] == "sinusoid-maml-2"
        assert not Path("runs").exists()
        gate.set()
        while own._starting:
            await asyncio.sleep(0.01)
        assert "learns from other tasks" in own.problem["text"]
        assert [run["name"] for run in own.about["runs"]] == ["sinusoid-maml"]
        own.close()

    asyncio.run(kernel())


# ---- runs -------------------------------------------------------------------------------------


def test_start_follow_stop_and_resume(panel: TrainPanel):
    panel.vary(**{"training.iterations": 100_000, "training.compiled": "off"})
    panel.vary(**{"training.log_every": 20, "training.validate_every": 100})
    panel.call("mine")
    assert answer(panel, "start")["result"] == "mine"
    assert shown(panel, "mine")["state"] == "starting"  # answered before its process has begun
    assert panel.about["name"] == "sinusoid-maml"  # of the next one

    until(lambda: len(panel.runs["mine"].rows) > 12, panel)
    run = shown(panel, "mine")
    assert run["state"] == "running"
    assert run["rate"] > 0
    assert run["left"] == pytest.approx((100_000 - run["iteration"]) / run["rate"], rel=0.1)
    assert run["last"]["metric"] == "mse"
    curves = [row for row in panel.runs["mine"].rows if row["split"] in ("train", "validation")]
    assert panel.frames["run:mine"]["rows"] == len(curves)
    assert "is training already" in answer(panel, "resume", name="mine")["error"]

    panel.stop("mine")
    until(lambda: shown(panel, "mine")["state"] == "interrupted", panel)
    run = shown(panel, "mine")
    assert run["resumes"]
    assert run["opens"]
    at = run["iteration"]

    other = TrainPanel()  # as after a kernel restart: all of it from the files
    assert shown(other, "mine") == run
    assert other.frames["run:mine"] == panel.frames["run:mine"]
    other.resume("mine")
    until(lambda: other.runs["mine"].alive and shown(other, "mine")["iteration"] > at + 40, other)
    assert "already holds a run" in _start_again(panel)
    other.stop("mine")
    until(lambda: not other.runs["mine"].alive, other)
    other.close()


def _start_again(panel: TrainPanel) -> str:
    panel.call("mine")
    said = answer(panel, "start")["error"]
    panel.call("")
    return said


@pytest.fixture
def finished(folder: Path) -> Path:
    train(preset("sinusoid-maml").stretched(30), "runs/short", progress=False)
    return folder / "runs" / "short"


def test_a_finished_run_opens_in_the_stage_and_is_not_resumed(finished: Path, panel: TrainPanel):
    assert answer(panel, "pick", name="short")["result"] == 'Stage("runs/short")'
    assert panel.chosen == "runs/short"
    assert "is finished" in answer(panel, "resume", name="short")["error"]
    assert "nothing trains" in answer(panel, "stop", name="short")["error"]
    assert "no run 'long'" in answer(panel, "pick", name="long")["error"]
    run = shown(panel, "short")
    assert (run["state"], run["iteration"], run["left"]) == ("finished", 30, None)
    assert panel.about["name"] == "sinusoid-maml"


def test_curves_can_be_put_away(finished: Path, panel: TrainPanel):
    assert list(panel.frames) == ["run:short", "adaptation:short"]
    panel.draw("short", drawn=False)
    assert panel.frames == {}
    panel.look()
    assert panel.frames == {}
    panel.draw("short")
    assert list(panel.frames) == ["run:short", "adaptation:short"]


def test_one_broken_run_hides_no_other(finished: Path, panel: TrainPanel):
    (finished.parent / "bad").mkdir()
    (finished.parent / "bad" / "config.json").write_text("{")
    panel.look()
    bad = shown(panel, "bad")
    assert (bad["state"], bad["resumes"]) == ("broken", False)
    assert "no valid JSON" in bad["reason"]
    assert shown(panel, "short")["state"] == "finished"


def test_a_killed_run_says_its_last_words(finished: Path, panel: TrainPanel):
    (finished / "status.json").write_text(json.dumps({"state": "running", "iteration": 5}))
    with (finished / "log.txt").open("a") as log:
        log.write("MemoryError\n\n")
    panel.look()
    run = shown(panel, "short")
    assert (run["state"], run["resumes"]) == ("killed", True)
    assert run["reason"] == "its process ended without a word: MemoryError"


def test_half_a_line_waits_and_a_file_cut_by_a_resume_is_read_anew(finished: Path):
    path = finished / "metrics.jsonl"
    rows = path.read_bytes()
    first = rows[: rows.index(b"\n") + 1]
    followed = Followed(Run(finished))
    path.write_bytes(first + b'{"iterat')
    assert followed.look()
    assert len(followed.rows) == 1
    assert not followed.look()
    path.write_bytes(rows)
    followed.look()
    assert followed.rows == Run(finished).metrics()
    beside = path.with_suffix(".new")
    beside.write_bytes(first)
    beside.replace(path)
    assert followed.look()
    assert len(followed.rows) == 1


# ---- following --------------------------------------------------------------------------------


def test_it_follows_on_the_loop_only_while_something_trains(finished: Path):
    async def follow() -> None:
        panel = TrainPanel()
        assert panel._following is None  # nothing trains
        with Run(finished).locked():
            panel.look()
            task = panel._following
            assert task is not None
            rows = (finished / "metrics.jsonl").read_bytes()
            heard = asyncio.Event()
            panel.observe(lambda change: heard.set(), "frames")
            with (finished / "metrics.jsonl").open("ab") as file:
                file.write(rows[: rows.index(b"\n") + 1])
            await asyncio.wait_for(heard.wait(), 5)
        await asyncio.wait_for(task, 5)  # the lock is let go: it has ended
        panel.close()

    asyncio.run(follow())


def test_following_ends_with_the_panel(finished: Path):
    async def follow() -> None:
        panel = TrainPanel()
        with Run(finished).locked():
            panel.look()
            task = panel._following
            panel.close()
            await asyncio.wait_for(task, 5)
        gone = weakref.ref(panel)
        del panel, task
        gc.collect()
        assert gone() is None

    asyncio.run(follow())


def test_your_own_data_train_in_a_process_of_their_own(panel: TrainPanel):
    x = torch.linspace(-3, 3, 480)
    tasks = tasks_from(x, task=torch.arange(480) % 12, target=torch.sin(x))
    name = name_of(tasks)
    changes = {"training.iterations": 12, "training.validation_tasks": 4, "tasks": name}
    panel.vary(**changes, **{"train.shots": 5, "test.shots": 5, "test.queries": 5})
    control = next(c for c in panel.about["form"] if c["name"] == "tasks")
    assert name in control["choices"]
    assert control["free"] == "folder:PATH"
    trained = panel.start()
    until(lambda: shown(panel, trained)["state"] == "finished", panel)
    lines, known = panel.code().splitlines(), {f"own_{tasks.scheme}": tasks}
    assert (
        f'    "tasks": own_{tasks.scheme},  # the tasks that were given to the experiment' in lines
    )
    exec("\n".join(lines[:-1]), known)  # all but the line that trains
    assert known["experiment"].open_tasks() is tasks
    del tasks, known
    gc.collect()
    learner, kept = Run(Path("runs") / trained).load()
    assert (name_of(kept), learner.training) == (name, False)


# ---- what is drawn, and runs away and back ------------------------------------------------------


@pytest.fixture
def seeds(folder: Path) -> None:
    """Two seeds of one experiment and one of another, with diagnostics."""
    base = with_values(
        preset("sinusoid-maml").stretched(40),
        {"training.diagnose_every": 10, "training.log_every": 5, "training.validate_every": 20},
    )
    for name, changes in (("a", {}), ("b", {"seed": 1}), ("c", {"learner.order": "first"})):
        train(with_values(base, changes), f"runs/{name}", progress=False)


def test_seeds_are_a_band_and_what_is_exported_is_what_is_drawn(seeds: None, panel: TrainPanel):
    groups = {run["name"]: run["group"] for run in panel.about["runs"]}
    assert groups == {"a": "a", "b": "a", "c": "c"}
    assert {"seeds:a", "inside:a", "adaptation:c"} <= panel.frames.keys()
    assert "seeds:c" not in panel.frames
    panel.show(smoothing=0.5, along="time")
    subject = panel.subject("training")
    made: dict = {}
    exec(subject.code, made)
    pd.testing.assert_frame_equal(made["frame"], subject.frame)
    assert subject.frame.groupby("method")["seed"].nunique().to_dict() == {"a": 2, "c": 1}
    assert subject.options == {"by": "seconds", "smoothing": 0.5}
    for kind in ("training", "diagnostics", "adaptation"):
        assert "picture" in answer(panel, "preview", kind=kind)["result"], panel.problem
    assert (
        "by='seconds', smoothing=0.5" in answer(panel, "preview", kind="training")["result"]["code"]
    )
    panel.show(seeds="apart")
    assert "seeds:a" not in panel.frames
    assert panel.subject("training").frame["method"].nunique() == 3
    assert "smoothing is" in answer(panel, "show", smoothing=2)["error"]


def test_the_band_is_the_mean_and_its_interval_over_seeds(seeds: None):
    one, other = (metrics_frame(f"runs/{name}") for name in "ab")
    band = seeds_frame([one, other])
    row = band[(band["split"] == "validation") & (band["iteration"] == 40)].iloc[0]
    values = [
        float(f[(f["split"] == "validation") & (f["iteration"] == 40)]["value"].iloc[0])
        for f in (one, other)
    ]
    low, high = interval(np.array(values))
    assert (row["value"], row["low"], row["high"]) == pytest.approx((np.mean(values), low, high))
    part = other[other["iteration"] <= 20]  # a seed that is behind: only what both have
    assert seeds_frame([one, part])["iteration"].max() == 20


def test_a_run_is_renamed_annotated_deleted_and_restored(seeds: None, panel: TrainPanel):
    panel.draw("c", drawn=False)
    assert answer(panel, "rename", name="c", to="fomaml")["result"] == "fomaml"
    assert not shown(panel, "fomaml")["drawn"]
    assert "is there already" in answer(panel, "rename", name="fomaml", to="a")["error"]
    panel.annotate("fomaml", "without Hessians")
    assert shown(panel, "fomaml")["note"] == "without Hessians"
    assert panel.apart("a", "fomaml") == [
        {"name": "learner.order", "first": "second", "second": "first"}
    ]
    assert answer(panel, "delete", name="fomaml")["result"] == "fomaml"
    assert panel.about["trash"] == ["fomaml"]
    assert "fomaml" not in [run["name"] for run in panel.about["runs"]]
    panel.restore("fomaml")
    assert shown(panel, "fomaml")["note"] == "without Hessians"
    assert panel.about["trash"] == []
    assert "no run directory" in answer(panel, "restore", name="fomaml")["error"]


def test_what_the_first_start_imports_is_imported_before_it():
    """In an own process: the start itself is quick from then on."""
    code = (
        "import threading, sys; from workbench.widgets.training import TrainPanel; "
        "panel = TrainPanel('none'); before = 'torch._dynamo' in sys.modules; "
        "[t.join() for t in threading.enumerate() if t is not threading.current_thread()]; "
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
