"""How time and memory grow with the number of inner steps K: conv4-64, 4 tasks, 5-way 1-shot.

`higher` is measured with a backward for each task, which frees its graph, and with one backward for
the mean of all; the package plain, rematerialised as it is by default (one task at a time), and
rematerialised with all tasks stacked (`tasks_per_chunk` their number).

Every measurement is a fresh process: its peak memory above what it held once the libraries, the
model and the data were in place. The parent imports no torch, since a child's peak counter can
start from its parent's size.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAYS = [
    "higher",
    "higher, one backward",
    "plain",
    "rematerialised",
    "rematerialised, stacked",
]
TASKS = 4
STEPS = [1, 2, 5, 10, 20, 50]
PATIENCE = 120  # seconds for one measurement, most of which is imports
PAGE = resource.getpagesize()


def measure(way: str, steps: int) -> dict[str, Any]:
    """Seconds of a meta-gradient and megabytes above the baseline, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.growth", way, str(steps)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"way": way, "steps": steps, "failed": f"not within {PATIENCE} s"}
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return {"way": way, "steps": steps, "failed": reason[0]}
    return json.loads(done.stdout.splitlines()[-1])


def child(way: str, steps: int) -> dict[str, Any]:
    """What the fresh process does: one meta-gradient."""
    from benchmarks.peers import higher_by_task, higher_one_backward, workbench
    from benchmarks.problems import Problem, conv4

    def contender(problem: Problem) -> Callable[[], Any]:
        if way == "higher":
            return higher_by_task(problem)
        if way == "higher, one backward":
            return higher_one_backward(problem)
        return workbench(
            problem,
            rematerialise=way.startswith("rematerialised"),
            compiled="off",
            tasks_per_chunk=TASKS if way.endswith("stacked") else 0,
        )

    # A first call imports parts of torch that no measurement should count.
    contender(conv4(1, tasks=2, queries=1, filters=2))()
    # At this rate fifty steps stay finite.
    problem = dataclasses.replace(conv4(steps, tasks=TASKS, queries=1), rate=0.01)
    call = contender(problem)
    baseline = resident()
    start = time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    return {"way": way, "steps": steps, "seconds": seconds, "megabytes": peak() - baseline}


def resident() -> float:
    """Megabytes the process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def peak() -> float:
    """The most megabytes the process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(steps: list[int]) -> list[dict[str, Any]]:
    return [measure(way, k) for k in steps for way in WAYS]


def judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Peak memory at K = 50 beside `higher` used the same way: task by task, or all at once."""
    megabytes = {
        row["way"]: row["megabytes"] for row in rows if row["steps"] == 50 and "megabytes" in row
    }
    pairs = [("rematerialised", "higher"), ("rematerialised, stacked", "higher, one backward")]
    ratios = [
        {"ours": own, "rival": rival, "ratio": megabytes[own] / megabytes[rival]}
        for own, rival in pairs
        if own in megabytes and rival in megabytes
    ]
    return [found | {"most": 1 / 3, "met": found["ratio"] <= 1 / 3} for found in ratios]


def report(rows: list[dict[str, Any]]) -> str:
    lines = ["conv4-64, 28x28, 4 tasks, 5-way 1-shot, 1 query a class: growth with K"]
    lines.append("     K" + "".join(f"{way:>25}" for way in WAYS))
    for k in dict.fromkeys(row["steps"] for row in rows):
        cells = [
            f"{row['failed'][:24]:>25}"
            if "failed" in row
            else f"{row['seconds']:13.2f} s{row['megabytes']:7.0f} MB"
            for row in rows
            if row["steps"] == k
        ]
        lines.append(f"{k:6}" + "".join(cells))
    for found in judged(rows):
        lines.append(
            f"  memory at K = 50, {found['ours']} / {found['rival']}: {found['ratio']:.2f}, "
            f"target at most 0.33: {'met' if found['met'] else 'NOT MET'}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], int(sys.argv[2]))))
