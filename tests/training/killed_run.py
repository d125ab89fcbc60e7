"""Run by test_resume.py: trains once undisturbed and once killed at ten random moments.

Processes are forked from this one, where torch is loaded already and has one thread.
"""

import dataclasses
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

import workbench.training.loop
from workbench.training import Experiment, preset, train


def experiment(tasks_per_chunk: int) -> Experiment:
    base = preset("sinusoid-maml").stretched(500)
    training = dataclasses.replace(
        base.training,
        compiled="off",
        tasks=4,
        tasks_per_chunk=tasks_per_chunk,
        schedule="cosine",
        log_every=7,
        validate_every=125,
        validation_tasks=4,
        checkpoint_seconds=0.0,
    )
    return dataclasses.replace(base, training=training)


def start(directory: Path, chunk: int) -> int:
    process = os.fork()
    if process == 0:
        resume = (directory / "config.json").exists()
        try:
            train(None if resume else experiment(chunk), directory, resume=resume, progress=False)
        finally:
            os._exit(0)
    return process


def main(root: Path, chunk: int) -> None:
    torch.set_num_threads(1)
    workbench.training.loop._GLANCE_SECONDS = 0.03  # a checkpoint as often
    moments = random.Random(chunk)
    os.waitpid(start(root / "whole", chunk), 0)
    latest = root / "killed" / "checkpoints" / "latest.safetensors"
    for _ in range(10):
        before = latest.stat().st_mtime_ns if latest.exists() else 0
        process = start(root / "killed", chunk)
        while not latest.exists() or latest.stat().st_mtime_ns == before:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.1))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    os.waitpid(start(root / "killed", chunk), 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
