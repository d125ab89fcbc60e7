"""One training over several processes: its bits, and what becomes of it when one of them ends."""

import dataclasses
import errno
import os
import re
import signal
import subprocess
import sys
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.kills import difference
from workbench import UserError
from workbench.algorithms import Exact, MAMLSettings, Truncated
from workbench.cli import main
from workbench.training import Experiment, Run, Trainer, group, launching, train
from workbench.training.execution import MetaGradients
from workbench.training.following import _check_shared, shared_out
from workbench.training.group import Group, RankLost

ROOT = Path(__file__).parents[2]
FOLLOW = launching._FOLLOW


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks that are started here import what this process does, with as many threads."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    torch.set_num_threads(1)


def of_tasks(tiny: Experiment, tasks: int, chunk: int = 0, **how: Any) -> Experiment:
    training = dataclasses.replace(tiny.training, tasks=tasks, tasks_per_chunk=chunk, **how)
    return dataclasses.replace(tiny, training=training)


@pytest.mark.parametrize(
    ("dtype", "ranks", "tasks", "chunk", "held"),
    [
        ("float32", 2, 5, 0, 2**26),
        ("float64", 3, 9, 2, 1),  # 5 chunks: in two rounds, in the second of which one rests
    ],
)
def test_ranks_end_with_the_bits_of_one_process(
    tiny: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dtype: Any,
    ranks: int,
    tasks: int,
    chunk: int,
    held: int,
) -> None:
    monkeypatch.setattr(group, "_HELD_BYTES", held)
    setting = f"import workbench.training.group as group; group._HELD_BYTES = {held}; "
    monkeypatch.setattr(launching, "_FOLLOW", setting + FOLLOW)
    experiment = dataclasses.replace(of_tasks(tiny, tasks, chunk), dtype=dtype)
    shared = train(experiment, tmp_path / "shared", ranks=ranks, progress=False)
    assert shared.run is not None
    alone = train(shared.run.experiment, tmp_path / "alone", progress=False)
    assert alone.run is not None
    assert shared.state == "finished"
    assert shared.run.experiment.training.tasks_per_chunk == (chunk or 3)
    assert difference(shared.run, alone.run) == ""


def listening(process: int) -> set[str]:
    """The addresses on which a process can be reached, as the kernel writes them."""
    own, found = set(), set()
    for place in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # that by which the folder is read
            own.add(str(place.readlink()).removeprefix("socket:[").rstrip("]"))
    for kind in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{kind}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in own:
                found.add(fields[1].partition(":")[0])
    return found


def test_a_training_goes_on_whatever_becomes_of_its_ranks(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 4 ranks, one of which is killed, to 2 on a disk that is full, to one process."""
    experiment = of_tasks(tiny, 4, checkpoint_seconds=0.0)
    update = Trainer.update
    seen: dict[str, Any] = {}

    def killing(trainer: Trainer) -> None:
        if trainer.iteration == 7:
            assert trainer.group is not None
            seen["processes"] = processes = trainer.group.processes
            here = [os.getpid(), *(process.pid for process in processes)]
            seen["heard at"] = set().union(*map(listening, here))
            processes[1].kill()
            seen["since"] = time.monotonic()
        update(trainer)

    monkeypatch.setattr(Trainer, "update", killing)
    with pytest.raises(RankLost, match=r"rank 2 of 4 was killed by SIGKILL in outer step 8: go on"):
        train(experiment, tmp_path / "run", ranks=4, progress=False)
    assert time.monotonic() - seen["since"] < 10
    assert seen["heard at"] == {"0100007F"}  # 127.0.0.1
    assert all(process.poll() is not None for process in seen["processes"])
    run = Run.open(tmp_path / "run")
    assert (run.status().state, run.status().iteration) == ("interrupted", 7)

    def filling(trainer: Trainer) -> None:
        if trainer.iteration == 12:
            seen["processes"] = trainer.group.processes if trainer.group is not None else []
            monkeypatch.setattr(os, "fsync", full)
        update(trainer)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Trainer, "update", filling)
    fsync = os.fsync
    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
    with pytest.raises(UserError, match="is full"):
        train(run=run, resume=True, ranks=2, progress=False)
    assert len(seen["processes"]) == 1
    assert seen["processes"][0].poll() is not None
    monkeypatch.setattr(os, "fsync", fsync)
    assert run.checkpoint("latest")[0].header["iteration"] == 12

    monkeypatch.setattr(Trainer, "update", update)
    train(run=run, resume=True, progress=False)
    whole = train(run.experiment, tmp_path / "whole", progress=False).run
    assert whole is not None
    assert difference(run, whole) == ""


def test_a_rank_of_another_version_is_refused(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "import workbench.training.following as f; f.versions = lambda: {'torch': '1.0'}; "
    monkeypatch.setattr(launching, "_FOLLOW", other + FOLLOW)
    said = rf"rank 1 has torch 1.0 where rank 0 has {re.escape(torch.__version__)}: .*the same"
    with pytest.raises(UserError, match=said):
        train(tiny, tmp_path / "run", ranks=2, progress=False)


@pytest.mark.timeout(170)
def test_torchrun_starts_a_training_and_goes_on_when_rank_0_is_killed(tmp_path: Path) -> None:
    log, out = tmp_path / "run" / "log.txt", tmp_path / "out.txt"
    ranks = ["--standalone", "--nproc-per-node", "2", "--max-restarts", "1", "--monitor-interval"]
    preset = ["sinusoid-maml", "--iterations", "40", "--training.tasks", "4"]
    rare = ["--training.validate-every", "0", "--training.diagnose-every", "0"]
    with out.open("w") as file:
        torchrun = subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *ranks, "0.1", "-m", "--"]
            + ["workbench", "train", *preset, *rare, "--run", str(log.parent)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=file,
        )
    try:
        while not (log.exists() and "training MAML" in log.read_text()):
            assert torchrun.poll() is None, out.read_text()
            time.sleep(0.02)
        process = Run.open(log.parent).status().process
        assert process is not None
        os.kill(process, signal.SIGKILL)
        assert torchrun.wait(120) == 0, out.read_text()
    finally:
        torchrun.kill()
        torchrun.wait()
    run = Run.open(log.parent)
    assert run.status().state == "finished"
    assert log.read_text().count("training MAML") == 2
    whole = train(run.experiment, tmp_path / "whole", progress=False).run
    assert whole is not None
    assert difference(run, whole) == ""


def test_what_ranks_cannot_share_is_refused(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with pytest.raises(UserError, match="give a run directory"):
        train(tiny, ranks=2, progress=False)
    with pytest.raises(UserError, match="4 ranks cannot share 3 tasks"):
        train(tiny, tmp_path / "run", ranks=4, progress=False)
    run = train(tiny, tmp_path / "run", minutes=1e-6, progress=False).run
    with pytest.raises(UserError, match=r"computed in one piece .* for 2 ranks: take one"):
        train(run=run, resume=True, ranks=2, progress=False)
    with pytest.raises(UserError, match=r"ranks is 0: it must be at least 1"):
        train(tiny, tmp_path / "run", ranks=0, progress=False)
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "TORCHELASTIC_MAX_RESTARTS": "1", "WORLD_SIZE": "2"}
    for name, value in {**torchrun, "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert main(["train", "sinusoid-maml", "--run", str(tmp_path / "other"), "--ranks", "2"]) == 2
    assert "torchrun has started 2 ranks already: leave --ranks out" in capsys.readouterr().err
    assert main(["train", "sinusoid-maml"]) == 2
    assert "give --run DIR" in capsys.readouterr().err


def test_what_depends_on_other_chunks_is_refused(tiny: Experiment) -> None:
    windows = dataclasses.replace(
        tiny, learner=MAMLSettings(train_steps=4), estimator=Truncated(window=2)
    )
    with pytest.raises(UserError, match="goes on over 2 outer steps"):
        _check_shared(Trainer(windows))
    noisy = Trainer(tiny)
    noisy.draws = True
    with pytest.raises(UserError, match="would depend on the ranks: train it in one process"):
        _check_shared(noisy)
    trainer = Trainer(tiny)
    trainer.learner.register_buffer("count", torch.zeros(()))
    estimate = trainer.learner.meta_gradient

    def counting(episode: Any) -> Any:
        trainer.learner.get_buffer("count").add_(1)
        return estimate(episode)

    trainer.learner.meta_gradient = counting  # type: ignore[method-assign]
    with pytest.raises(UserError, match="keeps in its buffers"):
        _check_shared(trainer)
    assert float(trainer.learner.get_buffer("count")) == 0


def test_every_rank_gets_a_chunk(tiny: Experiment) -> None:
    learner = tiny.build()[0]
    for tasks, ranks, size in ((25, 2, 13), (9, 4, 2), (8, 8, 1), (4096, 64, 64)):
        found = shared_out(of_tasks(tiny, tasks), learner, ranks).training.tasks_per_chunk
        assert (found, -(-tasks // found) >= ranks) == (size, True)
    given = of_tasks(tiny, 9, 1)
    assert shared_out(given, learner, 2) == given


def test_chunks_are_added_as_they_come(tiny: Experiment) -> None:
    """So that a meta-batch of any number of chunks needs the memory of a few."""
    held: list[weakref.ref[torch.Tensor]] = []
    most = 0

    class Counting(Exact):
        def __call__(self, learner: Any, episode: Any, carried: Any = None) -> Any:
            nonlocal most
            found, end = super().__call__(learner, episode, carried)
            held.append(weakref.ref(next(iter(found.gradients.values()))))
            most = max(most, sum(ref() is not None for ref in held))
            return found, end

    learner, tasks = tiny.build()
    learner.estimator = Counting()
    run = MetaGradients(learner, compiled="off", tasks_per_chunk=1)
    run(tasks.sample(20, seed=0, shape=tiny.train))
    assert len(held) == 20
    assert most <= 2


def test_who_is_gone_is_not_always_known() -> None:
    store = torch.distributed.HashStore()
    found = Group(store, 1, 3, local=1, beside=3).lost()
    assert str(found) == "one of the 3 ranks has ended"
    Group(store, 2, 3, local=2, beside=3).leave("the model is too large")
    found = Group(store, 0, 3, local=0, beside=3).lost()
    assert str(found) == "rank 2 of 3 has ended (the model is too large)"
