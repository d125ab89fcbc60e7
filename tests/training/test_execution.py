"""How gradients are computed: threads, and forked processes."""

import contextlib
import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from workbench import UserError
from workbench.algorithms import MAML
from workbench.algorithms.values import MetaGradient
from workbench.innerloop import Way
from workbench.models import MLP
from workbench.training import Experiment, Trainer, preset
from workbench.training.execution import MetaGradients, modes_of
from workbench.training.threads import run_chunks


def test_a_forked_process_trains_and_does_not_wait_for_threads_that_it_has_not() -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("forked.py"))],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr


def test_threads_are_made_once() -> None:
    def where(_: int) -> threading.Thread:
        time.sleep(0.01)
        return threading.current_thread()

    used = {thread for _ in range(3) for thread in run_chunks(where, range(6), 2)}
    assert len(used) <= 2
    assert threading.current_thread() not in used


def test_each_thread_computes_with_one_thread_in_every_call_and_ours_are_left() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for _ in range(2):
            with torch.no_grad():
                found = run_chunks(
                    lambda _: (torch.get_num_threads(), torch.is_grad_enabled()), range(4), 2
                )
            assert set(found) == {(1, False)}
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_nothing_goes_on_after_a_chunk_failed() -> None:
    done = []

    def work(chunk: int) -> None:
        if chunk == 0:
            raise ValueError("the first")
        time.sleep(0.05)
        done.append(chunk)

    with pytest.raises(ValueError, match="the first"):
        run_chunks(work, range(8), 2)
    count = len(done)
    time.sleep(0.15)
    assert len(done) == count < 7


def test_each_block_of_tasks_is_sampled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(preset("digits-protonet").stretched(12))
    trainer.episodes.block_size = 4
    trainer.episodes._block = (-1, [])
    sampled = []
    sample = trainer.tasks.sample
    monkeypatch.setattr(
        trainer.tasks, "sample", lambda n, **how: sampled.append(n) or sample(n, **how)
    )
    for _ in range(12):
        trainer.update()
    assert len(sampled) <= 4  # three blocks, and perhaps the first once more


def ways_of(monkeypatch: pytest.MonkeyPatch, device: str, **how: object) -> str:
    """What is chosen on a machine that has all: nothing is made ready before the first call."""
    for way in Way.__subclasses__():
        monkeypatch.setattr(way, "refusal", lambda self: None)
    monkeypatch.setattr("workbench.training.execution._device", lambda _: torch.device(device))
    return MetaGradients(MAML(MLP(1, 1)), **how).path  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("device", "how", "path"),
    [
        ("cpu", {"iterations": 10}, "eager"),
        ("cpu", {"iterations": 10_000}, "compiled"),
        ("cuda:0", {"iterations": 10_000}, "captured"),
        ("cuda:0", {"iterations": 100_000}, "compiled and captured"),
        ("cuda:0", {"iterations": 100_000, "captured": "off"}, "compiled"),
        ("cuda:0", {"compiled": "on", "captured": "off"}, "compiled"),
        ("cuda:0", modes_of("compiled and captured"), "compiled and captured"),
        ("cuda:0", modes_of("captured"), "captured"),
        ("cuda:0", modes_of("eager"), "eager"),
    ],
)
def test_a_gradient_is_captured_by_itself_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, device: str, how: dict[str, object], path: str
) -> None:
    assert ways_of(monkeypatch, device, **how) == path


def test_captured_asked_for_on_a_cpu_stays_eager_and_says_why(tiny: Experiment) -> None:
    training = dataclasses.replace(tiny.training, captured="on", compiled="off")
    trainer = Trainer(dataclasses.replace(tiny, training=training))
    trainer.update()
    header = trainer.checkpoint().header
    assert header["path"] == "eager"
    assert header["note"] == "a CUDA graph is captured on a GPU, and this computes on cpu"


@pytest.mark.parametrize("precision", ["high", "bf16"])
def test_another_precision_is_refused_on_a_cpu(tiny: Experiment, precision: str) -> None:
    with pytest.raises(UserError, match=f"precision is '{precision}', which is how a GPU"):
        Trainer(dataclasses.replace(tiny, precision=precision))


def test_records_from_before_there_was_capture_are_read() -> None:
    record = preset("sinusoid-maml").to_record()
    del record["precision"], record["training"]["captured"]
    found = Experiment.from_record(record)
    assert (found.precision, found.training.captured) == ("highest", "auto")


@pytest.mark.parametrize(
    ("turned", "far"), [(0.0, False), (0.2, True), (1.0, None), (float("nan"), None)]
)
def test_what_a_precision_costs_is_told_and_another_direction_refused(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch, turned: float, far: bool | None
) -> None:
    trainer = Trainer(tiny)
    gradients, episode, seen = trainer.meta_gradients, trainer.episodes[0], ["highest"]

    @contextlib.contextmanager
    def computing(precision: str, device: torch.device, **how: bool) -> Iterator[None]:
        seen[0] = precision
        yield

    def estimator(learner: object, episode: object, carried: object) -> object:
        x = torch.tensor([1.0, turned if seen[0] == "high" else 0.0])
        return MetaGradient({"x": x}, torch.zeros(3)), None

    monkeypatch.setattr("workbench.training.execution.computing", computing)
    gradients.precision, gradients.device = "high", torch.device("cuda")
    gradients.learner.estimator = estimator  # type: ignore[assignment]
    if far is None:
        with pytest.raises(UserError, match=r"precision 'high' moves .* another direction"):
            gradients.check_precision(episode)
        return
    told = pytest.warns(RuntimeWarning, match=r"by 2.0e-01 of its norm \(its cosine .* 0.981\)")
    with told if far else contextlib.nullcontext():
        gradients.check_precision(episode)
    assert (gradients.note is not None) == far
    assert gradients.certificates[0].error == pytest.approx(turned)
