"""Trainings killed again and again, some of them in the middle of a save, against undisturbed ones.

    python -m benchmarks.kills                        200 kills: four presets, eager and compiled
    python -m benchmarks.kills --only sinusoid-maml:eager --kills 10 --folder kills

Every run ends where its undisturbed twin does: the same bits in every tensor of the checkpoint, the
same rows of metrics, no half-written file. Processes are forked from this one, where torch is
loaded already and has one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import workbench.training.loop
from workbench.training import Experiment, Run, Trainer, preset, train

# How many iterations take some seconds, eager and compiled.
ITERATIONS = {
    "sinusoid-maml": (1500, 8000),
    "sinusoid-metasgd": (1500, 8000),
    "bandit-rl2": (300, 1200),
    "digits-protonet": (1500, 6000),
}
PARTS = [f"{name}:{mode}" for name in ITERATIONS for mode in ("eager", "compiled")]
IN_A_SAVE = 5  # one kill of so many comes from within a save


def experiment(name: str, mode: str, chunk: int) -> Experiment:
    """A preset, short, with all that a checkpoint must hold: validations, a schedule, sums."""
    iterations = ITERATIONS[name][mode == "compiled"]
    base = preset(name).stretched(iterations)
    training = dataclasses.replace(
        base.training,
        compiled="on" if mode == "compiled" else "off",
        tasks=4,
        tasks_per_chunk=chunk,
        schedule="cosine",
        log_every=7,
        validate_every=iterations // 4,
        validation_tasks=4,
        checkpoint_seconds=0.0,
    )
    return dataclasses.replace(base, training=training)


def start(directory: Path, trained: Experiment, saves: int | None = None) -> int:
    """Train in a process of its own, to the end or until it dies in its save number `saves`."""
    process = os.fork()
    if process == 0:
        if saves is not None:
            _die_in_save(saves)
        resume = (directory / "config.json").exists()
        try:
            train(None if resume else trained, directory, resume=resume, progress=False)
        finally:
            os._exit(0)
    return process


def _die_in_save(number: int) -> None:
    """From save `number` on, be killed when all is written and nothing is in its place yet."""
    save, saves = workbench.training.loop.save_checkpoint, 0

    def saving(path: Path, checkpoint: Any) -> None:
        nonlocal saves
        saves += 1
        if saves >= number:
            os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
        save(path, checkpoint)

    workbench.training.loop.save_checkpoint = saving


def killed(directory: Path, trained: Experiment, kills: int) -> tuple[int, int]:
    """Kill a training so many times, and let it end: the kills, and how many came in a save."""
    moments = random.Random(str(directory.name) + str(kills))
    latest = directory / "checkpoints" / "latest.safetensors"
    count = in_save = 0
    while count < kills:
        before = latest.stat().st_mtime_ns if latest.exists() else 0
        inside = count % IN_A_SAVE == IN_A_SAVE - 1
        process = start(directory, trained, moments.randint(1, 3) if inside else None)
        if not inside:
            while not latest.exists() or latest.stat().st_mtime_ns == before:
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.1))
            os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
        if not os.WIFSIGNALED(status):
            break  # it came to its end first
        count += 1
        in_save += inside
    os.waitpid(start(directory, trained), 0)
    return count, in_save


def difference(one: Run, other: Run) -> str:
    """In what the ends of two runs differ; empty where they are equal."""
    first, second = one.checkpoint("latest")[0], other.checkpoint("latest")[0]
    if first.tensors.keys() != second.tensors.keys():
        return "the tensors' names"
    for name, tensor in first.tensors.items():
        if not torch.equal(tensor, second.tensors[name]):
            return name
    for key in ("iteration", "best", "schedule", "path", "threads"):
        if first.header[key] != second.header[key]:
            return key
    rows = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics()]
        for run in (one, other)
    ]
    if rows[0] != rows[1]:
        return "metrics"
    left = [path.name for path in other.directory.rglob(".*")]
    return f"left {left}" if left else ""


def measured(part: str, kills: int, chunk: int, folder: Path) -> dict[str, Any]:
    """One preset, one way of computing."""
    name, mode = part.split(":")
    began = time.perf_counter()
    trained = experiment(name, mode, chunk)
    if mode == "compiled":
        Trainer(trained)  # what the children need of the compiler is imported and compiled once
    whole, other = folder / f"{name}-{mode}-whole", folder / f"{name}-{mode}-killed"
    os.waitpid(start(whole, trained), 0)
    path = Run(whole).checkpoint("latest")[0].header["path"]
    count, in_save = killed(other, trained, kills)
    return {
        "part": part,
        "path": path,
        "kills": count,
        "in a save": in_save,
        "differs in": difference(Run(whole), Run(other)),
        "seconds": round(time.perf_counter() - began),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="parts to run")
    parser.add_argument("--kills", type=int, default=25, help="of every part")
    parser.add_argument("--chunk", type=int, default=0, help="training.tasks_per_chunk")
    parser.add_argument("--folder", type=Path, help="an empty folder to keep the runs in")
    parser.add_argument("--json", type=Path, help="a file for the counts")
    options = parser.parse_args()
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no processes beside those that are killed
    torch.set_num_threads(1)
    workbench.training.loop._GLANCE_SECONDS = 0.03  # a checkpoint as often
    folder = options.folder or Path(tempfile.mkdtemp())
    rows = []
    for part in options.only:
        rows.append(measured(part, options.kills, options.chunk, folder))
        print(json.dumps(rows[-1]), flush=True)
    if options.folder is None:
        shutil.rmtree(folder)
    equal = sum(row["kills"] for row in rows if not row["differs in"])
    total, inside = (sum(row[key] for row in rows) for key in ("kills", "in a save"))
    print(f"{equal} of {total} kills, {inside} of them in a save, resumed to the same bits")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(equal != total or total != options.kills * len(options.only))


if __name__ == "__main__":
    main()
