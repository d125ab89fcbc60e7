"""How gradients are computed: threads, and forked processes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from workbench.training import preset
from workbench.training.execution import run_chunks
from workbench.training.trainer import Trainer


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
