"""Work on a dask cluster: what goes wrong there, and that nothing is lost by it."""

from __future__ import annotations

import dataclasses
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

from tests.training.test_sweeps import until
from workbench.errors import UserError
from workbench.training import Experiment, Sweep, preset, sweep, train
from workbench.training.crews import Cluster, Local, crew_of
from workbench.training.spreading import evaluate_run
from workbench.training.sweeps.unit import Order, trained
from workbench.training.trainer import versions

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    """Two worker processes, of two threads each, as people have them."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as made:
        yield made


@pytest.fixture
def eager(tiny: Experiment) -> Experiment:
    training = dataclasses.replace(tiny.training, compiled="off", checkpoint_seconds=0.0)
    return dataclasses.replace(tiny, training=training)


def pids(cluster: distributed.LocalCluster) -> dict[str, int]:
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        found: dict[str, int] = client.run(os.getpid)
    return found


def test_an_evaluation_is_the_same_over_workers_one_of_which_is_killed(
    cluster: distributed.LocalCluster,
) -> None:
    alone = evaluate_run("sinusoid-maml", episodes=300)
    with Cluster(cluster.scheduler_address) as crew:
        one = next(iter(pids(cluster).values()))
        killer = threading.Timer(0.5, os.kill, [one, signal.SIGKILL])
        killer.start()
        spread = evaluate_run("sinusoid-maml", episodes=300, crew=crew)
        killer.join()
        listening = {
            c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN
        }
        assert listening <= {"127.0.0.1"}
    assert spread.episodes_sha256 == alone.episodes_sha256
    assert torch.equal(spread.values, alone.values)


def test_a_unit_goes_on_elsewhere_when_its_worker_is_killed_or_has_no_room(
    cluster: distributed.LocalCluster, eager: Experiment, tmp_path: Path
) -> None:
    """One worker's disk is full; the other one is killed while it trains, and comes back."""
    found = Sweep(tmp_path / "out")
    run = found.run("one,seed=0")
    until(lambda: len(pids(cluster)) == 2)
    small, good = pids(cluster)

    def full(soft: int) -> None:
        # Python before 3.12.8 keeps bytecode of which a full disk took the beginning alone, and
        # whoever imports that module afterwards fails
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def kill() -> None:
        until(lambda: run.checkpoint_path("latest").exists())
        os.kill(pids(cluster)[good], signal.SIGKILL)

    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        client.run(full, 100, workers=[small])
        killer = threading.Thread(target=kill)
        killer.start()
        long = eager.stretched(200)
        sweep({"one": long}, found.directory, seeds=[0, 1], dask=cluster.scheduler_address,
              progress=False)  # fmt: skip
        killer.join()
        client.run(full, resource.RLIM_INFINITY, workers=[small])
    assert list(found.states()["state"]) == ["finished", "finished"]
    log = (found.directory / "log.txt").read_text()
    assert f"the disk of the worker {small} is full" in log
    assert "resumed at outer step" in (run.directory / "log.txt").read_text()


def test_a_worker_of_another_version_is_refused(
    cluster: distributed.LocalCluster, eager: Experiment, tmp_path: Path
) -> None:
    until(lambda: len(pids(cluster)) == 2)
    other = next(iter(pids(cluster)))

    def become(version: str) -> str:
        import workbench.training.trainer

        before: str = workbench.training.trainer.__version__
        workbench.training.trainer.__version__ = version
        return before

    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        (before,) = client.run(become, "0.0.9", workers=[other]).values()
        said = f"the worker {other} has workbench 0.0.9 and {before} is asked for: install the same"
        with pytest.raises(UserError, match=said):
            sweep({"one": eager}, tmp_path / "out", dask=cluster.scheduler_address, progress=False)
        client.run(become, before, workers=[other])
    assert not (tmp_path / "out").exists()


def test_a_scheduler_is_restarted(tmp_path: Path) -> None:
    """What it had not told is computed again, once it and a worker are back."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    hosted = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = ["scheduler", "--port", str(port), *hosted]
    worker = ["worker", address, "--no-nanny", "--nthreads", "1", *hosted]

    def begun(words: list[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{words[0]}", *words[1:]]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=tmp_path)

    alive = [begun(scheduler), begun(worker)]
    try:
        with Cluster(address) as crew:
            for place in range(3):
                crew.give(place, time.sleep, 1)
            results = crew.done()
            assert next(results) == (0, None)
            alive[0].kill()
            alive[0].wait()
            alive += [begun(scheduler), begun(worker)]
            assert sorted(place for place, _ in results) == [1, 2]
    finally:
        for process in alive:
            process.kill()
            process.wait()


def test_processes_here_are_made_again_when_one_is_killed() -> None:
    with Local(2) as crew:
        crew.give("pid", os.getpid)
        ((_, pid),) = crew.done()
        crew.give("slow", time.sleep, 1)
        crew.give("other", os.getppid)
        crew.give("nobody", os.getppid, avoid=["this machine"])
        os.kill(pid, signal.SIGKILL)
        assert dict(crew.done()) == {"slow": None, "other": os.getpid(), "nobody": None}
        alone = evaluate_run("sinusoid-maml", episodes=70)
        spread = evaluate_run("sinusoid-maml", episodes=70, crew=crew)
        assert torch.equal(spread.values, alone.values)


def test_a_stream_of_tasks_is_not_spread(tmp_path: Path) -> None:
    """What remembers tasks must meet them one after the other."""
    base = preset("sinusoid-taskmemory").stretched(2)
    training = dataclasses.replace(base.training, validate_every=0, compiled="off")
    train(dataclasses.replace(base, training=training), tmp_path / "run", progress=False)
    with Local(2) as crew, pytest.raises(UserError, match="one after the other"):
        evaluate_run(tmp_path / "run", episodes=60, crew=crew)


def test_a_worker_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    """One that joined later, too."""
    for changed, said in (({"torch": "1.0"}, "and 1.0 is asked for"), ({}, "sees no .*one")):
        order = Order(tmp_path, tmp_path, versions() | changed)
        ended = trained(order, "one")
        assert (ended.state, ended.elsewhere) == ("failed", True)
        assert re.search(said, ended.reason)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="not both"):
        crew_of(2, "tcp://127.0.0.1:1")
    monkeypatch.setattr("workbench.training.crews._CONNECT_SECONDS", 0.6)
    with pytest.raises(UserError, match="no dask scheduler answers at tcp://127.0.0.1:1"):
        Cluster("tcp://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'metalearning-workbench\[cluster\]'"):
        Cluster("tcp://127.0.0.1:1")
