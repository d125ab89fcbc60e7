"""Run by test_execution.py: forks a process whose OpenMP threads are at work, and trains in it."""

import dataclasses
import os
import sys
import threading
import time

import torch

from workbench.training import preset, train
from workbench.training.threads import run_chunks

base = preset("digits-protonet").stretched(3)
training = dataclasses.replace(base.training, validate_every=0, tasks_per_chunk=4, threads=2)
experiment = dataclasses.replace(base, training=training)
wide = torch.rand(1500, 1500)


def work() -> None:
    while True:
        wide @ wide


if __name__ == "__main__":
    threading.Thread(target=work, daemon=True).start()
    wide @ wide  # this thread has its own team of OpenMP threads now
    run_chunks(time.sleep, [0.01] * 4, 2)  # and the pool that trains has its own
    child = os.fork()
    if child == 0:
        wide @ wide
        wide.exp().sum()
        train(experiment, progress=False)
        sys.stdout.write("trained\n")
        sys.stdout.flush()
        os._exit(0)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
